"""Scores of competing embeddings on the same held-out subjects, and their paired differences."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from ..embeddings.scaling import scalings
from ..probes.design import Design, make_design, rbf
from ..probes.machine import Machine
from ..probes.svm import best_choice, subject_folds
from ..statistics.scores import subject_weights, weighted_median
from ..statistics.targets import Target


def designs(vectors: np.ndarray, n_slices: int = 1) -> list[Design]:
    """The ways to scale vectors for a kernel (:mod:`..embeddings.scaling`).

    So that no embedding loses by its scaling, :func:`svm_answers` chooses among them.

    Args:
        vectors: (n, d), finite, not all equal
        n_slices: slice codes that each vector joins
    """
    own = make_design(vectors)
    if own.gram is None:
        return [own]
    return [Design("rbf", z, rbf(z, z)) for z in scalings(vectors, n_slices).values()]


def svm_answers(
    ways: list[Design], target: Target, subjects: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]], seed: int
) -> np.ndarray:
    """Out-of-fold answers of a support vector machine: class indices or values, NaN where never held out, (m,).

    The scaling, the penalty and whether the value range is balanced are chosen on a fifth of the training subjects.

    Args:
        ways: vectors of the target's rows, scaled in one or several ways
        target: the question; its rows are positions among all samples
        subjects: subject of the target's rows
        parts: (training, test) positions among all samples, of each fold
        seed: seed of the subjects on which is chosen
    """
    out = np.full(len(target.rows), np.nan)
    machines = [Machine(way, target, subjects) for way in ways]
    rng = np.random.default_rng([seed, zlib.crc32(target.name.encode())])
    for train, test in parts:
        mine, asked = np.isin(target.rows, train).nonzero()[0], np.isin(target.rows, test).nonzero()[0]
        if not len(mine) or not len(asked):
            continue
        fold = subject_folds(subjects[mine], target.values[mine] if target.categorical else None, 5, rng)
        fit, check = mine[fold != 0], mine[fold == 0]
        found = []
        for machine in machines:
            choice = best_choice(machine, fit, check)
            found.append((_loss(target, machine.fit_predict(fit, check, *choice), check), choice))
        best = int(np.argmin([loss for loss, _ in found]))
        scores = machines[best].fit_predict(mine, asked, *found[best][1])
        out[asked] = scores.argmax(axis=1) if target.categorical else scores[:, 0]
    return out


def _loss(target: Target, scores: np.ndarray, rows: np.ndarray) -> float:
    if target.categorical:
        return float((scores.argmax(axis=1) != target.values[rows]).mean())
    return float(np.abs(scores[:, 0] - target.values[rows]).mean())


def baseline_predictions(
    target: Target, subjects: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """What one would answer without an image: the commonest class, or the median, of the training subjects, (m,)."""
    out = np.full(len(target.rows), np.nan)
    for train, test in parts:
        mine, asked = np.isin(target.rows, train).nonzero()[0], np.isin(target.rows, test).nonzero()[0]
        if not len(mine):
            continue
        weights = subject_weights(subjects[mine])
        if target.categorical:
            out[asked] = np.bincount(target.values[mine], weights=weights, minlength=len(target.classes)).argmax()
        else:
            out[asked] = weighted_median(target.values[mine], weights)
    return out


def subject_scores(target: Target, subjects: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each held-out subject's share of right answers, or mean absolute error; every subject counts once.

    Returns:
        names of the subjects (k,), sorted, and their scores (k,)
    """
    asked = ~np.isnan(answers)
    if target.categorical:
        single = (answers[asked] == target.values[asked]).astype(float)
    else:
        single = np.abs(answers[asked] - target.values[asked])
    names, index = np.unique(subjects[asked], return_inverse=True)
    return names, np.bincount(index, weights=single) / np.bincount(index)


@dataclass(frozen=True)
class Paired:
    """A difference between two rows over the same subjects.

    Attributes:
        difference: mean of row − reference
        interval: 95 % subject-bootstrap interval
        p: two-sided p-value by exchanging the two within subjects
    """

    difference: float
    interval: tuple[float, float]
    p: float


def bootstrap_means(values: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Means of ``n`` bootstrap draws of subjects, of values (subjects,) or of several rows (rows, subjects)."""
    k = values.shape[-1]
    counts = rng.multinomial(k, np.full(k, 1 / k), size=n) / k
    return values @ counts.T


def paired(
    row: np.ndarray, reference: np.ndarray, *, n_bootstrap: int, n_permutations: int, rng: np.random.Generator
) -> Paired:
    """Compares two rows of subject scores.

    Under the null hypothesis it does not matter which of a subject's two scores came from which row, so their
    difference may have either sign (Fisher's randomisation test, by subject).

    Args:
        row: scores of the subjects (k,)
        reference: scores of the same subjects (k,)
        n_bootstrap: draws of the interval
        n_permutations: random signs
        rng: random generator
    """
    d = row - reference
    low, high = np.percentile(bootstrap_means(d, n_bootstrap, rng), [2.5, 97.5])
    observed, extreme = abs(d.mean()), 0
    for first in range(0, n_permutations, 1000):
        signs = rng.integers(0, 2, (min(1000, n_permutations - first), len(d))) * 2 - 1
        extreme += int((np.abs(signs @ d) / len(d) >= observed * (1 - 1e-9)).sum())
    return Paired(float(d.mean()), (float(low), float(high)), (1 + extreme) / (1 + n_permutations))
