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

from ..statistics.exchange import first_stratum, subject_permutations
from ..statistics.multiplicity import min_p
from ..statistics.scores import subject_weights
from .design import Design

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
