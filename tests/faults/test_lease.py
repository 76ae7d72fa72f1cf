"""One writer at a time: processes side by side lose nothing, and what a dead one left is taken over and swept."""

import signal
import subprocess
import sys
import threading
import time

import fiftyone as fo
import fiftyone.core.odm as odm
import numpy as np
import pytest
from faults.servers import environment, finish, run, start

from fiftyone_daebias import store
from fiftyone_daebias.errors import Cancelled, StoreError
from fiftyone_daebias.store import leases

HOLD = """
import sys, time
from fiftyone_daebias import store
import fiftyone as fo
with store.lease(fo.load_dataset(sys.argv[1]), "holder"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def dataset(dataset_name, tmp_path):
    dataset = fo.Dataset(dataset_name, persistent=True)
    rng = np.random.default_rng(3)
    samples = []
    for k in range(40):
        vector = rng.normal(size=6) + (2.0 * (k % 2) - 1)
        samples.append(
            fo.Sample(
                filepath=str(tmp_path / f"{k}.png"),
                subject_id=f"s{k}",
                sex="FM"[k % 2],
                view="AP"[k // 2 % 2],
                site="abcd"[k % 4],
                vectors=vector.tolist(),
            )
        )
    dataset.add_samples(samples, progress=False)
    dataset.add_sample_field("dae_embedding", fo.VectorField)
    dataset.set_values("dae_embedding", [np.asarray(v, np.float32) for v in dataset.values("vectors")])
    dataset.delete_sample_field("vectors")
    return dataset


def holder(dataset, seconds: float) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, dataset.name, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "held"
    return process


def test_two_probes_at_the_same_moment_both_keep_their_fields(dataset, tmp_path):
    env = environment(tmp_path / "home")
    for field in ("sex", "view"):
        store.clear_field(dataset, f"probe_{field}")
    both = [
        start(["probe", dataset.name, f, "--n-permutations", "99", "--predictions", "--quiet"], env)
        for f in ("sex", "view", "site")
    ]
    for process in both:
        code, _, err = finish(process)
        assert code == 0, err
    dataset.reload()
    assert {"probe_sex", "probe_view", "probe_site"} <= set(dataset.get_field_schema())
    assert {"daebias_probe_sex", "daebias_probe_view", "daebias_probe_site"} <= set(dataset.list_runs())
    assert odm.get_db_conn()[leases.COLLECTION].find_one({"_id": dataset.name}) is None


def test_a_second_writer_ends_with_one_line_or_waits(dataset, tmp_path):
    env = environment(tmp_path / "home")
    first = holder(dataset, 60)
    code, _, err = run(["probe", dataset.name, "sex", "--wait", "0", "--quiet"], env)
    assert code == 2 and err.count("\n") == 1
    assert f"is being written by 'holder' (process {first.pid} of" in err and "--wait SECONDS" in err
    code, out, _ = run(["runs", dataset.name, "--quiet"], env)  # looking needs no lease
    assert code == 0 and "no runs" in out
    second = start(["probe", dataset.name, "sex", "--wait", "60", "--n-permutations", "99"], env)
    told = ""
    while "waiting for 'holder'" not in told and second.poll() is None:
        told += second.stderr.read(1)
    first.kill()  # its lease has 50 s to go, but its process can be seen to be gone
    code, out, err = finish(second, 40)
    assert code == 0 and "waiting for 'holder'" in told, told + err


def test_the_lease_of_a_machine_that_went_away_ends_by_itself(dataset, monkeypatch):
    monkeypatch.setattr(leases, "LASTS", 2.0)
    monkeypatch.setattr(leases, "machine", lambda: "elsewhere")
    first = leases.Lease(dataset.name, "first")
    first.take(0, None)
    first._done.set()  # it is not renewed any more
    monkeypatch.setattr(leases, "machine", lambda: "here")
    with pytest.raises(StoreError, match="is being written by 'first'"):
        leases.Lease(dataset.name, "second").take(0, None)
    began = time.monotonic()
    second = leases.Lease(dataset.name, "second")
    assert second.take(20, None) == [odm.get_db_conn()[leases.COLLECTION].find_one({"_id": dataset.name})["mark"]]
    assert 0.5 < time.monotonic() - began < 6
    second.give_back()


def test_a_writer_that_stood_still_too_long_writes_no_more(dataset, monkeypatch):
    monkeypatch.setattr(leases, "LASTS", 1.0)
    with pytest.raises(StoreError, match="stood still so long"):
        with store.lease(dataset, "slow"):
            mine = leases._held.get()[-1]
            odm.get_db_conn()[leases.COLLECTION].update_one({"_id": dataset.name}, {"$set": {"owner": "another"}})
            mine._renewer.join(5)
            store.save_run(dataset, "daebias_late", {}, {})
    assert "daebias_late" not in dataset.list_runs()
    odm.get_db_conn()[leases.COLLECTION].delete_one({"_id": dataset.name})


def test_threads_of_one_process_are_two_writers_and_inner_calls_are_one(dataset):
    refused = []

    def other():
        try:
            with store.lease(dataset, "other", wait=0):
                pass
        except StoreError as error:
            refused.append(str(error))

    with store.lease(dataset, "outer"), store.lease(dataset.view(), "inner"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(refused) == 1
    with store.lease(dataset, "again", wait=0):
        pass


def test_waiting_can_be_cancelled(dataset):
    class Impatient:
        def task(self, label, total, unit):
            return self

        def advance(self, n=1, note=""):
            raise Cancelled("stopped")

        def close(self):
            pass

        def say(self, message):
            pass

    first = holder(dataset, 60)
    with pytest.raises(Cancelled), store.lease(dataset, "second", Impatient()):
        pass
    first.kill()


TORN = """
import os, signal, sys
import fiftyone as fo, numpy as np
from fiftyone_daebias import store
from fiftyone_daebias.store import runs
d = fo.load_dataset(sys.argv[1])
point = sys.argv[2]
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
with store.lease(d, "torn"):
    if point == "in the results":
        import gridfs.synchronous.grid_file as grid
        flush = grid.GridIn._flush_buffer
        def flush_and_die(self, force=False):
            flush(self, force)
            if force:
                die()
        grid.GridIn._flush_buffer = flush_and_die
    elif point == "before the dataset names it":
        fo.Dataset.save = die
    else:
        runs._discard = die
    store.save_run(d, "daebias_big", {"which": "new"}, {"a": np.arange(200_000.0)})
"""


@pytest.mark.parametrize(
    "point, found",
    [("in the results", "old"), ("before the dataset names it", "old"), ("before the old one goes", "new")],
)
def test_a_run_is_whole_whenever_its_writer_is_killed_and_the_next_sweeps(dataset, point, found):
    store.save_run(dataset, "daebias_big", {"which": "old"}, {"a": np.arange(100_000.0)})
    before = _stored()
    done = subprocess.run([sys.executable, "-c", TORN, dataset.name, point], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    dataset.reload()
    dataset._run_cache.clear()
    config, results = store.load_run(dataset, "daebias_big")
    assert config["which"] == found and len(results["a"]) == (100_000 if found == "old" else 200_000)
    torn = _stored()
    assert torn != before
    with store.lease(dataset, "next"):
        pass
    swept = _stored()
    if found == "old":
        assert swept == before
    else:
        assert swept["runs"] == before["runs"] and swept["files"] == before["files"]
    config, results = store.load_run(dataset, "daebias_big")
    assert config["which"] == found and len(results["a"]) == (100_000 if found == "old" else 200_000)
    store.delete_run(dataset, "daebias_big")
    assert "daebias_big" not in dataset.list_runs()


def _stored() -> dict[str, int]:
    database = odm.get_db_conn()
    return {
        "runs": database.runs.count_documents({}),
        "files": database["fs.files"].count_documents({}),
        "pieces": database["fs.chunks"].count_documents({}),
    }


def test_a_writer_that_is_asked_to_end_leaves_no_half_run(dataset, monkeypatch):
    store.save_run(dataset, "daebias_x", {"seed": 1}, {"values": [1, 2]})
    runs = odm.get_db_conn().runs
    before = runs.count_documents({}), odm.get_db_conn()["fs.files"].count_documents({})
    real = fo.Dataset.save

    def interrupted(self):
        if runs.count_documents({}) > before[0]:
            raise KeyboardInterrupt  # the new run is written, and not named yet
        real(self)

    monkeypatch.setattr(fo.Dataset, "save", interrupted)
    with pytest.raises(KeyboardInterrupt), store.lease(dataset, "writer"):
        store.save_run(dataset, "daebias_x", {"seed": 2}, {"values": [3]})
    monkeypatch.setattr(fo.Dataset, "save", real)
    assert (runs.count_documents({}), odm.get_db_conn()["fs.files"].count_documents({})) == before
    dataset = fo.load_dataset(dataset.name)
    dataset.reload()
    assert store.load_run(dataset, "daebias_x")[1]["values"] == [1, 2]
