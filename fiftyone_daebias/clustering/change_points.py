"""Does an embedding change over time, when, and what could have been seen?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: a change is looked for where at least this many subjects, and this share of them, lie on either side
LEAST, LEAST_SHARE = 8, 0.05
#: segments are split further only at this part of the level
LATER = 5
COMPONENTS = 10


@dataclass(frozen=True)
class Change:
    """A change point.

    Attributes:
        when: the change lies between the last date before it and this, the first date after it, in years
        before: the last date before it
        interval: 90 % interval of ``when`` by subject bootstrap, in years
        size: distance of the means before and after, in standard deviations within (Mahalanobis, bias removed)
        p: permutation p-value of "no change at any time"
        n_before: subjects before
        n_after: subjects after
    """

    when: float
    before: float
    interval: tuple[float, float]
    size: float
    p: float
    n_before: int
    n_after: int


def whiten(vectors: np.ndarray, n_components: int = COMPONENTS) -> np.ndarray:
    """Principal components of unit variance, float64 (n, k)."""
    z = vectors - vectors.mean(axis=0)
    u, s, _ = np.linalg.svd(z.astype(np.float64), full_matrices=False)
    k = int(min(n_components, max(1, len(vectors) // 10), (s > 1e-8 * s[0]).sum()))
    return u[:, :k] * np.sqrt(len(vectors))


def scan(points: np.ndarray, dates: np.ndarray) -> tuple[float, int]:
    """The largest scaled squared distance of means before and after any date.

    Args:
        points: whitened (n, k), in order of time
        dates: (n,), ascending

    Returns:
        max over τ of n₁n₂/n · ‖m₁ − m₂‖², and τ: the number of points before the change (0: no place for one)
    """
    values, places = _profile(points[None], dates)
    if not len(places):
        return 0.0, 0
    best = int(np.argmax(values[0]))
    return float(values[0, best]), int(places[best])


def _profile(points: np.ndarray, dates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """n₁n₂/n · ‖m₁ − m₂‖² at every place for a change, for many orders (b, n, k) at once."""
    n = len(dates)
    least = max(LEAST, int(np.ceil(LEAST_SHARE * n)))
    places = np.flatnonzero(dates[1:] > dates[:-1]) + 1  # a change lies between two dates, never within one
    places = places[(places >= least) & (places <= n - least)]
    sums = np.cumsum(points, axis=1)
    total = sums[:, -1:, :]
    before = sums[:, places - 1, :]
    after = total - before
    n1 = places.astype(np.float64)[None, :, None]
    squared = ((before / n1 - after / (n - n1)) ** 2).sum(axis=2)
    return squared * (n1 * (n - n1) / n)[..., 0], places


def change_points(
    points: np.ndarray,
    dates: np.ndarray,
    *,
    strata: np.ndarray | None = None,
    n_permutations: int = 499,
    n_bootstrap: int = 200,
    level: float = 0.05,
    most: int = 3,
    rng: np.random.Generator,
    advance: Callable[[], None] = lambda: None,
) -> tuple[float, list[Change]]:
    """Finds changes by binary segmentation; the first test decides whether there is one at all.

    Args:
        points: one point a subject (n, k), whitened
        dates: its date in years (n,)
        strata: points are exchanged only within their stratum (n,)
        n_permutations: permutations of each scan
        n_bootstrap: draws of the interval
        level: level of the first test; segments are split further while p is at most a fifth of it
        most: at most so many changes
        rng: random generator
        advance: called after each scan

    Returns:
        p-value of "nothing changes at any time" (NaN: too few dates or subjects, or nobody to exchange), and the
        changes in order of time
    """
    if not points.size:  # vectors that are all alike have no direction left in which anything could change
        return float("nan"), []
    order = np.argsort(dates, kind="stable")
    points, dates = points[order], dates[order]
    strata = np.zeros(len(dates), int) if strata is None else np.asarray(strata)[order]
    first_p, changes, segments = float("nan"), [], [(0, len(dates))]
    while segments and len(changes) < most:
        a, b = segments.pop(0)
        part, when = points[a:b], dates[a:b]
        # what differs between strata at all times is no change over time
        part = part - _stratum_means(part, strata[a:b])
        value, tau = scan(part, when)
        p = float("nan")
        if tau:
            null = null_scans(part, when, strata[a:b], n_permutations, rng)
            p = float((1 + (null >= value * (1 - 1e-9)).sum()) / (1 + n_permutations))
            if np.allclose(null, value, rtol=1e-9, atol=0):
                p = float("nan")  # nobody can change places with anybody: no test
        if (a, b) == (0, len(dates)):
            first_p = p
        # the first test alone decides whether anything changed; each further one is an extra chance to be wrong
        if not tau or not p <= (level if not changes else level / LATER):
            continue
        n1, n2 = tau, len(part) - tau
        size = np.sqrt(max(0.0, (value - part.shape[1]) * len(part) / (n1 * n2)))
        changes.append(
            Change(
                float(when[tau]),
                float(when[tau - 1]),
                _when_interval(part, when, n_bootstrap, rng),
                float(size),
                p,
                n1,
                n2,
            )
        )
        segments += [(a, a + tau), (a + tau, b)]
        advance()
    return first_p, sorted(changes, key=lambda c: c.when)


def null_scans(points, dates, strata, n: int, rng) -> np.ndarray:
    """The scan statistic of ``n`` orders in which dates are exchanged within strata, (n,)."""
    groups = [np.flatnonzero(strata == s) for s in np.unique(strata)]
    out = np.empty(n)
    step = max(1, int(2e7 // points.size))
    for first in range(0, n, step):
        orders = np.tile(np.arange(len(points)), (min(step, n - first), 1))
        for g in groups:
            orders[:, g] = rng.permuted(orders[:, g], axis=1)
        values, places = _profile(points[orders], dates)
        out[first : first + len(orders)] = values.max(axis=1) if len(places) else 0.0
    return out


def _when_interval(points, dates, n_bootstrap: int, rng) -> tuple[float, float]:
    found = []
    for _ in range(n_bootstrap):
        rows = np.sort(rng.integers(0, len(points), len(points)))
        _, tau = scan(points[rows], dates[rows])
        if tau:
            found.append(dates[rows][tau])
    low, high = np.percentile(found, [5, 95]) if found else (np.nan, np.nan)
    return float(low), float(high)


def _stratum_means(points: np.ndarray, strata: np.ndarray) -> np.ndarray:
    out = np.empty_like(points)
    for s in np.unique(strata):
        out[strata == s] = points[strata == s].mean(axis=0)
    return out


def detectable_change(
    points: np.ndarray,
    dates: np.ndarray,
    *,
    power: float = 0.8,
    level: float = 0.05,
    n: int = 100,
    rng: np.random.Generator,
) -> float:
    """The smallest change in mid-time that the scan would have found with a probability.

    Changes of graded size in random directions are added to the same points
    with their dates exchanged, so that nothing else changes.

    Args:
        points: whitened (n, k)
        dates: (n,)
        power: the probability
        level: level of the test
        n: simulated cohorts a size
        rng: random generator

    Returns:
        size in standard deviations; infinite when no date can be tested
    """
    if not points.size:
        return float("inf")
    dates = np.sort(dates)
    strata = np.zeros(len(dates), int)
    null = null_scans(points, dates, strata, 400, rng)
    if not null.any():
        return float("inf")
    critical = np.quantile(null, 1 - level)
    late = dates >= np.median(dates)
    for size in np.geomspace(0.2, 8, 24):
        hits = 0
        for _ in range(n):
            direction = rng.standard_normal(points.shape[1])
            moved = rng.permutation(points) + np.outer(late, direction / np.linalg.norm(direction)) * size
            moved -= moved.mean(axis=0)
            # the change widens the spread that the points are whitened with
            moved /= max(1.0, np.sqrt(1 + size**2 / (4 * points.shape[1])))
            hits += scan(moved, dates)[0] > critical
        if hits / n >= power:
            return float(size)
    return float("inf")
