"""Table 1 of Graf et al. (2024) on a planted spine cohort: embeddings and networks beside one another.

    python benchmarks/table1.py [--quick] [--subjects 300] [--images 6400] [--seeds 2] [--out table1]

Draws the phantom (three regions a subject, T2-weighted sagittal spine MR; a shifted field of view at one site, a flat
headrest at another), registers it, and runs ``daebias compare`` with every model: the same images seen, the same
held-out subjects (a third), and a field that means nothing (study_arm) among the columns. On two free CPU cores the
default is meant to take about 20 minutes and --quick about 5, reckoned from the images per second of a run with 40
subjects and 640 images, which has trained too little to rank anything. Prints the table and writes it as OUT.json and
OUT.md, and the figures to OUT/.
Run again with the same settings it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import time
from pathlib import Path

import numpy as np

PLANTS = ["shift:43:site=C,region=neck", "headrest:12:site=B"]
FIELDS = ["region", "sex", "weight", "height", "age", "site", "study_arm"]
REGIONS = ("neck", "chest", "lumbar")


def split(dataset, seed: int) -> None:
    """Writes the stored split: 57 % of the subjects train, 10 % are watched, 33 % are scored."""
    from fiftyone_daebias import schema, store

    owners = np.array(store.read_subjects(dataset))
    names = np.random.default_rng(seed).permutation(np.unique(owners))
    cuts = len(names) / 3, len(names) * 0.43
    side = {s: "test" if k < cuts[0] else "val" if k < cuts[1] else "train" for k, s in enumerate(names)}
    store.write_values(
        dataset, schema.SPLIT_FIELD, {i: side[o] for i, o in zip(store.sample_ids(dataset), owners, strict=True)}
    )


def regions(dataset) -> None:
    """Writes the region of each volume, which is the name of its folder."""
    from fiftyone_daebias import schema, store

    found = {}
    for i, files in zip(store.sample_ids(dataset), store.read_field(dataset, schema.SOURCE_FIELD), strict=True):
        text = str(files[0] if isinstance(files, (list, tuple)) else files)
        found[i] = next(r for r in REGIONS if r in text)
    store.write_values(dataset, "region", found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="75 subjects, 1,600 images, one seed")
    parser.add_argument("--subjects", type=int)
    parser.add_argument("--images", type=int, help="images each training sees")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--models", nargs="+", help="default: every row")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="torch's threads")
    parser.add_argument("--folder", default="", help="where the phantom is drawn; default: beside the cache")
    parser.add_argument("--out", default="table1")
    args = parser.parse_args()
    subjects = args.subjects or (75 if args.quick else 300)
    images = args.images or (1_600 if args.quick else 6_400)
    seeds = args.seeds or (1 if args.quick else 2)

    import fiftyone as fo
    import torch

    import fiftyone_daebias as daebias
    from fiftyone_daebias import paths
    from fiftyone_daebias.figures import figure_path
    from fiftyone_daebias.progress import TerminalProgress
    from fiftyone_daebias.schema import COMPARE_RUN
    from fiftyone_daebias.store import load_run

    torch.set_num_threads(args.threads)
    progress, times = TerminalProgress(), {}

    def timed(what: str, work):
        began = time.perf_counter()
        out = work()
        times[what] = round(time.perf_counter() - began, 1)
        print(f"{what}: {times[what]:.0f} s", flush=True)
        return out

    folder = Path(args.folder) if args.folder else paths.home() / "benchmarks" / f"table1-{subjects}"
    drawn = timed(
        "drawing", lambda: daebias.phantom(folder, subjects=subjects, plants=PLANTS, matrix=96, progress=progress)
    )
    print(drawn)
    name = f"table1-{subjects}"
    if not fo.dataset_exists(name):
        print(timed("registering", lambda: daebias.register(name, Path(drawn.images), progress=progress)))
        regions(fo.load_dataset(name))
        split(fo.load_dataset(name), 51)
    dataset = fo.load_dataset(name)
    result = timed(
        "comparing",
        lambda: daebias.compare(
            dataset, models=args.models, fields=FIELDS, images=images, seeds=seeds, progress=progress
        ),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\n{result}\n\npeak memory {peak:.1f} GB")
    facts = {
        "subjects": subjects,
        "volumes": len(dataset),
        "plants": PLANTS,
        "images": images,
        "seeds": seeds,
        "seconds": times,
        "peak GB": round(peak, 1),
        "table": result.to_dict(),
    }
    Path(f"{args.out}.json").write_text(json.dumps(facts, indent=1) + "\n")
    Path(f"{args.out}.md").write_text(result.to_markdown())
    for figure in load_run(dataset, COMPARE_RUN)[1]["figures"]:
        Path(args.out).mkdir(parents=True, exist_ok=True)
        shutil.copy(figure_path(name, figure), args.out)
    print(f"written: {args.out}.json, {args.out}.md, figures in {args.out}/")


if __name__ == "__main__":
    main()
