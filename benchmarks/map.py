"""t-SNE as used here beside scikit-learn's and FiftyOne's own, on the same vectors in the same run.

    python benchmarks/map.py [--sizes 2000 10000 33000] [--dimensions 6144] [--names here scikit-learn FiftyOne]
                             [--minutes 15] [--out map.json]

Vectors are those of a cohort in regions and sites: 6,144 values as 12
concatenated slices have, most of their variance in 60 factors. Printed are
seconds by the clock and of the processors, the Kullback-Leibler divergence (on each implementation's own
affinities), trustworthiness (Venna & Kaski 2001, 15 neighbours) and the share
of each point's 30 nearest neighbours that are among its 30 nearest on the map,
both on 2,000 sampled points. What would take over --minutes is skipped, by
the time of the size before.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np

from fiftyone_daebias.embeddings.map import fit_map, place


def vectors(n: int, d: int = 6_144, seed: int = 0) -> np.ndarray:
    """Float32 (n, d): three regions, ten sites, a shifted group, and what differs from person to person."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n, 60)).astype(np.float32)
    factors += 3 * rng.standard_normal((3, 60)).astype(np.float32)[rng.integers(0, 3, n)]
    factors += 1 * rng.standard_normal((10, 60)).astype(np.float32)[rng.integers(0, 10, n)]
    loadings = rng.standard_normal((60, d)).astype(np.float32) / np.sqrt(1 + np.arange(60, dtype=np.float32))[:, None]
    out = np.empty((n, d), np.float32)
    for first in range(0, n, 1_000):
        part = slice(first, first + 1_000)
        out[part] = factors[part] @ loadings
        out[part] += 0.5 * rng.standard_normal(out[part].shape, dtype=np.float32)
    return out


def quality(x: np.ndarray, points: np.ndarray, k: int = 30, sample: int = 2_000) -> tuple[float, float]:
    """Trustworthiness (15 neighbours) and neighbourhood preservation (``k`` neighbours) of sampled points."""
    rng = np.random.default_rng(1)
    n = len(x)
    rows = np.sort(rng.choice(n, min(sample, n), replace=False))
    norms = (x.astype(np.float64) ** 2).sum(axis=1)
    kept, trust, t = [], 0.0, 15
    for i in rows:
        far = norms - 2 * (x @ x[i]).astype(np.float64)
        far[i] = -np.inf
        rank = np.empty(n, int)
        rank[np.argsort(far, kind="stable")] = np.arange(n)  # 0 is the point itself
        near = ((points - points[i]) ** 2).sum(axis=1)
        near[i] = -1
        shown = np.argpartition(near, k + 1)[: k + 1]
        shown = shown[shown != i]
        kept.append(np.mean(rank[shown] <= k))
        shown = shown[np.argsort(near[shown])][:t]
        trust += np.maximum(rank[shown] - t, 0).sum()
    return 1 - 2 / (len(rows) * t * (2 * n - 3 * t - 1)) * trust, float(np.mean(kept))


def ours(x):
    fitted = fit_map(x, perplexity=50, seed=0)
    return fitted.points, fitted.kl_divergence


def theirs(x):
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    model = TSNE(perplexity=50, random_state=0, n_jobs=-1)
    return model.fit_transform(PCA(50, random_state=0).fit_transform(x)), float(model.kl_divergence_)


def fiftyones(x):
    from fiftyone.brain.internal.core.visualization import TSNEVisualization
    from fiftyone.brain.visualization import TSNEVisualizationConfig

    config = TSNEVisualizationConfig(num_dims=2, seed=0, verbose=False)
    return TSNEVisualization(config).fit_reducer(x)[0], float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made = {"here": ours, "scikit-learn": theirs, "FiftyOne": fiftyones}
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 10_000, 33_000])
    parser.add_argument("--dimensions", type=int, default=6_144)
    parser.add_argument("--names", nargs="+", choices=made, default=list(made))
    parser.add_argument("--minutes", type=float, default=15, help="longer than this is skipped")
    parser.add_argument("--out", default="map.json")
    args = parser.parse_args()
    rows, last = [], {}
    for n in args.sizes:
        x = vectors(n, args.dimensions)
        print(f"\n{n:,} x {x.shape[1]:,}", flush=True)
        print(f"{'':16} {'seconds':>8} {'CPU s':>8} {'KL':>7} {'trustworthiness':>16} {'30 nearest kept':>16}")
        for name in args.names:
            if name in last:
                before, seconds = last[name]
                guess = seconds * (n / before) ** 1.15
                if guess > 60 * args.minutes:
                    print(f"{name:16} skipped: about {guess / 60:.0f} minutes, over {args.minutes:g}")
                    rows.append({"n": n, "name": name, "skipped": guess})
                    continue
            t, cpu = time.perf_counter(), time.process_time()
            points, kl = made[name](x)
            seconds, cpu = time.perf_counter() - t, time.process_time() - cpu
            last[name] = n, seconds
            trust, kept = quality(x, np.asarray(points, np.float64))
            row = {"n": n, "name": name, "seconds": seconds, "CPU s": cpu, "KL": kl}
            rows.append({**row, "trustworthiness": trust, "kept": kept})
            print(f"{name:16} {seconds:8.1f} {cpu:8.1f} {kl:7.3f} {trust:16.4f} {kept:16.3f}", flush=True)
        if n == 2_000:
            fitted = fit_map(x[:1_900], perplexity=50, seed=0)
            again = fit_map(x[:1_900], perplexity=50, seed=0)
            t = time.perf_counter()
            place(fitted, x[:1_900], x[1_900:])
            print(
                f"same seed, same map: {np.array_equal(fitted.points, again.points)}; "
                f"100 new points placed in {time.perf_counter() - t:.1f} s"
            )
        del x
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\npeak memory {peak:.1f} GB")
    with open(args.out, "w") as out:
        json.dump({"rows": rows, "peak GB": peak}, out, indent=1)


if __name__ == "__main__":
    main()
