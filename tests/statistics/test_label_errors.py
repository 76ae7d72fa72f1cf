"""Labels that their images contradict: a list with an error rate, on simulated margins."""

import numpy as np
import pytest
from scipy.stats import binom

from fiftyone_daebias.statistics.label_errors import label_errors, surest, unit_means


def cohort(rng, n=200, apart=4.0, wrong=0, shape="normal", images=1, classes=2):
    """Margins of n people; the first ``wrong`` of them carry another class."""
    true = np.arange(n) % classes
    more = {"normal": rng.normal(size=n), "heavy": rng.standard_t(3, n), "skewed": rng.gamma(2, size=n) - 1.68}[shape]
    scores = 0.3 * rng.normal(size=(n, classes)) * (classes > 2)
    scores[np.arange(n), true] += apart / 2 - more / 2
    scores[np.arange(n), (true + 1) % classes] -= apart / 2 - more / 2 if classes == 2 else 0.0
    recorded = np.where(np.arange(n) < wrong, (true + 1) % classes, true)
    index = np.repeat(np.arange(n), images)
    return index, recorded[index], scores[index] + (0.3 * rng.normal(size=(len(index), classes)) if images > 1 else 0)


def found(rng, **made):
    got = label_errors(*cohort(rng, **made), n_draws=99, rng=rng)
    return got, set(got.subjects[got.listed].tolist())


@pytest.mark.parametrize(("classes", "images"), [(2, 1), (2, 3), (3, 1)])
def test_wrong_labels_are_listed_and_the_list_is_as_precise_as_it_says(classes, images):
    rng = np.random.default_rng(0)
    right = listed = 0
    expected = 0.0
    for _ in range(8):
        got, names = found(rng, apart=5.0, wrong=6, classes=classes, images=images)
        right, listed = right + len(names & set(range(6))), listed + len(names)
        expected += got.false_share * len(names) if names else 0.0
        assert got.p <= 1 and not names or got.p <= 0.05 and got.false_share <= 0.1
        assert all(got.seen_as[k] != got.labels[k] for k in got.listed)
    assert right >= 0.7 * 8 * 6
    # as many false ones as the lists expect, by the binomial distribution
    assert listed - right <= binom.ppf(0.999, listed, max(expected / listed, 0.02))


@pytest.mark.parametrize("shape", ["normal", "heavy", "skewed"])
@pytest.mark.parametrize("apart", [2.5, 4.5])
def test_clean_cohorts_are_not_accused_whatever_the_tails(shape, apart):
    rng = np.random.default_rng([7, len(shape), int(10 * apart)])
    accused = sum(bool(found(rng, shape=shape, apart=apart)[1]) for _ in range(25))
    assert accused <= binom.ppf(0.999, 25, 0.05)


def test_more_images_of_a_subject_are_no_more_evidence():
    subjects, codes, scores = cohort(np.random.default_rng(1), wrong=5)
    once = label_errors(subjects, codes, scores, n_draws=99, rng=np.random.default_rng(2))
    many = label_errors(
        np.repeat(subjects, 10),
        np.repeat(codes, 10),
        np.repeat(scores, 10, axis=0),
        n_draws=99,
        rng=np.random.default_rng(2),
    )
    assert many.p == once.p and np.allclose(many.posterior, once.posterior)


def test_row_order_and_names_do_not_matter():
    subjects, codes, scores = cohort(np.random.default_rng(3), wrong=5, images=2)
    order = np.random.default_rng(4).permutation(len(subjects))
    a = label_errors(subjects, codes, scores, n_draws=99, rng=np.random.default_rng(5))
    b = label_errors(subjects[order], codes[order], scores[order], n_draws=99, rng=np.random.default_rng(5))
    assert a.p == b.p and np.allclose(a.posterior, b.posterior)


def test_uncertain_means_are_drawn_to_the_middle():
    rng = np.random.default_rng(6)
    subjects = np.concatenate([np.repeat(np.arange(40), 4), [40]])
    level = np.where(np.arange(41) % 2, 2.0, -2.0)
    scores = level[subjects] + rng.normal(size=len(subjects))
    names, _, means = unit_means(subjects, (level[subjects] > 0).astype(int), np.column_stack([-scores, scores]))
    plain = np.bincount(subjects, scores) / np.bincount(subjects)
    assert abs(means[names == 40, 1][0]) < abs(plain[40]) and np.allclose(means[names == 3, 1], plain[3], atol=0.15)


def test_regions_are_brought_to_one_scale():
    subjects, codes, scores = cohort(np.random.default_rng(8), images=2, wrong=5)
    regions = np.tile(["a", "b"], 200)
    scores[regions == "b"] = 50 * scores[regions == "b"] + 7
    _, _, means = unit_means(subjects, codes, scores, regions)
    assert means.std() < 2
    got = label_errors(subjects, codes, scores, regions=regions, n_draws=99, rng=np.random.default_rng(9))
    assert len(got.listed) >= 3


def test_the_list_keeps_its_expected_false_share():
    chosen, share = surest(np.array([0.99, 0.4, 0.95, 0.7, 0.6]), 0.1)
    assert chosen.tolist() == [0, 2] and share == pytest.approx(0.03)
    chosen, share = surest(np.array([0.3, 0.2]), 0.1)
    assert not len(chosen) and np.isnan(share)


def test_too_few_or_equal_margins_say_so():
    subjects, codes, scores = cohort(np.random.default_rng(0), n=30)
    assert "20 subjects" in label_errors(subjects, codes, scores, rng=np.random.default_rng(0)).reason
    flat = label_errors(np.arange(60), np.arange(60) % 2, np.zeros((60, 2)), rng=np.random.default_rng(0))
    assert flat.reason and not len(flat.listed) and np.isnan(flat.p)
