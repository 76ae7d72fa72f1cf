"""Several tests at once: the best of a few statistics, and the false-discovery rate over many."""

from __future__ import annotations

import numpy as np
from scipy.stats import false_discovery_control


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


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """False-discovery-adjusted p-values (Benjamini & Hochberg 1995); NaN stays NaN and is not counted."""
    p = np.asarray(p_values, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return q
