"""Another kind of picture: a planted group is found as a whole, heavy tails and sites raise no alarm."""

import numpy as np
import pytest

from fiftyone_daebias.stories.foreign import foreign_groups

SPREAD = np.linspace(1.5, 0.2, 48)


def cohort(rng, kind, n):
    x = rng.standard_normal((n, 48)) * SPREAD
    if kind == "heavy tails":
        x *= np.sqrt(3 / rng.chisquare(3, (n, 1)))
    if kind == "two sites":
        x[rng.random(n) < 0.4] += 2 * rng.standard_normal(48)
    return x


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "two sites"])
def test_a_cohort_without_strangers_raises_no_alarm(kind):
    rng = np.random.default_rng(0)
    alarms = sum(bool(foreign_groups(cohort(rng, kind, 200), np.arange(200))) for _ in range(15))
    assert alarms <= 1


def test_a_group_of_another_kind_is_found_and_counted():
    rng = np.random.default_rng(1)
    x = np.vstack([cohort(rng, "heavy tails", 400), 0.7 * cohort(rng, "normal", 30) + 4 * (np.arange(48) < 10)])
    (group,) = foreign_groups(x, np.arange(430))
    assert set(group) <= set(range(400, 430)) and len(group) >= 27


def test_images_of_one_person_are_no_group():
    rng = np.random.default_rng(2)
    people = np.repeat(np.arange(120), 8)
    x = cohort(rng, "normal", 120)[people] + 0.05 * rng.standard_normal((960, 48))
    assert foreign_groups(x, people) == [] and foreign_groups(x[:8], people[:8]) == []


def test_gaps_that_open_by_chance_in_few_dimensions_raise_no_alarm():
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(20):
        x = rng.standard_normal((150, 3))
        x[rng.random(150) < 0.4, 0] += 3
        alarms += bool(foreign_groups(x, np.arange(150)))
    assert alarms <= 4  # each at a level of 5 %: more than 4 of 20 has probability 0.003


def test_a_group_among_thirty_thousand_is_found_and_two_far_sites_need_no_table_of_all_distances():
    rng = np.random.default_rng(4)
    x = cohort(rng, "heavy tails", 30_000)
    x[-49:] = 0.7 * cohort(rng, "normal", 49) + 4 * (np.arange(48) < 10)
    (group,) = foreign_groups(x, np.arange(30_000))
    assert set(group) <= set(range(29_951, 30_000)) and len(group) >= 45
    far = cohort(rng, "normal", 3_000)
    far[:1_200] += 40
    assert foreign_groups(far, np.arange(3_000)) == []  # two fifths are no group of another kind
