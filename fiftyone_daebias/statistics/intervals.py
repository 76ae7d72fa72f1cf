"""Intervals of Cramér's V, Cliff's delta and shares that cover, for small, unequal groups and several images each."""

from __future__ import annotations

import numpy as np
from scipy.special import chndtr
from scipy.stats import beta, norm, t

#: weight of an imagined subject that lies as far on the other side as can be, in the variance of delta
FAR = 0.06
#: values of V and of delta that intervals are made of
_V, _DELTA = np.r_[0.0, np.linspace(0.002, 0.999, 500)], np.linspace(-1.0, 1.0, 2001)


def share_interval(k: int, n: int) -> tuple[float, float]:
    """Exact 95 % interval of a share, k of n (Clopper & Pearson, Biometrika 26:404, 1934); (0, 1) of none."""
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    return low, float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0


def v_interval(
    inside: np.ndarray, codes: np.ndarray, subjects: np.ndarray, *, level: float = 0.95
) -> tuple[float, float]:
    """Interval of the population's Cramér's V between a group and a class.

    χ² is referred to a scaled non-central χ² (Smithson 2003) whose parameter
    is varied: all values of V that do not contradict the table. At V = 0 the
    scale and the degrees of freedom are those of the exact mean and variance
    of χ² with fixed margins (Haldane 1940; Dawson 1954), so that rare classes
    do no harm; away from it the variance is that of the delta method (Bishop,
    Fienberg & Holland 1975), summed by subjects. The tail above grows from
    (1 − level) / 2 to 1 − level as V falls to 0 (a unified interval, as of
    Feldman & Cousins 1998): the interval leaves out 0 where a χ² test at that
    level does, and covers as often at 0 as elsewhere.

    Args:
        inside: bool (n,)
        codes: class indices (n,)
        subjects: (n,)
        level: how often it is to cover

    Returns:
        both ends, in [0, 1]; (0, 1) where there are too few subjects to tell
    """
    _, index, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    _, codes = np.unique(codes, return_inverse=True)
    n, k, w = len(counts), int(codes.max()) + 1, 1 / counts[index]
    side = inside.astype(int)
    table = np.bincount(side * k + codes, w, 2 * k).reshape(2, k) / n
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    fewest = n * rows.min()
    if k < 2 or n < k + 3 or fewest <= 1:
        return 0.0, 1.0
    phi2 = float((table**2 / np.outer(rows, columns)).sum() - 1)
    pull = (
        2 * table / np.outer(rows, columns)
        - (table**2 / columns).sum(axis=1)[:, None] / rows[:, None] ** 2
        - (table**2 / rows[:, None]).sum(axis=0) / columns**2
    )
    variance = float((np.bincount(index, w * pull[side, codes], n) ** 2).sum()) / n**2
    mean, spread = _null_moments(n, rows, columns)
    design = _design_effect(side, codes, rows, columns, w, index)
    mean, spread = mean * design, spread * design**2
    share = min(mean / n, 0.99)
    scale0, guess = spread / (2 * mean), max(0.0, (phi2 - share) / (1 - share))
    few = n / max(n - k, 1) * fewest / (fewest - 1)
    scale1 = min(2.0, few * n * variance / (4 * phi2)) if phi2 > 1e-9 else scale0
    x = _V**2
    part = np.minimum(1.0, x / guess) if guess > 0 else np.zeros_like(x)
    # where the margins are unequal the variance changes with V, else with its square: the wider of both
    rising = scale0 + np.maximum((scale1 - scale0) * part, (scale1 - scale0) * np.sqrt(part))
    scale = np.maximum(np.where(x <= guess, rising, scale1 * (1 - x) / max(1 - guess, 1e-9)), 1e-3)
    freedom = np.maximum(n * share * (1 - x) / scale, 1e-3)
    below = chndtr(n * phi2 / scale, freedom, n * x / scale)
    middle = n * (phi2 - x - share * (1 - x)) / np.sqrt(np.maximum(4 * n * x * scale, 1e-12))
    below = np.where(np.isnan(below), norm.cdf(middle), below)
    outside = 1 - level
    tail = outside / 2 * (1 + np.exp(-x * n / (2 * np.sqrt(2 * (k - 1)) + 2)))
    kept = np.flatnonzero((1 - below >= tail) & (below >= outside - tail))
    if not len(kept):
        return float(np.sqrt(guess)), float(np.sqrt(guess))
    return float(_V[kept[0]]), 1.0 if kept[-1] == len(_V) - 1 else float(_V[kept[-1]])


def _null_moments(n: int, rows: np.ndarray, columns: np.ndarray) -> tuple[float, float]:
    """Mean and variance of χ² of a table with these margins (shares) when nothing goes with anything."""
    r, c = len(rows), len(columns)
    v = [(m - 1) * (n - m) / (n - 1) for m in (r, c)]
    w = [((1 / share).sum() - m**2) / (n - 2) for share, m in ((rows, r), (columns, c))]
    variance = 2 * n / (n - 3) * (v[0] - w[0]) * (v[1] - w[1]) + n**2 / (n - 1) * w[0] * w[1]
    return n * (r - 1) * (c - 1) / (n - 1), max(variance, 0.1)


def _design_effect(side, codes, rows, columns, w, index) -> float:
    """χ² of several images a subject over χ² of as many subjects with one image: 1 where a subject's are alike."""
    group = ((side[:, None] == np.arange(2)) - rows) / np.sqrt(rows)
    label = ((codes[:, None] == np.arange(len(columns))) - columns) / np.sqrt(columns)
    each = (group[:, :, None] * label[:, None, :]).reshape(len(side), -1)
    total = np.zeros((index.max() + 1, each.shape[1]))
    np.add.at(total, index, w[:, None] * each)
    return float(max((total**2).sum() / max((w[:, None] * each**2).sum(), 1e-12), 1e-3))


def delta_interval(
    inside: np.ndarray, values: np.ndarray, subjects: np.ndarray, *, level: float = 0.95
) -> tuple[float, tuple[float, float]]:
    """Cliff's delta and its interval.

    The variance at any δ is that of Hanley & McNeil (1982) times the ratio, at
    the observed δ, of the variance of the placements summed by subjects
    (DeLong et al. 1988; Obuchowski 1997) to it; δ is every value from which
    the observed one is not farther than Student's t times its root (degrees of
    freedom of Welch and Satterthwaite). It is not symmetric near ±1.

    Args:
        inside: bool (n,), some of either
        values: numbers (n,)
        subjects: (n,)
        level: how often it is to cover

    Returns:
        δ and both ends, in [−1, 1]
    """
    _, index, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    w = 1 / counts[index]
    placed = np.where(inside, _placements(values, ~inside, w), -_placements(values, inside, w))
    weight = np.where(inside, w / w[inside].sum(), w / w[~inside].sum())
    delta = float((weight * placed)[inside].sum())
    pull = [np.bincount(index, weight * (placed - delta) * m, len(counts)) for m in (inside, ~inside)]
    sizes = [len(np.unique(index[m])) for m in (inside, ~inside)]
    if min(sizes) < 2:
        return delta, (-1.0, 1.0)
    # a fraction of a subject at the far end: among few, those who lie there may all be missing
    parts = [
        (float((u**2).sum()) * n**2 / (n - 1) + FAR * (1 + abs(delta)) ** 2 / n) / (n + FAR)
        for u, n in zip(pull, sizes, strict=True)
    ]
    variance = max(sum(parts) + 2 * float((pull[0] * pull[1]).sum()), 0.0)
    freedom = sum(parts) ** 2 / max(sum(v**2 / (n - 1) for v, n in zip(parts, sizes, strict=True)), 1e-300)
    usual = _hanley_mcneil(np.array([delta]), sizes)[0]
    ratio = variance / usual if usual > 1e-12 and variance > 0 else 1.0
    reach = t.ppf(0.5 + level / 2, freedom if sum(parts) > 0 else min(sizes) - 1)
    kept = _DELTA[np.abs(delta - _DELTA) <= reach * np.sqrt(ratio * _hanley_mcneil(_DELTA, sizes))]
    return delta, (float(kept[0]), float(kept[-1])) if len(kept) else (delta, delta)


def _placements(values: np.ndarray, among: np.ndarray, w: np.ndarray) -> np.ndarray:
    """P(lower) − P(higher) among the chosen, of each sample, (n,)."""
    order = np.argsort(values[among], kind="stable")
    ranked, sums = values[among][order], np.r_[0.0, np.cumsum(w[among][order])]
    left, right = np.searchsorted(ranked, values, "left"), np.searchsorted(ranked, values, "right")
    return (sums[left] + sums[right] - sums[-1]) / sums[-1]


def _hanley_mcneil(delta: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Variance of δ by its size and the numbers of subjects inside and outside."""
    theta = (1 + np.abs(delta)) / 2
    m, n = np.where(delta >= 0, sizes[0], sizes[1]), np.where(delta >= 0, sizes[1], sizes[0])
    q1, q2 = theta / (2 - theta), 2 * theta**2 / (1 + theta)
    return 4 * (theta * (1 - theta) + (m - 1) * (q1 - theta**2) + (n - 1) * (q2 - theta**2)) / (m * n)
