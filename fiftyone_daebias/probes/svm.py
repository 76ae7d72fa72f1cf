"""Support vector machines by subjects: folds, the choice of the penalty, and scores of many weightings."""

from __future__ import annotations

import numpy as np

from ..statistics.scores import balanced_accuracy, concordance, macro_auc, subject_weights, weighted_mae
from ..statistics.targets import Target
from .machine import Machine

#: penalties, chosen (for numbers, together with whether the value range is balanced) on held-out training subjects
PENALTIES = (0.1, 1.0, 10.0)
#: so many training samples are enough to choose the penalty
MOST_TO_CHOOSE = 2_000


def score_draws(target: Target, all_scores, folds, draws, rows=None) -> np.ndarray:
    """The target's score for many weightings, averaged over the repeats; scores are compared within folds only.

    Args:
        target: what was predicted
        all_scores: (repeats, n, k)
        folds: (repeats, n)
        draws: sample weights (b, n)
        rows: score these rows only

    Returns:
        (b,)
    """
    rows = np.arange(len(target.values)) if rows is None else rows
    values, weights = target.values[rows], draws[:, rows]
    total = np.zeros(len(draws))
    for scores, fold in zip(all_scores[:, rows], folds[:, rows], strict=True):
        if target.categorical:
            total += macro_auc(scores, values, weights, fold)
        elif target.kind == "ordinal":
            total += concordance(scores[:, 0], values, weights, fold)
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
    choices = [(c, b) for c in PENALTIES for b in ((False,) if target.categorical else (True, False))]
    best = []
    for choice in choices:
        scores, truth = machine.fit_predict(fit, check, *choice), target.values[check]
        if target.categorical:
            # A small penalty may rank well and still put its threshold anywhere, so both count.
            accuracy = balanced_accuracy(scores.argmax(axis=1), truth, weights)
            best.append(float(macro_auc(scores, truth, weights)[0]) + accuracy)
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
