"""Planted cohorts: is one cause told as one story, and are independent causes kept apart?

Each cohort has two or three independent causes (a device, a site, a protocol),
each recorded in two to four fields that follow it more or less closely, and
fields that have nothing to do with the images. Vectors carry the causes. The
whole line runs: probes, correction, stories. Cohorts that are done are read
from the result file, so that an interrupted run goes on.

    python benchmarks/stories.py --cohorts 40 --out stories.json
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import fiftyone as fo
import numpy as np

import fiftyone_daebias  # noqa: F401  puts the accessor on datasets
from fiftyone_daebias import schema, store
from fiftyone_daebias.statistics.intervals import share_interval

#: the vectors' length
WIDTH = 24


def planted(seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, list[str]]]:
    """Columns, vectors and ``{cause: its fields}`` of one cohort.

    Args:
        seed: of everything that is drawn
    """
    rng = np.random.default_rng(seed)
    n = int(rng.integers(200, 401))
    vectors = rng.standard_normal((n, WIDTH)) @ np.diag(np.linspace(1.5, 0.5, WIDTH))
    columns, causes = {}, {}
    for k in range(int(rng.integers(2, 4))):
        levels = int(rng.integers(2, 5))
        cause = rng.choice(levels, n, p=rng.dirichlet(np.full(levels, 4.0)))
        shift = rng.standard_normal((levels, WIDTH))
        vectors += rng.uniform(0.5, 1.2) * shift[cause]
        fields = {f"cause{k}": np.array([f"c{c}" for c in range(levels)])[cause]}
        numbers = np.sort(rng.uniform(100, 900, levels))
        fields[f"matrix{k}"] = (np.round(numbers[cause]) + rng.integers(-5, 6, n)).astype(float)
        if rng.random() < 0.7:
            wrong = rng.random(n) < rng.uniform(0.02, 0.2)
            mode = np.where(wrong, rng.integers(0, 2, n), cause % 2)
            fields[f"mode{k}"] = np.array(["off", "on"])[mode]
        if rng.random() < 0.5:
            fields[f"spacing{k}"] = np.round(numbers[cause] / 1000, 3)
        columns |= fields
        causes[f"cause{k}"] = list(fields)
    columns["null_class"] = np.array(["a", "b", "c"])[rng.integers(0, 3, n)]
    columns["null_number"] = rng.normal(50, 10, n)
    return columns, vectors.astype(np.float32), causes


def run(seed: int) -> dict:
    """One cohort through probes and stories, and what became of its causes."""
    columns, vectors, causes = planted(seed)
    name = f"benchmark-stories-{seed}"
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    dataset = fo.Dataset(name)
    dataset.add_samples(
        [
            fo.Sample(filepath=f"/nowhere/{k}.png", subject_id=f"P{k}", **{c: v[k].item() for c, v in columns.items()})
            for k in range(len(vectors))
        ],
        progress=False,
    )
    store.write_vectors(dataset, schema.embedding_field(), store.sample_ids(dataset), vectors)
    began = time.monotonic()
    dataset.daebias.probe_all(n_permutations=999, n_bootstrap=100, repeats=1)
    probed = time.monotonic()
    told = dataset.daebias.story()
    out = {"seed": seed, "n": len(vectors), "plants": [], "joined": 0, "pairs": 0, "null_stories": 0}
    of = {f: s.key for s in told.rows for f in s.fields}
    for cause, fields in causes.items():
        found = [f for f in fields if f in of]
        out["plants"].append(
            {"cause": cause, "fields": len(fields), "found": len(found), "stories": len({of[f] for f in found})}
        )
    homes = [{of[f] for f in fields if f in of} for fields in causes.values()]
    for i, a in enumerate(homes):
        for b in homes[i + 1 :]:
            out["pairs"] += bool(a and b)
            out["joined"] += bool(a & b)
    out["null_stories"] = sum(s.lead.startswith("null") for s in told.rows)
    out["stories"] = len(told.rows)
    out["seconds"] = [round(probed - began, 1), round(time.monotonic() - probed, 1)]
    fo.delete_dataset(name)
    return out


def interval(k: int, n: int) -> str:
    """A share with its exact binomial interval."""
    low, high = share_interval(k, n)
    return f"{k}/{n} = {k / max(n, 1):.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long; run again to go on")
    parser.add_argument("--out", type=Path, default=Path("stories.json"))
    args = parser.parse_args()
    rows = json.loads(args.out.read_text()) if args.out.exists() else []
    began = time.monotonic()
    for seed in range(args.cohorts):
        if time.monotonic() - began > args.seconds:
            break
        if seed not in {r["seed"] for r in rows}:
            rows.append(run(seed))
            args.out.write_text(json.dumps(rows, indent=1))
    plants = [p for r in rows for p in r["plants"] if p["found"]]
    print(f"{len(rows)} cohorts, {sum(len(r['plants']) for r in rows)} causes, {len(plants)} of them found")
    print("one story a found cause:", interval(sum(p["stories"] == 1 for p in plants), len(plants)))
    pairs = sum(r["pairs"] for r in rows)
    print("independent causes kept apart:", interval(pairs - sum(r["joined"] for r in rows), pairs))
    print(
        "cohorts with a story of a field that has nothing to do with the images:",
        interval(sum(r["null_stories"] > 0 for r in rows), len(rows)),
    )


if __name__ == "__main__":
    main()
