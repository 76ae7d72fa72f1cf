"""One sample a source: whatever is killed in the middle of a registration, registering again gives what one run gives.

The killed processes are real ones; the database is a mongod of the test's own, since it is killed too.
"""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from faults.servers import Server, environment, mongod, python, run
from PIL import Image

N = 60

#: registers and kills something before a batch of samples is written, or, when negative, after so many milliseconds
DOOMED = """
import os, signal, sys, threading
from pathlib import Path
import fiftyone as fo
from fiftyone_daebias.store import register as records
from fiftyone_daebias.cohort.register import register
whom, when, server, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])

def strike():
    if "server" in whom:
        os.kill(server, signal.SIGKILL)
    if "client" in whom:
        os.kill(os.getpid(), signal.SIGKILL)

records.BATCH = 10
add, batches = fo.Dataset.add_samples, [0]
def counted(self, *args, **kwargs):
    batches[0] += 1
    if batches[0] == when:
        strike()
    return add(self, *args, **kwargs)
fo.Dataset.add_samples = counted
if when < 0:  # at a moment of the clock
    threading.Timer(-when / 1000, strike).start()
register("cohort", folder / "images", folder / "table.csv", workers=1)
"""

COUNT = """
import json, collections, fiftyone as fo
d = fo.load_dataset("cohort")
rows = d.values(["daebias_source", "age", "subject_id", "daebias_cache_key"])
print(json.dumps({"samples": d.count(), "sources": len(set(rows[0])), "ages": sum(a is not None for a in rows[1]),
                  "fields": sorted(d.get_field_schema()), "persistent": d.persistent,
                  "split": d.count_values("daebias_split")}))
"""


@pytest.fixture
def cohort(tmp_path):
    folder = tmp_path / "cohort"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(5)
    lines = ["file,subject_id,age,sex"]
    for k in range(N):
        Image.fromarray(rng.integers(0, 255, (12, 12), dtype=np.uint8)).save(folder / "images" / f"{k:03}.png")
        lines.append(f"{k:03}.png,s{k // 2},{30 + k % 40},{'FM'[k % 2]}")
    (folder / "table.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def server(tmp_path):
    if mongod() is None:
        pytest.skip("no mongod here")
    one = Server(tmp_path / "server")
    one.start()
    yield one
    one.stop()


def doomed(cohort: Path, env: dict, server: Server, whom: str, when: int) -> None:
    import subprocess
    import sys

    process = subprocess.Popen(
        [sys.executable, "-c", DOOMED, whom, str(when), str(server.process.pid), str(cohort)],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    process.wait(timeout=120)


def test_a_cohort_is_registered_once_whatever_is_killed_in_the_middle(cohort, server, tmp_path):
    """One after the other on one dataset: the client, the server, and both, at different moments."""
    env = environment(tmp_path / "home", server.address)
    command = ["register", "cohort", str(cohort / "images"), "--table", str(cohort / "table.csv"), "--quiet"]
    for whom, when in (("client", 2), ("server", 2), ("client server", 2)):
        doomed(cohort, env, server, whom, when)
        if "server" in whom:
            server.process.wait(timeout=20)
            server.start()
    code, out, err = run(command, env)
    assert code == 0, err
    assert f"{N} images" in out
    got = json.loads(python(COUNT, env).splitlines()[-1])
    assert (got["samples"], got["sources"], got["ages"]) == (N, N, N) and got["persistent"]
    assert sum(got["split"].values()) == N


def test_a_crash_of_the_server_after_a_registration_doubles_nothing(cohort, server, tmp_path):
    """len() of a FiftyOne dataset is 0 after it: the same command used to write every sample again."""
    env = environment(tmp_path / "home", server.address)
    command = ["register", "cohort", str(cohort / "images"), "--table", str(cohort / "table.csv"), "--quiet"]
    assert run(command, env)[0] == 0
    time.sleep(0.3)  # the journal reaches the disk ten times a second
    server.kill()
    server.start()
    code, out, err = run(command, env)
    assert code == 0 and "0 added" in out, out + err
    got = json.loads(python(COUNT, env).splitlines()[-1])
    assert (got["samples"], got["sources"]) == (N, N)


def test_the_database_itself_refuses_a_second_sample_of_a_source(cohort, dataset_name, monkeypatch):
    import fiftyone as fo

    from fiftyone_daebias.cohort.register import register

    register(dataset_name, cohort / "images", cohort / "table.csv")
    dataset = fo.load_dataset(dataset_name)
    first = dataset.first()
    with pytest.raises(Exception, match="(?i)duplicate key"):
        dataset.add_sample(fo.Sample(filepath=first.filepath, daebias_source=first["daebias_source"]))
    dataset.add_samples([fo.Sample(filepath="/made/a.png"), fo.Sample(filepath="/made/b.png")])
    assert dataset.count() == N + 2


def test_samples_that_were_registered_twice_before_are_named_and_tagged(cohort, dataset_name):
    import fiftyone as fo

    from fiftyone_daebias import schema
    from fiftyone_daebias.cohort.register import register
    from fiftyone_daebias.errors import StoreError

    register(dataset_name, cohort / "images", cohort / "table.csv")
    dataset = fo.load_dataset(dataset_name)
    dataset.drop_index(schema.SOURCE_FIELD)
    again = [fo.Sample(filepath=s.filepath, daebias_source=s["daebias_source"]) for s in dataset.limit(7)]
    dataset.add_samples(again)
    with pytest.raises(StoreError, match="has 7 samples of sources that are in it already"):
        register(dataset_name, cohort / "images", cohort / "table.csv")
    assert dataset.match_tags(schema.TAG_REGISTERED_TWICE).values("id") == [s.id for s in again]
    dataset.delete_samples(dataset.match_tags(schema.TAG_REGISTERED_TWICE))
    report = register(dataset_name, cohort / "images", cohort / "table.csv")
    assert (report.images, report.added) == (N, 0)
