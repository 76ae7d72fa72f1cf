"""What it costs to extend a cohort by N images, beside registering N alone and beside the whole.

    python benchmarks/extend.py [--sizes 2000 8000] [--more 200] [--folder FOLDER] [--out extend.json]

Each size is a cohort of pictures of 64 x 64 pixels with a table, registered, embedded with principal components (so
nothing is trained), mapped and measured; then N pictures and their lines are added, and every step runs once more. Each
step is a process of its own; CPU seconds are its own and its database's, less those of a process that only starts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scale import _cpu, write_table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

NAME = "extended"
TESTS = ["--n-permutations", "99"]
#: what runs on a cohort for the first time, and what after N were added
FIRST = {
    "register": ["register", NAME, "{folder}/images", "--table", "{folder}/50.csv"],
    "embed, map": ["embed", NAME, "--model", "pca"],
    "duplicates": ["duplicates", NAME],
    "quality": ["quality", NAME, *TESTS],
    "files": ["files", NAME, *TESTS],
    "reidentify": ["reidentify", NAME, "--vectors", "pca_embedding"],
}
AGAIN = {**FIRST, "embed, map": [*FIRST["embed, map"], "--extend"]}


def draw(folder: Path, n: int) -> None:
    """Pictures of five sites' grey and noise, a hundred folders of them."""
    from PIL import Image

    rng = np.random.default_rng(1)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    for k in range(n):
        path = folder / f"{k % 100:02}" / f"{k:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        wide, high, turn = rng.uniform(0.3, 0.9, 3)
        body = 120 * np.exp(-(((x + turn * y - 0.3) / wide) ** 2) - (y / high) ** 2)
        Image.fromarray((body + 10 * (k % 5) + rng.uniform(0, 60, x.shape)).astype(np.uint8)).save(path)


def measure(name: str, argv: list[str], folder: Path, env: dict, server: int) -> float:
    """CPU seconds of a Python command and of the database while it ran."""
    before = _cpu(server)
    command = [sys.executable, *(a.format(folder=folder) for a in argv)]
    with open(folder / f"{name}.log", "w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=ROOT)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{name}: " + (folder / f"{name}.log").read_text()[-2_000:])
    return used.ru_utime + used.ru_stime + _cpu(server) - before


def run(folder: Path, n: int, more: int) -> dict[str, dict[str, float]]:
    """CPU seconds of every step: on n, unchanged, and on n + more; ``more`` is 0 where nothing is added."""
    from faults.servers import Server, environment

    folder.mkdir(parents=True)
    draw(folder / "images", n + more)
    later = [p for p in sorted((folder / "images").glob("*/*.png")) if int(p.stem) >= n]
    for path in later:
        target = folder / "later" / path.relative_to(folder / "images")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    write_table(folder / "50.csv", n, 50)
    server = Server(folder / "server")
    server.start()
    env = {**environment(folder / "home", server.address), "FIFTYONE_DO_NOT_TRACK": "true"}
    out: dict[str, dict[str, float]] = {}
    time.sleep(3)  # a file that has just been written may change once more within the grain of its times
    try:
        pid = server.process.pid
        nothing = ["-c", "import fiftyone; fiftyone.list_datasets()"]
        started = min(measure("start", nothing, folder, env, pid) for _ in range(3))

        def steps(which: dict[str, list[str]], column: str) -> None:
            for name, argv in which.items():
                seconds = measure(name, ["-m", "fiftyone_daebias", *argv, "--quiet"], folder, env, pid) - started
                out.setdefault(name, {})[column] = round(seconds, 2)
                print(f"{n:,} {column} {name}: {seconds:.2f}", flush=True)

        steps(FIRST, "whole")
        if more:
            steps({"register": FIRST["register"]}, "again")
            for path in (folder / "later").glob("*/*.png"):
                path.rename(folder / "images" / path.relative_to(folder / "later"))
            write_table(folder / "50.csv", n + more, 50)
            steps(AGAIN, "extended")
    finally:
        server.stop()
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 8_000])
    parser.add_argument("--more", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where the work is done and kept; default: a temporary folder")
    parser.add_argument("--out", type=Path, default=Path("extend.json"))
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="daebias-extend-"))
    rows = {}
    try:
        for n, more in [(args.more, 0), *((n, args.more) for n in args.sizes)]:
            rows[n] = run(folder / str(n), n, more)
            args.out.write_text(json.dumps(rows, indent=1) + "\n")
    finally:
        if not args.folder:
            shutil.rmtree(folder, ignore_errors=True)
    heads = [f"{n:,} first | {n:,} + {args.more}" for n in args.sizes]
    print(f"| step | {args.more} alone | {' | '.join(heads)} | {args.sizes[-1]:,} to {args.sizes[0]:,} |")
    print("|---" * (3 + 2 * len(args.sizes)) + "|")
    for name in FIRST:
        cells = [f"{rows[n][name]['whole']:.1f} | {rows[n][name]['extended']:.1f}" for n in args.sizes]
        ratio = rows[args.sizes[-1]][name]["extended"] / rows[args.sizes[0]][name]["extended"]
        print(f"| {name} | {rows[args.more][name]['whole']:.1f} | {' | '.join(cells)} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
