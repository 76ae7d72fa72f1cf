"""The queue of background runs: one worker, a log a run, and nothing lost when a process dies."""

import os
import signal
import subprocess
import sys
import time

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionContext
from small_cohort import copy_cohort

from fiftyone_daebias import cli, register, run_queue
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin

NAME = "queue-cohort"
#: a process number that no process has
GONE = 2**22 - 1


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    link_plugin()
    register(NAME, *copy_cohort(tmp_path_factory.mktemp("queue"), 40))
    dataset = fo.load_dataset(NAME)
    yield dataset
    DelegatedOperationService().delete_for_dataset(dataset._doc.id)
    dataset.delete()


def queue(dataset, verb="case_mix", **parameters):
    uri = f"{PLUGIN_NAME}/{verb}"
    context = ExecutionContext(
        request_params={"dataset_name": dataset.name, "view": [], "params": parameters}, operator_uri=uri
    )
    return DelegatedOperationService().queue_operation(
        uri, label=f"Cohort audit: {foo.get_operator(uri).verb.label}", context=context
    )


def state_of(operation):
    return DelegatedOperationService().get(operation.id)


def test_what_is_queued_is_run_in_turn_with_a_log_each_and_a_failure_stops_nothing(cohort):
    bad = queue(cohort, "probe", field="no-such-field")
    good = queue(cohort, "quality", n_permutations=99)
    said = []
    run_queue.work(GONE, said.append)
    assert (state_of(bad).run_state, state_of(good).run_state) == ("failed", "completed")
    assert "no embedding yet" in str(state_of(bad).result.error) and "no embedding yet" in run_queue.log_tail(
        str(bad.id)
    )
    assert "complete" in run_queue.log_tail(str(good.id))
    assert [line.partition(": begins")[0] for line in said][::2] == [
        "Cohort audit: Probe a field",
        "Cohort audit: " + foo.get_operator(f"{PLUGIN_NAME}/quality").verb.label,
    ]
    cohort.reload()
    assert cohort.has_run("daebias_image_quality")


def test_what_a_dead_process_had_begun_is_queued_again(cohort):
    operation = queue(cohort, "quality", n_permutations=99)
    service = DelegatedOperationService()
    service.set_running(operation.id)
    dead = subprocess.run(
        [sys.executable, "-c", "from fiftyone_daebias.processes import mark; print(mark())"],
        capture_output=True,
        text=True,
    )
    run_queue._store().set(str(operation.id), dead.stdout.strip())
    said = []
    run_queue.work(GONE, said.append)
    assert "queued again" in said[0] and state_of(operation).run_state == "completed"
    # one that another process works on is left alone
    operation = queue(cohort, "quality", n_permutations=99)
    service.set_running(operation.id)
    from fiftyone_daebias.processes import mark

    run_queue._store().set(str(operation.id), mark())
    run_queue.work(GONE, said.append)
    assert state_of(operation).run_state == "running"
    run_queue._store().delete(str(operation.id))
    service.delete_operation(operation.id)


def test_a_run_that_is_killed_says_so_and_one_worker_is_enough(cohort):
    operation = queue(cohort, "train", images=12800)
    worker = subprocess.Popen([sys.executable, "-m", "fiftyone_daebias", "queue", "--app", str(GONE)])
    try:
        for _ in range(400):
            if state_of(operation).run_state == "running" and run_queue._store().get(str(operation.id)):
                break
            time.sleep(0.25)
        with pytest.raises(InputError, match="another process works off this queue"):
            run_queue.work(GONE)
        assert not run_queue.begin_worker(os.getpid())
        pid = int(run_queue._store().get(str(operation.id)).split("-")[1])
        os.kill(pid, signal.SIGKILL)
        assert worker.wait(60) == 0
    finally:
        worker.kill()
    now = state_of(operation)
    assert now.run_state == "failed" and "ended with code -9" in now.result.error


def test_a_service_file_names_the_database_and_no_secret(capsys):
    assert cli.main(["queue", "--service"]) == 0
    unit = capsys.readouterr().out
    assert "-m fiftyone_daebias queue" in unit and os.environ["DAEBIAS_HOME"] in unit and "SECRET" not in unit
