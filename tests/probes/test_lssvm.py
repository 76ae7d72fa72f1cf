"""The machine behind a probe is kernel ridge regression, whichever way it is computed."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import roc_auc_score

from fiftyone_daebias.probes import lssvm
from fiftyone_daebias.probes.design import Design, make_design, probe_designs
from fiftyone_daebias.probes.lssvm import PENALTIES, Folds, decompose, subject_folds
from fiftyone_daebias.probes.statistic import NormalScores, concordance, concordance_influence, spread


def test_scores_are_those_of_kernel_ridge_on_centred_kernels():
    rng = np.random.default_rng(0)
    design = make_design(rng.normal(size=(60, 8)).astype(np.float32), "linear")
    y = rng.normal(size=(60, 3))
    train, test = np.arange(45), np.arange(45, 60)
    fold = decompose(design, train, test, np.arange(60), np.ones(60))
    mean, at, _ = fold.project(y[train].astype(np.float32))
    got = fold.score(mean, at, np.full(3, PENALTIES[3]))
    x = design.features - design.features[train].mean(axis=0)
    for k in range(3):
        theirs = KernelRidge(alpha=PENALTIES[3], kernel="linear").fit(x[train], y[train, k] - y[train, k].mean())
        np.testing.assert_allclose(got[:, k], theirs.predict(x[test]) + y[train, k].mean(), atol=2e-3)


def test_features_and_kernel_give_the_same_scores():
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(80, 10)) / np.sqrt(10)).astype(np.float32)
    subjects = np.repeat(np.arange(40), 2)
    labels = rng.integers(0, 2, (80, 5))
    folds = subject_folds(subjects, 5, 2, rng)
    primal = Folds([Design("linear", x)], subjects, folds).predict(labels)
    dual = Folds([Design("linear", x, x @ x.T)], subjects, folds).predict(labels)
    np.testing.assert_allclose(primal, dual, atol=5e-3)


def test_the_inner_validation_chooses_the_scaling_that_shows_the_label():
    """The label lies in a direction of small variance, which a common scale hides."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 30)) * np.r_[np.full(29, 30.0), 0.3]
    y = (x[:, 29] > 0).astype(float)
    folds = subject_folds(np.arange(300), 5, 1, rng)
    chosen = Folds(probe_designs(x.astype(np.float32), "linear"), np.arange(300), folds).predict(y[:, None])
    common = Folds([probe_designs(x.astype(np.float32), "linear")[1]], np.arange(300), folds).predict(y[:, None])

    def area(scores):
        return concordance(scores, y[:, None].astype(int), folds, np.ones(300))[0]

    assert area(chosen) > 0.85 > area(common) + 0.15


def test_concordance_is_the_area_under_the_curve_and_influences_give_its_spread():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 200)
    s = y + 1.5 * rng.normal(size=200)
    one = np.zeros((1, 200), int)
    area = concordance(s[None, :, None], y[:, None], one, np.ones(200))[0]
    assert area == pytest.approx(roc_auc_score(y, s), abs=1e-9)
    value, influence = concordance_influence(s[None], y, one, np.arange(200), np.ones(200))
    assert value == pytest.approx(area)
    draws = []
    for _ in range(400):
        k = rng.integers(0, 200, 200)
        draws.append(roc_auc_score(y[k], s[k]))
    assert spread(influence) == pytest.approx(np.std(draws), rel=0.12)
    # two identical images of every subject are one subject
    twice, its = concordance_influence(
        np.tile(s, 2)[None], np.tile(y, 2), np.zeros((1, 400), int), np.tile(np.arange(200), 2), np.full(400, 0.5)
    )
    assert twice == pytest.approx(value) and spread(its) == pytest.approx(spread(influence), rel=1e-6)


def test_normal_scores_come_back_as_values_and_ties_stay_ties():
    values = np.array([5.0, 1, 1, 100, 3])
    normal = NormalScores(values, np.ones(5))
    np.testing.assert_allclose(normal.back(normal.scores), values)
    assert normal.scores[1] == normal.scores[2] and normal.scores[3] == normal.scores.max()
    assert normal.back(np.array([9.0]))[0] == 100


def test_folds_of_many_rows_give_the_same_scores_and_keep_no_matrix_of_their_own(monkeypatch):
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(90, 10)) / np.sqrt(10) + 1).astype(np.float32)
    subjects = np.repeat(np.arange(45), 2)
    labels = rng.integers(0, 2, (90, 5))
    folds = subject_folds(subjects, 5, 2, rng)
    kept = Folds([Design("linear", x)], subjects, folds)
    monkeypatch.setattr(lssvm, "LEAN_FROM", 80)
    monkeypatch.setattr(lssvm, "STRETCH", 32)
    lean = Folds([Design("linear", x)], subjects, folds)
    np.testing.assert_allclose(lean.predict(labels), kept.predict(labels), atol=1e-4)
    for (fold,) in lean._parts:
        assert fold.into.features is x and fold.into.axes.size <= x.shape[1] ** 2


def test_vectors_that_are_all_equal_tell_nothing_and_break_nothing():
    subjects = np.arange(40)
    machine = Folds([Design("linear", np.ones((40, 3), np.float32))], subjects, subjects[None] % 5)
    scores = machine.predict(np.eye(40)[:, :2])
    assert np.isfinite(scores).all() and np.ptp(scores[0, subjects % 5 == 2, 0]) == 0


def test_labelings_scored_together_become_fewer_with_the_cohort():
    subjects = np.arange(60)
    machine = Folds([Design("linear", np.eye(60, dtype=np.float32))], subjects, np.arange(60)[None] % 5)
    assert lssvm.labelings_at_once(machine) == lssvm.BLOCK and lssvm.labelings_at_once(machine, 5) == 102
    machine.folds = np.zeros((3, 100_000), int)
    assert lssvm.labelings_at_once(machine) * machine.folds.size <= lssvm.MOST_VALUES / 8
