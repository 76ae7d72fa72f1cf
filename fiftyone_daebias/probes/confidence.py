"""Turning out-of-fold margins into probabilities."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax


def probabilities(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Class probabilities by temperature scaling (Guo et al., ICML 2017) of out-of-fold margins.

    Args:
        scores: margins (n, n_classes)
        codes: true classes (n,)

    Returns:
        (n, n_classes), rows summing to 1
    """

    def loss(log_t: float) -> float:
        return -float(log_softmax(scores * np.exp(log_t), axis=1)[np.arange(len(codes)), codes].mean())

    best = minimize_scalar(loss, bounds=(-6.0, 6.0), method="bounded")
    return softmax(scores * np.exp(best.x), axis=1)
