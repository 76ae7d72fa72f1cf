"""The t-SNE map of an embedding, and placing new points on it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from ..parallel import workers
from ..progress import Progress, start

#: PCA before t-SNE keeps this share of the variance, and at most this many components
PCA_VARIANCE, PCA_MOST = 0.99, 50
#: from here interpolation on a grid (Linderman et al. 2019) is faster than a tree (van der Maaten 2014)
GRID_FROM = 5_000
#: so many vectors, drawn at random, say in which components a stored map's points lie
ENOUGH = 2_000
#: a large map ends when this many iterations lower the divergence by less than this share
STRETCH, CONVERGED = 50, 0.005


@dataclass(frozen=True)
class Schedule:
    """Stretches of iterations and momentum with exaggeration, and at most so many and theirs without it."""

    early: tuple[int, ...]
    early_momentum: float
    later: int
    momentum: float
    stops: bool


#: more momentum or an earlier end blurs weak groups (docs/benchmarks.md); small maps keep the usual schedule
SMALL, LARGE = Schedule((50,) * 5, 0.5, 500, 0.8, False), Schedule((75,), 0.8, 500, 0.9, True)


@dataclass(frozen=True)
class TsneMap:
    """A 2-D map.

    Attributes:
        points: float32 (n, 2)
        perplexity: perplexity used
        kl_divergence: Kullback-Leibler divergence reached
        n_pca: principal components t-SNE ran on
        explained: share of the variance they hold
        mean: float32 (d,), subtracted before the projection
        components: float32 (n_pca, d)
        seed: seed
        notes: what was chosen or lowered, one line each
    """

    points: np.ndarray
    perplexity: float
    kl_divergence: float
    n_pca: int
    explained: float
    mean: np.ndarray = field(repr=False)
    components: np.ndarray = field(repr=False)
    seed: int = 51
    notes: tuple[str, ...] = ()

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (m, d) on the map's principal components, float32 (m, n_pca)."""
        return (np.asarray(vectors, np.float32) - self.mean) @ self.components.T


def fit_map(
    vectors: np.ndarray, *, perplexity: float = 50.0, seed: int = 51, progress: Progress | None = None
) -> TsneMap:
    """Maps vectors to two dimensions with t-SNE (van der Maaten & Hinton 2008; openTSNE).

    Args:
        vectors: float array (n, d)
        perplexity: effective number of neighbours; lowered, with a note, when n is below 3 × perplexity + 1
        seed: seed; the same vectors and seed give the same map
        progress: where to report

    Returns:
        the map

    Raises:
        InputError: fewer than 8 vectors, vectors that are not finite or all equal, a perplexity below 2
    """
    vectors = _checked(vectors)
    n = len(vectors)
    notes = []
    if perplexity < 2:
        raise InputError(f"perplexity must be at least 2; got {perplexity}")
    limit = (n - 1) / 3
    if perplexity > limit:
        lowered = float(max(2, int(limit)))
        notes.append(f"perplexity lowered from {perplexity:g} to {lowered:g}: it must be below n/3, and n is {n}")
        perplexity = lowered
    mean, components, explained = _principal_components(vectors, seed)
    reduced = (vectors - mean) @ components.T
    notes.append(f"t-SNE on {len(components)} principal components, {explained:.0%} of the variance")
    fitted = _run(reduced, perplexity, seed, progress)
    return TsneMap(
        np.asarray(fitted, dtype=np.float32),
        perplexity,
        float(fitted.kl_divergence),
        len(components),
        float(explained),
        mean,
        components,
        seed,
        tuple(notes),
    )


def rebuild_map(vectors: np.ndarray, points: np.ndarray, facts: dict) -> TsneMap:
    """A stored map made ready to place new vectors on.

    Args:
        vectors: the vectors it was fitted to, (n, d)
        points: their points, (n, 2)
        facts: "perplexity", "kl_divergence" and "seed" of the fit
    """
    vectors, seed = _checked(vectors), int(facts["seed"])
    if len(vectors) > ENOUGH:
        drawn = vectors[np.sort(np.random.default_rng([seed, 31]).choice(len(vectors), ENOUGH, replace=False))]
    else:
        drawn = vectors
    mean, components, explained = _principal_components(drawn, seed)
    return TsneMap(
        np.asarray(points, np.float32),
        float(facts["perplexity"]),
        float(facts["kl_divergence"]),
        len(components),
        explained,
        mean,
        components,
        seed,
    )


def place(tsne_map: TsneMap, vectors: np.ndarray, new_vectors: np.ndarray) -> np.ndarray:
    """Places new vectors on a map without moving its points.

    Args:
        tsne_map: a map fitted to ``vectors``
        vectors: the vectors it was fitted to, (n, d), in the same order
        new_vectors: vectors to place, (m, d)

    Returns:
        float32 (m, 2)

    Raises:
        InputError: vectors of another length, or not as many as the map has points
    """
    from openTSNE import PartialTSNEEmbedding, TSNEEmbedding, affinity, initialization
    from scipy.sparse import csr_matrix
    from sklearn.neighbors import NearestNeighbors

    n = len(vectors)
    if n != len(tsne_map.points):
        raise InputError(f"the map has {len(tsne_map.points)} points but {n} vectors were given")
    new_vectors = np.asarray(new_vectors, np.float32)
    if new_vectors.ndim != 2 or new_vectors.shape[1] != len(tsne_map.mean):
        raise InputError(f"new vectors must have {len(tsne_map.mean)} values each; got shape {new_vectors.shape}")
    few = min(5.0, max(2.0, (n - 1) / 3))
    # only the new ones' neighbours are looked for: those among the known do not matter, as the known stay
    index = NearestNeighbors(n_neighbors=min(n - 1, int(3 * few))).fit(tsne_map.project(vectors))
    distances, indices = index.kneighbors(tsne_map.project(new_vectors))
    attraction = affinity.joint_probabilities_nn(
        indices, distances, [few], symmetrize=False, normalization="point-wise", n_reference_samples=n
    )
    nothing = affinity.PrecomputedAffinities(csr_matrix((n, n)), normalize=False)
    frame = TSNEEmbedding(np.asarray(tsne_map.points, np.float64), nothing)
    start_points = initialization.median(np.asarray(frame), indices[:, : max(1, int(few))])
    # by a tree: with forces from a grid fewer neighbours are kept (.24 of 30 among 8,000 points, by a tree .38)
    placed = PartialTSNEEmbedding(start_points, frame, P=attraction, negative_gradient_method="bh")
    placed.optimize(
        100,
        learning_rate=0.1,
        exaggeration=1.5,
        momentum=0.8,
        inplace=True,
        max_grad_norm=0.25,
        propagate_exception=True,
    )
    return np.asarray(placed, dtype=np.float32)


def _run(reduced: np.ndarray, perplexity: float, seed: int, progress: Progress | None):
    from openTSNE import TSNEEmbedding, affinity, initialization

    jobs = _jobs(len(reduced))
    affinities = affinity.PerplexityBasedNN(
        reduced, perplexity=perplexity, method=_neighbours(len(reduced)), n_jobs=jobs, random_state=seed
    )
    wide = reduced if reduced.shape[1] > 1 else np.column_stack([reduced, np.zeros(len(reduced), reduced.dtype)])
    first = _apart(initialization.pca(wide, random_state=seed), reduced, seed)
    large = len(reduced) >= GRID_FROM
    plan = LARGE if large else SMALL
    how = {"negative_gradient_method": "fft" if large else "bh", "n_jobs": jobs, "random_state": seed}
    with start(progress, "t-SNE", sum(plan.early) + plan.later, "iterations") as task:
        fitted = _descend(TSNEEmbedding(first, affinities, **how), plan, plan.early, task)
    if np.ptp(fitted, axis=0).max() > np.ptp(first, axis=0).max():
        return fitted
    # among a few points all are neighbours, and the early, exaggerated attraction drew them into one place for good
    with start(progress, "t-SNE", plan.later, "iterations") as task:
        return _descend(TSNEEmbedding(first, affinities, **how), plan, (), task)


def _descend(embedding, plan, early: tuple[int, ...], task):
    for n in early:
        embedding.optimize(n, exaggeration=12, momentum=plan.early_momentum, inplace=True, propagate_exception=True)
        task.advance(n)
    last = np.inf
    for _ in range(plan.later // STRETCH):
        embedding.optimize(STRETCH, momentum=plan.momentum, inplace=True, propagate_exception=True)
        task.advance(STRETCH, note=f"KL {embedding.kl_divergence:.2f}")
        if plan.stops and last - embedding.kl_divergence < CONVERGED * abs(last):
            break
        last = embedding.kl_divergence
    return embedding


def _apart(first: np.ndarray, reduced: np.ndarray, seed: int) -> np.ndarray:
    """A start in which copies do not lie on one another.

    Points in one place repel each other without end and the descent never
    leaves the start; openTSNE's own start is as small as 1e-4, so copies are
    moved by a tenth of that. So are points on one line, which would stay there.
    """
    distinct = len(np.unique(np.asarray(reduced, np.float32), axis=0))
    if distinct == len(reduced) and np.ptp(first, axis=0).min() > 0:
        return first
    scale = 0.1 * max(float(np.std(first[:, 0])), 1e-12)
    return first + np.random.default_rng(seed).normal(0, scale, first.shape)


def _neighbours(n: int) -> str:
    """Exact neighbours while they are cheap, which in 50 dimensions is long: approximate ones cost more up to there."""
    return "exact" if n <= 50_000 else "annoy"


def _jobs(n: int) -> int:
    """Threads: all workers, where there is enough to share."""
    return workers() if n > 2_000 else 1


def _checked(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] < 1:
        raise InputError(f"vectors must be of shape (n, d); got {vectors.shape}")
    if len(vectors) < 8:
        raise InputError(f"a map needs at least 8 vectors; got {len(vectors)}; add samples or use a wider view")
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise InputError(f"{len(bad)} vectors hold NaN or infinite values (first: row {bad[0]}); embed again")
    if np.ptp(vectors, axis=0).max() == 0:
        raise InputError("all vectors are equal, so there is nothing to map; check the images and the checkpoint")
    return vectors


def principal_components(vectors: np.ndarray, seed: int = 51) -> np.ndarray:
    """Vectors (n, d) on the components that t-SNE runs on, float32 (n, k)."""
    vectors = _checked(vectors)
    mean, components, _ = _principal_components(vectors, seed)
    return (vectors - mean) @ components.T


def _principal_components(vectors: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean, components (k, d) and share of variance: as many as hold PCA_VARIANCE, at most PCA_MOST."""
    from sklearn.utils.extmath import randomized_svd, svd_flip

    mean = vectors.mean(axis=0)
    centred = vectors - mean
    total = float(np.square(centred, dtype=np.float64).sum())
    most = min(PCA_MOST, *vectors.shape)
    if min(vectors.shape) <= 2 * PCA_MOST:
        u, s, components = np.linalg.svd(centred, full_matrices=False)
        u, components = svd_flip(u, components)
    else:
        u, s, components = randomized_svd(centred, most, n_iter=4, random_state=seed)
    shares = np.cumsum(s[:most].astype(np.float64) ** 2) / total
    k = max(2, int(np.searchsorted(shares, PCA_VARIANCE)) + 1) if vectors.shape[1] > 1 else 1
    k = min(k, most)
    return mean, np.ascontiguousarray(components[:k], dtype=np.float32), float(shares[k - 1])
