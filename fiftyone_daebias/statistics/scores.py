"""Scores in which every subject counts once, and their subject-bootstrap intervals."""

from __future__ import annotations

import numpy as np


def subject_weights(subjects: np.ndarray) -> np.ndarray:
    """Weights that give every subject, not every image, the same say; they sum to the number of subjects."""
    _, index, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    return 1.0 / counts[index]


def weighted_auc(
    scores: np.ndarray, positive: np.ndarray, weights: np.ndarray, strata: np.ndarray | None = None
) -> np.ndarray:
    """Area under the ROC curve for many weightings at once, ties counted half.

    Args:
        scores: float (n,), higher means more positive
        positive: bool (n,)
        weights: (n,) or (b, n), at least 0
        strata: (n,) ints; only pairs within one stratum are compared (a fold's scores are on that fold's scale)

    Returns:
        (b,) areas; NaN where there is no pair
    """
    weights = np.atleast_2d(weights)
    strata = np.zeros(len(scores), int) if strata is None else strata
    area, norm = np.zeros(len(weights)), np.zeros(len(weights))
    for s in np.unique(strata):
        mine = np.flatnonzero(strata == s)
        y = positive[mine]
        if y.all() or not y.any():
            continue
        order = mine[np.argsort(scores[mine], kind="stable")]
        ranked, y = scores[order], positive[order]
        part = weights[:, order]
        above, below = part * y, part * ~y
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        if len(starts) < len(ranked):
            above, below = np.add.reduceat(above, starts, axis=1), np.add.reduceat(below, starts, axis=1)
        before = np.cumsum(below, axis=1)
        area += np.einsum("ij,ij->i", above, before - 0.5 * below)
        norm += above.sum(axis=1) * before[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, area / norm, np.nan)


def macro_auc(scores: np.ndarray, codes: np.ndarray, weights: np.ndarray, strata=None) -> np.ndarray:
    """Mean one-against-rest AUC over classes (binary: the AUC of class 1).

    Args:
        scores: (n, n_classes)
        codes: class indices (n,)
        weights: (n,) or (b, n)
        strata: as in :func:`weighted_auc`

    Returns:
        (b,) areas
    """
    if scores.shape[1] == 2:
        return weighted_auc(scores[:, 1], codes == 1, weights, strata)
    parts = np.array([weighted_auc(scores[:, c], codes == c, weights, strata) for c in range(scores.shape[1])])
    known = ~np.isnan(parts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, parts, 0.0).sum(axis=0) / known.sum(axis=0)


def concordance(scores: np.ndarray, codes: np.ndarray, weights: np.ndarray, strata=None) -> np.ndarray:
    """Share of pairs of different level that the scores put in the right order (Harrell's C), (b,).

    Args:
        scores: (n,)
        codes: level of each sample, 0, 1, 2 …, (n,)
        weights: (n,) or (b, n)
        strata: as in :func:`weighted_auc`
    """
    weights = np.atleast_2d(weights)
    area, norm = np.zeros(len(weights)), np.zeros(len(weights))
    levels = np.unique(codes)
    for k, low in enumerate(levels):
        for high in levels[k + 1 :]:
            mine = np.flatnonzero((codes == low) | (codes == high))
            part = weights[:, mine]
            pairs = (part * (codes[mine] == low)).sum(axis=1) * (part * (codes[mine] == high)).sum(axis=1)
            auc = weighted_auc(
                scores[mine], codes[mine] == high, part, None if strata is None else np.asarray(strata)[mine]
            )
            known = ~np.isnan(auc)
            area += np.where(known, auc, 0.0) * pairs
            norm += np.where(known, pairs, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, area / norm, np.nan)


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


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value below which half of the weight lies."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, 0.5 * cumulative[-1])])


def bootstrap_weights(subjects: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Sample weights of ``n`` subject-bootstrap draws, float32 (n, samples)."""
    names, index, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    base = (1.0 / counts[index]).astype(np.float32)
    out = np.empty((n, len(index)), np.float32)
    for k in range(n):
        drawn = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        np.multiply(drawn[index], base, out=out[k], casting="unsafe")
    return out


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap values; NaN draws (a class was not drawn) are left out."""
    tail = 50 * (1 - level)
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)
