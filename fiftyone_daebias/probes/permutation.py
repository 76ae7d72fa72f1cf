"""A permutation test of "the label has nothing to do with the embedding", by subjects.

One ridge hat matrix a fold, H = K_test,train (K_train,train + λI)⁻¹; only
labels move, so a thousand permutations cost one matrix product. The subjects
are what is exchanged: a label that is constant within subjects is permuted
among subjects; one that varies within them moves as the subject's whole
sequence, among subjects with about as many images (powers of two), so that
neither the dependence within a subject nor the number of its images makes a
finding.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from .scores import subject_weights

N_FOLDS = 5


def permutation_test(
    gram: np.ndarray,
    labels: np.ndarray,
    subjects: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    n_permutations: int = 999,
    ridge: float = 1.0,
    rng: np.random.Generator,
) -> tuple[float, np.ndarray]:
    """Tests whether labels can be predicted from a kernel on held-out subjects.

    The statistic is the correlation of the out-of-fold ridge prediction with
    the label, every subject counting once (for classes: the mean over one-hot
    labels).

    Args:
        gram: kernel matrix (n, n)
        labels: (n,) numbers or (n, k) one-hot classes
        subjects: subject of each sample, (n,)
        strata: stratum of each sample, (n,); subjects are exchanged only within the stratum of their first sample
        n_permutations: permutations
        ridge: λ
        rng: random generator

    Returns:
        p = (1 + #{permuted ≥ observed}) / (1 + n_permutations), and the statistics, the observed one first
    """
    labels = np.asarray(labels, dtype=np.float64).reshape(len(gram), -1)
    weights = subject_weights(subjects)
    permuted = subject_permutations(subjects, labels, n_permutations, rng, strata)
    orders = np.column_stack([np.arange(len(gram)), *permuted])
    hats = _hats(gram, subjects, ridge, rng)
    statistics = np.zeros(orders.shape[1])
    for first in range(0, orders.shape[1], 250):
        part = orders[:, first : first + 250]
        total = np.zeros(part.shape[1])
        for column in labels.T:
            moved = column[part]
            predicted = np.empty_like(moved)
            for test, train, hat in hats:
                centre = np.average(moved[train], axis=0, weights=weights[train])
                predicted[test] = hat @ (moved[train] - centre) + centre
            total += _correlation(predicted, moved, weights)
        statistics[first : first + 250] = total / labels.shape[1]
    p = (1 + np.sum(statistics[1:] >= statistics[0] - 1e-12)) / len(statistics)
    return float(p), statistics


def subject_permutations(
    subjects: np.ndarray, labels: np.ndarray, n: int, rng: np.random.Generator, strata: np.ndarray | None = None
) -> list[np.ndarray]:
    """``n`` index arrays (samples,): the sample whose label each sample gets."""
    rows = defaultdict(list)
    for k, s in enumerate(subjects):
        rows[s].append(k)
    blocks = [np.array(r) for r in rows.values()]
    constant = all(np.ptp(labels[b], axis=0).max() == 0 for b in blocks)
    groups = defaultdict(list)
    for k, block in enumerate(blocks):
        size = 0 if constant else int(np.log2(len(block)))
        groups[(size, None if strata is None else strata[block[0]])].append(k)
    out = []
    for _ in range(n):
        order = np.empty(len(subjects), dtype=np.int64)
        for members in groups.values():
            for to, source in zip(members, rng.permutation(members), strict=True):
                order[blocks[to]] = np.resize(blocks[source], len(blocks[to]))
        out.append(order)
    return out


def _hats(gram, subjects, ridge, rng):
    names, index = np.unique(subjects, return_inverse=True)
    fold = (rng.permutation(len(names)) % min(N_FOLDS, len(names)))[index]
    hats = []
    for f in np.unique(fold):
        test, train = np.flatnonzero(fold == f), np.flatnonzero(fold != f)
        inner = gram[np.ix_(train, train)].astype(np.float64)
        inner[np.diag_indices_from(inner)] += ridge
        hat = cho_solve(cho_factor(inner, lower=True, overwrite_a=True), gram[np.ix_(train, test)].astype(np.float64)).T
        hats.append((test, train, hat))
    return hats


def _correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted correlation of the columns of two matrices (n, m) → (m,); 0 where a column is constant."""
    w = (weights / weights.sum())[:, None]
    a, b = a - (w * a).sum(axis=0), b - (w * b).sum(axis=0)
    norm = np.sqrt((w * a * a).sum(axis=0) * (w * b * b).sum(axis=0))
    return np.divide((w * a * b).sum(axis=0), norm, out=np.zeros(a.shape[1]), where=norm > 1e-300)


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """False-discovery-adjusted p-values (Benjamini & Hochberg 1995); NaN stays NaN and is not counted."""
    p = np.asarray(p_values, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    m = len(order)
    if m:
        scaled = p[order] * m / np.arange(1, m + 1)
        q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q
