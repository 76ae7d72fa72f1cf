"""A step in the background: queued by clicks, worked off by the worker that "daebias app" starts, watched in the panel."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import fiftyone as fo
import pytest
from conftest import AppPage
from fiftyone.operators.delegated import DelegatedOperationService
from small_cohort import copy_cohort

from fiftyone_daebias import register

NAME = "background-cohort"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """An App with its queue, as a person starts it."""
    register(NAME, *copy_cohort(tmp_path_factory.mktemp("background"), 30))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("app") / "app.log"
    with open(log, "w") as out:
        app = subprocess.Popen(
            [sys.executable, "-m", "fiftyone_daebias", "app", NAME, "--remote", "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    for _ in range(240):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=2)
            break
        except OSError:
            assert app.poll() is None, log.read_text()[-2000:]
            time.sleep(0.5)
    yield f"http://127.0.0.1:{port}", app
    if app.poll() is None:
        app.terminate()
        app.wait(30)
    dataset = fo.load_dataset(NAME)
    DelegatedOperationService().delete_for_dataset(dataset._doc.id)
    dataset.delete()


def test_a_step_in_the_background_is_watched_in_the_panel_and_outlives_the_app(browser, served):
    url, server = served
    context = browser.new_context(viewport={"width": 1700, "height": 1000})
    app = AppPage(context.new_page(), url)
    app.open(NAME)
    panel = app.open_audit()
    app.start_operator("Measure image quality", button="Schedule")
    app.execute("Schedule")
    app.close_dialogs()
    for _ in range(20):
        panel.get_by_role("button", name="Refresh").first.click()
        app.page.wait_for_timeout(1500)
        if panel.get_by_text("In the background").count():
            break
    panel.get_by_text("Measure image quality").last.wait_for()
    app.screenshot("background-panel")
    # the App is closed while it runs: the run goes on
    context.close()
    server.terminate()
    server.wait(30)
    service, state = DelegatedOperationService(), ""
    for _ in range(480):
        (run,) = service.list_operations(dataset_name=NAME)
        state = run.run_state
        if state in ("completed", "failed"):
            break
        time.sleep(0.25)
    assert state == "completed", run.result and run.result.error
    dataset = fo.load_dataset(NAME)
    dataset.reload()
    assert dataset.has_run("daebias_image_quality")
    # the worker leaves with the App and the last run
    from fiftyone_daebias import run_queue
    from fiftyone_daebias.errors import InputError

    for _ in range(120):
        try:
            with run_queue._sole():
                break
        except InputError:
            time.sleep(0.25)
    else:
        raise AssertionError("the worker is still there")
    assert os.path.getsize(run_queue.log_of(str(run.id)))
