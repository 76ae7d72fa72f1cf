"""Cross-fitting a support vector machine by subjects, and scoring it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .design import Design
from .fields import Target
from .machine import Machine
from .scores import (
    balanced_accuracy,
    bootstrap_weights,
    concordance,
    macro_auc,
    percentile_interval,
    subject_weights,
    weighted_mae,
)

#: penalties, chosen (for numbers, together with whether the value range is balanced) on held-out training subjects
PENALTIES = (0.1, 1.0, 10.0)
N_FOLDS = 5
#: so many training samples are enough to choose the penalty
MOST_TO_CHOOSE = 2_000


@dataclass(frozen=True)
class CrossFit:
    """Out-of-fold predictions: no subject's prediction comes from a fold that trained on it.

    Attributes:
        scores: (n, n_classes) margins averaged over the repeats, or (n, 1) predicted values
        predicted: class indices (n,), or values (n,)
        score: AUC (macro for several classes), concordance of levels, or mean absolute error; folds are scored apart
        interval: 95 % subject-bootstrap interval of ``score``
        chance: 0.5, or the mean absolute error of always guessing the training subjects' (stratum's) median
        accuracy: share right, every subject counting once (NaN for numbers)
        balanced: balanced accuracy (NaN for numbers)
        better: 95 % interval of chance − error for numbers; of score − 0.5 otherwise
        repeats: scores of each repeat, (repeats, n, k)
        folds: fold of each sample in each repeat, (repeats, n)
        baseline: the dull guess for each sample (numbers), averaged over the repeats, (n,)
    """

    scores: np.ndarray
    predicted: np.ndarray
    score: float
    interval: tuple[float, float]
    chance: float
    accuracy: float
    balanced: float
    better: tuple[float, float]
    repeats: np.ndarray
    folds: np.ndarray
    baseline: np.ndarray


def cross_fit(
    design: Design,
    target: Target,
    subjects: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    n_folds: int = N_FOLDS,
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
        design: vectors of the target's rows
        target: what to predict
        subjects: subject of the target's rows, (n,)
        strata: stratum of the rows; then only samples of one stratum are compared, see :class:`Machine`
        n_folds: folds
        repeats: how often the folds are drawn anew
        n_bootstrap: bootstrap draws
        rng: random generator
    """
    n, values = len(design), target.values
    machine = Machine(design, target, subjects, strata)
    all_scores = np.zeros((repeats, n, len(target.classes) if target.categorical else 1))
    folds, baseline = np.zeros((repeats, n), int), np.zeros(n)
    for r in range(repeats):
        folds[r] = subject_folds(subjects, values if target.categorical else None, n_folds, rng)
        for f in range(n_folds):
            train, test = np.flatnonzero(folds[r] != f), np.flatnonzero(folds[r] == f)
            if not len(test):
                continue
            choice = choose(machine, train, rng)
            all_scores[r, test] = machine.fit_predict(train, test, *choice)
            if not target.categorical:
                baseline[test] += machine.medians(train, test) / repeats
    scores, weights = all_scores.mean(axis=0), subject_weights(subjects)
    draws = np.vstack([weights[None].astype(np.float32), bootstrap_weights(subjects, n_bootstrap, rng)])
    got = score_draws(target, all_scores, folds, draws, strata)
    interval = percentile_interval(got[1:])
    if target.categorical:
        predicted = scores.argmax(axis=1)
        return CrossFit(
            scores, predicted, float(got[0]), interval, 0.5, float(np.average(predicted == values, weights=weights)),
            balanced_accuracy(predicted, values, weights), (interval[0] - 0.5, interval[1] - 0.5), all_scores, folds,
            baseline,
        )
    if target.kind == "ordinal":
        chance, better = 0.5, (interval[0] - 0.5, interval[1] - 0.5)
    else:
        dull = weighted_mae(baseline - values, draws)
        chance, better = float(dull[0]), percentile_interval(dull[1:] - got[1:])
    return CrossFit(
        scores, scores[:, 0], float(got[0]), interval, chance, float("nan"), float("nan"), better, all_scores, folds,
        baseline,
    )


def score_draws(target: Target, all_scores, folds, draws, strata=None, rows=None) -> np.ndarray:
    """The target's score for many weightings, averaged over the repeats; scores are compared within folds only.

    Args:
        target: what was predicted
        all_scores: (repeats, n, k)
        folds: (repeats, n)
        draws: sample weights (b, n)
        strata: stratum of each sample; compared within strata only
        rows: score these rows only

    Returns:
        (b,)
    """
    rows = np.arange(len(target.values)) if rows is None else rows
    values, weights = target.values[rows], draws[:, rows]
    total = np.zeros(len(draws))
    for scores, fold in zip(all_scores[:, rows], folds[:, rows], strict=True):
        cells = fold if strata is None else fold * (int(strata.max()) + 1) + strata[rows]
        if target.categorical:
            total += macro_auc(scores, values, weights, cells)
        elif target.kind == "ordinal":
            total += concordance(scores[:, 0], values, weights, cells)
        else:
            total += weighted_mae(scores[:, 0] - values, weights)
    return total / len(all_scores)


def choose(machine: Machine, train: np.ndarray, rng: np.random.Generator) -> tuple[float, bool]:
    """The penalty, and whether to balance the value range: what does best on a fifth of the training subjects."""
    target, subjects = machine.target, machine.subjects
    if len(train) > MOST_TO_CHOOSE:
        names, index = np.unique(subjects[train], return_inverse=True)
        order = rng.permutation(len(names))[index]
        train = train[order <= np.sort(order)[MOST_TO_CHOOSE - 1]]
    fold = subject_folds(subjects[train], target.values[train] if target.categorical else None, 5, rng)
    return best_choice(machine, train[fold != 0], train[fold == 0])


def best_choice(machine: Machine, fit: np.ndarray, check: np.ndarray) -> tuple[float, bool]:
    """Penalty and balancing that do best on ``check`` when trained on ``fit``."""
    target, weights = machine.target, subject_weights(machine.subjects[check])
    strata = None if machine.strata is None else machine.strata[check]
    choices = [(c, b) for c in PENALTIES for b in ((False,) if target.categorical else (True, False))]
    best = []
    for choice in choices:
        scores, truth = machine.fit_predict(fit, check, *choice), target.values[check]
        if target.categorical:
            # A small penalty may rank well and still put its threshold anywhere, so both count.
            accuracy = balanced_accuracy(scores.argmax(axis=1), truth, weights)
            best.append(float(macro_auc(scores, truth, weights, strata)[0]) + accuracy)
        else:
            best.append(-float(weighted_mae(scores[:, 0] - truth, weights)[0]))
    return choices[int(np.argmax(np.nan_to_num(best, nan=-np.inf)))]


def subject_folds(subjects, codes, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each sample; all samples of a subject in one; classes (of a subject's first sample) spread evenly."""
    names, first, index = np.unique(subjects, return_index=True, return_inverse=True)
    shuffled = rng.permutation(len(names))
    if codes is not None:
        shuffled = shuffled[np.argsort(codes[first][shuffled], kind="stable")]
    fold = np.empty(len(names), dtype=int)
    fold[shuffled] = np.arange(len(names)) % n_folds
    return fold[index]
