"""Two groups of units, and what may change places: any two units, or only the two of one subject.

A subject with images in both groups is its own control. Each then gives two units, one a group, and under the null
hypothesis they may change places; nothing moves between subjects. ``pairs`` says whose unit each is; ``None`` where
every unit is a subject of its own.
"""

from __future__ import annotations

import numpy as np


def shuffled_labels(labels: np.ndarray, pairs: np.ndarray | None, n: int, rng: np.random.Generator) -> np.ndarray:
    """Labels as they could have been under the null hypothesis, bool (n, units).

    Args:
        labels: whether each unit is in the first group, bool (units,)
        pairs: subject of each unit, ints from 0, two units each; ``None`` where all may change places
        n: draws
        rng: random generator
    """
    if pairs is None:
        return rng.permuted(np.tile(labels, (n, 1)), axis=1)
    return labels ^ (rng.random((n, int(pairs.max()) + 1)) < 0.5)[:, pairs]


def drawn_again(labels: np.ndarray, pairs: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """How often each unit is drawn in a bootstrap of the subjects, within groups where nothing is paired, (units,)."""
    if pairs is not None:
        n = int(pairs.max()) + 1
        return np.bincount(rng.integers(0, n, n), minlength=n)[pairs].astype(float)
    weights = np.zeros(len(labels))
    for group in (labels, ~labels):
        members = np.flatnonzero(group)
        weights += np.bincount(rng.choice(members, len(members)), minlength=len(labels))
    return weights


def within_pairs(values: np.ndarray, pairs: np.ndarray | None) -> np.ndarray:
    """Values (units, …) less the mean of each pair; as they are where nothing is paired."""
    if pairs is None:
        return values
    order = np.argsort(pairs, kind="stable")
    means = (values[order[::2]] + values[order[1::2]]) / 2
    return values - means[pairs]


def differences(columns: np.ndarray, labels: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """Mean of a subject's samples in the first group less that in the second, of subjects with both, (subjects, k).

    Args:
        columns: numbers (samples, k)
        labels: whether each sample is in the first group, bool (samples,)
        subjects: subject of each sample
    """
    names, index = np.unique(subjects, return_inverse=True)
    means, counts = [], []
    for side in (labels, ~labels):
        total = np.zeros((len(names), columns.shape[1]))
        np.add.at(total, index[side], columns[side])
        counts.append(np.bincount(index[side], minlength=len(names)))
        means.append(total / np.maximum(counts[-1], 1)[:, None])
    both = (counts[0] > 0) & (counts[1] > 0)
    return (means[0] - means[1])[both]


def sign_flip_p(d: np.ndarray, n_permutations: int, rng: np.random.Generator) -> float:
    """p-value of "the subjects' differences (subjects, k) are not about 0", every subject's sign flipped at random.

    The statistic is the sum over the columns of the squared mean over the mean square. NaN where no subject differs.
    """
    size = (d**2).sum(axis=0)
    d = d[:, size > 0]
    if not d.size:
        return float("nan")
    signs = np.where(rng.random((1 + n_permutations, len(d))) < 0.5, -1.0, 1.0)
    signs[0] = 1.0
    statistic = np.round(((signs @ d) ** 2 / size[size > 0]).sum(axis=1), 9)
    return float(np.mean(statistic >= statistic[0]))
