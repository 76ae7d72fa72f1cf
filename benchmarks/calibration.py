"""Are the probes right? False positives, power and coverage on simulated cohorts.

    python benchmarks/calibration.py [--quick] [--out calibration.json]

Cohorts of n = 1,000 Gaussian embeddings of d = 128, 256 and 512 dimensions in
two groups, shifted by ±δ on five axes, or with the same energy spread over all
axes (±δ·√(5/d) each): the protocol published with ShortKit-ML (its
``SyntheticGenerator`` with its default of five shortcut dimensions). One axis
alone is added as a harder case. δ = 0 gives the false positives. Clustered
cohorts (several images a subject, embeddings of one subject alike) are tested
by subjects, as this package does, and by images, which must fail. Coverage:
does the 95 % interval of a probe's AUC contain the AUC which the very same
fitted machines have on 20,000 fresh subjects?
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from scipy.stats import binom

from fiftyone_daebias.probes.design import make_design
from fiftyone_daebias.probes.fields import Target
from fiftyone_daebias.probes.machine import Machine
from fiftyone_daebias.probes.permutation import permutation_test
from fiftyone_daebias.probes.scores import weighted_auc
from fiftyone_daebias.probes.svm import cross_fit

DELTAS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)


def cohort(rng, d, delta, where, n=1000):
    group = (rng.random(n) > 0.5).astype(int)
    x = rng.standard_normal((n, d)).astype(np.float32)
    side = (2 * group - 1)[:, None]
    if where == "spread":
        x += side * delta * np.sqrt(5 / d)
    else:
        x[:, : 5 if where == "five axes" else 1] += side * delta
    return x, group


def detection(cohorts: int, permutations: int) -> list[dict]:
    rows = []
    for d in (128, 256, 512):
        for where in ("five axes", "spread", "one axis"):
            for delta in DELTAS:
                if delta == 0 and where != "five axes":
                    continue
                hits = 0
                for k in range(cohorts):
                    rng = np.random.default_rng([d, int(1000 * delta), len(where), k])
                    x, group = cohort(rng, d, delta, where)
                    p, _ = permutation_test(
                        make_design(x, "linear"), group, np.arange(len(x)), n_permutations=permutations, rng=rng
                    )
                    hits += p <= 0.05
                place = "nowhere" if delta == 0 else where
                rows.append({"d": d, "where": place, "delta": delta, "found": hits / cohorts})
                print(f"d={d:<4} {place:<10} delta={delta:<5} found {hits / cohorts:.3f}", flush=True)
    return rows


def clustered(cohorts: int, permutations: int) -> dict:
    by_subject = by_image = 0
    for k in range(cohorts):
        rng = np.random.default_rng([7, k])
        sizes = rng.choice([1, 2, 3, 8], 120, p=[0.4, 0.3, 0.2, 0.1])
        subjects = np.repeat(np.arange(120), sizes)
        x = (rng.normal(size=(120, 32))[subjects] + 0.3 * rng.normal(size=(len(subjects), 32))).astype(np.float32)
        label = (rng.random(120) < 0.5)[subjects].astype(int)
        design = make_design(x)
        by_subject += permutation_test(design, label, subjects, n_permutations=permutations, rng=rng)[0] <= 0.05
        images = np.arange(len(label))
        by_image += permutation_test(design, label, images, n_permutations=permutations, rng=rng)[0] <= 0.05
    return {"by subject": by_subject / cohorts, "by image": by_image / cohorts}


def coverage(cohorts: int, n=300, d=16, delta=0.25) -> dict:
    """Coverage of the AUC of the machines that were fitted, each subject having one or two images."""
    inside, widths = 0, []
    for k in range(cohorts):
        rng = np.random.default_rng([11, k])
        x, group = cohort(rng, d, delta, "five axes", n)
        twice = np.r_[np.arange(n), np.arange(n // 2)]
        x = x[twice] + 0.3 * rng.standard_normal((len(twice), d)).astype(np.float32)
        fresh, truth = cohort(rng, d, delta, "five axes", 20_000)
        fresh = fresh + 0.3 * rng.standard_normal(fresh.shape).astype(np.float32)
        subjects = np.array([f"s{i}" for i in twice])
        target = Target("group", "binary", np.arange(len(x)), group[twice], ("0", "1"))
        design = make_design(x, "linear")
        seen: list[float] = []
        mean, spread = x.mean(axis=0), x.std(axis=0)
        outside = ((fresh - mean) / spread / np.sqrt(d)).astype(np.float32)

        class Watched(Machine):
            """Also scores the fresh subjects with each machine that scores a fold."""

            def _fit(self, train, test, y, cost, penalty, key, seen=seen, outside=outside, truth=truth):
                out = super()._fit(train, test, y, cost, penalty, key)
                seen.append((len(train), float(weighted_auc(
                    self._last[key].scores(outside), truth == 1, np.ones(len(truth)))[0])))
                return out

        import fiftyone_daebias.probes.svm as svm

        plain, svm.Machine = svm.Machine, Watched
        try:
            fit = cross_fit(design, target, subjects, repeats=1, n_bootstrap=500, rng=rng)
        finally:
            svm.Machine = plain
        largest = max(size for size, _ in seen)
        real = np.mean([auc for size, auc in seen if size > 0.9 * largest])
        inside += fit.interval[0] <= real <= fit.interval[1]
        widths.append(fit.interval[1] - fit.interval[0])
    return {"coverage": inside / cohorts, "mean width": float(np.mean(widths)), "cohorts": cohorts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the cohorts")
    parser.add_argument("--out", default="calibration.json")
    args = parser.parse_args()
    began = time.time()
    size = 40 if args.quick else 200
    rows = detection(size, 199)
    nothing = [r["found"] for r in rows if r["delta"] == 0]
    low, high = (v / (3 * size) for v in binom.interval(0.95, 3 * size, 0.05))
    print(f"false positives {np.mean(nothing):.3f}; binomial interval around 5 %: {low:.3f} to {high:.3f}")
    groups = clustered(100 if args.quick else 500, 199)
    print("clustered subjects: false positives " + ", ".join(f"{k} {v:.3f}" for k, v in groups.items()))
    covered = coverage(100 if args.quick else 500)
    print(f"coverage of the 95 % interval over {covered['cohorts']} cohorts: {covered['coverage']:.3f}")
    with open(args.out, "w") as out:
        json.dump({"detection": rows, "false positives": float(np.mean(nothing)), "clustered": groups,
                   "coverage": covered, "seconds": time.time() - began}, out, indent=1)


if __name__ == "__main__":
    main()
