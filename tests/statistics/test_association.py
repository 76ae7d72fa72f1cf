"""Effect sizes against hand computation, and the level and power of the subject-level test."""

import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency

from fiftyone_daebias.statistics.association import cramers_v, effect_of, permutation_p, standardised_difference


def test_cramers_v_is_that_of_the_table():
    rng = np.random.default_rng(0)
    inside, codes = rng.random(200) < 0.3, rng.integers(0, 3, 200)
    codes[inside & (rng.random(200) < 0.5)] = 2
    table = np.array([[np.sum((inside == a) & (codes == c)) for c in range(3)] for a in (False, True)])
    chi2 = chi2_contingency(table, correction=False)[0]
    n = 200
    phi2 = max(0, chi2 / n - 2 / (n - 1))
    r, k = 2 - 1 / (n - 1), 3 - 4 / (n - 1)
    assert cramers_v(inside, codes, 3, np.ones(n))[0] == pytest.approx(np.sqrt(phi2 / min(r - 1, k - 1)))


def test_cliffs_delta_and_difference_by_hand():
    inside = np.array([True, True, False, False, False])
    values = np.array([3.0, 5.0, 1.0, 3.0, 4.0])
    effect = effect_of(inside, values, (), np.arange(5))
    # pairs (3: >1, =3, <4), (5: >1, >3, >4): (4 − 1) / 6
    assert effect.value == pytest.approx(0.5) and effect.words == "mean 4 inside, 2.67 outside"
    pooled = np.sqrt((2 * 1.0 + 3 * np.var([1, 3, 4])) / 5)
    assert standardised_difference(inside, values, np.ones(5)) == pytest.approx((4 - 8 / 3) / pooled)


@pytest.mark.parametrize("kind", ["class", "number"])
def test_level_holds_with_several_samples_a_subject(kind):
    hits, runs = 0, 200
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        subjects = np.repeat(np.arange(60), 4)
        member = (rng.random(60) < 0.3)[subjects]  # whole subjects lie in the cluster
        value = rng.integers(0, 3, 60)[subjects] if kind == "class" else rng.normal(size=60)[subjects]
        hits += (
            permutation_p(member[:, None], value, 3 if kind == "class" else 0, subjects, n_permutations=99, rng=rng)[0]
            <= 0.05
        )
    assert binom.ppf(0.001, runs, 0.05) <= hits <= binom.ppf(0.999, runs, 0.05)


def test_strata_take_away_what_they_explain():
    rng = np.random.default_rng(1)
    sex = rng.integers(0, 2, 400)
    member = rng.random(400) < np.where(sex, 0.6, 0.1)
    weight = rng.normal(70 + 12 * sex, 8)
    site = (rng.random(400) < np.where(member, 0.7, 0.3)).astype(int)
    at = {"n_permutations": 499, "rng": rng}
    assert permutation_p(member[:, None], weight, 0, np.arange(400), **at)[0] <= 0.01
    assert permutation_p(member[:, None], weight, 0, np.arange(400), strata=sex, **at)[0] > 0.05
    assert permutation_p(member[:, None], site, 2, np.arange(400), strata=sex, **at)[0] <= 0.01
