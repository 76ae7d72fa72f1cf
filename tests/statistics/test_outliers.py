"""Nearest samples of other subjects, by hand, and among a part of many."""

import numpy as np
import pytest

from fiftyone_daebias.errors import InputError
from fiftyone_daebias.statistics import outliers


def test_a_subjects_own_samples_are_no_neighbours():
    points = np.array([[0.0], [0.1], [1.0], [3.0]])
    distances, rows = outliers.nearest_others(points, np.array(["a", "a", "b", "c"]), 1)
    assert rows[:, 0].tolist() == [2, 2, 1, 2] and np.allclose(distances[:, 0], [1, 0.9, 0.9, 2], atol=1e-3)
    with pytest.raises(InputError, match="pass a smaller number"):
        outliers.nearest_others(points, np.array(["a", "a", "b", "c"]), 3)


def test_among_a_part_of_many_the_same_samples_are_far(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3_000, 20)).astype(np.float32)
    vectors[:15] *= 3
    subjects = np.arange(3_000) // 2
    among_all = outliers.outlier_scores(vectors, subjects)
    monkeypatch.setattr(outliers, "MOST_OTHERS", 500)
    among_some = outliers.outlier_scores(vectors, subjects)
    assert set(np.argsort(-among_some)[:15]) == set(np.argsort(-among_all)[:15]) == set(range(15))
    assert np.corrcoef(among_all, among_some)[0, 1] > 0.9
    _, rows = outliers.nearest_others(vectors, subjects, 5)
    assert len(np.unique(rows)) <= 500 and (subjects[rows] != subjects[:, None]).all()
