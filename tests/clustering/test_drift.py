"""Change points: found where they are, silent where there are none, and what could have been seen."""

import numpy as np
import pytest
from scipy.stats import binom

from fiftyone_daebias.clustering.change_points import change_points, detectable_change, scan, whiten
from fiftyone_daebias.statistics.dates import iso_date


def cohort(n=200, d=6, shift=0.0, at=2017.2, seed=0):
    rng = np.random.default_rng(seed)
    dates = np.sort(2015 + 4 * rng.random(n))
    x = rng.standard_normal((n, d))
    x[dates >= at, 2] += shift
    return x, dates, rng


def test_the_scan_by_hand():
    points = np.r_[np.zeros(10), np.full(30, 2.0)][:, None]
    value, tau = scan(points, np.arange(40.0))
    assert tau == 10 and value == pytest.approx(10 * 30 / 40 * 4)
    # a change cannot lie within one date
    assert scan(points, np.repeat([1.0, 2.0], 20))[1] == 20


def test_a_change_is_found_with_its_date_and_size():
    x, dates, rng = cohort(shift=2.0)
    p, (change,) = change_points(whiten(x, 6), dates, n_permutations=999, rng=rng)
    assert p == pytest.approx(1 / 1000)
    assert change.before < 2017.25 and change.when > 2017.1 and abs(change.when - 2017.2) < 0.1
    assert change.interval[0] <= 2017.25 and change.interval[1] >= 2017.15
    # the whole spread, change included, is the unit: 2 / sqrt(1 + 2² · ½ · ½)
    assert change.size == pytest.approx(2 / np.sqrt(2), abs=0.3)


def test_two_changes():
    x, dates, rng = cohort(n=300, seed=1)
    x[(dates > 2016) & (dates < 2018), 0] += 2.5
    _, found = change_points(whiten(x, 6), dates, n_permutations=999, rng=rng)
    assert [c.when for c in found] == pytest.approx([2016, 2018], abs=0.1)


def test_level_and_strata():
    hits, runs = 0, 120
    for seed in range(runs):
        x, dates, rng = cohort(n=80, seed=seed)
        hits += change_points(whiten(x, 4), dates, n_permutations=99, n_bootstrap=1, rng=rng)[0] <= 0.05
    assert hits <= binom.ppf(0.999, runs, 0.05)
    # more women later: drift of the case mix, none of the images
    rng = np.random.default_rng(3)
    dates = np.sort(2015 + 4 * rng.random(300))
    sex = (rng.random(300) < (dates - 2015) / 4).astype(int)
    x = rng.standard_normal((300, 4))
    x[:, 0] += 3 * sex
    assert change_points(whiten(x, 4), dates, n_permutations=199, n_bootstrap=1, rng=rng)[0] <= 0.05
    assert change_points(whiten(x, 4), dates, strata=sex, n_permutations=199, n_bootstrap=1, rng=rng)[0] > 0.05


def test_what_would_have_been_found_is_found():
    x, dates, rng = cohort(n=150, d=4)
    size = detectable_change(whiten(x, 4), dates, rng=rng)
    assert 0.3 < size < 2
    found = 0
    for seed in range(40):
        x, dates, rng = cohort(n=150, d=4, shift=size, at=2017, seed=100 + seed)
        found += change_points(x, dates, n_permutations=99, n_bootstrap=1, most=1, rng=rng)[0] <= 0.05
    assert 0.6 <= found / 40 <= 1


def test_dates_in_words():
    assert iso_date(2017.0) == "2017-01-01" and iso_date(2019 + 59 / 365.25) == "2019-03-01"
