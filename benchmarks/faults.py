"""What is lost, doubled or leaked when things fail: kills, crashes of the database, two writers at once, full disks.

    python benchmarks/faults.py [--kills 200] [--crashes 40] [--repeats 10] [--disks 30] [--only kills …]
                                [--folder FOLDER] [--minutes 10] [--out FILE]

Everything runs on a mongod of its own and on a small cohort that is made here. After each failure the same command is
run again to its end, and what is then in the database and on disk is compared with what an undisturbed run leaves (as
far as two undisturbed runs leave the same):

    lost      samples, fields, values, runs, results, tags, views, map points or files that are missing or differ
    doubled   more than one sample of a source, or field of a name
    leaked    leases, runs no dataset names, pieces of results, half files
    hung      commands that did not end in time
    broken    tracebacks, or ends with another exit code than is promised

Moments of a kill are drawn evenly over the time that a command works. With --folder, what was tried is kept there and
a second call goes on; with --minutes it stops in time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # not this folder: tests have a "faults" too

from faults.place import MORE, STEPS, Child, Place  # noqa: E402

COLUMNS = ("lost", "doubled", "leaked", "hung", "broken")
#: steps that are killed, in turn; the slow ones less often
KILLED = (
    *("register", "embed", "probe-all", "train", "share", "register", "embed", "explain", "probe-all"),
    *("register", "embed", "train", "share", "audit"),
)
#: pairs that people run side by side
LIKELY = (
    ("probe", "probe site"),
    ("embed", "probe-all"),
    ("tag", "suggest-clusters"),
    ("duplicates", "quality"),
    ("register", "probe"),
    ("report", "share"),
)
#: what is written where when a disk gets full: step, folder of the small disk
DISKS = {
    "preview": ("register", "home/previews"),
    "cache": ("register", "home/cache"),
    "run folder": ("train", "home/runs"),
    "figure": ("explain", "home/figures"),
    "report": ("report", "out"),
    "bundle": ("share", "out"),
}
SECONDS = 180


class Point:
    """What went wrong at one point, counted by column."""

    def __init__(self, name: str, why: str):
        self.name, self.why = name, why
        self.wrong = dict.fromkeys(COLUMNS, 0)
        self.lines: list[str] = []

    def note(self, column: str, text: str) -> None:
        self.wrong[column] = 1
        self.lines.append(f"{column}: {text}")
        print(f"  {self.name}, {self.why}: {column}: {text}", flush=True)

    def ended(self, child: Child, promised: tuple[int, ...]) -> None:
        """Waits for a process, and looks at how it ended."""
        code = child.wait(SECONDS)
        if code is None:
            child.kill_all()
            self.note("hung", child.text()[-300:])
        elif code not in promised or "Traceback" in child.text():
            self.note("broken", f"exit {code}: {child.text().strip()[-500:]}")

    def again(self, place: Place, step: str) -> None:
        """Runs a step to its end after a failure."""
        if place.server.process.poll() is not None:
            place.server.start()
        child = place.start(step)
        if child.wait(SECONDS) is None:
            child.kill_all()
            self.note("hung", "when run again: " + child.text()[-300:])
        elif child.code or "Traceback" in child.text():
            self.note("broken", f"when run again: exit {child.code}: {child.text().strip()[-500:]}")

    def judge(self, place: Place, good: dict) -> None:
        """Compares what there is with what there should be."""
        try:
            now = place.state()
        except (RuntimeError, OSError) as error:
            self.note("lost", f"the state cannot be read: {str(error)[-400:]}")
            return
        for what, value in good.items():
            if now.get(what) != value:
                self.note("lost", f"{what}: {str(now.get(what))[:200]} instead of {str(value)[:200]}")
        if now["doubled"]:
            self.note("doubled", str(now["doubled"]))
        if sum(now["leaked"].values()) or now["half files"]:
            self.note("leaked", f"{now['leaked']}, half files {now['half files']}")


def prepare(place: Place) -> dict[str, tuple[dict, float]]:
    """What undisturbed runs of each step leave, and how long one takes; the place before each is kept.

    Only what two runs leave alike is compared later: files with the time in them are not.
    """
    ready = place.folder / "ready.json"
    if ready.exists():
        return json.loads(ready.read_text())
    out = {}
    for step in STEPS:
        place.keep(f"before {step}")
        states, seconds = [], []
        for again in (False, True):
            if again:
                place.restore(f"before {step}")
            began = time.monotonic()
            child = place.start(step)
            code = child.wait(600)
            assert code == 0, f"{step}: exit {code}: {child.text()[-2000:]}"
            seconds.append(time.monotonic() - began)
            states.append(place.state())
        out[step] = same(*states), max(seconds)
        print(f"{step}: {min(seconds):.1f} s undisturbed, {len(out[step][0])} things compared", flush=True)
    for step in (*MORE, "audit", "report", "share"):  # the last three once more, of what the others found
        child = place.start(step)
        if child.wait(600) != 0:
            raise SystemExit(f"{step}: exit {child.code}: {child.text()[-1500:]}")
    place.keep("after all")
    out["after all"] = place.state(), 0.0
    ready.write_text(json.dumps(out))
    return out


def same(one: dict, other: dict) -> dict:
    """What is alike in both."""
    return {k: v for k, v in one.items() if other.get(k) == v and k not in ("leaked", "half files", "doubled")}


def kill(place: Place, good: dict, k: int, rng: random.Random) -> Point:
    """The client is killed; every fourth time it is asked to end."""
    step = KILLED[k % len(KILLED)]
    state, seconds = good[step]
    moment, soft = rng.uniform(0, 1.05) * seconds, k % 4 == 3
    point = Point(f"{'SIGTERM' if soft else 'SIGKILL'} in {step}", f"after {moment:.2f} s")
    place.restore(f"before {step}")
    child = place.start(step)
    if child.wait(moment) is None:
        child.send(signal.SIGTERM if soft else signal.SIGKILL)
    # a shell says 143 of both: before the first line of a command there is nobody to take the signal
    point.ended(child, (0, 143, -signal.SIGTERM) if soft else (0, -9))
    point.again(place, step)
    point.judge(place, state)
    return point


def crash(place: Place, good: dict, k: int, rng: random.Random) -> Point:
    """The database is killed, every third time with the client."""
    step = KILLED[k % len(KILLED)]
    state, seconds = good[step]
    moment, both = rng.uniform(0, 1) * seconds, k % 3 == 0
    point = Point(f"mongod killed{' with the client' if both else ''} in {step}", f"after {moment:.2f} s")
    place.restore(f"before {step}")
    child = place.start(step)
    child.wait(moment)
    place.server.kill()
    if both:
        child.send(signal.SIGKILL)
    point.ended(child, (0, 2, -9) if both else (0, 2))
    point.again(place, step)
    point.judge(place, state)
    return point


def pair(place: Place, good: dict, k: int, rng: random.Random) -> Point:
    """Two writing verbs at the same moment."""
    steps = pairs_of(k)
    point = Point(
        "likely pairs of writers" if set(steps) in map(set, LIKELY) else "pairs of writers", " + ".join(steps)
    )
    place.restore("after all")
    children = [place.start(step) for step in steps]
    for child in children:
        point.ended(child, (0,))
    here = good["after all"][0]
    lists = {w: here[w] for w in ("samples", "fields", "runs", "brain", "evaluations", "tags", "views", "workspaces")}
    values = {w: v for w, v in here.items() if w.startswith(("values of", "brain"))}
    point.judge(place, {**lists, **values})
    return point


def pairs_of(k: int) -> tuple[str, str]:
    """The k-th pair: all pairs once, then the likely ones."""
    every = list(itertools.combinations([*STEPS, *MORE], 2))
    return every[k] if k < len(every) else LIKELY[(k - len(every)) % len(LIKELY)]


def disk(place: Place, good: dict, k: int, rng: random.Random) -> Point:
    """A step whose files lie on a disk that gets full; root only."""
    what = list(DISKS)[k % len(DISKS)]
    step, folder = DISKS[what]
    size = rng.choice((0, 4, 8, 16, 32, 64, 128)) + 4
    point = Point(f"full disk: {what}", f"{size} kB in {step}")
    place.restore(f"before {step}")
    mount = Path(tempfile.mkdtemp(prefix="daebias-disk-"))
    where = place.folder / folder
    before = where.with_name(where.name + "-before")
    try:
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(mount)], check=False)
        if made.returncode:
            raise SystemExit("disks cannot be mounted here: be root")
        if where.exists():
            where.rename(before)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.symlink_to(mount)
        point.ended(place.start(step), (0, 2))
        if any(mount.rglob("*.part*")):
            point.note("leaked", "half files on the disk")
    finally:
        where.unlink(missing_ok=True)
        subprocess.run(["umount", "-l", str(mount)], check=False)
        mount.rmdir()
        if before.exists():
            before.rename(where)
        where.mkdir(mode=0o700, exist_ok=True)
    point.again(place, step)
    point.judge(place, good[step][0])
    return point


MODES = {"kills": kill, "crashes": crash, "pairs": pair, "disks": disk}


def table(done: dict[str, dict]) -> str:
    """The rows of the README's table."""
    rows: dict[str, dict] = {}
    for point in done.values():
        row = rows.setdefault(point["name"], {"tried": 0, **dict.fromkeys(COLUMNS, 0)})
        row["tried"] += 1
        for column in COLUMNS:
            row[column] += point["wrong"][column]
    head = "| failure | tried | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * (1 + len(COLUMNS))
    lines = [f"| {n} | {r['tried']} | " + " | ".join(str(r[c]) for c in COLUMNS) + " |" for n, r in rows.items()]
    return "\n".join([head, *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--crashes", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=10, help="of each likely pair of writers, after all pairs once")
    parser.add_argument("--disks", type=int, default=30)
    parser.add_argument("--only", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--folder", type=Path, help="where the work is done and kept; default: a temporary folder")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long; with --folder, go on later")
    parser.add_argument(
        "--part", type=int, nargs=2, default=(0, 1), metavar=("K", "N"), help="every N-th point from K on"
    )
    parser.add_argument("--seed", type=int, default=51)
    parser.add_argument("--out", type=Path, default=Path("faults.json"))
    args = parser.parse_args()
    until = time.monotonic() + 60 * args.minutes
    folder = args.folder or Path(tempfile.mkdtemp(prefix="daebias-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    done: dict[str, dict] = json.loads(args.out.read_text()) if args.folder and args.out.exists() else {}
    number = {
        "kills": args.kills,
        "crashes": args.crashes,
        "pairs": len(list(itertools.combinations([*STEPS, *MORE], 2))) + args.repeats * len(LIKELY),
        "disks": args.disks,
    }
    place = Place(folder.resolve())
    try:
        good = prepare(place)
        # in turns, so that an early end has seen some of each
        queue = sorted((k / number[m], m, k) for m in args.only for k in range(number[m]))[args.part[0] :: args.part[1]]
        for _, mode, k in queue:
            key = f"{mode} {k}"
            if key in done:
                continue
            if time.monotonic() > until:
                break
            point = MODES[mode](place, good, k, random.Random(f"{args.seed} {key}"))
            done[key] = {"name": point.name, "why": point.why, "wrong": point.wrong, "lines": point.lines}
            args.out.write_text(json.dumps(done, indent=1) + "\n")
    finally:
        place.server.stop()
        if not args.folder:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(done)} of {sum(number.values())} points\n\n{table(done)}")


if __name__ == "__main__":
    main()
