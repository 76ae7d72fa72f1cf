"""What is the smallest effect that the whole rule finds?

The rule has two parts, the corrected p-value and the interval, and both speak
of the out-of-fold score. So the smallest effect is that score whose
distribution over cohorts lies above both thresholds with probability 0.8. The
spread under the null is measured, not assumed: it is that of the permuted
labelings, which were trained as the observed one was.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

LEVEL, POWER = 0.05, 0.8
_Z = float(norm.ppf(0.975))


def next_level(q: np.ndarray) -> float:
    """The p-value that one more finding would need after the correction (Benjamini & Hochberg 1995).

    Args:
        q: corrected p-values of all tests; NaN where nothing was tested
    """
    tested = np.asarray(q)[~np.isnan(q)]
    found = int((tested <= LEVEL).sum())
    return LEVEL * min(found + 1, len(tested)) / len(tested) if len(tested) else LEVEL


def smallest_found(metric: str, chance: float, null: tuple[float, float], n_subjects: int, level: float) -> float:
    """The smallest score that is found with probability :data:`POWER`; NaN where the null is not known.

    Args:
        metric: "AUC", "C" or "MAE"
        chance: score of guessing
        null: mean and standard deviation of the gain over chance of permuted labelings
        n_subjects: subjects
        level: p-value that counts as found
    """
    centre, sd = null
    if not (np.isfinite(sd) and sd > 0):
        return float("nan")
    if metric == "MAE":
        return chance - _smallest_gain(chance, centre, sd, n_subjects, level)
    score = np.linspace(0.501, 0.9995, 2000)
    spread = sd * np.sqrt(4 * score * (1 - score))
    # logit(score) must be further from 0 than the interval's half-width there
    clear = np.log(score / (1 - score)) > _Z * spread / (score * (1 - score))
    least = max(score[np.argmax(clear)] if clear.any() else 1.0, 0.5 + centre + norm.ppf(1 - level) * sd)
    enough = score - norm.ppf(POWER) * spread >= least
    return float(score[np.argmax(enough)]) if enough.any() else 1.0


def gain_steepness(chance: float, n_subjects: int) -> float:
    """How much the variance of a gain in error grows for each unit of gain.

    A prediction of correlation r gains about chance·r²/2, and its gain has a standard deviation of about
    1.5·chance·r/√n (simulated for normal values): so the variance grows by 4.5·chance/n for each unit of gain.
    """
    return 4.5 * chance / max(n_subjects, 1)


def _smallest_gain(chance: float, centre: float, sd: float, n_subjects: int, level: float) -> float:
    """Smallest gain over guessing the median."""
    slope = gain_steepness(chance, n_subjects)
    at_zero = sd * sd + slope * max(-centre, 0.0)
    least = max(_Z * np.sqrt(at_zero), centre + norm.ppf(1 - level) * sd)
    gain = np.linspace(least, chance, 4000)
    enough = gain - norm.ppf(POWER) * np.sqrt(sd * sd + slope * np.maximum(gain - centre, 0)) >= least
    return float(gain[np.argmax(enough)]) if enough.any() else chance
