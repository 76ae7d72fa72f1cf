"""How closely fields go together among subjects: bias-corrected association with an interval, for any two fields.

Every field becomes a few levels: classes as they are, numbers that a few values
share out among them (matrix sizes, spacings) as these values, other numbers cut
at their quantiles. Two fields are then one table of subjects; a subject with
several images spreads its one vote over them. Bergsma's (2013) corrected
Cramér's V is 1 where the finer field decides the coarser one, whatever the
direction; two numbers are also compared by Spearman's correlation, which sees a
smooth trend better than a table does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.special import chndtr
from scipy.stats import norm, rankdata

from ..quantities import month_of
from ..statistics.covariates import numbers_of

#: a number of which so few values make up so large a share of the subjects is a set of values
FEW_VALUES, SHARE = 12, 0.9
#: other numbers are cut at so many quantiles
QUANTILES = 6
#: levels of fewer subjects are pooled
SMALLEST = 5
#: groups of subjects that are left out in turn, for the error of a share
JACKKNIFE = 20
#: values of V that an interval is made of
_V = np.linspace(0.0, 1.0, 501)


@dataclass(frozen=True)
class Binding:
    """How closely two fields go together.

    Attributes:
        a, b: the fields
        measure: "Cramér's V" or "Spearman's rho", whichever says more for sure
        value: from 0 (not at all) to 1 (one decides the other)
        interval: 95 % interval, subjects as the units
        sure: lower end of the interval that covers in all pairs compared together
        n_subjects: subjects who have both
    """

    a: str
    b: str
    measure: str
    value: float
    interval: tuple[float, float]
    sure: float
    n_subjects: int


def levels_of(column: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """A field as a few levels.

    Args:
        column: one value a sample

    Returns:
        codes (n,), −1 where there is no value, and the levels' names, numbers in their order
    """
    known = (column.notna() & (column.astype(str) != "")).to_numpy()
    codes = np.full(len(column), -1)
    if not known.any():
        return codes, ()
    values = numbers_of(column, known)
    given = column[known]
    texts = given.map(lambda v: f"{v:.6g}" if isinstance(v, float) else str(v))
    common = texts.value_counts()
    if values is None or len(common) <= FEW_VALUES or common.iloc[:FEW_VALUES].sum() >= SHARE * len(texts):
        names = list(common.index[: 4 * FEW_VALUES])
        if values is not None:
            names = sorted(names, key=lambda name: float(np.median(values[known][(texts == name).to_numpy()])))
        index = {name: k for k, name in enumerate(names)}
        codes[known] = [index.get(t, len(names)) for t in texts]
        return codes, tuple(names) + (("other",) if (codes == len(names)).any() else ())
    cuts = pd.qcut(pd.Series(values[known]), QUANTILES, duplicates="drop")
    # numbers in two lumps leave the span between them empty
    used, codes[known] = np.unique(cuts.cat.codes, return_inverse=True)
    told = month_of if hasattr(given.iloc[0], "timetuple") else lambda v: f"{v:.6g}"
    return codes, tuple(_span(values[known][cuts.cat.codes == k], told) for k in used)


def _span(values: np.ndarray, told) -> str:
    low, high = told(float(values.min())), told(float(values.max()))
    return low if low == high else f"{low} to {high}"


def bind(a: pd.Series, b: pd.Series, subjects: np.ndarray, n_pairs: int = 1) -> Binding | None:
    """How closely two fields go together among the subjects who have both.

    Args:
        a, b: one value a sample
        subjects: subject of each sample, (n,)
        n_pairs: pairs that are compared in all, for :attr:`Binding.sure`

    Returns:
        the association; ``None`` where fewer than ten subjects have both, or one does not vary among them
    """
    codes = [levels_of(c)[0] for c in (a, b)]
    both = (codes[0] >= 0) & (codes[1] >= 0)
    n = len(set(subjects[both]))
    if n < 10:
        return None
    _, index, counts = np.unique(subjects[both], return_inverse=True, return_counts=True)
    weights = 1 / counts[index]
    first, second = (_pooled(c[both], weights) for c in codes)
    if first.max() == 0 or second.max() == 0:
        return None
    sure_level = 1 - 0.05 / max(n_pairs, 1)
    value, interval, sure = _table_association(first, second, index, weights, sure_level)
    out = Binding(str(a.name), str(b.name), "Cramér's V", value, interval, sure, n)
    numbers = [numbers_of(c, (c.notna() & (c.astype(str) != "")).to_numpy()) for c in (a, b)]
    if all(v is not None and len(np.unique(v[both])) > QUANTILES for v in numbers):
        value, interval, sure = _rank_correlation(*(v[both] for v in numbers), index, weights, sure_level)
        if sure > out.sure or (sure == out.sure and value > out.value):
            out = Binding(out.a, out.b, "Spearman's rho", value, interval, sure, n)
    return out


def _pooled(codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Codes from 0 on, levels of few subjects as one."""
    size = np.bincount(codes, weights)
    codes = np.where(size[codes] >= SMALLEST, codes, len(size))
    return np.unique(codes, return_inverse=True)[1]


def _table_association(a, b, index, weights, sure_level) -> tuple[float, tuple[float, float], float]:
    n, r, c = int(index.max()) + 1, int(a.max()) + 1, int(b.max()) + 1
    table = np.bincount(a * c + b, weights, r * c).reshape(r, c) / n
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    phi2 = float((table**2 / np.outer(rows, columns)).sum() - 1)
    freedom = (r - 1) * (c - 1)
    design = _design_effect(a, b, rows, columns, index, weights)
    corrected = max(0.0, phi2 - design * freedom / (n - 1))
    smaller = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    value = float(np.sqrt(min(1.0, corrected / max(smaller, 1e-12))))
    most = min(r, c) - 1
    interval = _ends(n * phi2 / design, freedom, n * most / design, 0.95)
    return (
        min(max(value, interval[0]), interval[1]),
        interval,
        _ends(n * phi2 / design, freedom, n * most / design, sure_level)[0],
    )


def _design_effect(a, b, rows, columns, index, weights) -> float:
    """χ² of several images a subject over χ² of as many subjects with one each: 1 where a subject's are alike."""
    if len(a) == int(index.max()) + 1:
        return 1.0
    first = ((a[:, None] == np.arange(len(rows))) - rows) / np.sqrt(rows)
    second = ((b[:, None] == np.arange(len(columns))) - columns) / np.sqrt(columns)
    people = csr_matrix((weights, (index, np.arange(len(a)))))
    together = apart = 0.0
    for column in first.T:
        each = column[:, None] * second
        together += float(((people @ each) ** 2).sum())
        apart += float((weights[:, None] * each**2).sum())
    return float(np.clip(together / max(apart, 1e-12), 0.05, 1.0))


def _ends(chi2: float, freedom: int, largest: float, level: float) -> tuple[float, float]:
    """All values of V whose non-central χ² does not contradict the table (Smithson 2003)."""
    below = chndtr(chi2, freedom, largest * _V**2)
    below = np.where(
        np.isnan(below),
        norm.cdf((chi2 - freedom - largest * _V**2) / np.sqrt(2 * (freedom + 2 * largest * _V**2))),
        below,
    )
    tail = (1 - level) / 2
    kept = np.flatnonzero((below >= tail) & (1 - below >= tail))
    if not len(kept):
        return (0.0, 0.0) if below[0] < tail else (1.0, 1.0)
    return float(_V[kept[0]]), float(_V[kept[-1]])


def _rank_correlation(x, y, index, weights, sure_level) -> tuple[float, tuple[float, float], float]:
    """Spearman's correlation of the subjects' mean ranks, by its size, with Fisher's z (Bonett & Wright 2000)."""
    n = int(index.max()) + 1
    ranks = [np.bincount(index, weights * rankdata(v), n) for v in (x, y)]
    rho = float(np.corrcoef(rankdata(ranks[0]), rankdata(ranks[1]))[0, 1])
    z, se = np.arctanh(min(abs(rho), 0.9999)), np.sqrt((1 + rho**2 / 2) / max(n - 3, 1))
    ends = [np.tanh(np.maximum(0.0, z + s * norm.ppf(0.975) * se)) for s in (-1, 1)]
    sure = float(np.tanh(max(0.0, z - norm.ppf(0.5 + sure_level / 2) * se)))
    return abs(rho), (float(ends[0]), float(ends[1])), sure


def decided(b: pd.Series, a: pd.Series, subjects: np.ndarray) -> tuple[float, float]:
    """Share of a field's variance that another field decides, and the lower end of its 95 % interval.

    For classes this is Goodman and Kruskal's τ, for numbers the correlation
    ratio of their normal scores, both less what levels explain by chance
    (adjusted R²); its error is that of a jackknife over groups of subjects.

    Args:
        b: the field that is decided, one value a sample
        a: the field that decides
        subjects: subject of each sample, (n,)

    Returns:
        share in [0, 1] and its lower end; NaN where it cannot be told
    """
    codes = levels_of(a)[0]
    target, names = levels_of(b)
    both = (codes >= 0) & (target >= 0)
    people, index, counts = np.unique(subjects[both], return_inverse=True, return_counts=True)
    if len(people) < 2 * JACKKNIFE:
        return float("nan"), float("nan")
    weights = 1 / counts[index]
    values = numbers_of(b, (target >= 0))
    if values is not None and len(names) <= QUANTILES and len(np.unique(values[both])) > FEW_VALUES:
        y = norm.ppf((rankdata(values[both]) - 0.5) / both.sum())[:, None]
    else:
        y = (target[both][:, None] == np.arange(len(names))).astype(float)
    levels = _pooled(codes[both], weights)
    # in an order that has nothing to do with the subjects' names
    part = np.random.default_rng(0).permutation(len(people))[index] % JACKKNIFE
    whole = _adjusted_share(y, levels, weights, len(people))
    left_out = np.array(
        [_adjusted_share(y[part != k], levels[part != k], weights[part != k], len(people)) for k in range(JACKKNIFE)]
    )
    error = np.sqrt((JACKKNIFE - 1) / JACKKNIFE * ((left_out - left_out.mean()) ** 2).sum())
    return float(np.clip(whole, 0, 1)), float(np.clip(whole - norm.ppf(0.975) * error, 0, 1))


def _adjusted_share(y: np.ndarray, levels: np.ndarray, weights: np.ndarray, n: int) -> float:
    total = weights.sum()
    mean = weights @ y / total
    size = np.bincount(levels, weights)
    sums = np.stack([np.bincount(levels, weights * column) for column in y.T], axis=1)
    every = float(weights @ ((y - mean) ** 2).sum(axis=1))
    between = float(((sums / np.maximum(size, 1e-12)[:, None] - mean) ** 2 * size[:, None]).sum())
    used = int((size > 0).sum())
    if every <= 1e-12 or n <= used:
        return float("nan")
    return 1 - (1 - between / every) * (n - 1) / (n - used)
