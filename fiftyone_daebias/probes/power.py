"""What is the smallest effect that could have been found?"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

LEVEL, POWER = 0.05, 0.8


def smallest_auc(n_positive: float, n_negative: float, level: float = LEVEL, power: float = POWER) -> float:
    """Smallest held-out AUC that a one-sided test at ``level`` finds with probability ``power``.

    The standard error is Hanley & McNeil's (Radiology 143, 1982, eq. 1) at chance and at the effect.

    Args:
        n_positive: subjects of one class
        n_negative: subjects of the other

    Returns:
        an AUC in (0.5, 1]
    """
    grid = np.linspace(0.5, 1.0, 2001)
    q1, q2 = grid / (2 - grid), 2 * grid * grid / (1 + grid)
    variance = grid * (1 - grid) + (n_positive - 1) * (q1 - grid**2) + (n_negative - 1) * (q2 - grid**2)
    error = np.sqrt(np.maximum(variance, 0) / (n_positive * n_negative))
    enough = grid - 0.5 >= norm.ppf(1 - level) * error[0] + norm.ppf(power) * error
    return float(grid[np.argmax(enough)]) if enough.any() else 1.0


def smallest_correlation(n: float, level: float = LEVEL, power: float = POWER) -> float:
    """Smallest correlation of prediction and value that a one-sided test finds (Fisher's z), in (0, 1)."""
    return float(np.tanh((norm.ppf(1 - level) + norm.ppf(power)) / np.sqrt(max(n - 3, 1))))


def smallest_effect(kind: str, values: np.ndarray, subjects: np.ndarray, chance: float) -> float:
    """The smallest effect in the probe's own score.

    For classes an AUC (several classes: of the class with most subjects against the rest); for numbers the mean
    absolute error of a prediction with the smallest correlation, chance·√(1 − r²), as for normal values.
    A subject with several samples counts once, for the class it has most.

    Args:
        kind: kind of the target
        values: class indices or numbers, (n,)
        subjects: (n,)
        chance: the probe's chance level
    """
    names, index = np.unique(subjects, return_inverse=True)
    if kind in ("numeric", "date"):
        r = smallest_correlation(len(names))
        return chance * float(np.sqrt(1 - r * r))
    if kind == "ordinal":
        return (1 + smallest_correlation(len(names))) / 2
    counts = np.zeros((len(names), int(values.max()) + 1))
    np.add.at(counts, (index, values), 1)
    sizes = np.bincount(counts.argmax(axis=1), minlength=counts.shape[1])
    most = float(sizes.max()) if len(sizes) > 2 else float(sizes[1])
    rest = len(names) - most
    return smallest_auc(most, rest) if most > 0 and rest > 0 else 1.0
