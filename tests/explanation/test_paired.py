"""Subjects on both sides: each is compared with itself, in every part of an explanation."""

import fiftyone as fo
import nibabel as nib
import numpy as np
import pandas as pd
import planted
import pytest
from scipy import stats

import fiftyone_daebias as fd
from fiftyone_daebias.explanation.appearance import compare_table
from fiftyone_daebias.explanation.classifier import score_against_chance
from fiftyone_daebias.explanation.groups import resolve_groups
from fiftyone_daebias.explanation.mean_images import compare_means
from fiftyone_daebias.statistics.paired import shuffled_labels, sign_flip_p, within_pairs

NAME = "test-explain-paired"
PEOPLE = 30


def halves(rng, people, own=1.0, moved=0.0):
    """One number of either side for every person, persons differing by ``own``."""
    base = own * rng.normal(size=people)
    values = np.concatenate([base + moved, base]) + rng.normal(size=2 * people)
    return values, np.arange(2 * people) < people, np.tile(np.arange(people), 2)


def test_t_is_that_of_the_paired_test_of_scipy_and_labels_only_move_within_a_subject():
    rng = np.random.default_rng(0)
    values, labels, pairs = halves(rng, 15, own=5.0, moved=0.8)
    images = values[:, None, None].astype(np.float32)
    found = compare_means(images, labels, np.ones((1, 1), bool), pairs=pairs, n_permutations=999, smooth=0, rng=rng)
    expected = stats.ttest_rel(values[labels], values[~labels])
    assert found.t[0, 0] == pytest.approx(expected.statistic, rel=1e-3) and found.paired
    assert found.p == pytest.approx(expected.pvalue, abs=0.05)
    # persons differ far more than sides: comparing groups of strangers sees nothing
    apart = compare_means(images, labels, np.ones((1, 1), bool), n_permutations=999, smooth=0, rng=rng)
    assert abs(apart.t[0, 0]) < abs(found.t[0, 0]) / 2
    drawn = shuffled_labels(labels, pairs, 50, rng)
    assert (drawn[:, :15] ^ drawn[:, 15:]).all() and (drawn != labels).any()
    assert np.allclose(within_pairs(values, pairs)[:15], -within_pairs(values, pairs)[15:])


def test_no_part_finds_a_difference_where_there_is_none_although_persons_differ():
    """Nominally 5 %; of 200 cohorts 20 are 3.2 standard errors above that."""
    hits = dict.fromkeys(("means", "numbers", "classes", "classifier"), 0)
    for seed in range(200):
        rng = np.random.default_rng([seed, 4])
        values, labels, pairs = halves(rng, 20, own=3.0)
        images = values[:, None, None] * np.ones((1, 3, 3), np.float32)
        images = (images + 0.3 * rng.normal(size=images.shape)).astype(np.float32)
        means = compare_means(images, labels, np.ones((3, 3), bool), pairs=pairs, n_permutations=99, rng=rng)
        hits["means"] += means.p <= 0.05
        columns = {
            "number": ("number", "", values, ()),
            "class": ("class", "", (values > 0).astype(int) + (values > 2), ("a", "b", "c")),
        }
        rows = {
            c.name: c
            for c in compare_table(columns, labels, pairs.astype(str), paired=True, n_permutations=99, seed=seed)
        }
        hits["numbers"] += rows["number"].p <= 0.05
        hits["classes"] += "class" in rows and rows["class"].p <= 0.05  # nobody may lie in two classes
        _, _, p = score_against_chance(
            values, labels, pairs.astype(str), pairs % 3, 99, 19, np.random.default_rng(seed), paired=True
        )
        hits["classifier"] += p <= 0.05
    assert all(n <= 20 for n in hits.values()), hits
    assert all(n >= 1 for n in hits.values()), hits


def test_what_is_the_same_in_all_of_a_subjects_images_is_not_compared():
    _, labels, pairs = halves(np.random.default_rng(0), 12)
    sex = pairs % 2
    assert not compare_table({"sex": ("sex", "", sex, ("F", "M"))}, labels, pairs.astype(str), paired=True, seed=1)
    assert np.isnan(sign_flip_p(np.zeros((12, 2)), 99, np.random.default_rng(0)))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Thirty people, each seen once in view a and once in view b, whose content lies 12 mm further down; arms are alike."""
    folder = tmp_path_factory.mktemp("paired")
    (folder / "images").mkdir()
    rows = []
    for person in range(PEOPLE):
        for k, view in enumerate("aabb"):
            # the same person: the same body in all four
            one = planted.body(np.random.default_rng([person, 1]), 12 if view == "b" else 0)
            rng = np.random.default_rng([person, k, 2])
            volume = np.clip(1000 * (np.stack([one] * 3) + 0.05 * rng.standard_normal((3, *one.shape))), 0, None)
            affine = np.array([[-4.0, 0, 0, 0], [0, 0, -planted.MM, 0], [0, -planted.MM, 0, 0], [0, 0, 0, 1]])
            name = f"p{person:02d}{view}{k % 2}"
            nib.save(nib.Nifti1Image(volume.astype(np.int16), affine), folder / "images" / f"{name}.nii")
            arm = "xy"[(k + person) % 2]
            rows.append(
                {"image_id": name, "subject_id": f"S{person}", "view": view, "arm": arm, "sex": "FM"[person % 2]}
            )
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    fd.register(NAME, folder / "images", folder / "table.csv", key="image_id", subject="subject_id")
    yield fo.load_dataset(NAME)
    fo.delete_dataset(NAME)


def explain(samples, field, value, **more):
    return samples.daebias.explain(
        field=field,
        value=value,
        image_size=48,
        n_slices=2,
        n_maps=8,
        n_permutations=99,
        device="cpu",
        progress=None,
        **more,
    )


def test_a_group_of_everybodys_images_is_explained_within_the_subjects(cohort):
    found = explain(cohort, "view", "b", steps=30)
    assert found.n_subjects == (PEOPLE, PEOPLE) and found.n_samples == (60, 60)
    assert found.notes == (f"{PEOPLE} subjects have samples on both sides, and each is compared with itself",)
    assert found.displacement.moved == (True, False)
    assert found.displacement.shift[0] == pytest.approx(12, abs=2)
    low, high = found.displacement.shift_interval[0]
    assert high - low < 3  # the persons' own differences are gone
    assert "sex" not in {c.name for c in found.fields}
    assert found.means.paired and found.tests["pictures"]["found"]
    assert found.classifier.tells_apart and found.classifier.n_subjects == (PEOPLE, PEOPLE)
    assert len(found.figures) == 4 and "compared with itself" in str(found)


def test_arms_that_are_alike_are_not_told_apart(cohort):
    found = explain(cohort, "arm", "x", train=False)
    assert not found.found and found.n_subjects == (PEOPLE, PEOPLE)


def test_who_lies_on_one_side_only_is_left_out_where_most_lie_on_both(cohort):
    ids = cohort.match({"view": "b", "subject_id": {"$in": [f"S{k}" for k in range(4)]}}).values("id")
    without = cohort.exclude(ids)
    groups = resolve_groups(without, field="view", value="b", pair=True)
    assert groups.paired and groups.n_subjects == (26, 26) and "4 others (8 samples) were left out" in groups.notes[0]
    # where more lie wholly on one side, those are compared, as ever
    ids = cohort.match({"view": "b", "subject_id": {"$in": [f"S{k}" for k in range(12)]}}).values("id")
    ids += cohort.match({"view": "a", "subject_id": {"$in": [f"S{k}" for k in range(12, 24)]}}).values("id")
    groups = resolve_groups(cohort.exclude(ids), field="view", value="b", pair=True)
    assert not groups.paired and groups.n_subjects == (12, 12) and groups.mixed == 6
