"""Every pytest run has a database, a home folder and a dataset namespace of its own."""

import os
import shutil
import tempfile
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
(_ROOT / "plugins").mkdir()

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
