"""Every pytest run has a database, a home folder and a dataset namespace of its own."""

import atexit
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# FiftyOne reads these when it is first imported, so they must be set before any test module is.
_ROOT = Path(tempfile.mkdtemp(prefix="daebias-tests-"))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["DAEBIAS_HOME"] = str(_ROOT / "home")
os.environ["FIFTYONE_DATABASE_DIR"] = str(_ROOT / "mongo")
os.environ["FIFTYONE_PLUGINS_DIR"] = str(_ROOT / "plugins")
os.environ["FIFTYONE_DEFAULT_DATASET_DIR"] = str(_ROOT / "fiftyone")
os.environ["FIFTYONE_MODEL_ZOO_DIR"] = str(_ROOT / "zoo")
os.environ["FIFTYONE_DATABASE_VALIDATION"] = "false"
os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
os.environ["FIFTYONE_SHOW_PROGRESS_BARS"] = "false"
os.environ["FIFTYONE_DATABASE_NAME"] = _ROOT.name
(_ROOT / "plugins").mkdir()


def _stop(server: subprocess.Popen) -> None:
    """Ends the database; its files, some hundred MB, go with it."""
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
    shutil.rmtree(_ROOT, ignore_errors=True)


def _start_database() -> None:
    """Starts a mongod of this run's own, unless the user names one or there is no binary (FiftyOne then says so).

    FiftyOne itself would join any database service that already runs on this machine, whatever directory it is told.
    """
    found = importlib.util.find_spec("fiftyone")
    binary = Path(found.submodule_search_locations[0], "db", "bin", "mongod") if found else None
    if binary is None or not binary.exists():
        binary = shutil.which("mongod")
    if os.environ.get("FIFTYONE_DATABASE_URI") or binary is None:
        return
    (_ROOT / "mongo").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            str(binary),
            "--dbpath",
            str(_ROOT / "mongo"),
            "--port",
            str(port),
            "--bind_ip",
            "127.0.0.1",
            "--nounixsocket",
            "--logpath",
            str(_ROOT / "mongo.log"),
        ],
        stdout=subprocess.DEVNULL,
    )
    atexit.register(_stop, server)
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        if server.poll() is not None:
            return
        time.sleep(0.1)
    os.environ["FIFTYONE_DATABASE_URI"] = f"mongodb://127.0.0.1:{port}"


_start_database()

import pytest  # noqa: E402


def pytest_sessionfinish(session, exitstatus):
    shutil.rmtree(_ROOT / "home", ignore_errors=True)


@pytest.fixture
def dataset_name(request):
    """A name for one test's dataset; the dataset is deleted afterwards."""
    import fiftyone as fo

    name = "test-" + request.node.name.replace("[", "-").replace("]", "")[:60]
    yield name
    for existing in fo.list_datasets():
        if existing.startswith(name):
            fo.delete_dataset(existing)


@pytest.fixture
def daebias_home(tmp_path, monkeypatch):
    """A ``DAEBIAS_HOME`` of this test's own."""
    monkeypatch.setenv("DAEBIAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
