"""Density clusters of a map or an embedding, and whether they come back when subjects are drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import Delaunay, cKDTree

from ..errors import InputError
from ..parallel import each

#: neighbours that make a point dense
MIN_SAMPLES = 10
#: from here on a plane's tree is sought among near points only: all pairs grow with the square of their number
GRAPH_FROM = 5_000
#: points in more than two dimensions that are clustered at most; the others go with the nearest of them
MOST_POINTS = 20_000


@dataclass(frozen=True)
class CandidateCluster:
    """A density cluster.

    Attributes:
        rows: positions of its points, int (m,)
        stability: mean over resamples of the best Jaccard overlap with a cluster found again there (Hennig 2007);
            NaN without resamples
        found: share of resamples that found it again (overlap of at least a half)
    """

    rows: np.ndarray
    stability: float = float("nan")
    found: float = float("nan")


def density_clusters(points: np.ndarray, min_size: int) -> np.ndarray:
    """HDBSCAN (Campello et al. 2013; excess of mass) on standardised points.

    The spanning tree of many points of a plane is sought among neighbours and a Delaunay triangulation, in n log n; its
    length is right to four digits. Of many points in more dimensions some are drawn and clustered, and the others go
    with the nearest of them.

    Args:
        points: float (n, d)
        min_size: smallest cluster

    Returns:
        int (n,): cluster of each point, −1 for none
    """
    from sklearn.cluster import HDBSCAN
    from sklearn.neighbors import NearestNeighbors

    if len(points) < 2 * min_size:
        return np.full(len(points), -1)
    if points.shape[1] > 2 and len(points) > MOST_POINTS:
        drawn = np.sort(np.random.default_rng(0).permutation(len(points))[:MOST_POINTS])
        least = max(2, round(min_size * MOST_POINTS / len(points)))
        near = NearestNeighbors(n_neighbors=1).fit(points[drawn]).kneighbors(points, return_distance=False)[:, 0]
        return density_clusters(points[drawn], least)[near]
    scale = points.std(axis=0)
    z = np.asarray((points - points.mean(axis=0)) / max(float(scale.max()), 1e-12), np.float64)
    settings = {"min_cluster_size": min_size, "min_samples": min(MIN_SAMPLES, min_size), "copy": True}
    if z.shape[1] == 2 and len(z) >= GRAPH_FROM and np.ptp(z, axis=0).min() > 0:
        return HDBSCAN(metric="precomputed", **settings).fit_predict(_near_pairs(z, settings["min_samples"]))
    return HDBSCAN(**settings).fit_predict(z)


def _near_pairs(z: np.ndarray, k: int) -> sparse.csr_matrix:
    """Distances of points (n, 2) to their k nearest and to their neighbours in a Delaunay triangulation."""
    n = len(z)
    _, near = cKDTree(z).query(z, k)
    made = Delaunay(z)
    ends = [made.simplices[:, [0, 1]], made.simplices[:, [1, 2]], made.simplices[:, [2, 0]]]
    # copies are no corners of the triangulation and hang on the nearest corner
    ends += [made.coplanar[:, [0, 2]], np.column_stack([np.repeat(np.arange(n), k), near.ravel()])]
    pairs = np.sort(np.concatenate(ends), axis=1).astype(np.int64)
    a, b = np.divmod(np.unique(pairs[:, 0] * n + pairs[:, 1]), n)
    a, b = a[a != b], b[a != b]
    # a distance of nothing would be no edge; each point is the first of its own neighbours
    apart = np.maximum(np.linalg.norm(z[a] - z[b], axis=1), 1e-12)
    own = np.arange(n)
    values = np.concatenate([apart, apart, np.zeros(n)])
    return sparse.csr_matrix((values, (np.concatenate([a, b, own]), np.concatenate([b, a, own]))), shape=(n, n))


def best_overlap(members: np.ndarray, labels: np.ndarray) -> float:
    """Largest Jaccard overlap of a set with any cluster.

    Args:
        members: bool (n,)
        labels: clusters int (n,), −1 for none
    """
    if not members.any():
        return 0.0
    best = 0.0
    for c in np.unique(labels[members]):
        if c >= 0:
            other = labels == c
            best = max(best, float((members & other).sum() / (members | other).sum()))
    return best


def stable_clusters(
    points: np.ndarray,
    subjects: np.ndarray,
    *,
    min_size: int,
    resamples: int,
    redraw: Callable[[np.ndarray, int], np.ndarray],
    rng: np.random.Generator,
    advance: Callable[[], None] = lambda: None,
) -> list[CandidateCluster]:
    """Density clusters with their stability when a part of the subjects is drawn again.

    Four fifths of the subjects are drawn without replacement (copies of a
    point would be dense by themselves), mapped and clustered anew.

    Args:
        points: float (n, d)
        subjects: subject of each point (n,)
        min_size: smallest cluster
        resamples: how often to draw
        redraw: gives the points of the rows drawn, from scratch: ``(rows, seed) → (m, d)``; called by several threads
        rng: random generator
        advance: called after each resample

    Raises:
        InputError: fewer points than two clusters need
    """
    if len(points) < 2 * min_size:
        raise InputError(
            f"clusters of at least {min_size} samples need {2 * min_size} samples; got {len(points)}; pass a smaller "
            "min_size"
        )
    labels = density_clusters(points, min_size)
    clusters = [np.flatnonzero(labels == c) for c in range(labels.max() + 1)]
    overlaps = np.full((len(clusters), resamples), np.nan)
    names = np.unique(subjects)
    draws = []
    for _ in range(resamples if clusters else 0):
        drawn = rng.choice(names, max(2, round(0.8 * len(names))), replace=False)
        draws.append((np.flatnonzero(np.isin(subjects, drawn)), int(rng.integers(1 << 31))))

    def again(draw: tuple[np.ndarray, int]) -> np.ndarray:
        return density_clusters(redraw(*draw), max(2, round(0.8 * min_size)))

    for b, ((rows, _), labels_again) in enumerate(zip(draws, each(again, draws), strict=True)):
        for k, members in enumerate(clusters):
            overlaps[k, b] = best_overlap(np.isin(rows, members), labels_again)
        advance()
    if not resamples:
        return [CandidateCluster(rows) for rows in clusters]
    return [
        CandidateCluster(rows, float(o.mean()), float((o >= 0.5).mean()))
        for rows, o in zip(clusters, overlaps, strict=True)
    ]
