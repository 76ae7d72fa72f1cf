"""Planted cohorts: is one cause told as one story, are independent causes kept apart, and is a shortcut called one?

Each cohort has two or three independent causes (a device, a site, a protocol),
each recorded in two to four fields that follow it more or less closely, and
fields that have nothing to do with the images. A finding, which the images
show weakly, is the target; in every other cohort it goes with one cause (a
shortcut), the others are visible and harmless. Vectors carry the causes. The
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
#: how common the finding is at the two ends of a cause that goes with it
RARE, COMMON = 0.2, 0.8


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


def with_target(columns: dict, vectors: np.ndarray, causes: dict, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    """A finding beside the causes, vectors that show it weakly, and the cause that goes with it ("" in odd cohorts).

    Args:
        columns, vectors, causes: as :func:`planted` makes them
        seed: of what is drawn here
    """
    rng = np.random.default_rng([seed, 1])
    linked = str(rng.choice(list(causes))) if seed % 2 == 0 else ""
    chance = np.full(len(vectors), 0.5)
    if linked:
        level = np.unique(columns[linked], return_inverse=True)[1]
        rates = rng.permutation(np.linspace(RARE, COMMON, int(level.max()) + 1))
        chance = rates[level]
    sick = rng.random(len(vectors)) < chance
    own = rng.standard_normal(WIDTH)
    return np.array(["no", "yes"])[sick.astype(int)], vectors + 0.25 * np.outer(sick, own).astype(np.float32), linked


def run(seed: int) -> dict:
    """One cohort through probes and stories, and what became of its causes."""
    columns, vectors, causes = planted(seed)
    columns["finding"], vectors, linked = with_target(columns, vectors, causes, seed)
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
    told = dataset.daebias.story(target="finding=yes")
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
    found = [s for s in told.rows if s.risk is not None]
    mine = [s for s in found if linked and s.lead in causes[linked]]
    first = told.rows[0] if told.rows else None
    out["shortcut"] = {
        "planted": bool(linked),
        "told": bool(mine),
        "first": bool(mine) and first is mine[0],
        "gap": mine[0].risk.gap if mine else None,
        "verdict": mine[0].risk.verdict if mine else "",
    }
    out["harmless"] = [s.risk.verdict for s in found if s not in mine]
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
    cuts = [r["shortcut"] for r in rows if r["shortcut"]["planted"] and r["shortcut"]["told"]]
    print("planted shortcuts whose cause is found, told first:", interval(sum(c["first"] for c in cuts), len(cuts)))
    for verdict in ("shortcut", "possible"):
        print(f"of them called {verdict}:", interval(sum(c["verdict"] == verdict for c in cuts), len(cuts)))
    print(
        "with the classifier's gap:",
        interval(sum(c["gap"] is not None and c["gap"] == c["gap"] for c in cuts), len(cuts)),
    )
    others = [v for r in rows for v in r["harmless"]]
    for verdict in ("shortcut", "possible", "confounder", "harmless", "neither", "unknown"):
        print(f"visible harmless causes called {verdict}:", interval(others.count(verdict), len(others)))


if __name__ == "__main__":
    main()
