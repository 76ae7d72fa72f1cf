"""How often the intervals of Cramér's V and Cliff's delta miss the truth."""

from __future__ import annotations

from functools import partial

import numpy as np
from claims import Kind
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from fiftyone_daebias.statistics.intervals import delta_interval, v_interval


def shares(k: int, inside: float, v: float, weights: np.ndarray, rng) -> np.ndarray:
    """Share of each class that is in the group, so that Cramér's V is ``v``."""
    d = np.where(np.arange(k) % 2, 1.0, -1.0) if k <= 3 else rng.standard_normal(k)
    d = (d - weights @ d) / np.sqrt(weights @ (d - weights @ d) ** 2)

    def at(t):
        return expit(brentq(lambda s: weights @ expit(s + t * d) - inside, -300, 300) + t * d)

    def size(t):
        return np.sqrt(weights @ (at(t) - inside) ** 2 / (inside * (1 - inside)))

    return at(brentq(lambda t: size(t) - v, 0, 60)) if v > 0 else np.full(k, inside)


def misses_v(rng, k: int, v: float, n: int, inside: float = 0.3, images: int = 1) -> bool:
    weights = np.ones(k) / k if k > 5 else 1 / np.arange(1, k + 1)
    weights = weights / weights.sum()
    try:
        share = shares(k, inside, v, weights, rng)
    except ValueError:  # such a V does not exist with these margins and this direction
        return misses_v(rng, k, v, n, inside, images)
    codes = rng.choice(k, n, p=weights)
    member = rng.random(n) < share[codes]
    if min(member.sum(), (~member).sum()) < 5:
        return False
    subjects = np.repeat(np.arange(n), rng.integers(1, images + 1, n))
    low, high = v_interval(member[subjects], codes[subjects], subjects)
    return not low <= v <= high


def misses_v_within(rng, n: int = 100) -> bool:
    """Group and class vary within subjects, and have nothing to do with one another; each has much to do with whom."""
    subjects = np.repeat(np.arange(n), rng.integers(1, 5, n))
    member = rng.normal(size=n)[subjects] + 0.7 * rng.normal(size=len(subjects)) > 0.6
    codes = np.digitize(rng.normal(size=n)[subjects] + 0.7 * rng.normal(size=len(subjects)), [-0.7, 0.2, 0.9])
    low, _ = v_interval(member, codes, subjects)
    return low > 0


def misses_delta(rng, delta: float, shape: str, inside: int, outside: int, images: int = 1) -> bool:
    g = np.r_[np.ones(inside, bool), np.zeros(outside, bool)]
    if shape == "heavy":
        x = rng.standard_cauchy(len(g)) + 2 * np.tan(np.pi / 2 * delta) * g
    else:
        x = rng.normal(size=len(g)) + np.sqrt(2) * norm.ppf((1 + delta) / 2) * g
    subjects = np.repeat(np.arange(len(g)), rng.integers(1, images + 1, len(g)))
    _, (low, high) = delta_interval(g[subjects], x[subjects], subjects)
    return not low <= delta <= high


MISSED = "missed intervals"
KINDS = (
    *(
        Kind(f"interval of V, {k} values, V = {v}, n = {n}", partial(misses_v, k=k, v=v, n=n), counts=MISSED)
        for k, n in ((2, 75), (5, 75), (10, 150), (20, 75), (20, 300))
        for v in (0.0, 0.3, 0.6)
    ),
    Kind(
        "interval of V, 3 values, V = 0.2, 10 % inside, n = 150",
        partial(misses_v, k=3, v=0.2, n=150, inside=0.1),
        counts=MISSED,
    ),
    Kind(
        "interval of V, 5 values, V = 0.3, 1-4 images, n = 100",
        partial(misses_v, k=5, v=0.3, n=100, images=4),
        counts=MISSED,
    ),
    Kind("interval of V, varying within subjects, V = 0", misses_v_within, counts=MISSED),
    *(
        Kind(
            f"interval of delta, {shape}, delta = {d}, {a} and {b}",
            partial(misses_delta, delta=d, shape=shape, inside=a, outside=b),
            counts=MISSED,
        )
        for shape in ("normal", "heavy")
        for a, b in ((10, 65), (40, 40))
        for d in (0.0, 0.3, 0.6)
    ),
    Kind(
        "interval of delta, normal, delta = 0.3, 1-4 images",
        partial(misses_delta, delta=0.3, shape="normal", inside=30, outside=60, images=4),
        counts=MISSED,
    ),
)
