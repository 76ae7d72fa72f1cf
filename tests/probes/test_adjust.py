"""Independent of the expected fields, explained by them, or too little to tell: three answers, each with its evidence."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from fiftyone_daebias.errors import InputError
from fiftyone_daebias.probes.adjust import adjusted_fit
from fiftyone_daebias.probes.design import make_design
from fiftyone_daebias.probes.lssvm import Folds, subject_folds
from fiftyone_daebias.probes.result import Adjusted
from fiftyone_daebias.statistics.covariates import make_covariates
from fiftyone_daebias.statistics.targets import Target


def fit(rng, kind, n=150, permutations=99):
    """One cohort whose vectors know sex, age (curved) and weight; the site goes with them, or has its own effect."""
    sex, age = rng.integers(0, 2, n), rng.normal(size=n)
    weight = 0.8 * (sex - 0.5) + rng.normal(size=n)
    vectors = rng.normal(size=(n, 24))
    vectors[:, 0] += 2 * (sex - 0.5)
    vectors[:, 1] += age
    vectors[:, 2] += weight
    vectors[:, 3] += age**2
    confounded = (rng.random(n) < 1 / (1 + np.exp(-(3 * (sex - 0.5) + age)))).astype(int)
    site = confounded if kind in ("confounded", "both") else rng.integers(0, 2, n)
    if kind in ("own", "both"):
        vectors[:, 4:8] += 1.1 * (site - 0.5)[:, None]
    target = Target("site", "binary", np.arange(n), site, ("a", "b"))
    if kind == "number":
        target = Target("dose", "numeric", np.arange(n), 3 * age + 2 * sex + rng.normal(size=n))
    if kind == "same":
        target = Target("gender", "binary", np.arange(n), sex, ("f", "m"))
    rows = np.arange(n)
    covariates = make_covariates(pd.DataFrame({"sex": sex, "age": age, "weight": weight}))
    machine = Folds([make_design(vectors.astype(np.float32), "linear")], rows, subject_folds(rows, 5, 2, rng))
    return adjusted_fit(machine, target, covariates.basis(rows, rows), n_permutations=permutations, rng=rng)


def found(f):
    return f.p <= 0.05 and f.better[0] > 0


def test_a_real_effect_beside_three_expected_fields_is_found():
    rng = np.random.default_rng(0)
    got = [fit(rng, "own") for _ in range(15)]
    assert sum(map(found, got)) >= 13 and not any(f.explained for f in got)
    assert 0.75 < np.mean([f.score for f in got]) < 0.95


def test_an_effect_of_its_own_beside_confounding_is_found():
    rng = np.random.default_rng(1)
    assert sum(found(fit(rng, "both")) for _ in range(12)) >= 9


@pytest.mark.parametrize("kind", ["confounded", "number"])
def test_pure_confounding_is_not_found_and_can_be_called_explained(kind):
    rng, trials = np.random.default_rng(2), 80
    got = [fit(rng, kind, permutations=59) for _ in range(trials)]
    assert sum(map(found, got)) <= binom.ppf(0.999, trials, 0.05)
    assert np.mean([f.explained for f in got]) > (0.3 if kind == "confounded" else 0.1)
    if kind == "confounded":
        assert 0.42 < np.mean([f.score for f in got]) < 0.54


def test_nothing_at_all_is_neither_found_nor_explained():
    rng = np.random.default_rng(3)
    got = [fit(rng, "null", permutations=59) for _ in range(60)]
    assert sum(map(found, got)) <= binom.ppf(0.999, 60, 0.05) and sum(f.explained for f in got) <= 3


def test_a_field_that_repeats_an_expected_one_cannot_be_told_apart():
    f = fit(np.random.default_rng(4), "same")
    assert np.isnan(f.p) and "only" in f.reason and "left to compare" in f.reason


def test_no_verdict_comes_from_an_empty_comparison():
    weak = Adjusted(("age",), score=0.55, better=(-0.1, 0.2), p=0.3, q=0.3, kept=0.9)
    assert weak.verdict == "too few alike to tell"
    assert Adjusted(("age",), score=0.9, better=(0.3, 0.45), p=0.001, q=0.002, kept=0.27).verdict == weak.verdict
    assert Adjusted(("age",), score=0.9, better=(0.3, 0.45), p=0.001, q=0.002, kept=0.9).verdict == "independent"
    assert Adjusted(("age",), score=0.5, better=(-0.1, 0.1), p=0.5, q=0.6, explained=True).verdict == "explained"
    assert Adjusted(("age",), reason="nobody").verdict == weak.verdict


def test_expected_fields_that_cannot_be_used_are_named():
    with pytest.raises(InputError, match="'id' has 100 categories"):
        make_covariates(pd.DataFrame({"id": [f"x{k}" for k in range(100)]}))
    alike = make_covariates(pd.DataFrame({"scanner": ["A"] * 10, "sex": ["F", "M"] * 5}))
    assert alike.fields == ("sex",) and alike.alike == ("scanner",) and alike.present.all()
    with pytest.raises(InputError, match="'age' has no values"):
        make_covariates(pd.DataFrame({"age": [None] * 10}))
    table = pd.DataFrame({"sex": ["F", "M", None, "F"] * 10, "age": np.arange(40.0)})
    covariates = make_covariates(table)
    assert covariates.present.sum() == 30
    assert covariates.missing(np.arange(40), np.arange(40)) == "sex is missing for 10 of 40 subjects"
