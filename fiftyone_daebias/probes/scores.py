"""Scores in which every subject counts once, and their subject-bootstrap intervals."""

from __future__ import annotations

import numpy as np


def subject_weights(subjects: np.ndarray) -> np.ndarray:
    """Weights that give every subject, not every image, the same say; they sum to the number of subjects."""
    _, index, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    return 1.0 / counts[index]


def weighted_auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve for many weightings at once, ties counted half.

    Args:
        scores: float (n,), higher means more positive
        positive: bool (n,)
        weights: (n,) or (b, n), at least 0

    Returns:
        (b,) areas; NaN where a class has no weight
    """
    weights = np.atleast_2d(weights)
    order = np.argsort(scores, kind="stable")
    ranked, positive = scores[order], positive[order]
    weights = weights[:, order]
    above = np.where(positive, weights, 0.0)
    below = np.where(positive, 0.0, weights)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    above, below = np.add.reduceat(above, starts, axis=1), np.add.reduceat(below, starts, axis=1)
    before = np.cumsum(below, axis=1) - below
    area = (above * (before + 0.5 * below)).sum(axis=1)
    norm = above.sum(axis=1) * below.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, area / norm, np.nan)


def macro_auc(scores: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean one-against-rest AUC over classes (binary: the AUC of class 1).

    Args:
        scores: (n, n_classes)
        codes: class indices (n,)
        weights: (n,) or (b, n)

    Returns:
        (b,) areas
    """
    if scores.shape[1] == 2:
        return weighted_auc(scores[:, 1], codes == 1, weights)
    parts = [weighted_auc(scores[:, c], codes == c, weights) for c in range(scores.shape[1])]
    return np.nanmean(parts, axis=0)


def balanced_accuracy(predicted: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> float:
    """Mean recall over classes."""
    recalls = []
    for c in np.unique(codes):
        mine = codes == c
        recalls.append(float(np.average(predicted[mine] == c, weights=weights[mine])))
    return float(np.mean(recalls))


def weighted_mae(errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean absolute error for many weightings: errors (n,), weights (n,) or (b, n) → (b,)."""
    weights = np.atleast_2d(weights)
    return (weights @ np.abs(errors)) / weights.sum(axis=1)


def bootstrap_weights(subjects: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Sample weights of ``n`` subject-bootstrap draws, float64 (n, samples)."""
    names, index = np.unique(subjects, return_inverse=True)
    base = subject_weights(subjects)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n)
    return draws[:, index] * base


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap values; NaN draws (a class was not drawn) are left out."""
    tail = 50 * (1 - level)
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)
