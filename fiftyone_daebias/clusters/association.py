"""Groups of samples against metadata: effect sizes with intervals, and subject-level permutation tests in strata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..probes.permutation import subject_permutations
from ..probes.scores import bootstrap_weights, percentile_interval, subject_weights, weighted_auc

#: permutations handled at a time
BLOCK = 200


@dataclass(frozen=True)
class Effect:
    """How a field differs between a group and the rest.

    Attributes:
        measure: "Cramér's V" for classes, "Cliff's delta" for numbers
        value: V in [0, 1], or δ in [−1, 1]: P(higher inside) − P(lower inside)
        interval: 95 % subject-bootstrap interval
        difference: standardised mean difference of numbers, in pooled standard deviations; NaN for classes
        words: the difference in words
    """

    measure: str
    value: float
    interval: tuple[float, float]
    difference: float
    words: str


def cramers_v(inside: np.ndarray, codes: np.ndarray, n_classes: int, weights: np.ndarray) -> np.ndarray:
    """Bias-corrected Cramér's V (Bergsma 2013) of a group and a class, for many weightings at once.

    Args:
        inside: bool (n,)
        codes: class indices (n,)
        n_classes: number of classes
        weights: (n,) or (b, n); their sum is taken as the number of subjects

    Returns:
        (b,) in [0, 1]
    """
    weights = np.atleast_2d(weights).astype(np.float64)
    table = np.zeros((len(weights), 2, n_classes))
    for c in range(n_classes):
        for side in (0, 1):
            table[:, side, c] = weights[:, (codes == c) & (inside == bool(side))].sum(axis=1)
    n = table.sum(axis=(1, 2))
    expected = table.sum(axis=2)[:, :, None] * table.sum(axis=1)[:, None, :] / n[:, None, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        chi2 = np.where(expected > 0, (table - expected) ** 2 / expected, 0.0).sum(axis=(1, 2))
        columns = (table.sum(axis=1) > 0).sum(axis=1)
        phi2 = np.maximum(0.0, chi2 / n - (columns - 1) / (n - 1))
        r = 2 - 1 / (n - 1)
        k = columns - (columns - 1) ** 2 / (n - 1)
        return np.sqrt(np.minimum(1.0, phi2 / np.maximum(np.minimum(r - 1, k - 1), 1e-12)))


def standardised_difference(inside: np.ndarray, values: np.ndarray, weights: np.ndarray) -> float:
    """Difference of the means over the pooled standard deviation (Cohen's d), subjects weighted."""
    a, b = inside, ~inside
    means = [np.average(values[m], weights=weights[m]) for m in (a, b)]
    squares = [np.average((values[m] - mean) ** 2, weights=weights[m]) for m, mean in zip((a, b), means, strict=True)]
    share = np.array([weights[a].sum(), weights[b].sum()])
    pooled = float(np.sqrt(np.average(squares, weights=share)))
    return float((means[0] - means[1]) / pooled) if pooled > 0 else float("nan")


def effect_of(
    inside: np.ndarray, values: np.ndarray, classes: tuple[str, ...], subjects: np.ndarray, *,
    n_bootstrap: int, rng: np.random.Generator,
) -> Effect:
    """Effect size of one field.

    Args:
        inside: whether each sample is in the group, bool (n,)
        values: class indices (n,), or numbers (n,) when ``classes`` is empty
        classes: names of the classes
        subjects: (n,)
        n_bootstrap: draws of the interval
        rng: random generator
    """
    weights = subject_weights(subjects)
    draws = bootstrap_weights(subjects, n_bootstrap, rng)
    if classes:
        value = float(cramers_v(inside, values, len(classes), weights)[0])
        boot = cramers_v(inside, values, len(classes), draws)
        shares = np.array([
            [np.average(values[m] == c, weights=weights[m]) for c in range(len(classes))] for m in (inside, ~inside)
        ])
        top = int(np.argmax(np.abs(shares[0] - shares[1])))
        words = f"{classes[top]}: {shares[0, top]:.0%} inside, {shares[1, top]:.0%} outside"
        return Effect("Cramér's V", value, percentile_interval(boot), float("nan"), words)
    value = 2 * float(weighted_auc(values, inside, weights)[0]) - 1
    boot = 2 * weighted_auc(values, inside, draws) - 1
    means = [np.average(values[m], weights=weights[m]) for m in (inside, ~inside)]
    words = f"mean {means[0]:.6g} inside, {means[1]:.6g} outside"
    return Effect(
        "Cliff's delta", value, percentile_interval(boot), standardised_difference(inside, values, weights), words
    )


def permutation_p(
    groups: np.ndarray, values: np.ndarray, n_classes: int, subjects: np.ndarray, *,
    strata: np.ndarray | None = None, n_permutations: int, rng: np.random.Generator,
) -> np.ndarray:
    """Permutation p-values of one field against many groups; subjects are exchanged, within strata if given.

    The statistic is the sum over classes of the squared, standardised
    covariance of group and class (χ² for one stratum); for numbers the square
    of the covariance of group and rank.

    Args:
        groups: bool (n, g), whether each sample is in each group
        values: class indices (n,), or numbers (n,) when ``n_classes`` is 0
        n_classes: number of classes
        subjects: (n,)
        strata: (n,) of ints
        n_permutations: permutations
        rng: random generator

    Returns:
        (g,)
    """
    labels = label_columns(values, n_classes)
    weights = subject_weights(subjects)
    index = np.zeros(len(values), int) if strata is None else np.unique(strata, return_inverse=True)[1]
    member = _centred(groups.astype(np.float64), weights, index) * weights[:, None]
    labels = _centred(labels, weights, index)
    spread = np.sqrt(np.maximum((weights[:, None] * labels**2).sum(axis=0), 1e-12))
    # the rarest class would dominate a χ² when a single subject has it; every class keeps its own variance
    order = np.vstack([
        np.arange(len(values)),
        subject_permutations(subjects, np.asarray(values)[:, None], n_permutations, rng, strata),
    ])
    statistics = np.zeros((len(order), groups.shape[1]))
    member32 = member.astype(np.float32)
    for column, sd in zip(labels.T, spread, strict=True):
        scaled = (column / sd).astype(np.float32)
        for first in range(0, len(order), BLOCK):
            part = order[first : first + BLOCK]
            statistics[first : first + BLOCK] += (scaled[part] @ member32).astype(np.float64) ** 2
    rounded = np.round(statistics / np.maximum(statistics.max(axis=0), 1e-30), 6)
    return (rounded >= rounded[0]).sum(axis=0) / len(order)


def label_columns(values: np.ndarray, n_classes: int) -> np.ndarray:
    """A field as columns to be tested: one-hot classes (n, n_classes), or relative ranks (n, 1) of numbers, float64."""
    if n_classes:
        return (values[:, None] == np.arange(n_classes)).astype(np.float64)
    from scipy.stats import rankdata

    return rankdata(values)[:, None] / len(values)


def _centred(columns: np.ndarray, weights: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Columns (n, k) less their weighted mean within each stratum."""
    total = np.bincount(index, weights)
    out = np.empty_like(columns)
    for k in range(columns.shape[1]):
        out[:, k] = columns[:, k] - (np.bincount(index, weights * columns[:, k]) / total)[index]
    return out
