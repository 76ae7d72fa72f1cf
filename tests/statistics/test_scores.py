"""Weighted scores against scikit-learn and hand-computed cases."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from fiftyone_daebias.statistics.multiplicity import benjamini_hochberg
from fiftyone_daebias.statistics.scores import (
    balanced_accuracy,
    bootstrap_weights,
    macro_auc,
    subject_weights,
    weighted_auc,
    weighted_mae,
)


def test_weighted_auc_equals_scikit_learns_with_ties():
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 6, 200).astype(float), rng.random(200) < 0.4
    weights = rng.random((3, 200))
    got = weighted_auc(scores, positive, weights)
    for k in range(3):
        assert got[k] == pytest.approx(roc_auc_score(positive, scores, sample_weight=weights[k]))
    assert np.isnan(weighted_auc(scores, positive, np.where(positive, 1.0, 0.0))[0])


def test_macro_auc_and_balanced_accuracy():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 3, 300)
    scores = rng.normal(size=(300, 3)) + 2 * np.eye(3)[codes]
    ones = np.ones(300)
    expected = np.mean([roc_auc_score(codes == c, scores[:, c]) for c in range(3)])
    assert macro_auc(scores, codes, ones)[0] == pytest.approx(expected)
    predicted = scores.argmax(1)
    assert balanced_accuracy(predicted, codes, ones) == pytest.approx(balanced_accuracy_score(codes, predicted))


def test_every_subject_counts_once():
    subjects = np.array(["a", "b", "b", "b"])
    np.testing.assert_allclose(subject_weights(subjects), [1, 1 / 3, 1 / 3, 1 / 3])
    assert weighted_mae(np.array([3.0, 1.0, -1.0, 1.0]), subject_weights(subjects))[0] == pytest.approx(2.0)


def test_bootstrap_draws_whole_subjects():
    subjects = np.array(["a", "b", "b", "c"])
    draws = bootstrap_weights(subjects, 500, np.random.default_rng(0))
    np.testing.assert_allclose(draws.sum(axis=1), 3)
    np.testing.assert_array_equal(draws[:, 1], draws[:, 2])
    assert draws.mean(axis=0) == pytest.approx([1, 0.5, 0.5, 1], abs=0.1)


def test_benjamini_hochberg_by_hand():
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.5])
    # sorted .01 .03 .04 .5 of 4: .04 .06 .0533 .5 → from the right: .04 .0533 .0533 .5
    np.testing.assert_allclose(benjamini_hochberg(p), [0.04, 0.16 / 3, np.nan, 0.16 / 3, 0.5])
