"""How every step grows with the number of samples: CPU seconds, peak memory, and the exponent between two sizes.

    python benchmarks/scale.py [--sizes 3000 10000 30000 100000] [--columns 50 500 3000] [--steps register …]
                               [--folder FOLDER] [--minutes 15] [--out scale.json]

Each size is a cohort of tiny pictures, registered with tables of so many columns; the other steps run on the one with
the first. The vectors (1,536 values, five sites, one group that stands apart) are made, so no model is trained. Each
step is a process of its own on a mongod of its own; what the database itself takes stands in brackets. What is in the
JSON is not measured again, so a run can be stopped (--minutes) and gone on with; a step whose size before says that it
would take over twenty minutes is left out, and one that takes longer is ended.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

DATABASE = "fiftyone"
DIMENSIONS = 1_536
#: a step is left out where it can be expected to take more CPU seconds, and ended where it does
MOST = 1_200
VERBS = {
    "probe-all": ["--fields", "sex", "age", "site", "--n-permutations", "99", "--repeats", "1"],
    "tag": [],
    "suggest-clusters": ["--no-alike"],
    "test-clusters": ["--n-permutations", "99"],
    "drift": ["--date-field", "date", "--n-permutations", "99"],
    "quality": ["--n-permutations", "99"],
    "reidentify": [],
    "story": [],
    "report": ["--out", "{folder}/report.html"],
    "share": ["--out", "{folder}/bundle.zip"],
}
STEPS = ("vectors", "map", *list(VERBS)[:-2], "findings", "report", "panel", "share")


def made_vectors(n: int) -> np.ndarray:
    """Float32 (n, 1,536): sites, a group of 2 % that stands apart, and what differs from person to person."""
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((n, 40), dtype=np.float32)
    factors += 1.5 * rng.standard_normal((5, 40)).astype(np.float32)[np.arange(n) % 5]
    factors[np.arange(n) % 50 == 0] += 4
    loadings = rng.standard_normal((40, DIMENSIONS)).astype(np.float32)
    out = np.empty((n, DIMENSIONS), np.float32)
    for first in range(0, n, 5_000):
        part = slice(first, first + 5_000)
        out[part] = factors[part] @ loadings + rng.standard_normal(out[part].shape, dtype=np.float32)
    return out


def draw(folder: Path, n: int) -> None:
    """Tiny pictures, a hundred folders of them."""
    from PIL import Image

    rng = np.random.default_rng(1)
    for k in range(n):
        path = folder / "drawing" / f"{k % 100:02}" / f"{k:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (12, 12), dtype=np.uint8)).save(path)
    (folder / "drawing").rename(folder / "images")


def write_table(path: Path, n: int, columns: int) -> None:
    """A line a picture: six columns of a cohort, then numbers and codes in turn."""
    rng = np.random.default_rng(2)
    numbers, codes = np.array([f"{v / 100:.2f}" for v in range(100)]), np.array(["x", "y", "z"])
    names = ["file", "subject_id", "sex", "age", "site", "date", *(f"column_{k}" for k in range(columns - 6))]
    with open(path, "w") as table:
        table.write(",".join(names) + "\n")
        for k in range(n):
            known = [f"{k:06}.png", f"s{k // 2}", "FM"[k // 2 % 2], str(20 + k // 2 % 60), "abcde"[k % 5]]
            known.append(f"20{10 + k % 12}-0{1 + k % 9}-1{k % 9}")
            drawn = rng.integers(0, 100, columns - 6)
            rest = np.where(np.arange(columns - 6) % 2, numbers[drawn], codes[drawn % 3])
            table.write(",".join([*known, *rest.tolist()]) + "\n")


def one(step: str, folder: Path, columns: int) -> None:
    """One step, in a process of its own; ``columns``: of the table of the cohort that all other steps run on."""
    from fiftyone_daebias import cli, schema, store

    if step.startswith("register"):
        table = step.removeprefix("register ")
        name = "scale" if table == str(columns) else "wide"
        argv = ["register", name, str(folder / "images"), "--table", str(folder / f"{table}.csv"), "--quiet"]
        sys.exit(cli.main(argv))
    if step == "drop":
        store.dataset_of(store.load_samples("wide")).delete()
        return
    if step in VERBS:
        given = [g.format(folder=folder) for g in VERBS[step]]
        sys.exit(cli.main([step, "scale", *given, "--quiet"]))
    if step == "nothing":
        return
    dataset = store.load_samples("scale")
    if step == "vectors":
        store.write_vectors(
            dataset, schema.embedding_field(), store.sample_ids(dataset), made_vectors(store.count(dataset))
        )
    elif step == "map":
        from fiftyone_daebias.embeddings.map import fit_map

        ids, vectors = store.read_vectors(dataset, schema.embedding_field())
        store.save_map(dataset, schema.map_key(), ids, fit_map(vectors).points, schema.points_field())
    elif step == "findings":
        from fiftyone_daebias.findings.collect import collect_findings

        collect_findings(dataset)
    elif step == "panel":
        import fiftyone.operators as foo
        from fiftyone.operators.executor import ExecutionContext, Executor

        from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin

        link_plugin()
        uri = f"{PLUGIN_NAME}/{schema.PANEL_NAME}"
        state: dict = {}
        for method, given in (("on_load", {}), ("refresh", {"tab": "findings"}), ("refresh", {"tab": "clusters"})):
            params = {"__method__": method, "panel_id": "p", "panel_state": {**state, **given}}
            request = {"dataset_name": dataset.name, "view": [], "params": params}
            context = ExecutionContext(request_params=request, executor=Executor(), operator_uri=uri)
            foo.get_operator(uri).execute(context)


def measure(step: str, folder: Path, columns: int, env: dict, server: int) -> dict:
    """CPU seconds, wall seconds and peak memory of a step; CPU seconds of the database beside it."""
    before, began = _cpu(server), time.monotonic()
    with open(folder / f"{step}.log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, "--one", step, "--folder", str(folder), "--columns", str(columns)],
            env=env,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (MOST, MOST)),
        )
        _, status, used = os.wait4(process.pid, 0)
    out = {
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "wall": round(time.monotonic() - began, 2),
        "gigabytes": round(used.ru_maxrss / 1e6, 2),
        "database": round(_cpu(server) - before, 2),
    }
    if status:
        out["failed"] = (folder / f"{step}.log").read_text()[-600:]
    return out


def largest_document(address: str) -> float:
    """Megabytes of the largest document that is no picture, vector or result; MongoDB's bound is 16."""
    import pymongo

    largest = 0
    database = pymongo.MongoClient(address)[DATABASE]
    for name in database.list_collection_names():
        if name.startswith("fs."):
            continue
        found = list(database[name].aggregate([{"$group": {"_id": None, "most": {"$max": {"$bsonSize": "$$ROOT"}}}}]))
        largest = max(largest, found[0]["most"] if found else 0)
    return round(largest / 1e6, 3)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(rows: dict[str, dict], steps: list[str], sizes: list[int]) -> str:
    """A line a step: CPU seconds and memory at each size, and the exponent from the last size but one to the last."""
    lines = ["| step | " + " | ".join(f"{n:,}: CPU s (database), GB" for n in sizes) + " | exponent |"]
    lines.append("|---|" + "---|" * (len(sizes) + 1))
    for step in steps:
        cells, seen = [], []
        for n in sizes:
            row = rows.get(f"{step} {n}")
            if row is None or "cpu" not in row:
                cells.append("–")
                continue
            cells.append(f"{row['cpu']:.1f} ({row['database']:.1f}), {row['gigabytes']:.2f}")
            if "failed" in row:
                cells[-1] = f"ended after {row['cpu']:.0f}" if row["cpu"] >= MOST - 5 else "failed"
            else:
                seen.append((n, row["cpu"] + row["database"]))
        lines.append(f"| {step} | " + " | ".join(cells) + f" | {_exponent(rows, seen)} |")
    return "\n".join(lines)


def _exponent(rows: dict[str, dict], seen: list[tuple[int, float]]) -> str:
    if len(seen) < 2:
        return "–"
    (n, a), (m, b) = seen[-2:]
    # starting Python and FiftyOne costs the same at every size
    a, b = max(a - rows.get("start", 0), 0.05), max(b - rows.get("start", 0), 0.05)
    return f"{math.log(b / a) / math.log(m / n):.2f}"


def expected(before: list[dict], n: int, start: float) -> float:
    """CPU seconds of a step at a size, from smaller ones: as it grew between the last two, else as n^1.2."""
    if not before:
        return 0.0
    *earlier, last = before
    growth = 1.2
    if earlier and "cpu" in earlier[-1] and "cpu" in last:
        a, b = (max(row["cpu"] - start, 0.1) for row in (earlier[-1], last))
        growth = math.log(b / a) / math.log(last["n"] / earlier[-1]["n"])
    return last.get("cpu", MOST) * (n / last["n"]) ** max(growth, 0.5)


def run(args: argparse.Namespace, rows: dict, folder: Path, n: int) -> None:
    """Measures at one size what is not in ``rows`` yet."""
    from faults.servers import Server, environment

    if not (folder / "images").exists():
        draw(folder, n)
    server = Server(folder / "server")
    server.start()
    env = {**environment(folder / "home", server.address), "FIFTYONE_DO_NOT_TRACK": "true"}
    env["FIFTYONE_DATABASE_NAME"] = DATABASE
    try:
        if "start" not in rows:
            rows["start"] = measure("nothing", folder, args.columns[0], env, server.process.pid)["cpu"]
        for step in args.steps:
            key = f"{step} {n}"
            last = [rows[f"{step} {m}"] | {"n": m} for m in args.sizes if m < n and f"{step} {m}" in rows]
            if key in rows or time.monotonic() > args.until:
                continue
            if expected(last, n, rows.get("start", 0)) > MOST:
                rows[key] = {"left out": "it would take over twenty minutes"}
                continue
            text = folder / f"{step.removeprefix('register ')}.csv"
            if step.startswith("register") and not text.exists():
                write_table(text, n, int(text.stem))
            rows[key] = measure(step, folder, args.columns[0], env, server.process.pid)
            rows[key]["megabytes"] = largest_document(server.address)
            if step.startswith("register") and int(text.stem) != args.columns[0]:
                measure("drop", folder, args.columns[0], env, server.process.pid)
                text.unlink()
            print(f"{key}: {rows[key]}", flush=True)
            args.out.write_text(json.dumps(rows, indent=1) + "\n")
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[3_000, 10_000, 30_000])
    parser.add_argument("--columns", type=int, nargs="+", default=[50], help="columns of the tables, at least 6")
    parser.add_argument("--steps", nargs="+", help=f"default: register COLUMNS, {', '.join(STEPS)}")
    parser.add_argument("--folder", type=Path, help="where the work is done and kept; default: a temporary folder")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long; with --folder, go on later")
    parser.add_argument("--out", type=Path, default=Path("scale.json"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(args.one, args.folder, args.columns[0])
        return
    args.until = time.monotonic() + 60 * args.minutes
    args.steps = args.steps or [*(f"register {c}" for c in args.columns), *STEPS]
    folder = args.folder or Path(tempfile.mkdtemp(prefix="daebias-scale-"))
    rows: dict = json.loads(args.out.read_text()) if args.folder and args.out.exists() else {}
    try:
        for n in args.sizes:
            run(args, rows, folder / str(n), n)
    finally:
        if not args.folder:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(rows, args.steps, args.sizes))
    measured = [r["megabytes"] for r in rows.values() if isinstance(r, dict) and "megabytes" in r]
    print(f"largest document that is no picture, vector or result: {max(measured, default=0)} MB")


if __name__ == "__main__":
    main()
