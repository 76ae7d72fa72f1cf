"""Training dynamics: weights and time to reach by hand, a mislabelled subgroup that is not learned, a random one that is."""

import json

import fiftyone as fo
import numpy as np
import pytest
from planted_images import make_dataset

from fiftyone_daebias import paths, schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.explanation.dynamics.curves import first_reached, group_weights, make_curves
from fiftyone_daebias.explanation.dynamics.learning import Course, split_by_subject


def test_images_until_a_level_is_reached():
    seen = np.array([0, 10, 20, 30, 40])
    assert (
        first_reached(np.array([0.9, 0.5, 0.9, 0.5, 0.9]), seen, 0.8) == 40
    )  # once is no arrival, but the last look is
    assert first_reached(np.array([0.5, 0.5, 0.8, 0.9, 0.5]), seen, 0.8) == 20
    assert first_reached(np.array([0.9, 0.5, 0.5, 0.5, 0.5]), seen, 0.8) is None  # before training does not count


def test_subjects_count_once_and_labels_are_mixed_as_in_the_subgroup():
    labels = np.array([1, 1, 0, 1, 0, 0, 0], bool)
    tagged = np.array([1, 1, 1, 0, 0, 0, 0], bool)
    subjects = np.array(["a", "a", "b", "c", "d", "e", "e"])
    own, other = group_weights(labels, tagged, subjects)
    np.testing.assert_allclose(own, [0.25, 0.25, 0.5, 0, 0, 0, 0])
    np.testing.assert_allclose(other, [0, 0, 0, 0.5, 0.25, 0.125, 0.125])


def courses(rng, late, n_subjects=80, looks=9):
    """Samples whose margin rises with the looks; those of the subgroup lag by ``late`` looks."""
    subjects = np.repeat(np.arange(n_subjects), 2).astype(str)
    labels = np.arange(2 * n_subjects) // 2 % 2 == 1
    tagged = np.isin(subjects, rng.permutation(n_subjects)[:20].astype(str))
    out = []
    for _ in range(3):
        training = ~split_by_subject(subjects, labels.astype(int), 0.25, rng)
        assert not set(subjects[training]) & set(subjects[~training]) and 0.2 < (~training).mean() < 0.3
        steps = np.arange(looks)[:, None] - late * tagged[None]
        margin = (2 * np.minimum(steps, 3) - 1 + rng.normal(0, 1, (looks, len(labels)))).astype(np.float32)
        out.append(Course(np.arange(looks) * 100, margin, training))
    return out, labels, tagged, subjects


def test_a_late_subgroup_is_late_and_a_random_one_is_not():
    made = courses(np.random.default_rng(0), late=3)
    curves = {c.part: c for c in make_curves(*made, n_permutations=199, rng=np.random.default_rng(1))}
    for c in curves.values():
        assert c.p <= 0.01 and c.gap > 0.2
        assert min(c.reached) - max(c.others_reached) >= 200
        assert c.n_subgroup + c.n_others == 80 or c.part == "validation"
    p = [
        c.p
        for s in range(8)
        for c in make_curves(*courses(np.random.default_rng(s), 0), n_permutations=99, rng=np.random.default_rng(s))
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.2 and 0.2 < np.mean(p) < 0.8
    never = courses(np.random.default_rng(0), late=20)
    assert all(
        r is None for c in make_curves(*never, n_permutations=99, rng=np.random.default_rng(1)) for r in c.reached
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Sites are marked; in a tenth of the subjects the site is written down wrongly."""
    name = "test-explain-dynamics"
    dataset = make_dataset(name, tmp_path_factory.mktemp("pictures"), n_subjects=90, per_subject=2, seed=2)
    wrong = {f"s{k}" for k in range(0, 90, 5)}
    ids, sites, subjects = dataset.values(["id", "site", "subject_id"])
    dataset.set_values("site", ["AB"[s == "A"] if p in wrong else s for s, p in zip(sites, subjects)])
    dataset.select([i for i, p in zip(ids, subjects) if p in wrong]).tag_samples("written wrongly")
    rng = np.random.default_rng(5)
    some = set(rng.choice(sorted(set(subjects) - wrong), 24, replace=False))
    dataset.select([i for i, p in zip(ids, subjects) if p in some]).tag_samples("at random")
    dataset.set_values("sequence", ["T1", "T2"] * 90)
    yield dataset
    fo.delete_dataset(name)


AT = {"epochs": 3, "repeats": 1, "side": 24, "n_permutations": 199, "progress": None}


def test_the_mislabelled_subgroup_is_not_learned(dataset):
    result = dataset.daebias.training_dynamics("site", tag="written wrongly", **AT)
    (sequence,) = result.sequences
    assert sequence.name == "" and sequence.n_subjects == 90
    curves = {c.part: c for c in sequence.curves}
    assert set(curves) == {"training", "validation"}
    validation = curves["validation"]
    assert validation.p <= 0.01 and validation.subgroup_accuracy[:, -1].mean() < 0.3 < 0.85 < validation.level
    assert all(r is None for r in validation.reached) and all(r is not None for r in validation.others_reached)
    assert validation.seen[-1] == pytest.approx(3 * 135, abs=24) and len(validation.seen) == 10
    text = str(result)
    assert "the subgroup never" in text and "learned later" in text
    _, stored = store.load_run(dataset, result.key)
    (figure,) = stored["figures"]
    assert (paths.figures_dir(dataset.name) / figure["png"]).stat().st_size > 10_000
    assert len(stored["subgroup_ids"]) == 36
    json.dumps(figure["plotly"])
    json.dumps(result.to_dict())
    assert "is learned later than the others" in result.sentence and result.sentence.endswith("it never")


def test_a_random_subgroup_is_learned_with_the_others_on_both_sequences(dataset):
    result = dataset.daebias.training_dynamics("site", tag="at random", by="sequence", **AT)
    assert [s.name for s in result.sequences] == ["T1", "T2"] and all(s.n_samples == 90 for s in result.sequences)
    gaps = [(c.p, c.gap) for s in result.sequences for c in s.curves]
    assert sum(p <= 0.05 for p, _ in gaps) <= 1
    assert len(result.figures) == 2 and "subjects tagged in any value of 'sequence'" in str(result)


def test_bad_input_says_so(dataset):
    for at, message in (
        ({"field": "site"}, f"has the tag '{schema.TAG_OPPOSITE}site'; run 'daebias probe"),
        ({"field": "age", "tag": "at random"}, "holds numbers"),
        ({"field": "three", "tag": "at random"}, "has 3 classes"),
        ({"field": "three", "tag": "at random", "value": "q"}, "no value 'q'"),
        ({"field": "site", "tag": "at random", "by": "coin"}, "no subject has images of all"),
        ({"field": "site", "tag": "at random", "epochs": 0}, "epochs must be"),
        ({"field": "site", "tag": "at random", "architecture": "vit"}, "architecture must be"),
    ):
        with pytest.raises(InputError, match=message):
            dataset.daebias.training_dynamics(**at, progress=None)
    dataset.limit(6).tag_samples("few")
    with pytest.raises(InputError, match="has 3 subjects and the others"):
        dataset.daebias.training_dynamics("site", tag="few", progress=None)
