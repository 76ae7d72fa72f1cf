"""Nearest samples of other subjects, and how far they are."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

#: others that are looked among, drawn at random where there are more: all against all would grow with the square of
#: their number, and how far the nearest of so many are tells the far ones as well
MOST_OTHERS = 10_000


def outlier_scores(vectors: np.ndarray, subjects: np.ndarray, neighbors: int = 10) -> np.ndarray:
    """Robust z-scores of the log distance to the nearest samples of other subjects.

    Args:
        vectors: float (n, d); standardised here
        subjects: subject of each sample (n,): a subject's own other images do not make it ordinary
        neighbors: how many neighbours to average over

    Returns:
        float (n,): 0 is typical; 3.5 is that many robust standard deviations (1.4826 · MAD) further out than typical

    Raises:
        InputError: vectors that are not finite, or fewer other subjects than ``neighbors``
    """
    if not np.isfinite(vectors).all():
        raise InputError("vectors hold NaN or infinite values; embed again")
    spread = vectors.std(axis=0)
    z = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1)
    distance, _ = nearest_others(z, subjects, neighbors)
    logs = np.log(np.maximum(distance.mean(axis=1), 1e-12))
    centre = np.median(logs)
    scale = 1.4826 * np.median(np.abs(logs - centre))
    return (logs - centre) / max(scale, 1e-9)


def nearest_others(vectors: np.ndarray, subjects: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the k nearest samples of other subjects and their rows, in no order, each (n, k).

    Looks among at most :data:`MOST_OTHERS` samples, drawn at random, always the same.

    Args:
        vectors: float (n, d)
        subjects: subject of each sample (n,)
        k: how many

    Raises:
        InputError: fewer other subjects' samples than ``k``
    """
    _, owner = np.unique(subjects, return_inverse=True)
    drawn = np.random.default_rng(0).permutation(len(owner))[:MOST_OTHERS]
    drawn.sort()
    left = len(drawn) - np.bincount(owner[drawn]).max()
    if left < k:
        raise InputError(
            f"neighbors={k} needs that many samples of other subjects; the largest subject leaves {left}; pass a "
            "smaller number"
        )
    z = np.asarray(vectors, np.float32)
    squares, others = (z * z).sum(axis=1), z[drawn]
    distances, rows = np.empty((len(z), k), np.float32), np.empty((len(z), k), int)
    for first in range(0, len(z), 1024):
        part = slice(first, first + 1024)
        distance = np.maximum(squares[part, None] + squares[drawn] - 2 * z[part] @ others.T, 0)
        distance[owner[part, None] == owner[drawn]] = np.inf
        near = np.argpartition(distance, k - 1, axis=1)[:, :k]
        rows[part] = drawn[near]
        distances[part] = np.sqrt(np.take_along_axis(distance, near, axis=1))
    return distances, rows
