"""Score, interval, p-value and smallest detectable effect speak of one statistic, and hold what they promise."""

import numpy as np
import pytest
from scipy.stats import binom

from fiftyone_daebias.probes.cross_fit import cross_fit
from fiftyone_daebias.probes.design import make_design
from fiftyone_daebias.statistics.power import next_level, smallest_found
from fiftyone_daebias.statistics.targets import Target

N = 120


def cohort(rng, kind, effect, n=N):
    vectors = rng.normal(size=(n, 24))
    if kind == "number":
        y = rng.normal(size=n)
        vectors[:, :4] += effect * y[:, None]
        return vectors, Target("y", "numeric", np.arange(n), np.exp(1.5 * y))
    y = rng.permutation(np.arange(n) % (4 if kind == "rare" else 2) == 0).astype(int)
    vectors[:, :4] += effect * (y - 0.5)[:, None]
    return vectors, Target("y", "binary", np.arange(n), y, ("a", "b"))


def fits(kind, effect, trials, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(trials):
        vectors, target = cohort(rng, kind, effect)
        design = make_design(vectors.astype(np.float32), "linear")
        yield cross_fit(design, target, np.arange(N), repeats=2, n_permutations=59, rng=rng)


@pytest.mark.parametrize("kind", ["halves", "rare", "number"])
def test_nothing_is_found_where_nothing_is(kind):
    trials = 120
    got = list(fits(kind, 0.0, trials))
    low, high = binom.interval(0.999, trials, 0.05)
    assert low <= sum(f.p <= 0.05 for f in got) <= high
    assert sum(f.p <= 0.05 and f.better[0] > 0 for f in got) <= high


@pytest.mark.parametrize("kind, effect", [("halves", 0.0), ("halves", 0.7), ("halves", 1.5), ("rare", 0.8)])
def test_intervals_hold_the_mean_score_of_such_cohorts(kind, effect):
    got = list(fits(kind, effect, 120, seed=1))
    truth = np.mean([f.score for f in got])
    held = sum(f.interval[0] <= truth <= f.interval[1] for f in got)
    assert binom.interval(0.999, 120, 0.95)[0] <= held, f"{held} of 120"
    width = np.mean([f.interval[1] - f.interval[0] for f in got]) / (2 * 1.96 * np.std([f.score for f in got]))
    assert 0.85 < width < 1.35, f"{width:.2f} times the spread over cohorts"


def test_a_weak_score_is_not_called_absent_when_its_interval_says_otherwise():
    """AUC .629 with an interval from .585 was "not found" while p spoke of another statistic."""
    for f in fits("halves", 0.7, 60, seed=2):
        if f.better[0] > 0:
            assert f.p <= 0.1, f"interval {f.interval} but p {f.p}"


def test_a_perfect_score_has_an_interval_all_the_same():
    (f,) = fits("halves", 12.0, 1)
    assert f.score > 0.999 and f.interval[0] < 0.999 and f.p == 1 / 60


def test_the_smallest_effect_is_what_the_whole_rule_finds():
    """Cohorts whose mean score is what is said to be found with probability 0.8."""
    null = np.mean([f.null for f in fits("halves", 0.0, 10, seed=3)], axis=0)
    stated = smallest_found("AUC", 0.5, tuple(null), N, 0.05)
    effects = np.linspace(0.4, 1.2, 9)
    means = [np.mean([f.score for f in fits("halves", e, 25, seed=4)]) for e in effects]
    effect = float(np.interp(stated, means, effects))
    found = np.mean([f.p <= 0.05 and f.better[0] > 0 for f in fits("halves", effect, 150, seed=5)])
    assert 0.68 <= found <= 0.93, f"{found:.2f} at AUC {stated:.3f}"
    # a stricter correction needs a larger effect
    assert smallest_found("AUC", 0.5, tuple(null), N, 0.05 / 100) > stated + 0.02


def test_the_level_that_one_more_finding_needs():
    assert next_level(np.array([0.001, 0.2, np.nan, 0.9])) == pytest.approx(0.05 * 2 / 3)
    assert next_level(np.array([np.nan])) == 0.05
