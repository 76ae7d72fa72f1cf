"""A small cohort, a home folder and a database that can be put back, and commands run in forks of a warm process.

Starting Python and FiftyOne costs seconds, and a kill in them tells nothing. This process imports everything once,
closes its connection to the database and forks: each command is a process of its own with a connection of its own,
which really is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from .servers import Server

N = 40
#: verbs in the order in which each finds what it needs
STEPS = {
    "register": ["register", "cohort", "{images}", "--table", "{table}"],
    "train": ["train", "cohort", "--preset", "cpu-lite", "--images", "64", "--batch-size", "16", "--device", "cpu"],
    "embed": ["embed", "cohort", "--device", "cpu"],
    "probe-all": ["probe-all", "cohort", "--fields", "sex", "age", "site", "--n-permutations", "99", "--repeats", "1"],
    "tag": ["tag", "cohort"],
    "suggest-clusters": ["suggest-clusters", "cohort", "--resamples", "2"],
    "duplicates": ["duplicates", "cohort"],
    "explain": "explain cohort --field site --value a --against b --no-train --n-permutations 99 --device cpu".split(),
    "audit": ["audit", "cohort", "--config", "{config}", "--out", "{out}/audit.html"],
    "report": ["report", "cohort", "--out", "{out}/report.html"],
    "share": ["share", "cohort", "--out", "{out}/bundle.zip"],
}
#: what else writes, and may run beside any other once all steps are done
MORE = {
    "quality": ["quality", "cohort", "--n-permutations", "99"],
    "case-mix": ["case-mix", "cohort", "--n-permutations", "99"],
    "probe": ["probe", "cohort", "sex", "--n-permutations", "99", "--repeats", "1"],
    "probe site": ["probe", "cohort", "site", "--n-permutations", "99", "--repeats", "1"],
    "drift": ["drift", "cohort", "--date-field", "date", "--n-permutations", "99"],
    "reidentify": ["reidentify", "cohort"],
    "test-clusters": ["test-clusters", "cohort", "--n-permutations", "99"],
    "disagreements": ["disagreements", "cohort", "sex"],
}
CONFIG = """dataset: cohort
steps:
  duplicates: {}
  case-mix: {n_permutations: 99}
  quality: false
  train: {preset: cpu-lite, images: 64, batch_size: 16, device: cpu}
  embed: {device: cpu}
  probe-all: {fields: [sex], n_permutations: 99, repeats: 1}
  disagreements: false
  suggest-clusters: {resamples: 0}
  test-clusters: {n_permutations: 99}
  drift: false
  reidentify: false
  explain: false
"""


class Child:
    """A forked process.

    Args:
        work: what it does; its result is the exit code
        log: file for all that it prints
    """

    def __init__(self, work: Callable[[], int | None], log: Path):
        self.log = log
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            code = 1
            try:
                os.setpgid(0, 0)
                with open(log, "wb") as stream:
                    os.dup2(stream.fileno(), 1)
                    os.dup2(stream.fileno(), 2)
                code = work() or 0
                atexit._run_exitfuncs()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 2
            except BaseException:
                traceback.print_exc()
            finally:
                with contextlib.suppress(BaseException):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(code)
        self.code: int | None = None

    def wait(self, seconds: float) -> int | None:
        """Exit code (negative: the signal), or ``None`` when it still runs."""
        until = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                return None
            else:
                time.sleep(0.01)
        return self.code

    def send(self, number: int) -> None:
        if self.code is None:
            os.kill(self.pid, number)

    def kill_all(self) -> None:
        """Kills it with whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait(30)

    def text(self) -> str:
        return self.log.read_text(errors="replace")


class Place:
    """A cohort, a home folder and a database, which can be put back to how they were before a step.

    Args:
        folder: where everything lies; what an earlier run of the benchmark left there is used again
    """

    def __init__(self, folder: Path):
        self.folder, self.server = folder, Server(folder / "server")
        self.images, self.table, self.config = folder / "images", folder / "table.csv", folder / "audit.yaml"
        self.n = 0
        self.draw()
        self.server.start()
        os.environ |= {
            "DAEBIAS_HOME": str(folder / "home"),
            "FIFTYONE_DATABASE_URI": self.server.address,
            "FIFTYONE_DATABASE_VALIDATION": "false",
            "FIFTYONE_DO_NOT_TRACK": "true",
            "OMP_NUM_THREADS": "1",
        }
        (folder / "out").mkdir(exist_ok=True)
        _import_everything()

    def draw(self) -> None:
        """Writes the pictures and the table, the same each time."""
        self.images.mkdir(parents=True, exist_ok=True)
        rng, lines = np.random.default_rng(1), ["file,subject_id,sex,age,site,date"]
        for k in range(N):
            rows, columns = np.mgrid[:48, :48] / 48
            grey = 90 + 60 * rows + 40 * (k % 2) * columns + 25 * (k >= N // 2) * rows + 12 * rng.normal(size=(48, 48))
            Image.fromarray((grey.clip(0, 255) * 200).astype(np.uint16)).save(self.images / f"{k:03}.png")
            lines.append(
                f"{k:03}.png,s{k},{'FM'[k % 2]},{30 + k * 7 % 41},{'ab'[2 * k // N]},20{10 + k % 9}-0{1 + k % 9}-11"
            )
        self.table.write_text("\n".join(lines) + "\n")
        self.config.write_text(CONFIG)

    def command(self, step: str) -> list[str]:
        values = {"images": self.images, "table": self.table, "out": self.folder / "out", "config": self.config}
        given = STEPS.get(step) or MORE[step]
        return [part.format(**values) if "{" in part else part for part in given] + ["--quiet"]

    def start(self, step: str) -> Child:
        """Starts a step."""
        argv = self.command(step)

        def work() -> int:
            from pymongo.errors import ConnectionFailure

            from fiftyone_daebias import cli

            try:
                _connect()  # a command does this within itself; how it ends then is looked at in test_endings.py
            except (ConnectionError, ConnectionFailure):
                return 2
            return cli.main(argv)

        return self._child(work)

    def call(self, work: Callable[[], object], seconds: float = 120):
        """What a function returns that works on the database, in a process of its own."""
        answer = self.folder / "answer.json"
        answer.unlink(missing_ok=True)

        def run() -> None:
            _connect()
            answer.write_text(json.dumps(work()))

        child = self._child(run)
        if child.wait(seconds) != 0:
            child.kill_all()
            raise RuntimeError(child.text()[-1500:])
        return json.loads(answer.read_text())

    def _child(self, work) -> Child:
        self.n += 1
        (self.folder / "logs").mkdir(exist_ok=True)
        return Child(work, self.folder / "logs" / f"{self.n % 50}.txt")

    def keep(self, name: str) -> None:
        """Keeps everything as it is now."""
        self.call(lambda: copy_database("fiftyone", _kept(name)))
        self._copy(self.folder, self.folder / "kept" / name)

    def restore(self, name: str) -> None:
        """Puts everything back to how it was kept."""
        if self.server.process.poll() is not None:
            self.server.start()
        self.call(lambda: copy_database(_kept(name), "fiftyone"))
        self._copy(self.folder / "kept" / name, self.folder)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        for part in ("home", "out"):
            shutil.rmtree(target / part, ignore_errors=True)
            if (source / part).exists():
                shutil.copytree(source / part, target / part)
            else:
                (target / part).mkdir(parents=True)

    def state(self) -> dict:
        """Everything that can be compared: see :func:`database_state`, and the files."""
        return {**self.call(database_state), **file_state(self.folder)}


def _kept(name: str) -> str:
    return "kept-" + name.replace(" ", "-")


def _import_everything() -> None:
    import fiftyone.brain  # noqa: F401
    import fiftyone.core.odm.database as database
    import matplotlib.pyplot  # noqa: F401
    import monai.networks.nets  # noqa: F401
    import openTSNE  # noqa: F401
    import torch

    from fiftyone_daebias import store, verbs  # noqa: F401

    torch.set_num_threads(1)
    for verb in verbs.VERBS:
        verb.load()
    database._disconnect()


def _connect() -> None:
    import fiftyone as fo
    import fiftyone.core.odm.database as database

    database.establish_db_conn(fo.config)


def copy_database(source: str, target: str) -> None:
    """Copies a small database with its indexes, and brings it to disk: what is tested comes after it."""
    import fiftyone.core.odm.database as database

    client = database.get_db_client()
    client.drop_database(target)
    for name in client[source].list_collection_names():
        documents = list(client[source][name].find())
        if documents:
            client[target][name].insert_many(documents)
        for index in client[source][name].list_indexes():
            facts = {k: v for k, v in index.items() if k not in ("v", "key", "ns")}
            if facts["name"] != "_id_":
                client[target][name].create_index(list(index["key"].items()), **facts)
    client.admin.command("fsync")


def database_state() -> dict:
    """Samples, fields with all their values, runs with their results, tags, views, and what nothing refers to."""
    import fiftyone as fo
    import fiftyone.core.odm as odm

    from fiftyone_daebias import store

    d, out = fo.load_dataset("cohort"), {}
    sources = d.values("daebias_source")
    fields = sorted(d.get_field_schema())
    out["samples"], out["doubled"] = store.count(d), len(sources) - len(set(sources))
    doubles = [f.name for f in d._doc.sample_fields]
    out["doubled"] += len(doubles) - len(set(doubles))
    out["fields"], out["runs"], out["brain"] = fields, sorted(d.list_runs()), sorted(d.list_brain_runs())
    out["evaluations"], out["tags"] = sorted(d.list_evaluations()), sorted(map(list, d.count_sample_tags().items()))
    out["views"], out["workspaces"] = sorted(d.list_saved_views()), sorted(d.list_workspaces())
    order = sorted(range(len(sources)), key=lambda k: sources[k])
    for field in set(fields) - {
        "id",
        "filepath",
        "daebias_source",
        "created_at",
        "last_modified_at",
    }:  # paths and times
        values = d.values(field)
        out[f"values of {field}"] = _hash([_plain(values[k]) for k in order])
    for key in out["runs"]:
        config, results = store.load_run(d, key)
        out[f"run {key}"] = _hash(_plain(results))
    for key in out["brain"]:
        found = d.load_brain_results(key)
        out[f"brain {key}"] = _hash([_plain(getattr(found, "points", None)), sorted(map(str, found.sample_ids))])
    c = odm.get_db_conn()
    runs = {r["_id"] for r in c.runs.find({}, {"_id": 1})}
    kinds = ("runs", "brain_methods", "evaluations")
    named = {getattr(v, "id", v) for doc in c.datasets.find({}) for k in kinds for v in (doc.get(k) or {}).values()}
    files = {f["_id"] for f in c["fs.files"].find({}, {"_id": 1})}
    used = {r.get("results") for r in c.runs.find({}, {"results": 1})}
    out["leaked"] = {
        "leases": c["daebias_leases"].count_documents({}),
        "runs": len(runs - named),
        "files": len(files - used),
        "pieces": len(set(c["fs.chunks"].distinct("files_id")) - files),
    }
    return out


def file_state(folder: Path) -> dict:
    """``{"file …": hash}`` of all files, a bundle by the names in it; and how many half files there are."""
    out, half = {}, 0
    for part in ("home", "out"):
        for path in sorted((folder / part).rglob("*")):
            name = f"file {path.relative_to(folder)}"
            if path.name.endswith(".part"):
                half += 1
            elif path.suffix == ".zip":
                with zipfile.ZipFile(path) as bundle:
                    out[name] = bundle.testzip() or sorted(bundle.namelist())
            elif path.name == "state.json":  # the mean loss is that since the process began
                facts = {k: v for k, v in json.loads(path.read_text()).items() if k != "loss"}
                out[name] = _hash(facts)
            elif path.is_file():
                out[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return {**out, "half files": half}


def _hash(value) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def _plain(value):
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in sorted(value.items()) if k != "_id"}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
