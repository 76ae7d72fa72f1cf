"""Labels change places where they may: between subjects, within them, or both; and where they cannot, that is said."""

import numpy as np
from scipy.stats import binom

from fiftyone_daebias.statistics.association import association_test, omnibus_test
from fiftyone_daebias.statistics.exchange import exchange

RNG = np.random.default_rng


def test_constant_labels_stay_constant_within_subjects():
    subjects = np.repeat(np.arange(20), [1, 2, 3, 4] * 5)
    labels = RNG(0).integers(0, 2, 20)[subjects]
    moves = exchange(subjects, labels)
    assert moves.words == "subjects exchanged" and moves.n_movable == 20
    for order in moves.draw(50, RNG(1)):
        moved = labels[order]
        assert all(len(set(moved[subjects == s])) == 1 for s in range(20))


def test_the_same_set_in_every_subject_moves_within_them_whatever_the_order_of_rows():
    subjects = np.repeat(np.arange(30), 2)
    labels = np.tile(["neck", "back"], 30)
    rows = RNG(3).permutation(60)
    for s, v in ((subjects, labels), (subjects[rows], labels[rows])):
        moves = exchange(s, v)
        assert moves.words == "labels exchanged within subjects" and moves.n_movable == 30
        orders = moves.draw(40, RNG(1))
        for order in orders:
            assert all(set(v[order][s == k]) == {"neck", "back"} for k in range(30))
        assert len({tuple(v[o]) for o in orders}) == 40


def test_strata_are_kept_also_where_they_vary_within_subjects():
    rng = RNG(0)
    subjects = np.repeat(np.arange(24), 3)
    strata = np.tile([0, 0, 1], 24)
    labels = rng.integers(0, 2, 72)
    moves = exchange(subjects, labels, strata)
    for order in moves.draw(60, rng):
        assert (strata[order] == strata).all()
        for s in (0, 1):
            assert sorted(labels[order][strata == s]) == sorted(labels[strata == s])


def test_what_cannot_move_is_no_test():
    subjects, rng = np.arange(40), RNG(0)
    labels = rng.integers(0, 2, 40)
    alone = exchange(subjects, labels, subjects)
    assert alone.n_movable == 0 and "only 0 subjects could change places" in alone.impossible
    p, moves = association_test(labels[:, None] == 1, labels, 2, subjects, strata=subjects, n_permutations=99, rng=rng)
    assert np.isnan(p[0]) and moves.impossible
    # every subject has both, and none is divided by the group: all permutations leave the difference at 0
    twice = np.repeat(np.arange(30), 2)
    whole = (rng.random(30) < 0.4)[twice]
    p, moves = association_test(whole[:, None], np.tile([0, 1], 30), 2, twice, n_permutations=99, rng=rng)
    assert np.isnan(p[0]) and not moves.impossible
    assert np.isnan(omnibus_test(whole[:, None] * 1.0, np.tile([0, 1], 30), 2, twice, n_permutations=99, rng=rng)[0])


def test_level_and_power_of_fields_within_subjects():
    hits, runs = [0, 0], 200
    for seed in range(runs):
        rng = RNG(seed)
        subjects, values = np.repeat(np.arange(50), 2), np.tile([0, 1], 50)
        person = rng.normal(size=50)[subjects]
        for k, shift in enumerate((0.0, 1.2)):
            member = person + rng.normal(size=100) + shift * values > 0.8
            hits[k] += association_test(member[:, None], values, 2, subjects, n_permutations=99, rng=rng)[0][0] <= 0.05
    assert hits[0] <= binom.ppf(0.999, runs, 0.05) and hits[1] >= 0.9 * runs


def test_level_of_the_omnibus_test_over_measures_that_go_together():
    hits, runs = 0, 200
    for seed in range(runs):
        rng = RNG(seed)
        subjects = np.repeat(np.arange(50), 2)
        x = rng.standard_t(3, (50, 6))[subjects] @ rng.normal(size=(6, 6)) + rng.normal(size=(100, 6))
        hits += omnibus_test(x, rng.integers(0, 3, 50)[subjects], 3, subjects, n_permutations=99, rng=rng)[0] <= 0.05
    assert binom.ppf(0.001, runs, 0.05) <= hits <= binom.ppf(0.999, runs, 0.05)
