"""Groups of samples against metadata: effect sizes with intervals that cover, and permutation tests in strata.

Subjects are the units throughout: several images of one add up to one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..quantities import PLAIN, Quantity
from .cells import Cells, count_cells
from .exchange import Exchange, exchange
from .intervals import delta_interval, v_interval
from .scores import subject_weights

#: permutations handled at a time
BLOCK = 200


@dataclass(frozen=True)
class Effect:
    """How a field differs between a group and the rest.

    Attributes:
        measure: "Cramér's V" for classes, "Cliff's delta" for numbers
        value: V in [0, 1], or δ in [−1, 1]: P(higher inside) − P(lower inside)
        interval: its interval, subjects as the units
        difference: standardised mean difference of numbers, in pooled standard deviations; NaN for classes
        words: the difference in words
        cells: subjects of each class inside and outside; of numbers under ""
    """

    measure: str
    value: float
    interval: tuple[float, float]
    difference: float
    words: str
    cells: Cells = field(default_factory=dict)


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
    inside: np.ndarray,
    values: np.ndarray,
    classes: tuple[str, ...],
    subjects: np.ndarray,
    *,
    level: float = 0.95,
    quantity: Quantity = PLAIN,
) -> Effect:
    """Effect size of one field.

    Args:
        inside: whether each sample is in the group, bool (n,)
        values: class indices (n,), or numbers (n,) when ``classes`` is empty
        classes: names of the classes
        subjects: (n,)
        level: how often the interval is to cover; nearer to 1 where the effect is the largest of several
        quantity: how the numbers are told
    """
    weights, cells = subject_weights(subjects), count_cells(inside, values, classes, subjects)
    if classes:
        value = float(cramers_v(inside, values, len(classes), weights)[0])
        low, high = v_interval(inside, values, subjects, level=level)
        shares = np.array(
            [[np.average(values[m] == c, weights=weights[m]) for c in range(len(classes))] for m in (inside, ~inside)]
        )
        top = int(np.argmax(np.abs(shares[0] - shares[1])))
        words = f"{classes[top]}: {shares[0, top]:.0%} inside, {shares[1, top]:.0%} outside"
        return Effect("Cramér's V", min(max(value, low), high), (low, high), float("nan"), words, cells)
    value, interval = delta_interval(inside, values, subjects, level=level)
    means = [np.average(values[m], weights=weights[m]) for m in (inside, ~inside)]
    words = f"mean {quantity.value(means[0])} inside, {quantity.value(means[1])} outside"
    return Effect("Cliff's delta", value, interval, standardised_difference(inside, values, weights), words, cells)


def permutation_p(
    groups: np.ndarray,
    values: np.ndarray,
    n_classes: int,
    subjects: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    n_permutations: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Permutation p-values of one field against many groups; see :func:`association_test`.

    Returns:
        (g,); NaN where no test is possible
    """
    return association_test(groups, values, n_classes, subjects, strata=strata, n_permutations=n_permutations, rng=rng)[
        0
    ]


def association_test(
    groups: np.ndarray,
    values: np.ndarray,
    n_classes: int,
    subjects: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    covariates: np.ndarray | None = None,
    n_permutations: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Exchange]:
    """Tests one field against many groups by permuting its values, within strata if given.

    The statistic is the sum over classes of the squared, standardised
    covariance of group and class (χ² for one stratum); for numbers the square
    of the covariance of group and rank. A statistic that no permutation
    changes is no test: its p-value is NaN.

    Args:
        groups: bool (n, g), whether each sample is in each group
        values: class indices (n,), or numbers (n,) when ``n_classes`` is 0
        n_classes: number of classes
        subjects: (n,)
        strata: (n,) of ints
        covariates: numbers (n, k) whose linear and square parts are taken out of groups and values, for what is left
            of them in a stratum
        n_permutations: permutations
        rng: random generator

    Returns:
        p-values (g,), and how values were exchanged
    """
    statistics, moves = _statistics(groups, values, n_classes, subjects, strata, covariates, n_permutations, rng)
    if statistics is None:
        return np.full(groups.shape[1], np.nan), moves
    rounded = np.round(statistics / np.maximum(statistics.max(axis=0), 1e-30), 6)
    p = (rounded >= rounded[0]).sum(axis=0) / len(rounded)
    return np.where((rounded == rounded[0]).all(axis=0), np.nan, p), moves


def omnibus_test(
    columns: np.ndarray,
    values: np.ndarray,
    n_classes: int,
    subjects: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    covariates: np.ndarray | None = None,
    n_permutations: int,
    rng: np.random.Generator,
) -> tuple[float, Exchange]:
    """Tests one field against many columns at once: measures, principal components, one-hot sites.

    The sum over the standardised columns of :func:`association_test`'s
    statistic gathers weak differences in many, its maximum sees a strong one
    in one; the smaller of their two p-values is referred to its own
    permutation distribution (Westfall & Young 1993, min-p).

    Args:
        columns: float (n, g)
        values, n_classes, subjects, strata, covariates, n_permutations, rng: as in :func:`association_test`

    Returns:
        the p-value, NaN where no test is possible, and how values were exchanged
    """
    weights = subject_weights(subjects)
    spread = np.sqrt(np.average((columns - np.average(columns, axis=0, weights=weights)) ** 2, axis=0, weights=weights))
    varies = spread > 1e-9 * max(float(spread.max()), 1e-30)
    used = columns[:, varies] / spread[varies]
    statistics, moves = _statistics(used, values, n_classes, subjects, strata, covariates, n_permutations, rng)
    if statistics is None or not used.shape[1]:
        return float("nan"), moves
    both = np.stack([statistics.sum(axis=1), statistics.max(axis=1)])
    rounded = np.round(both / np.maximum(both.max(axis=1, keepdims=True), 1e-30), 6)
    if (rounded == rounded[:, :1]).all():
        return float("nan"), moves
    m = rounded.shape[1]
    # how many are at least as extreme
    ranks = np.array([m - np.searchsorted(np.sort(row), row, side="left") for row in rounded])
    best = ranks.min(axis=0)
    return float(np.sum(best <= best[0]) / m), moves


def _statistics(columns, values, n_classes, subjects, strata, covariates, n_permutations, rng):
    """Statistics of all columns, observed and permuted, (1 + n_permutations, g); ``None`` where nothing can move."""
    weights = subject_weights(subjects)
    index = np.zeros(len(values), int) if strata is None else np.unique(strata, return_inverse=True)[1]
    moves = exchange(subjects, values, strata)
    if moves.impossible:
        return None, moves
    member = centred(columns.astype(np.float64), weights, index)
    labels = centred(label_columns(values, n_classes), weights, index)
    if covariates is not None:
        # out of both, so that what a bend leaves in one meets nothing in the other
        x, root = centred(_curved(covariates), weights, index), np.sqrt(weights)[:, None]
        member, labels = (y - x @ np.linalg.lstsq(x * root, y * root, rcond=None)[0] for y in (member, labels))
    size = np.maximum((weights[:, None] * member**2).sum(axis=0), 1e-12)
    member = (member * weights[:, None]).astype(np.float32)
    spread = np.sqrt(np.maximum((weights[:, None] * labels**2).sum(axis=0), 1e-12))
    # the rarest class would dominate a χ² when a single subject has it; every class keeps its own variance
    scaled = (labels / spread).astype(np.float32)
    statistics = np.zeros((1 + n_permutations, columns.shape[1]))
    for first in range(0, 1 + n_permutations, BLOCK):
        n = min(BLOCK, 1 + n_permutations - first)
        order = moves.draw(n, rng)
        if not first:
            order[0] = np.arange(len(values))
        for column in scaled.T:
            statistics[first : first + n] += (column[order] @ member).astype(np.float64) ** 2
    # products of float32 that should be 0 are not quite; the statistic is at most the group's own size
    statistics[statistics < 1e-9 * size] = 0.0
    return statistics, moves


def _curved(covariates: np.ndarray) -> np.ndarray:
    """Standardised covariates (n, k) and their squares: a share that follows a number bends within wide strata."""
    x = np.asarray(covariates, dtype=np.float64)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)
    return np.column_stack([x, x**2])


def label_columns(values: np.ndarray, n_classes: int) -> np.ndarray:
    """A field as columns to be tested: one-hot classes (n, n_classes), or relative ranks (n, 1) of numbers, float64."""
    if n_classes:
        return (values[:, None] == np.arange(n_classes)).astype(np.float64)
    from scipy.stats import rankdata

    return rankdata(values)[:, None] / len(values)


def centred(columns: np.ndarray, weights: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Columns (n, k) less their weighted mean within each stratum."""
    total = np.bincount(index, weights)
    out = np.empty_like(columns)
    for k in range(columns.shape[1]):
        out[:, k] = columns[:, k] - (np.bincount(index, weights * columns[:, k]) / total)[index]
    return out
