"""Support vector probes, cross-fitted by subjects on a precomputed kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.svm import SVC, SVR

from .fields import Target
from .scores import (
    balanced_accuracy,
    bootstrap_weights,
    macro_auc,
    percentile_interval,
    subject_weights,
    weighted_mae,
)

#: penalties, and for numbers whether the value range is balanced: chosen on held-out training subjects
PENALTIES = (0.1, 1.0, 10.0)


@dataclass(frozen=True)
class CrossFit:
    """Out-of-fold predictions: no subject's prediction comes from a fold that trained on it.

    Attributes:
        scores: (n, n_classes) margins averaged over the repeats, or (n, 1) predicted values
        predicted: class indices (n,), or values (n,)
        score: AUC (macro for several classes), or mean absolute error
        interval: 95 % subject-bootstrap interval of ``score``
        chance: 0.5, or the mean absolute error of always guessing the training subjects' median
        accuracy: share right, every subject counting once (NaN for numbers)
        balanced: balanced accuracy (NaN for numbers)
        better: 95 % interval of chance − error for numbers; of AUC − 0.5 for classes
    """

    scores: np.ndarray
    predicted: np.ndarray
    score: float
    interval: tuple[float, float]
    chance: float
    accuracy: float
    balanced: float
    better: tuple[float, float]


def kernel_matrix(vectors: np.ndarray, kind: str = "rbf") -> np.ndarray:
    """Kernel of standardised vectors, float32 (n, n) with a diagonal of about 1.

    "linear" is Z·Zᵀ/d; "rbf" is exp(−‖z − z'‖² / (2·d)), which is scikit-learn's "scale" up to a factor of 2.
    """
    mean, spread = vectors.mean(axis=0), vectors.std(axis=0)
    used = spread > 1e-8 * max(1e-30, float(spread.max()))
    z = ((vectors[:, used] - mean[used]) / spread[used]).astype(np.float32)
    d = z.shape[1]
    gram = z @ z.T
    if kind == "linear":
        return gram / d
    squares = np.diag(gram).copy()
    np.multiply(gram, 2.0, out=gram)
    gram -= squares[:, None]
    gram -= squares[None, :]
    np.minimum(gram, 0.0, out=gram)
    gram /= 2.0 * d
    return np.exp(gram, out=gram)


def cross_fit(
    gram: np.ndarray,
    target: Target,
    subjects: np.ndarray,
    *,
    n_folds: int = 5,
    repeats: int = 3,
    n_bootstrap: int = 1000,
    rng: np.random.Generator,
) -> CrossFit:
    """Cross-fits an SVM by subjects, repeated, and scores it.

    Every subject has the same weight, and so has every class. For numbers,
    equal weight for every tenth of the value range (Graf et al. 2024) is tried
    beside the plain weighting, since it cannot do well on a skewed field. This
    and the penalty are chosen within each training part on a fifth of its
    subjects.

    Args:
        gram: kernel of the target's rows, (n, n)
        target: what to predict
        subjects: subject of the target's rows, (n,)
        n_folds: folds
        repeats: how often the folds are drawn anew
        n_bootstrap: bootstrap draws
        rng: random generator
    """
    n, values = len(gram), target.values
    n_scores = len(target.classes) if target.categorical else 1
    scores, baseline = np.zeros((n, n_scores)), np.zeros(n)
    for _ in range(repeats):
        fold = subject_folds(subjects, values if target.categorical else None, n_folds, rng)
        for f in range(n_folds):
            train, test = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
            if not len(test):
                continue
            choice = _choose(gram, target, subjects, train, rng)
            scores[test] += _fit_predict(gram, target, subjects, train, test, *choice) / repeats
            if not target.categorical:
                baseline[test] += _weighted_median(values[train], subject_weights(subjects[train])) / repeats
    weights = subject_weights(subjects)
    draws = bootstrap_weights(subjects, n_bootstrap, rng)
    if target.categorical:
        predicted = scores.argmax(axis=1)
        boot = macro_auc(scores, values, draws)
        low, high = percentile_interval(boot)
        return CrossFit(
            scores, predicted, float(macro_auc(scores, values, weights)[0]), (low, high), 0.5,
            float(np.average(predicted == values, weights=weights)),
            balanced_accuracy(predicted, values, weights), (low - 0.5, high - 0.5),
        )
    errors, dull = scores[:, 0] - values, baseline - values
    boot, boot_dull = weighted_mae(errors, draws), weighted_mae(dull, draws)
    return CrossFit(
        scores, scores[:, 0], float(weighted_mae(errors, weights)[0]), percentile_interval(boot),
        float(weighted_mae(dull, weights)[0]), float("nan"), float("nan"), percentile_interval(boot_dull - boot),
    )


def subject_folds(subjects, codes, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each sample; all samples of a subject in one; classes (of a subject's first sample) spread evenly."""
    names, first, index = np.unique(subjects, return_index=True, return_inverse=True)
    shuffled = rng.permutation(len(names))
    if codes is not None:
        shuffled = shuffled[np.argsort(codes[first][shuffled], kind="stable")]
    fold = np.empty(len(names), dtype=int)
    fold[shuffled] = np.arange(len(names)) % n_folds
    return fold[index]


def _range_weights(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights under which every tenth of the value range (1st to 99th percentile) counts the same."""
    low, high = np.percentile(values, [1, 99])
    bins = np.clip(((values - low) / max(high - low, 1e-12) * 10).astype(int), 0, 9)
    weights = weights.copy()
    share = weights.sum() / 10
    for b in np.unique(bins):
        mine = bins == b
        # a tenth with hardly anybody in it is not blown up beyond ten times its share
        weights[mine] *= min(share / weights[mine].sum(), 10.0)
    return weights


def _fit_predict(gram, target: Target, subjects, train, test, penalty: float, balanced: bool) -> np.ndarray:
    inner, cross = gram[np.ix_(train, train)], gram[np.ix_(test, train)]
    weights = subject_weights(subjects[train])
    if not target.categorical:
        if balanced:
            weights = _range_weights(target.values[train], weights)
        weights = weights / weights.mean()
        centre = _weighted_median(target.values[train], subject_weights(subjects[train]))
        spread = max(float(np.std(target.values[train])), 1e-12)
        model = SVR(kernel="precomputed", C=penalty, epsilon=0.1, cache_size=500)
        model.fit(inner, (target.values[train] - centre) / spread, sample_weight=weights)
        return (model.predict(cross) * spread + centre)[:, None]
    out = np.full((len(test), len(target.classes)), -1.0)
    present = np.unique(target.values[train])
    for c in present if len(target.classes) > 2 else [1]:
        positive = target.values[train] == c
        if positive.all() or not positive.any():
            continue
        model = SVC(kernel="precomputed", C=penalty, cache_size=500)
        again = np.where(positive, 0.5 / weights[positive].sum(), 0.5 / weights[~positive].sum()) * weights
        model.fit(inner, positive, sample_weight=again * len(train))
        out[:, c] = model.decision_function(cross)
    if len(target.classes) == 2:
        out[:, 0] = -out[:, 1]
    return out


def _choose(gram, target: Target, subjects, train, rng) -> tuple[float, bool]:
    """The penalty, and whether to balance the value range: what does best on a fifth of the training subjects."""
    codes = target.values[train] if target.categorical else None
    fold = subject_folds(subjects[train], codes, 5, rng)
    fit, check = train[fold != 0], train[fold == 0]
    weights = subject_weights(subjects[check])
    best = []
    choices = [(c, b) for c in PENALTIES for b in ((False,) if target.categorical else (True, False))]
    for choice in choices:
        scores = _fit_predict(gram, target, subjects, fit, check, *choice)
        if target.categorical:
            best.append(float(macro_auc(scores, target.values[check], weights)[0]))
        else:
            best.append(-float(weighted_mae(scores[:, 0] - target.values[check], weights)[0]))
    best = np.nan_to_num(best, nan=-np.inf)
    return choices[int(np.argmax(best))]


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, 0.5 * cumulative[-1])])
