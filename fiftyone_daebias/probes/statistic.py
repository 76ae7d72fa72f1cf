"""The score of out-of-fold predictions, for thousands of labelings, and how much each subject moves it.

One function gives the score that is reported, the score of every permuted
label, and the influence of every subject, from which the interval comes: score,
interval, p-value and smallest detectable effect speak of the same number.

Scores are compared within folds only, since each fold's machine has a scale of
its own; every subject counts once.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, rankdata

#: labelings handled at a time
BLOCK = 256


def concordance(scores: np.ndarray, levels: np.ndarray, folds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of pairs of different level in the right order; with two levels, the area under the ROC curve.

    Args:
        scores: (repeats, n, k)
        levels: int (n, k), 0, 1, 2 … of each labeling
        folds: (repeats, n); pairs are compared within a fold
        weights: weight of each row, (n,)

    Returns:
        (k,), averaged over the repeats; NaN where no pair can be compared
    """
    total = np.zeros(scores.shape[2])
    for repeat, fold in zip(scores, folds, strict=True):
        right, pairs = np.zeros(scores.shape[2]), np.zeros(scores.shape[2])
        for f in np.unique(fold):
            rows = np.flatnonzero(fold == f)
            # rows of equal score keep the order they are given in, which must not be the order of the table
            rows = np.random.default_rng(int(f)).permutation(rows)
            for first in range(0, scores.shape[2], BLOCK):
                part = slice(first, first + BLOCK)
                order = np.argsort(repeat[rows, part], axis=0, kind="stable")
                level = np.take_along_axis(levels[rows, part], order, axis=0)
                weight = weights[rows][order]
                for high in range(1, int(level.max(initial=0)) + 1):
                    lower, same = weight * (level < high), weight * (level == high)
                    right[part] += np.einsum("ij,ij->j", np.cumsum(lower, axis=0), same)
                    pairs[part] += lower.sum(axis=0) * same.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            total += right / pairs
    return total / len(scores)


def concordance_influence(
    scores: np.ndarray, levels: np.ndarray, folds: np.ndarray, subjects: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray]:
    """The same score of one labeling, ties counted half, and each subject's influence on it.

    The influence is the derivative of the score by the subject's weight: its
    sum of squares is the variance of DeLong, DeLong & Clarke-Pearson
    (Biometrics 44, 1988) for clustered data (Obuchowski, Biometrics 53, 1997).
    It holds the trained machines fixed.

    Args:
        scores: (repeats, n)
        levels: int (n,)
        folds: (repeats, n)
        subjects: index of each row's subject, 0, 1, 2 …, (n,)
        weights: (n,)

    Returns:
        score, influences (subjects,)
    """
    values, total = [], np.zeros(int(subjects.max()) + 1)
    for repeat, fold in zip(scores, folds, strict=True):
        won, met = np.zeros(len(levels)), np.zeros(len(levels))
        for f in np.unique(fold):
            rows = np.flatnonzero(fold == f)
            s, y, w = repeat[rows], levels[rows], weights[rows]
            for high in np.unique(y)[1:]:  # few levels: in n log n instead of all pairs
                same, lower = y == high, y < high
                won[rows[same]] += _beaten(s[lower], w[lower], s[same])
                won[rows[lower]] += w[same].sum() - _beaten(s[same], w[same], s[lower])
                met[rows[same]] += w[lower].sum()
                met[rows[lower]] += w[same].sum()
        pairs = float(met @ weights) / 2
        if pairs == 0:
            return float("nan"), total
        score = float(won @ weights) / 2 / pairs
        values.append(score)
        total += np.bincount(subjects, weights * (won - score * met) / pairs, minlength=len(total)) / len(scores)
    return float(np.mean(values)), total


def _beaten(scores: np.ndarray, weights: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Weight of the scores below each of ``by``, those equal to it counted half."""
    order = np.argsort(scores)
    sums, ranked = np.concatenate([[0.0], np.cumsum(weights[order], dtype=float)]), scores[order]
    return (sums[np.searchsorted(ranked, by, "left")] + sums[np.searchsorted(ranked, by, "right")]) / 2


def mean_influence(parts: list[tuple[float, np.ndarray]]) -> tuple[float, np.ndarray]:
    """Mean of several scores and of each subject's influence on them; scores without a pair to compare are left out."""
    known = [part for part in parts if np.isfinite(part[0])]
    if not known:
        return parts[0]
    return float(np.mean([score for score, _ in known])), np.mean([moves for _, moves in known], axis=0)


def spread(influence: np.ndarray) -> float:
    """Standard deviation of a score from its influences."""
    n = len(influence)
    return float(np.sqrt(n / max(n - 1, 1) * ((influence - influence.mean()) ** 2).sum()))


class NormalScores:
    """Numbers as normal scores of their ranks, and back.

    A machine that minimises the squared error of normal scores predicts, back
    in the field's unit, about the median: a long tail of values neither pulls
    the fit nor makes guessing the median unbeatable.

    Args:
        values: (n,)
        weights: (n,)
    """

    def __init__(self, values: np.ndarray, weights: np.ndarray):
        order = np.argsort(values, kind="stable")
        ranks = np.empty(len(values))
        ranks[order] = np.cumsum(weights[order]) - 0.5 * weights[order]
        _, tie = np.unique(values, return_inverse=True)
        mean = np.bincount(tie, ranks * weights) / np.bincount(tie, weights)
        self.scores = norm.ppf(mean[tie] / weights.sum())
        self._values, first = np.unique(values, return_index=True)
        self._scores = self.scores[first]

    def back(self, scores: np.ndarray) -> np.ndarray:
        """Values in the field's unit; beyond the ends, the ends."""
        return np.interp(scores, self._scores, self._values)


def mean_loss(losses: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean over the rows of (n, k) losses, (k,)."""
    return weights @ losses / weights.sum()


def loss_influence(losses: np.ndarray, subjects: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean of the losses of rows (n,), and each subject's influence on it."""
    mean = float(np.average(losses, weights=weights))
    return mean, np.bincount(subjects, weights * (losses - mean)) / weights.sum()


def levels_of(values: np.ndarray) -> np.ndarray:
    """Values as levels 0, 1, 2 …."""
    return (rankdata(values, method="dense") - 1).astype(int)
