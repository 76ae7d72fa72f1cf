"""Is a planted shift reported in mm, and nothing where nothing is planted? On phantoms, through the whole line.

    python benchmarks/explain.py [--subjects 240] [--out explain.json]

One phantom cohort of lumbar volumes: site B's field of view lies 2 mm further
up than site A's, C's 5, D's 10, E's 20 and F's 43 mm. Files are written,
registered and explained against site A. The anatomy must lie as much further
down, and the header, whose position is that of the planned field of view, must
say the same. Then site A is parted by chance, several times: nothing may be
found in more than a few of the parts.

Uses the database and the home folder of the environment; the dataset is deleted.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import fiftyone as fo
import numpy as np

import fiftyone_daebias as daebias
from fiftyone_daebias import store

SHIFTS = {"B": 2, "C": 5, "D": 10, "E": 20, "F": 43}
NAME = "benchmark-explain"


def shifts(dataset) -> list[dict]:
    rows = []
    for site, planted in SHIFTS.items():
        began = time.process_time()
        found = dataset.daebias.explain(field="site", value=site, against="A", train=False, progress=None)
        d = found.displacement
        row = {
            "site": site,
            "planted mm": planted,
            "measured mm": round(d.shift[0], 2),
            "interval": [round(v, 2) for v in d.shift_interval[0]],
            "p": d.shift_p,
            "found": found.tests["shift"]["found"] and d.moved[0],
            "sideways": d.moved[1],
            "header mm": round(found.header.shift[0], 2),
            "header": found.header.agrees[0],
            "subjects": list(found.n_subjects),
            "cpu s": round(time.process_time() - began, 1),
        }
        rows.append(row)
        print(
            f"planted {planted:>2} mm down: measured {d.shift[0]:6.2f} ({d.shift_interval[0][0]:.2f} to "
            f"{d.shift_interval[0][1]:.2f}), p {d.shift_p:.3f}, header {found.header.shift[0]:6.2f}: "
            f"{found.header.agrees[0]}; {row['subjects']} subjects, {row['cpu s']} CPU-s",
            flush=True,
        )
    return rows


def nothing(dataset, times: int) -> dict:
    """Site A parted by chance: how often any part of the comparison finds something."""
    ids = store.sample_ids(dataset.match({"site": "A"}))
    hits, parts, bounds = 0, [], []
    for k in range(times):
        rng = np.random.default_rng(k)
        inside = [i for i in ids if rng.random() < 0.5]
        dataset.select(inside).tag_samples("benchmark")
        found = dataset.select(ids).daebias.explain(
            tag="benchmark", train=False, n_permutations=199, seed=k, progress=None
        )
        dataset.untag_samples("benchmark")
        hits += found.found
        parts += [name for name, t in found.tests.items() if t["found"]]
        bounds.append([round(v, 1) for v in found.displacement.shift_interval[0]])
    print(f"nothing planted: something found in {hits} of {times} partings {parts}; intervals of the shift {bounds}")
    return {"partings": times, "found": hits, "parts": parts, "intervals": bounds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=240)
    parser.add_argument("--partings", type=int, default=10)
    parser.add_argument("--matrix", type=int, default=96)
    parser.add_argument("--out", default="explain.json")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="daebias-explain-"))
    try:
        plants = [f"shift:{mm}:site={site}" for site, mm in SHIFTS.items()]
        daebias.phantom(
            folder,
            subjects=args.subjects,
            plants=plants,
            format="nifti",
            regions=["lumbar"],
            sites=["A=3", *SHIFTS],
            matrix=args.matrix,
        )
        daebias.register(NAME, folder / "images")
        dataset = fo.load_dataset(NAME)
        out = {"shifts": shifts(dataset), "nothing": nothing(dataset, args.partings), "subjects": args.subjects}
        Path(args.out).write_text(json.dumps(out, indent=1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if fo.dataset_exists(NAME):
            fo.delete_dataset(NAME)


if __name__ == "__main__":
    main()
