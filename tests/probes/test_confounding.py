"""Strata, scores within them, and machines in the primal."""

import numpy as np
import pandas as pd
import pytest

from fiftyone_daebias.errors import InputError
from fiftyone_daebias.probes.linear import fit_linear
from fiftyone_daebias.statistics.multiplicity import min_p
from fiftyone_daebias.statistics.scores import concordance, weighted_auc
from fiftyone_daebias.statistics.strata import make_strata


def test_strata_cross_fields_cut_numbers_and_say_what_they_cannot_support():
    table = pd.DataFrame({"sex": ["F"] * 50 + ["M"] * 49 + [None], "age": np.linspace(20, 79, 100)})
    strata = make_strata(table)
    assert strata.codes[-1] == -1 and strata.fields == ("sex", "age")
    assert "sex F, age 20 to 31.8" in strata.names or "sex F, age 19.99 to 31.8" in strata.names
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
            C=1.0,
            epsilon=0.1,
            loss="squared_epsilon_insensitive",
            intercept_scaling=1000,
            tol=1e-8,
            dual=False,
            max_iter=100_000,
        ).fit(x, t, w)

        def loss2(scores, coefficients, t=t, w=w):
            return 0.5 * (coefficients**2).sum() + (w * np.maximum(np.abs(scores - t) - 0.1, 0) ** 2).sum()

        assert loss2(mine.scores(x), mine.w) <= loss2(theirs.predict(x), theirs.coef_) * (1 + 1e-4)
