"""Do the probes stay silent where there is nothing, and speak where there is something?"""

import numpy as np
import pytest
from scipy.stats import binom

from fiftyone_daebias.errors import InputError
from fiftyone_daebias.probes.confidence import probabilities
from fiftyone_daebias.probes.cross_fit import cross_fit
from fiftyone_daebias.probes.design import make_design
from fiftyone_daebias.probes.permutation import permutation_test
from fiftyone_daebias.probes.svm import subject_folds
from fiftyone_daebias.statistics.exchange import subject_permutations
from fiftyone_daebias.statistics.targets import make_target


def clustered(rng, n_subjects=60, d=16, within=0.3):
    """Several images a subject, unequal in number, embeddings of one subject alike."""
    sizes = rng.choice([1, 2, 3, 8], n_subjects, p=[0.4, 0.3, 0.2, 0.1])
    subjects = np.repeat(np.arange(n_subjects), sizes)
    vectors = rng.normal(size=(n_subjects, d))[subjects] + within * rng.normal(size=(len(subjects), d))
    return subjects, vectors.astype(np.float32)


@pytest.mark.parametrize("varying", [False, True])
def test_false_positives_stay_at_five_percent_with_clustered_subjects(varying):
    rng = np.random.default_rng(7)
    trials, hits, naive = 200, 0, 0
    for _ in range(trials):
        subjects, vectors = clustered(rng)
        own = rng.random(subjects.max() + 1) < 0.5
        labels = own[subjects].astype(float)
        if varying:
            labels = np.where(rng.random(len(labels)) < 0.2, 1 - labels, labels)
        design = make_design(vectors)
        hits += permutation_test(design, labels, subjects, n_permutations=99, rng=rng)[0] <= 0.05
        if not varying:
            naive += permutation_test(design, labels, np.arange(len(labels)), n_permutations=99, rng=rng)[0] <= 0.05
    low, high = binom.interval(0.999, trials, 0.05)
    assert low <= hits <= high, f"{hits} of {trials} false positives"
    if not varying:
        assert naive > 2 * high, "an image-level test should fail here, or this test tests nothing"


def test_power_is_there_for_a_small_shift():
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(10):
        labels = rng.permutation(np.arange(1000) % 2)
        vectors = rng.normal(size=(1000, 64)).astype(np.float32)
        vectors[:, 0] += np.where(labels == 1, 0.25, -0.25)
        p, _ = permutation_test(make_design(vectors, "linear"), labels, np.arange(1000), n_permutations=99, rng=rng)
        found += p <= 0.05
    assert found == 10


def test_permutations_keep_subjects_whole():
    subjects = np.array([0, 0, 1, 1, 2, 3, 3])
    labels = np.array([1.0, 0, 1, 1, 0, 0, 0])[:, None]
    rng = np.random.default_rng(0)
    for order in subject_permutations(subjects, labels, 50, rng):
        for s in range(4):
            mine = order[subjects == s]
            assert len(set(subjects[mine])) == 1
    strata = np.array([0, 0, 1, 1, 0, 1, 1])
    for order in subject_permutations(subjects, labels, 20, rng, strata):
        np.testing.assert_array_equal(strata[order], strata)


def test_folds_keep_subjects_whole_and_classes_even():
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(50), 3)
    codes = (subjects % 5 == 0).astype(int)
    fold = subject_folds(subjects, codes, 5, rng)
    for s in range(50):
        assert len(set(fold[subjects == s])) == 1
    assert {int(codes[fold == f].sum()) for f in range(5)} == {6}


def test_binary_multiclass_and_numbers_are_predicted_for_unseen_subjects():
    rng = np.random.default_rng(0)
    subjects, vectors = clustered(rng, 120, 8)
    names = np.array([f"s{k}" for k in subjects])
    own = rng.normal(size=(121, 8))
    del own
    sex = np.where(np.array([vectors[subjects == s, 0].mean() for s in range(120)]) > 0, "F", "M")[subjects]
    design = make_design(vectors)
    target = make_target("sex", sex.tolist(), names)
    fit = cross_fit(design, target, names, repeats=2, rng=rng)
    assert fit.score > 0.9 and fit.interval[0] < fit.score < fit.interval[1] and fit.better[0] > 0
    chance = probabilities(fit.scores, target.values)
    np.testing.assert_allclose(chance.sum(axis=1), 1)
    site = np.array(["a", "b", "c"])[np.digitize(vectors[:, 1], [-0.5, 0.5])]
    several = make_target("site", site.tolist(), names)
    assert several.kind == "multiclass"
    assert cross_fit(design, several, names, repeats=1, rng=rng).score > 0.8
    age = 50 + 10 * vectors[:, 2]
    numbers = cross_fit(design, make_target("age", age.tolist(), names), names, repeats=1, rng=rng)
    assert numbers.score < 0.6 * numbers.chance and numbers.better[0] > 0
    noise = make_target("noise", rng.permutation(age).tolist(), names)
    nothing = cross_fit(design, noise, names, repeats=1, rng=rng)
    assert nothing.better[0] < 0


def test_the_kernel_is_what_scikit_learn_computes():
    from sklearn.metrics.pairwise import rbf_kernel

    vectors = np.random.default_rng(0).normal(3, 5, (40, 6)).astype(np.float32)
    z = (vectors - vectors.mean(0)) / vectors.std(0)
    np.testing.assert_allclose(make_design(vectors).gram, rbf_kernel(z, gamma=1 / 12), atol=1e-5)
    np.testing.assert_allclose((f := make_design(vectors, "linear").features) @ f.T, z @ z.T / 6, atol=1e-5)


@pytest.mark.parametrize(
    "values, message",
    [
        ([None] * 60, "has no values"),
        (["a"] * 60, r"one value \('a'\)"),
        ([f"id{k}" for k in range(60)], "an id or free text"),
        (["a"] * 55 + ["b"] * 5, "fewer than two values with 10 subjects"),
        ([1.0, float("inf")] * 30, "infinite"),
        ([1, "x"] * 30, "mixes types"),
        ([1, 2] * 4 + [None] * 52, "a probe needs at least 20"),
    ],
)
def test_what_cannot_be_probed_says_why(values, message):
    with pytest.raises(InputError, match=message):
        make_target("f", values, [f"s{k}" for k in range(60)])


def test_few_numeric_values_are_categories_and_rare_ones_are_left_out():
    values = [0.143] * 30 + [0.168] * 25 + [0.2] * 5
    target = make_target("spacing", values, [f"s{k}" for k in range(60)])
    assert target.kind == "binary" and target.classes == ("0.143", "0.168")
    assert len(target.rows) == 55 and "1 rare values (5 samples)" in target.notes[0]
