"""A field that is decodable only through another one must fall silent within strata of that one."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from fiftyone_daebias.errors import InputError
from fiftyone_daebias.probes.confounding import left_within, make_strata, support
from fiftyone_daebias.probes.design import make_design
from fiftyone_daebias.probes.fields import make_target
from fiftyone_daebias.probes.linear import fit_linear
from fiftyone_daebias.probes.permutation import min_p, permutation_test
from fiftyone_daebias.probes.power import smallest_auc, smallest_correlation
from fiftyone_daebias.probes.scores import concordance, weighted_auc
from fiftyone_daebias.probes.svm import cross_fit


def confounded(rng, n=400, own=0.0):
    """Site goes with sex; vectors know sex, and ``own`` of the site."""
    sex = rng.integers(0, 2, n)
    site = (rng.random(n) < np.where(sex == 1, 0.8, 0.2)).astype(int)
    vectors = rng.normal(size=(n, 8)).astype(np.float32)
    vectors[:, 0] += 2 * (sex - 0.5)
    vectors[:, 1] += 2 * own * (site - 0.5)
    return vectors, sex, site


def test_a_confounded_site_is_silent_within_strata_and_a_real_one_is_not():
    rng = np.random.default_rng(1)
    subjects = np.array([f"s{k}" for k in range(400)])
    for own, lower, upper in ((0.0, 0.40, 0.58), (1.0, 0.75, 1.0)):
        vectors, sex, site = confounded(rng, own=own)
        design, target = make_design(vectors), make_target("site", [f"site{v}" for v in site], subjects)
        raw = cross_fit(design, target, subjects, repeats=1, n_bootstrap=200, rng=rng)
        strict = cross_fit(design, target, subjects, strata=sex, repeats=1, n_bootstrap=200, rng=rng)
        assert raw.score > 0.7
        assert lower < strict.score < upper
        assert (strict.interval[0] > 0.5) == (own > 0)


def test_the_permutation_test_within_strata_holds_its_level():
    rng = np.random.default_rng(5)
    raw = strict = 0
    for _ in range(200):
        vectors, sex, site = confounded(rng, n=100)
        design, people = make_design(vectors), np.arange(100)
        raw += permutation_test(design, site, people, n_permutations=99, rng=rng)[0] <= 0.05
        strict += permutation_test(design, site, people, strata=sex, n_permutations=99, rng=rng)[0] <= 0.05
    low, high = binom.interval(0.999, 200, 0.05)
    assert raw > 150 and low <= strict <= high, (raw, strict)


def test_strata_cross_fields_cut_numbers_and_say_what_they_cannot_support():
    table = pd.DataFrame({
        "sex": ["F"] * 50 + ["M"] * 49 + [None],
        "age": np.linspace(20, 79, 100),
    })
    strata = make_strata(table)
    assert strata.codes[-1] == -1 and strata.fields == ("sex", "age")
    assert "sex F, age 20 to 31.8" in strata.names or "sex F, age 19.99 to 31.8" in strata.names
    label = np.r_[np.zeros(65, int), np.ones(35, int)]
    held = support(strata, strata.codes, np.arange(100), label, True)
    assert held.n_strata == 1 and "one class only" in held.notes[0] and "weak evidence" in held.notes[1]
    warned = left_within(strata, np.arange(100), np.zeros(100, int), label, np.arange(100), True)
    assert "age still goes with the label" in warned[0]
    with pytest.raises(InputError, match="has 100 values"):
        make_strata(pd.DataFrame({"id": [f"x{k}" for k in range(100)]}))


def test_stratified_auc_by_hand():
    scores = np.array([1.0, 2.0, 10.0, 11.0])
    positive = np.array([False, True, False, True])
    assert weighted_auc(scores, positive, np.ones(4))[0] == 0.75
    assert weighted_auc(scores, positive, np.ones(4), np.array([0, 0, 1, 1]))[0] == 1.0
    assert np.isnan(weighted_auc(scores, positive, np.ones(4), np.arange(4))[0])
    assert concordance(np.array([1.0, 3.0, 2.0]), np.array([0, 1, 2]), np.ones(3))[0] == pytest.approx(2 / 3)


def test_min_p_by_hand():
    assert min_p(np.array([[9.0, 1, 2, 3], [0.0, 1, 2, 3]])) == 2 / 4  # only one other row also has a rank of 1
    assert min_p(np.array([[9.0, 1, 2, 3], [9.0, 3, 2, 1]])) == 1 / 4


def test_the_linear_machine_finds_scikit_learns_minimum():
    from sklearn.svm import LinearSVC, LinearSVR

    rng = np.random.default_rng(0)
    for n, d in ((300, 20), (200, 900)):
        x = (rng.normal(size=(n, d)) / np.sqrt(d)).astype(np.float32)
        y = np.where(x[:, 0] + 0.02 * rng.normal(size=n) > 0, 1.0, -1.0)
        w = rng.random(n) + 0.5
        mine = fit_linear(x, y, 1.0, w, tolerance=1e-5)
        theirs = LinearSVC(C=1.0, intercept_scaling=1000, tol=1e-8, max_iter=100_000, dual=False).fit(x, y, w)

        def loss(scores, coefficients, y=y, w=w):
            return 0.5 * (coefficients**2).sum() + (w * np.maximum(1 - y * scores, 0) ** 2).sum()

        assert loss(mine.scores(x), mine.w) <= loss(theirs.decision_function(x), theirs.coef_[0]) * (1 + 1e-4)
        t = 2 * x[:, 0] * np.sqrt(d) + 0.1 * rng.normal(size=n)
        mine = fit_linear(x, t, 1.0, w, regression=True, tolerance=1e-5)
        theirs = LinearSVR(
            C=1.0, epsilon=0.1, loss="squared_epsilon_insensitive", intercept_scaling=1000, tol=1e-8, dual=False,
            max_iter=100_000,
        ).fit(x, t, w)

        def loss2(scores, coefficients, t=t, w=w):
            return 0.5 * (coefficients**2).sum() + (w * np.maximum(np.abs(scores - t) - 0.1, 0) ** 2).sum()

        assert loss2(mine.scores(x), mine.w) <= loss2(theirs.predict(x), theirs.coef_) * (1 + 1e-4)


def test_the_smallest_effect_is_found_with_probability_point_eight():
    """Simulated held-out scores at exactly the AUC that is said to be found in 80 % of the cohorts."""
    from scipy.stats import mannwhitneyu, norm

    rng = np.random.default_rng(0)
    auc = smallest_auc(40, 60)
    shift = np.sqrt(2) * norm.ppf(auc)
    found = sum(
        mannwhitneyu(rng.normal(shift, 1, 40), rng.normal(0, 1, 60), alternative="greater").pvalue <= 0.05
        for _ in range(1000)
    )
    assert 740 <= found <= 860, found
    assert smallest_correlation(103) == pytest.approx(np.tanh((1.6449 + 0.8416) / 10), abs=1e-3)
