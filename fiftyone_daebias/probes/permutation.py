"""A permutation test of "the label has nothing to do with the embedding", by subjects.

Two statistics are computed for the label and for every permuted label, and the
smaller of their two permutation p-values is itself referred to its permutation
distribution (Westfall & Young 1993, min-p), so the level is exact:

* the kernel ridge fit yᵀK(K+λI)⁻¹y, which gathers weak evidence from many
  dimensions, and curved relations when the kernel is curved;
* the largest correlation of the label with any one dimension, which is sharper
  when a single dimension carries it.

Only labels move, so one factorisation serves a thousand permutations. The
subjects are what is exchanged: a label that is constant within subjects is
permuted among subjects; one that varies within them is exchanged within them
too (see :mod:`~fiftyone_daebias.statistics.exchange`).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ..statistics.exchange import exchange
from .design import Design
from .scores import subject_weights

#: permutations handled at a time
BLOCK = 250


def permutation_test(
    design: Design,
    labels: np.ndarray,
    subjects: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    n_permutations: int = 999,
    ridge: float = 1.0,
    rng: np.random.Generator,
) -> tuple[float, np.ndarray]:
    """Tests whether labels are related to the vectors.

    Args:
        design: features or kernel of n samples
        labels: (n,) numbers or (n, k) one-hot classes
        subjects: subject of each sample, (n,)
        strata: stratum of each sample, (n,); labels are compared, and subjects exchanged, only within the stratum of
            their first sample
        n_permutations: permutations
        ridge: λ
        rng: random generator

    Returns:
        p = (1 + #{permuted at least as extreme}) / (1 + n_permutations), and the ridge statistics (share of the
        label's variance that the fit takes up, in [0, 1]), the observed one first
    """
    n = len(design)
    labels = np.asarray(labels, dtype=np.float64).reshape(n, -1)
    weights = subject_weights(subjects)
    order = np.vstack([np.arange(n), subject_permutations(subjects, labels, n_permutations, rng, strata)])
    root = np.sqrt(weights).astype(np.float32)
    groups = np.zeros(n, int) if strata is None else np.unique(first_stratum(subjects, strata), return_inverse=True)[1]
    x = design.features * root[:, None]
    kernel = _Kernel(design, root, ridge)
    scale = np.sqrt(np.maximum(np.einsum("ij,ij->j", x, x), 1e-12))[:, None]
    fits, peaks = np.zeros(len(order)), np.zeros(len(order))
    for first in range(0, len(order), BLOCK):
        part = order[first : first + BLOCK]
        energy = np.zeros(len(part))
        fit = np.zeros(len(part))
        peak = np.zeros(len(part))
        for column in labels.T:
            y = column[part].T
            y = (y - _group_means(y, weights, groups)) * root[:, None]
            norm = np.einsum("ij,ij->j", y, y)
            y = y.astype(np.float32)
            projected = x.T @ y
            fit += kernel.energy(y, projected)
            energy += norm
            np.maximum(peak, np.abs(projected / scale).max(axis=0) / np.sqrt(np.maximum(norm, 1e-12)), out=peak)
        fits[first : first + BLOCK] = fit / np.maximum(energy, 1e-12)
        peaks[first : first + BLOCK] = peak
    return min_p(np.stack([fits, peaks])), fits


def min_p(statistics: np.ndarray) -> float:
    """p-value of the best of several statistics, (k, 1 + permutations), the observed ones first."""
    # float32 products of the same numbers may differ in the last digits; ties must not count as better
    rounded = np.round(statistics / np.maximum(np.abs(statistics).max(axis=1, keepdims=True), 1e-30), 6)
    m = rounded.shape[1]
    ranks = np.empty_like(rounded)
    for k, row in enumerate(rounded):
        ranks[k] = m - np.searchsorted(np.sort(row), row, side="left")  # how many are at least as extreme
    best = ranks.min(axis=0)
    return float(np.sum(best <= best[0]) / m)


class _Kernel:
    """yᵀK(K+λI)⁻¹y for many y, with whichever matrix is smaller."""

    def __init__(self, design: Design, root: np.ndarray, ridge: float):
        self.ridge, n, d = ridge, len(design), design.features.shape[1]
        self.dual = design.gram is not None or d > n
        if self.dual:
            if design.gram is None:
                x = design.features * root[:, None]
                gram = x @ x.T
            else:
                gram = design.gram * root[:, None]
                gram *= root[None, :]
            gram[np.diag_indices(n)] += ridge
            self.factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
        else:
            x = design.features * root[:, None]
            inner = (x.T @ x).astype(np.float64)
            inner[np.diag_indices(d)] += ridge
            self.factor = cho_factor(inner, lower=True, overwrite_a=True)

    def energy(self, y: np.ndarray, projected: np.ndarray) -> np.ndarray:
        if self.dual:  # K(K+λI)⁻¹ = I − λ(K+λI)⁻¹
            solved = cho_solve(self.factor, y, check_finite=False)
            return np.einsum("ij,ij->j", y, y) - self.ridge * np.einsum("ij,ij->j", y, solved)
        return np.einsum("ij,ij->j", projected, cho_solve(self.factor, projected))


def _group_means(y: np.ndarray, weights: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Weighted mean of each column within each group, spread to the rows; (n, m)."""
    if groups.max() == 0:
        return np.average(y, axis=0, weights=weights)[None, :]
    out = np.empty_like(y)
    for g in range(groups.max() + 1):
        mine = groups == g
        out[mine] = np.average(y[mine], axis=0, weights=weights[mine])
    return out


def first_stratum(subjects: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Stratum of the first sample of each sample's subject, (n,)."""
    _, first, index = np.unique(subjects, return_index=True, return_inverse=True)
    return np.asarray(strata)[first][index]


def subject_permutations(
    subjects: np.ndarray, labels: np.ndarray, n: int, rng: np.random.Generator, strata: np.ndarray | None = None
) -> np.ndarray:
    """``n`` permutations: the sample whose label each sample gets, int32 (n, samples)."""
    return exchange(subjects, labels, strata).draw(n, rng)


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
