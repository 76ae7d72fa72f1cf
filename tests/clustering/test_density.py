"""Islands that come back, islands that do not, and what neighbours tell."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from fiftyone_daebias.clustering import density, neighbours
from fiftyone_daebias.clustering.density import best_overlap, stable_clusters
from fiftyone_daebias.clustering.neighbours import telling
from fiftyone_daebias.errors import InputError


def blobs(sizes, seed=0, spread=12.0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, spread, (len(sizes), 2))
    points = np.concatenate([c + rng.standard_normal((n, 2)) for c, n in zip(centres, sizes)])
    return points, np.repeat(np.arange(len(sizes)), sizes)


def test_real_islands_are_stable_and_found():
    points, truth = blobs((80, 120, 60), seed=3)
    found = stable_clusters(
        points,
        np.arange(len(points)),
        min_size=20,
        resamples=5,
        redraw=lambda rows, seed: points[rows],
        rng=np.random.default_rng(0),
    )
    assert len(found) == 3 and all(i.found == 1 and i.stability > 0.8 for i in found)
    assert all(best_overlap(np.isin(np.arange(len(points)), i.rows), truth) > 0.8 for i in found)


def test_islands_of_one_layout_are_not_stable():
    points, _ = blobs((80, 120, 60), seed=3)
    rng = np.random.default_rng(1)

    def another_layout(rows, seed):  # the embedding has no islands: each map of it scatters the points anew
        return points[rng.permutation(len(points))[: len(rows)]]

    found = stable_clusters(points, np.arange(len(points)), min_size=20, resamples=5, redraw=another_layout, rng=rng)
    assert found and all(i.found < 0.5 for i in found)


@pytest.mark.parametrize("copies", (0, 400))
def test_many_points_are_clustered_among_near_ones_as_among_all(copies, monkeypatch):
    rng = np.random.default_rng(0)
    centres, spread = rng.normal(0, 12, (8, 2)), rng.uniform(0.5, 4, 8)
    which = rng.integers(0, 8, 3_000)
    points = centres[which] + rng.normal(size=(3_000, 2)) * spread[which, None]
    points[:copies] = points[0]
    among_all = density.density_clusters(points, 60)
    monkeypatch.setattr(density, "GRAPH_FROM", 1)
    assert among_all.max() >= 3
    assert adjusted_rand_score(among_all, density.density_clusters(points, 60)) > 0.99
    on_a_line = np.column_stack([points[:, 0], np.zeros(3_000)])
    assert len(density.density_clusters(on_a_line, 60)) == 3_000


def test_of_many_points_in_space_the_rest_goes_with_the_nearest(monkeypatch):
    rng = np.random.default_rng(0)
    which = rng.integers(0, 3, 1_500)
    points = 8 * rng.normal(size=(3, 10))[which] + rng.normal(size=(1_500, 10))
    among_all = density.density_clusters(points, 50)
    monkeypatch.setattr(density, "MOST_POINTS", 500)
    assert adjusted_rand_score(among_all, density.density_clusters(points, 50)) > 0.95


def test_too_few_points_say_so():
    with pytest.raises(InputError, match="pass a smaller min_size"):
        stable_clusters(np.zeros((10, 2)), np.arange(10), min_size=20, resamples=0, redraw=None, rng=None)


def test_neighbours_tell_the_site_and_chance_is_chance():
    rng = np.random.default_rng(0)
    site = np.repeat(np.arange(4), 50)
    subjects = np.arange(200)
    x = rng.standard_normal((200, 8))
    told = telling(x, site, subjects, same_subject=False, rng=rng)
    assert told.chance1 == pytest.approx(49 / 199) and told.interval1[0] < told.chance1 < told.interval1[1]
    p = 1.0
    for j in range(5):
        p *= 1 - 49 / (199 - j)
    assert told.chance5 == pytest.approx(1 - p)
    x[:, :4] += 4 * np.eye(4)[site]
    assert telling(x, site, subjects, same_subject=False, rng=rng).top1 > 0.95


def test_persons_are_told_only_by_their_other_samples():
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(50), 2)
    person = rng.standard_normal((50, 16))[subjects]
    told = telling(person + 0.1 * rng.standard_normal((100, 16)), subjects, subjects, same_subject=True, rng=rng)
    assert told.top1 == 1 and told.chance1 == pytest.approx(1 / 99)


def test_questions_asked_together_are_answered_as_one_by_one(monkeypatch):
    rng = np.random.default_rng(9)
    subjects = np.repeat(np.arange(300), 2)
    site, month = rng.integers(0, 4, 300)[subjects], rng.integers(-1, 6, 300)[subjects]
    x = rng.standard_normal((600, 6)) + np.eye(6)[site] + 0.3 * rng.standard_normal((300, 6))[subjects]
    monkeypatch.setattr(neighbours, "MOST_ASKED", 101)  # each question draws subjects of its own
    asked = [(site, False), (month, False), (subjects, True)]
    alone = [telling(x, v, subjects, same_subject=same, rng=np.random.default_rng(1)) for v, same in asked]
    compared = []
    unit = neighbours._unit
    monkeypatch.setattr(neighbours, "_unit", lambda v: compared.append(len(v)) or unit(v))
    questions = [neighbours.Question(v, same, np.random.default_rng(1)) for v, same in asked]
    assert neighbours.all_telling(x, questions, subjects) == alone and compared == [600]


def test_of_many_samples_some_are_asked_and_all_may_be_neighbours(monkeypatch):
    rng = np.random.default_rng(8)
    subjects = np.repeat(np.arange(600), 2)
    site = rng.integers(0, 4, 600)[subjects]
    x = rng.standard_normal((1_200, 6)) + 1.1 * np.eye(6)[site]
    every = telling(x, site, subjects, same_subject=False, rng=np.random.default_rng(1))
    monkeypatch.setattr(neighbours, "MOST_ASKED", 301)
    some = telling(x, site, subjects, same_subject=False, rng=np.random.default_rng(1))
    assert every.n_samples == 1_200 and some.n_samples == 300 and some.n_subjects == 150  # whole subjects
    # four standard errors of a share among 150 subjects: the same neighbours are found as with all asked
    assert abs(some.top1 - every.top1) < 4 * np.sqrt(0.25 / 150) and abs(some.chance1 - every.chance1) < 0.02
    assert some.interval1[1] - some.interval1[0] > every.interval1[1] - every.interval1[0] and some.p < 0.01
