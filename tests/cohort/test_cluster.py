"""Decoding on the workers of a cluster."""

import subprocess
import sys
import time

import fiftyone as fo
import pytest
from made import PERSON, scene, write_sagittal

from fiftyone_daebias import register, schema
from fiftyone_daebias.errors import InputError


@pytest.fixture
def cohort(tmp_path, daebias_home):
    for k in range(6):
        write_sagittal(tmp_path / "dicom" / f"case{k}", scene(9, seed=k), **PERSON | {"PatientID": f"P{k}"})
    return tmp_path / "dicom"


@pytest.fixture
def scheduler(tmp_path):
    """Address of a Dask scheduler with two worker processes."""
    pytest.importorskip("distributed")
    place = tmp_path / "address.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    started = [subprocess.Popen([*command, "--scheduler-file", str(place)], stderr=subprocess.DEVNULL)]
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(place), "--no-dashboard"]
    started += [
        subprocess.Popen([*command, "--nthreads", "1", "--no-nanny"], stderr=subprocess.DEVNULL, cwd=tmp_path)
        for _ in range(2)
    ]
    try:
        import json

        until = time.monotonic() + 120
        while not place.exists() and time.monotonic() < until:
            time.sleep(0.2)
        yield json.loads(place.read_text())["address"].replace("tcp://", "dask://")
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def test_two_workers_of_a_cluster_give_the_same(cohort, scheduler, dataset_name):
    register(dataset_name, cohort)
    report = register(dataset_name + "-2", cohort, backend=scheduler)
    assert report.images == 6
    one, other = (fo.load_dataset(dataset_name + end) for end in ("", "-2"))
    for field in (schema.SOURCE_FIELD, schema.CACHE_FIELD, schema.GEOMETRY_FIELD):
        assert one.values(field) == other.values(field)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("dask:8786", "must be dask://HOST:PORT"),
        ("slurm://node:1", "must be dask://HOST:PORT"),
        ("dask://node:1", "needs the package 'distributed'"),
    ],
)
def test_what_cannot_be_reached_is_one_line(address, message, cohort, dataset_name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=message):
        register(dataset_name, cohort, backend=address)
    assert not fo.dataset_exists(dataset_name)


def test_a_scheduler_that_is_not_there_is_said(cohort, dataset_name, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("fiftyone_daebias.remote.PATIENCE", 1)
    with pytest.raises(InputError, match="no scheduler with workers answers"):
        register(dataset_name, cohort, backend="dask://127.0.0.1:9")
