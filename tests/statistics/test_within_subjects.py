"""A field that varies only within subjects is tested end to end, whatever the order of the rows."""

import numpy as np
import pytest
from scipy.stats import binom

from fiftyone_daebias.probes.cross_fit import cross_fit
from fiftyone_daebias.probes.design import make_design
from fiftyone_daebias.statistics.targets import make_target


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
