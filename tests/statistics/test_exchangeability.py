"""What is exchanged, and what no exchange can test."""

import numpy as np
import pytest
from scipy.stats import binom

from fiftyone_daebias.probes.cross_fit import cross_fit
from fiftyone_daebias.probes.design import make_design
from fiftyone_daebias.probes.fields import make_target
from fiftyone_daebias.statistics.exchangeability import exchange


def pairs(rng, n=60, d=12, effect=0.0, shuffled=False):
    """Two images of each subject, neck and back, whose vectors differ by ``effect``; subjects differ much more."""
    subjects, region = np.repeat(np.arange(n), 2), np.tile(["neck", "back"], n)
    vectors = 2 * rng.normal(size=(n, d))[subjects] + rng.normal(size=(2 * n, d))
    vectors[region == "neck", 0] += effect
    rows = rng.permutation(2 * n) if shuffled else np.arange(2 * n)
    return [f"s{k:03d}" for k in subjects[rows]], region[rows].tolist(), vectors[rows].astype(np.float32)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_region_that_every_subject_has_once_is_found_whatever_the_order_of_rows(shuffled):
    subjects, region, vectors = pairs(np.random.default_rng(0), effect=6.0, shuffled=shuffled)
    target = make_target("region", region, subjects)
    fit = cross_fit(make_design(vectors), target, np.array(subjects), n_permutations=199, rng=np.random.default_rng(1))
    assert fit.score > 0.85 and fit.p == 1 / 200 and not fit.untestable


@pytest.mark.parametrize("shuffled", [False, True])
def test_false_positives_of_a_label_within_subjects_stay_at_five_percent(shuffled):
    rng, hits, trials = np.random.default_rng(2), 0, 160
    for _ in range(trials):
        subjects, region, vectors = pairs(rng, n=30, d=6, shuffled=shuffled)
        target = make_target("region", region, subjects)
        design = make_design(vectors, "linear")
        hits += cross_fit(design, target, np.array(subjects), repeats=1, n_permutations=59, rng=rng).p <= 0.05
    low, high = binom.interval(0.999, trials, 0.05)
    assert low <= hits <= high, f"{hits} of {trials}"


def test_labels_constant_in_subjects_move_between_them_and_others_within_them_too():
    subjects = np.repeat(np.arange(30), 2)
    rng = np.random.default_rng(0)
    sex = np.repeat(np.arange(30) % 2, 2)
    between = exchange(subjects, sex, 50, rng)
    assert between.kind == "between" and not between.reason
    for order in between.orders:
        moved = sex[order].reshape(-1, 2)
        assert (moved[:, 0] == moved[:, 1]).all() and moved[:, 0].sum() == 15
    side = np.tile([0, 1], 30)
    both = exchange(subjects, side, 50, rng)
    assert both.kind == "both" and not both.reason
    for order in both.orders:
        assert (side[order].reshape(-1, 2).sum(axis=1) == 1).all()
    assert np.mean([(side[o] != side).mean() for o in both.orders]) == pytest.approx(0.5, abs=0.1)


def test_a_design_that_allows_no_test_says_so():
    subjects, site = np.arange(40), np.arange(40) % 2
    reason = exchange(subjects, site, 99, np.random.default_rng(0), strata=site).reason
    assert "changes 0% of them" in reason
    few = exchange(np.arange(4), np.array([0, 0, 1, 1]), 99, np.random.default_rng(0)).reason
    assert "fewer than 20 different labelings" in few
