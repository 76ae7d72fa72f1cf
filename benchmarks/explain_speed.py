"""What stopping a converged classifier and looking at fewer slices save `explain`, and whether it concludes the same.

    python benchmarks/explain_speed.py [--demo] [--subjects 96] [--out explain_speed.json]

Volumes of 12 slices with a planted mark (plain, faint, in noise only, none) are told apart by the follow-up classifier
as it was trained before ("all": every slice at every look, training until nothing improves) and as it is trained now.
Both give seconds of the processor, steps, AUC on held-out subjects, its p-value, and whether maps may be drawn from it,
with the share of the mean map that lies on the mark. With --demo also the AP against the PA films of the demo.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from fiftyone_daebias.explanation.classifier import Recipe, cross_fit, spread
from fiftyone_daebias.explanation.faithfulness import check, choose_layer
from fiftyone_daebias.explanation.gradcam import layers_of, raw_maps

SIDE, SLICES = 64, 12
MARK = (slice(6, 14), slice(46, 56))
BEFORE = Recipe(check_every=30, patience=4, fitted=0.0, few_slices=0)
PLANTS = {"plain mark": (0.9, 0.0), "faint mark": (0.25, 0.0), "noise": (0.0, 0.06), "nothing": (0.0, 0.0)}


def volumes(n: int, mark: float, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth random volumes, one a subject; every second has the mark, or more noise: stack, labels, subjects."""
    rng = np.random.default_rng(seed)
    images = 0.5 + 1.2 * ndimage.gaussian_filter(
        rng.standard_normal((n, SLICES, SIDE, SIDE)).astype(np.float32), (0, 2, 4, 4), mode="wrap"
    )
    images += 0.05 * rng.standard_normal(images.shape)
    labels = np.arange(n) % 2 == 1
    images[labels, :, MARK[0], MARK[1]] += mark
    images[labels] += noise * rng.standard_normal(images[labels].shape)
    return images.astype(np.float16), labels, np.array([f"s{k}" for k in range(n)])


def demo() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Films of the demo that were taken AP against PA, of subjects with films of one kind: stack, labels, subjects."""
    import cv2
    import pandas as pd

    from fiftyone_daebias.demo.run import COHORT

    table = pd.read_csv(COHORT / "metadata.csv")
    table = table[table.groupby("subject_id")["view"].transform("nunique") == 1]
    stack = [cv2.imread(str(COHORT / path), cv2.IMREAD_GRAYSCALE) for path in table["filepath"]]
    side = min(s.shape for s in stack)[0]
    stack = np.stack([cv2.resize(s, (side, side)) for s in stack])[:, None].astype(np.float16) / 255
    return stack, (table["view"] == "AP").to_numpy(), table["subject_id"].to_numpy().astype(str)


def run(stack, labels, subjects, recipe: Recipe) -> dict:
    began = time.process_time()
    found, networks = cross_fit(stack, labels, subjects, ["train"] * len(labels), recipe, n_permutations=499)
    out = {
        "cpu s": time.process_time() - began,
        "steps": list(found.steps),
        "auc": found.auc,
        "interval": list(found.interval),
        "p": found.p,
        "found": found.tells_apart,
    }
    if found.tells_apart:
        few = stack[:, spread(stack.shape[1], recipe.few_slices)]
        tried = np.flatnonzero(found.fold != 0)
        some = np.concatenate([tried[labels[tried] == s][:6] for s in (True, False)])
        layer = choose_layer(networks[0], recipe, few, some, labels, "gradcam")
        rows = np.concatenate([np.flatnonzero((found.fold == 0) & (labels == s))[:12] for s in (True, False)])
        signs = np.where(labels[rows], 1, -1)
        at = layers_of(networks[0], recipe.architecture)[layer]
        maps = raw_maps(networks[0], at, few, rows, recipe.inputs, "gradcam", signs)
        trusted = check(networks, recipe, layer, few, rows, found.fold, labels, maps, "gradcam", n_bootstrap=199)
        mean = maps[labels[rows]].mean(axis=(0, 1))
        out["maps"] = {
            "layer": layer,
            "faithful": trusted.faithful,
            "depends on weights": trusted.depends_on_weights,
            "share on the mark": float(mean[MARK].sum() / max(mean.sum(), 1e-9)),
        }
        out["cpu s with maps"] = time.process_time() - began
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=96)
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--only", nargs="+", help="names of plants")
    parser.add_argument("--out", default="explain_speed.json")
    args = parser.parse_args()
    jobs = {name: (lambda p=p: volumes(args.subjects, *p)) for name, p in PLANTS.items()}
    if args.demo:
        jobs["demo, AP and PA"] = demo
    done = {}
    for name, make in jobs.items():
        if args.only and name not in args.only:
            continue
        given = make()
        done[name] = {"before": run(*given, BEFORE), "now": run(*given, Recipe())}
        for when, row in done[name].items():
            total = row.get("cpu s with maps", row["cpu s"])
            print(
                f"{name:16} {when:6} {row['cpu s']:6.1f} CPU-s to train, {total:6.1f} with maps; steps {row['steps']}; "
                f"AUC {row['auc']:.3f} ({row['interval'][0]:.2f} to {row['interval'][1]:.2f}), p {row['p']:.3g}; "
                f"told apart: {row['found']}; {row.get('maps', '')}",
                flush=True,
            )
        Path(args.out).write_text(json.dumps(done, indent=1))


if __name__ == "__main__":
    main()
