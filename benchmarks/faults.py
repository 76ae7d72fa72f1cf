"""What is lost, doubled or leaked when things fail: kills, crashes of the database, two writers at once, full disks.

    python benchmarks/faults.py [--kills 200] [--crashes 40] [--repeats 1] [--disks 30] [--only kills …] [--out FILE]

Everything runs on a mongod of its own and on a small cohort that is made here. After each failure the same command is
run again to its end, and what is then in the database is compared with what one undisturbed run leaves:

    lost      samples, fields, runs, tags or map points that are missing or differ
    doubled   more than one sample of a source
    leaked    leases, runs no dataset names, pieces of results, half files
    hung      commands that did not end in time
    broken    tracebacks, or ends with another exit code than is promised

Moments of a kill are drawn between the start of a command and its usual end, so some fall before the first write.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # not this folder: tests have a "faults" too

from faults.servers import Server, environment, python, run, start  # noqa: E402

from fiftyone_daebias.plugin import plugin_dir  # noqa: E402

N = 48
COLUMNS = ("lost", "doubled", "leaked", "hung", "broken")
WEIGHTS = str(plugin_dir() / "models" / "dae-cxr-64")
#: verbs in the order in which each finds what it needs
STEPS = {
    "register": ["register", "cohort", "{images}", "--table", "{table}"],
    "embed": ["embed", "cohort", "--checkpoint", WEIGHTS, "--device", "cpu"],
    "probe-all": ["probe-all", "cohort", "--n-permutations", "99"],
    "suggest-clusters": ["suggest-clusters", "cohort"],
    "tag": ["tag", "cohort"],
    "duplicates": ["duplicates", "cohort"],
    "report": ["report", "cohort", "--out", "{out}/report.html"],
    "share": ["share", "cohort", "--out", "{out}/bundle.zip"],
}
STATE = """
import hashlib, json, fiftyone as fo, fiftyone.core.odm as odm
from fiftyone_daebias import store
d, out = fo.load_dataset("cohort"), {}
sources = d.values("daebias_source")
out["samples"], out["doubled"] = store.count(d), len(sources) - len(set(sources))
out["fields"] = sorted(d.get_field_schema())
doubles = [f.name for f in d._doc.sample_fields]
out["doubled"] += len(doubles) - len(set(doubles))
out["runs"], out["brain"] = sorted(d.list_runs()), sorted(d.list_brain_runs())
out["tags"] = sorted(d.count_sample_tags().items())
out["views"] = sorted(d.list_saved_views())
order = sorted(range(len(sources)), key=lambda k: sources[k])
for field in ("sex", "age", "daebias_split", "dae_map_points", "probe_sex.label"):
    if d.has_field(field.split(".")[0]):
        values = d.values(field)
        out["values of " + field] = hashlib.sha256(repr([str(values[k]) for k in order]).encode()).hexdigest()
for key in out["runs"]:
    store.load_run(d, key)
for key in out["brain"]:
    d.load_brain_results(key)
c = odm.get_db_conn()
runs = {r["_id"] for r in c.runs.find({}, {"_id": 1})}
named = {getattr(v, "id", v) for doc in c.datasets.find({}) for kind in ("runs", "brain_methods", "evaluations")
         for v in (doc.get(kind) or {}).values()}
files = {f["_id"] for f in c["fs.files"].find({}, {"_id": 1})}
used = {r.get("results") for r in c.runs.find({}, {"results": 1})}
out["leaked"] = {"leases": c["daebias_leases"].count_documents({}), "runs": len(runs - named),
                 "files": len(files - used), "pieces": len(set(c["fs.chunks"].distinct("files_id")) - files)}
print("STATE" + json.dumps(out))
"""


class Place:
    """A cohort, a home folder and a database, which can be put back to how they were before a step."""

    def __init__(self, folder: Path):
        self.folder, self.server = folder, Server(folder / "server")
        self.images, self.table = folder / "images", folder / "table.csv"
        self.images.mkdir(parents=True)
        rng, lines = np.random.default_rng(1), ["file,subject_id,sex,age,site"]
        for k in range(N):
            rows, columns = np.mgrid[:64, :64] / 64
            grey = 90 + 60 * rows + 40 * (k % 2) * columns + 12 * rng.normal(size=(64, 64))
            Image.fromarray((grey.clip(0, 255) * 200).astype(np.uint16)).save(self.images / f"{k:03}.png")
            lines.append(f"{k:03}.png,s{k // 2 * 2 + k % 2},{'FM'[k % 2]},{30 + k},{'ab'[k // 24]}")
        self.table.write_text("\n".join(lines) + "\n")
        self.server.start()
        self.env = {**environment(folder / "home", self.server.address), "OMP_NUM_THREADS": "1"}

    def command(self, step: str) -> list[str]:
        (self.folder / "out").mkdir(exist_ok=True)
        values = {"images": self.images, "table": self.table, "out": self.folder / "out"}
        return [part.format(**values) if part.startswith("{") else part for part in STEPS[step]] + ["--quiet"]

    def keep(self, name: str) -> None:
        """Keeps everything as it is now."""
        self.server.process.send_signal(signal.SIGTERM)
        self.server.process.wait()
        for part in ("server", "home", "out"):
            shutil.rmtree(self.folder / "kept" / name / part, ignore_errors=True)
            if (self.folder / part).exists():
                shutil.copytree(self.folder / part, self.folder / "kept" / name / part)
        self.server.start()

    def restore(self, name: str) -> None:
        self.server.stop()
        for part in ("server", "home", "out"):
            shutil.rmtree(self.folder / part, ignore_errors=True)
            if (self.folder / "kept" / name / part).exists():
                shutil.copytree(self.folder / "kept" / name / part, self.folder / part)
        (self.folder / "server" / "data").mkdir(parents=True, exist_ok=True)
        self.server.start()

    def state(self) -> dict:
        text = python(STATE, self.env)
        return json.loads(text[text.rindex("STATE") + 5 :])


def judge(row: dict, place: Place, good: dict, why: str) -> None:
    """Adds what is wrong to a row of the table."""
    try:
        now = place.state()
    except AssertionError as error:
        row["broken"] += 1
        print(f"  {why}: the state cannot be read: {str(error)[-300:]}", flush=True)
        return
    different = [k for k in good if k not in ("leaked", "doubled") and now.get(k) != good[k]]
    leaked = sum(now["leaked"].values())
    row["lost"] += bool(different)
    row["doubled"] += now["doubled"] > 0
    row["leaked"] += leaked > 0
    for what in different:
        print(f"  {why}: {what}: {str(now.get(what))[:200]} instead of {str(good[what])[:200]}", flush=True)
    if leaked or now["doubled"]:
        print(f"  {why}: {now['leaked']}, doubled {now['doubled']}", flush=True)


def again(row: dict, place: Place, step: str, why: str) -> bool:
    """Runs a step to its end after a failure."""
    try:
        code, out, err = run(place.command(step), place.env, 300)
    except AssertionError:
        row["hung"] += 1
        return False
    if code or "Traceback" in err:
        row["broken"] += 1
        print(f"  {why}: afterwards exit {code}: {err.strip()[-400:]}", flush=True)
    return not code


def ends(row: dict, process: subprocess.Popen, why: str, promised: tuple[int, ...]) -> None:
    try:
        _, err = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        row["hung"] += 1
        return
    if process.returncode not in promised or "Traceback" in err:
        row["broken"] += 1
        print(f"  {why}: exit {process.returncode}: {err.strip()[-400:]}", flush=True)


def steps_once(place: Place, steps: list[str]) -> dict[str, tuple[dict, float]]:
    """What one undisturbed run of each step leaves, and how long it takes; the place before each is kept."""
    out = {}
    for step in steps:
        place.keep(f"before {step}")
        began = time.monotonic()
        code, _, err = run(place.command(step), place.env, 600)
        assert code == 0, f"{step}: {err[-2000:]}"
        out[step] = place.state(), time.monotonic() - began
        print(f"{step}: {out[step][1]:.1f} s undisturbed", flush=True)
    place.keep("after all")
    return out


def killed(place: Place, good: dict, number: int, crash: bool, rng: random.Random) -> dict[str, dict]:
    """Kills the client, or with ``crash`` the database (and every third time both), at random moments."""
    rows: dict[str, dict] = {}
    for k in range(number):
        step = list(good)[k % len(good)]
        state, seconds = good[step]
        name = f"{'crash of mongod' if crash else 'kill'} in {step}"
        row = rows.setdefault(name, dict.fromkeys(("tried", *COLUMNS), 0))
        row["tried"] += 1
        place.restore(f"before {step}")
        process = start(place.command(step), place.env)
        moment = rng.uniform(0.4 if step != "register" else 0.1, 1.0) * seconds
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            if crash:
                place.server.kill()
                if k % 3 == 0:
                    process.kill()
            else:
                process.send_signal(signal.SIGTERM if k % 4 == 3 else signal.SIGKILL)
        why = f"{step}, after {moment:.1f} s"
        ends(row, process, why, (0, 2, -9, 143, -15))
        if crash and place.server.process.poll() is not None:
            place.server.start()
        if again(row, place, step, why):
            judge(row, place, state, why)
    return rows


def pairs(place: Place, good: dict, repeats: int) -> dict[str, dict]:
    """Two writing verbs at the same moment, each pair."""
    rows: dict[str, dict] = {}
    writers = [s for s in good if s != "register"]
    for _, (one, other) in itertools.product(range(repeats), itertools.combinations(writers, 2)):
        row = rows.setdefault("pairs of writers", dict.fromkeys(("tried", *COLUMNS), 0))
        row["tried"] += 1
        place.restore("after all")
        both = [start(place.command(step), place.env) for step in (one, other)]
        for process, step in zip(both, (one, other), strict=True):
            ends(row, process, f"{one} beside {other}: {step}", (0,))
        last = good[list(good)[-1]][0]
        keep = {
            k: last[k]
            for k in ("samples", "fields", "runs", "brain", "values of sex", "values of dae_map_points")
            if k in last
        }
        judge(row, place, {**keep, "leaked": 0, "doubled": 0}, f"{one} beside {other}")
    return rows


def disks(place: Place, good: dict, number: int, rng: random.Random) -> dict[str, dict]:
    """Steps whose home folder lies on a disk that gets full at some point; root only."""
    row = dict.fromkeys(("tried", *COLUMNS), 0)
    mount = Path(tempfile.mkdtemp(prefix="daebias-disk-"))
    steps = [s for s in good if s in ("register", "report", "share", "embed")]
    try:
        for k in range(number):
            step = steps[k % len(steps)]
            place.restore(f"before {step}")
            size = rng.randint(40, 1500)
            made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(mount)], check=False)
            if made.returncode:
                print("disks cannot be mounted here", flush=True)
                break
            where = place.folder / "home" / ("previews" if step == "register" else "figures")
            if step in ("report", "share"):
                where = place.folder / "out"
            shutil.rmtree(where, ignore_errors=True)
            where.parent.mkdir(parents=True, exist_ok=True)
            where.symlink_to(mount)
            row["tried"] += 1
            why = f"{step} on a disk of {size} kB"
            ends(row, start(place.command(step), place.env), why, (0, 2))
            row["leaked"] += any(mount.rglob("*.part*"))
            where.unlink()
            subprocess.run(["umount", "-l", str(mount)], check=True)
            where.mkdir(mode=0o700)
            if again(row, place, step, why):
                judge(row, place, good[step][0], why)
    finally:
        subprocess.run(["umount", "-lq", str(mount)], check=False, stderr=subprocess.DEVNULL)
        mount.rmdir()
    return {"full disks": row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--crashes", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=1, help="of each pair of writers")
    parser.add_argument("--disks", type=int, default=30)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--only", nargs="+", choices=("kills", "crashes", "pairs", "disks"))
    parser.add_argument("--seed", type=int, default=51)
    parser.add_argument("--out", type=Path, default=Path("faults.json"))
    args = parser.parse_args()
    wanted, rng = set(args.only or ("kills", "crashes", "pairs", "disks")), random.Random(args.seed)
    folder = Path(tempfile.mkdtemp(prefix="daebias-faults-"))
    place, rows = Place(folder), {}
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
    try:
        good = steps_once(place, args.steps)
        if "kills" in wanted:
            rows |= killed(place, good, args.kills, False, rng)
        if "crashes" in wanted:
            rows |= killed(place, good, args.crashes, True, rng)
        if "pairs" in wanted:
            rows |= pairs(place, good, args.repeats)
        if "disks" in wanted:
            rows |= disks(place, good, args.disks, rng)
    finally:
        place.server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print("\n| failure | tried | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * (1 + len(COLUMNS)))
    for name, row in rows.items():
        print(f"| {name} | {row['tried']} | " + " | ".join(str(row[c]) for c in COLUMNS) + " |")
    args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
