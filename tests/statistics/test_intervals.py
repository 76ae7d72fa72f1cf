"""Intervals of V and delta cover at and away from nothing, for many classes, small groups and several images."""

import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency, norm

from fiftyone_daebias.statistics.intervals import delta_interval, v_interval

RUNS = 240


def bounds(level=0.95):
    """Where a coverage of 95 % lies nearly always, with a point and a half for the approximation."""
    return binom.ppf(0.001, RUNS, level - 0.015), RUNS


def table_of(rng, n, k, v, inside=0.3):
    """Two classes of classes, one more often inside, so that V is v; class sizes are unequal."""
    weights = 1 / np.arange(1, k + 1)
    weights /= weights.sum()
    d = np.where(np.arange(k) % 2, 1.0, -1.0)
    d = (d - weights @ d) / np.sqrt(weights @ (d - weights @ d) ** 2)
    codes = rng.choice(k, n, p=weights)
    return rng.random(n) < inside + v * np.sqrt(inside * (1 - inside)) * d[codes], codes


@pytest.mark.parametrize("k, v, n", [(2, 0.0, 75), (20, 0.0, 75), (2, 0.4, 75), (5, 0.4, 120), (10, 0.3, 200)])
def test_v_is_covered(k, v, n):
    rng = np.random.default_rng([k, n])
    hits = 0
    for _ in range(RUNS):
        low, high = v_interval(*table_of(rng, n, k, v), np.arange(n))
        hits += low <= v <= high
    assert bounds()[0] <= hits <= bounds()[1]


def test_the_interval_leaves_out_zero_where_a_chi_squared_test_does():
    rng = np.random.default_rng(5)
    same = 0
    for _ in range(150):
        inside, codes = table_of(rng, 150, 4, 0.15)
        table = np.array([[np.sum((inside == a) & (codes == c)) for c in np.unique(codes)] for a in (False, True)])
        p = chi2_contingency(table, correction=False)[1]
        same += (v_interval(inside, codes, np.arange(150))[0] > 0) == (p <= 0.05)
    assert same >= 145


def test_several_images_of_a_subject_add_up_to_one():
    rng = np.random.default_rng(1)
    inside, codes = table_of(rng, 90, 3, 0.3)
    one = v_interval(inside, codes, np.arange(90))
    three = np.repeat(np.arange(90), 3)
    assert v_interval(inside[three], codes[three], three) == pytest.approx(one)
    x = rng.normal(size=90)
    assert delta_interval(inside[three], x[three], three)[1] == pytest.approx(
        delta_interval(inside, x, np.arange(90))[1]
    )


def test_a_perfect_association_reaches_one_and_few_subjects_know_nothing():
    codes = np.repeat([0, 1], 30)
    low, high = v_interval(codes == 1, codes, np.arange(60))
    assert high == 1 and 0.8 < low < 0.95
    assert v_interval(codes[:4] == 1, codes[:4], np.arange(4)) == (0, 1)
    delta, (low, high) = delta_interval(codes == 1, codes + np.linspace(0, 0.5, 60), np.arange(60))
    assert delta == high == 1 and 0.7 < low < 0.95


@pytest.mark.parametrize(
    "shape, delta, a, b",
    [("normal", 0.0, 8, 60), ("normal", 0.5, 15, 60), ("heavy", 0.0, 15, 60), ("heavy", 0.3, 40, 40)],
)
def test_delta_is_covered(shape, delta, a, b):
    rng = np.random.default_rng([a, b])
    inside = np.arange(a + b) < a
    shift = 2 * np.tan(np.pi / 2 * delta) if shape == "heavy" else np.sqrt(2) * norm.ppf((1 + delta) / 2)
    hits = 0
    for _ in range(RUNS):
        x = (rng.standard_cauchy(a + b) if shape == "heavy" else rng.normal(size=a + b)) + shift * inside
        _, (low, high) = delta_interval(inside, x, np.arange(a + b))
        hits += low <= delta <= high
    assert bounds()[0] <= hits <= bounds()[1]


def test_a_wider_level_gives_a_wider_interval():
    rng = np.random.default_rng(2)
    inside, codes = table_of(rng, 120, 3, 0.3)
    x = rng.normal(size=120) + inside
    for interval in (
        lambda at: v_interval(inside, codes, np.arange(120), level=at),
        lambda at: delta_interval(inside, x, np.arange(120), level=at)[1],
    ):
        (a, b), (c, d) = interval(0.95), interval(0.999)
        assert c <= a and b <= d and d - c > b - a
