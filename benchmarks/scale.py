"""How every step grows with the number of samples: CPU seconds, peak memory, and the exponent between two sizes.

    python benchmarks/scale.py [--sizes 3000 10000 30000] [--columns 50] [--steps register …] [--folder FOLDER]
                               [--minutes 15] [--out scale.json]

Each size is a cohort of tiny pictures with a table of so many columns; the vectors (1,536 values, five sites, one group
that stands apart) are made, so no model is trained. Each step is a process of its own on a mongod of its own; what the
database itself takes is the last column. What is in the JSON is not measured again, so a run can be stopped (--minutes)
and gone on with; a step whose size before says that it would take over an hour is left out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

DIMENSIONS = 1_536
#: most CPU seconds a step may be expected to take
MOST = 3_600
VERBS = {
    "probe-all": ["--fields", "sex", "age", "site", "--n-permutations", "99", "--repeats", "1"],
    "tag": [],
    "suggest-clusters": ["--no-alike"],
    "test-clusters": ["--n-permutations", "99"],
    "drift": ["--date-field", "date", "--n-permutations", "99"],
    "quality": ["--n-permutations", "99"],
    "reidentify": [],
    "report": ["--out", "{folder}/report.html"],
    "share": ["--out", "{folder}/bundle.zip"],
}
STEPS = ("register", "vectors", "map", *list(VERBS)[:-2], "findings", "report", "panel", "share")


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


def draw(folder: Path, n: int, columns: int) -> None:
    """Tiny pictures, a hundred folders of them, and their table."""
    from PIL import Image

    rng = np.random.default_rng(1)
    for k in range(n):
        path = folder / "images" / f"{k % 100:02}" / f"{k:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (12, 12), dtype=np.uint8)).save(path)
    names = ["file", "subject_id", "sex", "age", "site", "date", *(f"column_{k}" for k in range(columns - 6))]
    with open(folder / "table.csv", "w") as table:
        table.write(",".join(names) + "\n")
        for k in range(n):
            known = [f"{k:06}.png", f"s{k // 2}", "FM"[k // 2 % 2], str(20 + k // 2 % 60), "abcde"[k % 5]]
            known.append(f"20{10 + k % 12}-0{1 + k % 9}-1{k % 9}")
            rest = [f"{v:.2f}" if j % 2 else "xyz"[int(v * 3)] for j, v in enumerate(rng.random(columns - 6))]
            table.write(",".join([*known, *rest]) + "\n")


def one(step: str, folder: Path) -> None:
    """One step, in a process of its own."""
    from fiftyone_daebias import cli, schema, store

    if step == "register":
        argv = ["register", "scale", str(folder / "images"), "--table", str(folder / "table.csv"), "--quiet"]
        sys.exit(cli.main(argv))
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


def measure(step: str, folder: Path, env: dict, server: int) -> dict:
    """CPU seconds, wall seconds and peak memory of a step; CPU seconds of the database beside it."""
    before, began = _cpu(server), time.monotonic()
    with open(folder / f"{step}.log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, "--one", step, "--folder", str(folder)], env=env, stdout=log, stderr=log
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
    database = pymongo.MongoClient(address)["fiftyone"]
    for name in database.list_collection_names():
        if name.startswith("fs."):
            continue
        found = list(database[name].aggregate([{"$group": {"_id": None, "most": {"$max": {"$bsonSize": "$$ROOT"}}}}]))
        largest = max(largest, found[0]["most"] if found else 0)
    return round(largest / 1e6, 3)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(rows: dict[str, dict], sizes: list[int]) -> str:
    """A line a step: CPU seconds and memory at each size, and the exponent from the last size but one to the last."""
    lines = ["| step | " + " | ".join(f"{n:,}: CPU s (database), GB" for n in sizes) + " | exponent |"]
    lines.append("|---|" + "---|" * (len(sizes) + 1))
    for step in STEPS:
        cells, seen = [], []
        for n in sizes:
            row = rows.get(f"{step} {n}")
            if row is None or "cpu" not in row:
                cells.append("–")
                continue
            cells.append(f"{row['cpu']:.1f} ({row['database']:.1f}), {row['gigabytes']:.2f}")
            if "failed" in row:
                cells[-1] = "failed"
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[3_000, 10_000, 30_000])
    parser.add_argument("--columns", type=int, default=50, help="columns of the table, at least 6")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--folder", type=Path, help="where the work is done and kept; default: a temporary folder")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long; with --folder, go on later")
    parser.add_argument("--out", type=Path, default=Path("scale.json"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(args.one, args.folder)
        return
    from faults.servers import Server, environment

    until = time.monotonic() + 60 * args.minutes
    folder = args.folder or Path(tempfile.mkdtemp(prefix="daebias-scale-"))
    rows: dict = json.loads(args.out.read_text()) if args.folder and args.out.exists() else {}
    try:
        for n in args.sizes:
            place = folder / f"{n}x{args.columns}"
            if not (place / "table.csv").exists():
                place.mkdir(parents=True, exist_ok=True)
                draw(place, n, args.columns)
            server = Server(place / "server")
            server.start()
            env = {**environment(place / "home", server.address), "FIFTYONE_DO_NOT_TRACK": "true"}
            try:
                if "start" not in rows:
                    rows["start"] = measure("nothing", place, env, server.process.pid)["cpu"]
                for step in args.steps:
                    key = f"{step} {n}"
                    last = [rows[f"{step} {m}"] | {"n": m} for m in args.sizes if m < n and f"{step} {m}" in rows]
                    if key in rows or time.monotonic() > until:
                        continue
                    if last and last[-1].get("cpu", 0) * (n / last[-1]["n"]) ** 1.5 > MOST:
                        rows[key] = {"left out": "it would take over an hour"}
                        continue
                    rows[key] = measure(step, place, env, server.process.pid)
                    print(f"{key}: {rows[key]}", flush=True)
                    args.out.write_text(json.dumps(rows, indent=1) + "\n")
                rows[f"largest document {n}"] = largest_document(server.address)
                args.out.write_text(json.dumps(rows, indent=1) + "\n")
            finally:
                server.stop()
    finally:
        if not args.folder:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(rows, args.sizes))
    for n in args.sizes:
        print(f"largest document at {n:,}: {rows.get(f'largest document {n}', '–')} MB")


if __name__ == "__main__":
    main()
