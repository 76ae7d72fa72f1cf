"""What does a probe cost, beside scikit-learn's own solvers on the same rows in the same run?

    python benchmarks/probes.py [--quick] [--out probes.json]

A "probe" here is everything the verb does: cross-fitting with penalty and
scaling chosen in each fold, an interval, 999 permutations that are trained anew. The aim: a linear
probe costs less than ten stock ``LinearSVC`` fits of the same size.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import warnings

import numpy as np
from sklearn.svm import SVC, SVR, LinearSVC

from fiftyone_daebias.probes.cross_fit import cross_fit
from fiftyone_daebias.probes.design import probe_designs
from fiftyone_daebias.probes.lssvm import Folds, subject_folds
from fiftyone_daebias.statistics.targets import Target


def data(n, d, rank=60, seed=0):
    """Vectors whose spectrum falls off as that of an embedding does, a label and a number that they know."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n, rank)).astype(np.float32)
    loadings = (rng.standard_normal((rank, d)) / np.sqrt(1 + np.arange(rank))[:, None]).astype(np.float32)
    x = factors @ loadings + 0.5 * rng.standard_normal((n, d)).astype(np.float32)
    signal = factors[:, 3] + factors[:, 10] + rng.standard_normal(n)
    return x, (signal > 0).astype(int), signal


def probe(x, target, kernel, permutations=999):
    rng = np.random.default_rng(0)
    times = {}
    t = time.perf_counter()
    designs = probe_designs(x, kernel)
    times["scalings"] = time.perf_counter() - t
    subjects = np.arange(len(x))
    t = time.perf_counter()
    machine = Folds(designs, subjects, subject_folds(subjects, 5, 3, rng))
    times["folds"] = time.perf_counter() - t
    t = time.perf_counter()
    fit = cross_fit(designs, target, subjects, n_permutations=permutations, rng=rng, machine=machine)
    times["score, interval and permutations"] = time.perf_counter() - t
    return sum(times.values()), times, fit.score


def timed(model, x, y):
    t = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
    return time.perf_counter() - t


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2,000 x 512 only")
    parser.add_argument("--out", default="probes.json")
    args = parser.parse_args()
    rows = []
    for n, d in ((2_000, 512),) if args.quick else ((10_000, 512), (11_186, 6_144)):
        x, group, number = data(n, d)
        z = (x - x.mean(0)) / x.std(0)
        one = timed(LinearSVC(), z, group)
        binary = Target("group", "binary", np.arange(n), group, ("0", "1"))
        cost, parts, score = probe(x, binary, "linear")
        row = {
            "n": n,
            "d": d,
            "LinearSVC fit": one,
            "linear probe": cost,
            "in LinearSVC fits": cost / one,
            "AUC": score,
            **{f"linear {k}": v for k, v in parts.items()},
        }
        print(
            f"{n:,} x {d:,}: one LinearSVC fit {one:.1f} s; linear probe with interval and 999 permutations "
            f"{cost:.1f} s = {cost / one:.1f} fits; " + ", ".join(f"{k} {v:.1f} s" for k, v in parts.items()),
            flush=True,
        )
        if n * d <= 10_000 * 512:
            kernel_fit = timed(SVC(), z, group)
            cost, parts, score = probe(x, binary, "rbf")
            row |= {"SVC fit": kernel_fit, "rbf probe": cost, "in SVC fits": cost / kernel_fit, "rbf AUC": score}
            fits = cost / kernel_fit
            print(f"  rbf: one SVC fit {kernel_fit:.1f} s; probe {cost:.1f} s = {fits:.1f} fits", flush=True)
        numeric = Target("number", "numeric", np.arange(n), number.astype(float))
        cost, parts, score = probe(x, numeric, "linear")
        row |= {"linear regression probe": cost}
        text = f"  number: linear probe {cost:.1f} s"
        if n * d <= 10_000 * 512:
            one = timed(SVR(), z, number)
            row |= {"SVR fit": one}
            text += f"; one SVR fit {one:.1f} s"
        print(text, flush=True)
        row["peak GB so far"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"  peak memory {row['peak GB so far']:.1f} GB", flush=True)
        rows.append(row)
    with open(args.out, "w") as out:
        json.dump(rows, out, indent=1)


if __name__ == "__main__":
    main()
