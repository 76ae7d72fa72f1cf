"""Labels that their images contradict: a list with an expected false share, and a test that there are any.

A subject whose recorded class is wrong has the images of another class, so its out-of-fold margin follows the other
class's distribution, which is known from the subjects recorded there. What is not known is how far the tail of a class
reaches toward the others: correctly recorded people in a heavy tail look like a few wrong records. So two models of the
margins are compared,

* no wrong record: each class a g-and-h distribution (Tukey 1977; Hoaglin 1985) about its own median and quartiles,
  one shape for all classes; g skews it, h makes its tails heavy. Both are learned from the whole class, its far side
  included, and held near the Gaussian by a prior, so that 3 records cannot pass for a tail that 200 others lack;
* some: the same, mixed with the other classes' own distribution at one error rate for the cohort (mutual
  contamination: Scott, Blanchard & Handy 2013),

by the gain in (penalised) log likelihood. Its null distribution is a parametric bootstrap of the first model. Only
where that rejects is anybody listed: by local false-discovery rate (Efron 2004), as many as keep its mean in the limit.

What margins cannot tell: people who truly look *throughout* like another class have the margins of wrong records,
whoever looks at them. The list therefore says that label and images contradict each other, not which of them is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

#: error rates that are tried, beside none
RATES = np.array([0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.18])
#: shapes that are tried: skew g (positive toward the other classes), heaviness of the tails h, spread
SKEWS, TAILS = (-0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8), (0.0, 0.05, 0.1, 0.2, 0.35, 0.5)
SPREADS = (0.75, 0.87, 1.0, 1.15, 1.3)
#: the prior costs |g| / SKEW_SCALE + h / TAIL_SCALE in log likelihood
SKEW_SCALE, TAIL_SCALE = 0.05, 0.04
#: a class is judged if it has so many units
FEWEST = 20
#: margins are kept to so many spreads from the median, in steps of
_REACH, _STEP = 40.0, 0.02
_GRID = np.linspace(-_REACH, _REACH, int(2 * _REACH / _STEP) + 1)
_QUARTILE = float(norm.ppf(0.75))
#: floor of the other classes' density, far from all of them
_FLOOR = 1e-12


@dataclass(frozen=True)
class LabelErrors:
    """Units (a subject, or a subject's samples of one label) whose label their images contradict.

    Attributes:
        subjects: subject of each unit, (n_units,)
        labels: recorded class of each, (n_units,)
        seen_as: class with the largest mean margin, (n_units,)
        posterior: probability that the images are those of another class, (n_units,)
        listed: indices of the units listed, the surest first; empty unless the test rejects
        false_share: expected share of the listed whose images are those of their own class; NaN where none is listed
        rate: estimated share of units whose label their images contradict
        p: p-value of "none does"; NaN where there is no test
        n_draws: draws of the bootstrap behind it
        reason: why there is no test; "" when there is one
    """

    subjects: np.ndarray
    labels: np.ndarray
    seen_as: np.ndarray
    posterior: np.ndarray
    listed: np.ndarray
    false_share: float = float("nan")
    rate: float = float("nan")
    p: float = float("nan")
    n_draws: int = 0
    reason: str = ""


def label_errors(
    subjects: np.ndarray,
    codes: np.ndarray,
    scores: np.ndarray,
    *,
    regions: np.ndarray | None = None,
    most_false: float = 0.1,
    level: float = 0.05,
    n_draws: int = 1999,
    rng: np.random.Generator,
) -> LabelErrors:
    """Lists units whose label their images contradict.

    Args:
        subjects: subject of each sample, (n,)
        codes: recorded class of each sample, 0 … K − 1, (n,)
        scores: out-of-fold margins, higher for the class that the image shows, (n, K)
        regions: region, series or kind of visit of each sample; margins are brought to one scale across them
        most_false: largest expected false share of the list
        level: level of the test that there are any
        n_draws: draws of the parametric bootstrap; it stops early where the p-value is large
        rng: random generator

    Returns:
        posteriors, list and p-value
    """
    names, labels, means = unit_means(subjects, codes, scores, regions)
    seen, nothing = means.argmax(axis=1), np.zeros(0, int)
    sides = [s for s in (_side(labels, means, c) for c in range(means.shape[1])) if s is not None]
    if not sides:
        return LabelErrors(
            names,
            labels,
            seen,
            np.zeros(len(names)),
            nothing,
            reason=f"no class has {FEWEST} subjects whose margins differ",
        )
    # where labels differ within subjects, a subject has several units that depend on each other: one each is tested
    first = np.zeros(len(names), bool)
    order = rng.permutation(len(names))
    first[order[np.unique(names[order], return_index=True)[1]]] = True
    tested = [s.part(first[s.rows]) for s in sides]
    fit = _fit(tested, [s.x for s in tested])
    p, drawn = _bootstrap_p(tested, fit, n_draws, rng)
    posterior = np.zeros(len(names))
    for side in sides:
        posterior[side.rows] = _posterior(side, fit)
    listed, false = surest(posterior, most_false) if p <= level else (nothing, float("nan"))
    return LabelErrors(names, labels, seen, posterior, listed, false, float(RATES[fit.rate]), p, drawn)


def surest(posterior: np.ndarray, most_false: float) -> tuple[np.ndarray, float]:
    """The longest list, surest first, of which at most ``most_false`` are expected to be false, and that share."""
    order = np.argsort(-posterior, kind="stable")
    order = order[posterior[order] > 0.5]
    share = np.cumsum(1 - posterior[order]) / np.arange(1, len(order) + 1)
    k = int((share <= most_false).sum())  # the running mean of an increasing sequence increases
    return order[:k], float(share[k - 1]) if k else float("nan")


def unit_means(subjects, codes, scores, regions=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean margins of each unit, drawn to the cohort's mean by as much as few images leave them uncertain.

    Images of a subject depend on each other: however many there are, they are one unit, and more of them only make its
    mean more reliable (variance components by the method of moments).

    Returns:
        subject, class and margins (n_units, K) of each unit
    """
    subjects, codes, scores = np.asarray(subjects), np.asarray(codes), np.array(scores, float)
    for r in np.unique(regions) if regions is not None else ():
        mine = np.asarray(regions) == r
        part = scores[mine] - scores[mine].mean(axis=0)
        scores[mine] = part / (np.sqrt((part**2).mean()) or 1.0)
    people, index = np.unique(subjects, return_inverse=True)
    pairs, unit, counts = np.unique(np.column_stack([index, codes]), axis=0, return_inverse=True, return_counts=True)
    unit = unit.ravel()
    means = np.stack([np.bincount(unit, c) for c in scores.T], axis=1) / counts[:, None]
    repeated = len(scores) - len(counts)
    if repeated:
        grand = means.mean(axis=0)
        within = ((scores - means[unit]) ** 2).sum() / repeated
        between = max(0.0, ((means - grand) ** 2).sum() / (len(means) - 1) - within * float(np.mean(1 / counts)))
        keep = between / (between + within / counts + 1e-12)
        typical = np.median(keep)
        if typical > 0:
            means = grand + (means - grand) * np.minimum(1.0, keep / typical)[:, None]
    return people[pairs[:, 0]], pairs[:, 1], means


@dataclass(frozen=True)
class _Side:
    """The units of a class: how much more they look like another, in spreads from the class's median.

    Attributes:
        rows: their indices
        x: their places, (n,)
        beyond: the other classes' density at these places, on the grid
        share: share of wrong records in the class at each of :data:`RATES`
    """

    rows: np.ndarray
    x: np.ndarray
    beyond: np.ndarray
    share: np.ndarray

    def part(self, kept: np.ndarray) -> _Side:
        return _Side(self.rows[kept], self.x[kept], self.beyond, self.share)


@dataclass(frozen=True)
class _Fit:
    """Gain in log likelihood by wrong records, and the indices of the best models."""

    gain: float
    null: int
    mixed: int
    rate: int


def _side(labels: np.ndarray, means: np.ndarray, c: int) -> _Side | None:
    mine = labels == c
    # linear in the margins: the largest of the others would skew what is straight
    place = np.delete(means, c, axis=1).mean(axis=1) - means[:, c]
    if mine.sum() < FEWEST or (~mine).sum() < 2:
        return None
    centre, spread = _centre_and_spread(place[mine])
    if not spread > 0:
        return None
    x = np.clip((place - centre) / spread, -_REACH, _REACH)
    counts = np.bincount(labels, minlength=means.shape[1])
    wrong = RATES * (counts.sum() - counts[c]) / (means.shape[1] - 1)
    return _Side(np.flatnonzero(mine), x[mine], _density(x[~mine]), wrong / (wrong + (1 - RATES) * counts[c]))


def _centre_and_spread(values: np.ndarray) -> tuple[float, float]:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(middle), float(high - low) / (2 * _QUARTILE)


def _density(values: np.ndarray) -> np.ndarray:
    """Gaussian kernel density on the grid (Silverman's rule on the robust spread)."""
    width = 0.9 * (min(values.std(), _centre_and_spread(values)[1]) or values.std() or 1.0) * len(values) ** -0.2
    out = np.zeros(len(_GRID))
    for v in values:
        near = slice(max(0, int((v - 6 * width + _REACH) / _STEP)), int((v + 6 * width + _REACH) / _STEP) + 2)
        out[near] += np.exp(-0.5 * ((_GRID[near] - v) / width) ** 2)
    return out / (len(values) * width * np.sqrt(2 * np.pi))


@cache
def _shapes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All shapes (g, h, scale), their log densities on the grid (m, cells) and their log prior (m,).

    The scale brings a shape's quartiles to those of the standard Gaussian, times one of :data:`SPREADS`.
    """
    z = np.linspace(-8, 8, 4001)
    shapes, logs = [], []
    for g in SKEWS:
        for h in TAILS:
            x, slope = _g_and_h(z, g, h), _slope(z, g, h)
            low, high = np.interp([-_QUARTILE, _QUARTILE], z, x)
            for s in SPREADS:
                scale = 2 * _QUARTILE / (high - low) * s
                shapes.append((g, h, scale))
                logs.append(np.interp(_GRID, x * scale, norm.logpdf(z) - np.log(slope * scale), left=-60, right=-60))
    table = np.array(shapes)
    prior = -np.abs(table[:, 0]) / SKEW_SCALE - table[:, 1] / TAIL_SCALE
    return table, np.array(logs, np.float32), prior


def _g_and_h(z, g: float, h: float):
    return (np.expm1(g * z) / g if g else z) * np.exp(h * z * z / 2)


def _slope(z, g: float, h: float):
    bend = np.exp(h * z * z / 2)
    return (np.exp(g * z) if g else 1.0) * bend + h * z * _g_and_h(z, g, h)


def _at(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values of functions on the grid at places x, linear between: (…, cells), (n,) → (…, n)."""
    place = np.clip((x + _REACH) / _STEP, 0, len(_GRID) - 1.001)
    cell = place.astype(int)
    part = (place - cell).astype(np.float32)
    return table[..., cell] * (1 - part) + table[..., cell + 1] * part


def _fit(sides: list[_Side], xs: list[np.ndarray]) -> _Fit:
    _, logs, prior = _shapes()
    null, mixed = prior.copy(), np.repeat(prior[:, None], len(RATES), axis=1)
    for side, x in zip(sides, xs, strict=True):
        log_own = _at(logs, x)
        own, other = np.exp(log_own), _at(side.beyond, x) + _FLOOR
        null += log_own.sum(axis=1)
        for k, e in enumerate(side.share):
            mixed[:, k] += np.log((1 - e) * own + e * other).sum(axis=1)
    best, rate = np.unravel_index(mixed.argmax(), mixed.shape)
    return _Fit(float(mixed[best, rate] - null.max()), int(null.argmax()), int(best), int(rate))


def _bootstrap_p(sides: list[_Side], fit: _Fit, n_draws: int, rng: np.random.Generator) -> tuple[float, int]:
    """P-value of the gain under the best model without wrong records, and the draws it took.

    Drawing stops where the p-value is clearly large (sequential Monte Carlo: Besag & Clifford 1991).
    """
    (g, h, scale), as_much = _shapes()[0][fit.null], 0
    for drawn in range(1, n_draws + 1):
        xs = []
        for side in sides:
            x = _g_and_h(rng.normal(size=len(side.x)), g, h) * scale
            centre, spread = _centre_and_spread(x)
            xs.append(np.clip((x - centre) / spread, -_REACH, _REACH))
        as_much += _fit(sides, xs).gain >= fit.gain - 1e-9
        if as_much == 20:
            return as_much / drawn, drawn
    return (1 + as_much) / (1 + n_draws), n_draws


def _posterior(side: _Side, fit: _Fit) -> np.ndarray:
    e = side.share[fit.rate]
    other = np.log(_at(side.beyond, side.x) + _FLOOR) + np.log(e)
    own = _at(_shapes()[1][fit.mixed], side.x) + np.log1p(-e)
    posterior = np.exp(other - logsumexp([other, own], axis=0))
    return np.where(side.x > 0, posterior, 0.0)
