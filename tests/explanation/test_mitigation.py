"""Interpolated subjects: by hand, never tested on, helpful where a group is short, harmless elsewhere, never a finding."""

import json

import fiftyone as fo
import numpy as np
import pytest
from planted_images import make_dataset, train_and_embed

from fiftyone_daebias import schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.explanation.mitigation.balanced_fit import ARMS, cross_fit_arms, fill_up, group_scores
from fiftyone_daebias.explanation.mitigation.interpolate import interpolate
from fiftyone_daebias.explanation.mitigation.mitigate import compare_arms
from fiftyone_daebias.statistics.scores import bootstrap_weights, subject_weights
from fiftyone_daebias.statistics.targets import Target


def test_a_synthetic_vector_lies_between_two_subjects_of_the_group():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 4)).astype(np.float32)
    subjects = np.repeat(np.arange(30), 2).astype(str)
    rows = np.arange(20)
    made = interpolate(vectors, rows, subjects, 200, neighbors=3, rng=rng)
    assert len(made) == 200 and set(made.first) | set(made.second) <= set(rows)
    assert (subjects[made.first] != subjects[made.second]).all() and ((made.weight > 0) & (made.weight < 1)).all()
    np.testing.assert_allclose(
        made.vectors,
        (1 - made.weight[:, None]) * vectors[made.first] + made.weight[:, None] * vectors[made.second],
        atol=1e-5,
    )
    means = vectors[:20].reshape(10, 2, 4).mean(axis=1)
    for a, b in zip(made.first // 2, made.second // 2):
        nearest = np.argsort(np.linalg.norm(means - means[a], axis=1))[1:4]
        assert b in nearest
    assert len(interpolate(vectors, rows[:2], subjects, 5, neighbors=3, rng=rng)) == 0  # one subject


def cohort(seed=0, small=14, large=150, shift=3.0):
    """Two groups; the label is read from axis 0, but the small group lies ``shift`` further along it."""
    rng = np.random.default_rng(seed)
    group = np.r_[np.zeros(large, int), np.ones(small, int)]
    label = rng.integers(0, 2, large + small)
    v = rng.normal(size=(large + small, 6))
    v[:, 0] += 2.2 * (2 * label - 1) + shift * group
    return v.astype(np.float32), label, group, np.arange(large + small).astype(str)


def test_filling_up_uses_training_subjects_only():
    v, label, group, subjects = cohort()
    train = np.arange(0, len(v), 2)
    seen = []
    import fiftyone_daebias.explanation.mitigation.balanced_fit as module

    real = module.interpolate

    def spy(z, rows, *a, **k):
        out = real(z, rows, *a, **k)
        seen.extend([*out.first, *out.second])
        return out

    module.interpolate = spy
    try:
        vectors, labels = fill_up(v, train, label, group, subjects, 5, np.random.default_rng(0))
    finally:
        module.interpolate = real
    assert set(seen) <= set(train) and set(group[seen]) == {1}
    for c in (0, 1):
        counts = [((label[train] == c) & (group[train] == g)).sum() for g in (0, 1)]
        assert (labels == c).sum() == max(counts) - counts[1]


def run(v, label, group, subjects, seed=0):
    target = Target("t", "binary", np.arange(len(v)), label, ("0", "1"))
    rng = np.random.default_rng(seed)
    fitted = cross_fit_arms(v, target, group, subjects, kernel="linear", neighbors=5, repeats=3, rng=rng)
    draws = np.vstack([subject_weights(subjects)[None], bootstrap_weights(subjects, 300, rng)])
    return fitted, {(a.arm, a.measure): a for a in compare_arms(fitted, label, group, ["large", "small"], draws)}


def test_it_helps_a_small_group_with_a_rule_of_its_own_and_not_one_without():
    fitted, arms = run(*cohort(small=30))
    before, after = arms["before", "balanced accuracy"], arms["interpolated", "balanced accuracy"]
    assert before.worst < 0.8 and after.worst > before.worst + 0.08 and after.helps and not after.harms
    assert set(fitted.scores) == set(ARMS) and fitted.made > 50
    # the same rule in both groups: nothing to gain, nothing claimed
    _, arms = run(*cohort(small=40, shift=0))
    after = arms["interpolated", "balanced accuracy"]
    assert not after.helps and abs(after.change) < 0.05


def test_group_scores_by_hand():
    scores = np.array([[[0.0, 1], [1, 0], [0, 1], [1, 0], [0, 1], [0, 1]]])  # predicts 1 0 1 0 1 1
    classes, groups = np.array([1, 0, 0, 0, 1, 0]), np.array([0, 0, 0, 1, 1, 1])
    folds, draws = np.zeros((1, 6), int), np.array([[1.0] * 6, [1, 1, 3, 1, 1, 1]])
    got = group_scores(scores, folds, classes, groups, draws, "balanced accuracy")
    np.testing.assert_allclose(got, [[(1 + 1 / 2) / 2, (1 + 1 / 4) / 2], [(1 + 1 / 2) / 2, (1 + 1 / 2) / 2]])
    np.testing.assert_allclose(
        group_scores(scores, folds, classes, groups, draws, "AUC")[0], [(0.5 + 1) / 2, (1 + 1.5) / 4]
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    name = "test-explain-mitigation"
    dataset = make_dataset(name, tmp_path_factory.mktemp("pictures"), n_subjects=80, seed=4)
    dataset.set_values("clinic", ["small" if int(s[1:]) % 5 == 0 else "large" for s in dataset.values("subject_id")])
    train_and_embed(dataset)
    yield dataset
    fo.delete_dataset(name)


def test_synthetic_samples_are_tagged_and_enter_no_finding(dataset):
    ids = store.sample_ids(dataset)
    before = dataset.daebias.probe("site", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    result = dataset.daebias.mitigate("site", by="clinic", decode=6, repeats=1, n_bootstrap=200, progress=None)
    assert result.counts == {"large": {"A": 32, "B": 32}, "small": {"A": 8, "B": 8}}
    assert len(result.synthetic) == 6 and "no verb reads them" in str(result)
    made = dataset.match_tags(schema.TAG_SYNTHETIC)
    assert sorted(made.values("id")) == sorted(result.synthetic) and len(dataset) == 86
    for sample in made:
        facts = sample[schema.SYNTHETIC_FIELD]
        assert len(set(facts["subjects"])) == 2 and set(facts["parents"]) <= set(ids) and facts["group"] == "small"
        assert fo.core.storage.isfile(sample.filepath) and len(sample[schema.SYNTHETIC_VECTORS]) == 16
        assert sample["dae_embedding"] is None and sample["subject_id"] is None
    # no reader sees them, whatever a user adds to them
    made.set_values("site", ["A"] * 6)
    made.set_values("subject_id", ["s0"] * 6)
    dataset.set_values("dae_embedding", {i: np.full(16, 99.0) for i in result.synthetic}, key_field="id")
    assert store.sample_ids(dataset) == ids == store.read_vectors(dataset, "dae_embedding")[0]
    assert len(store.read_subjects(dataset)) == len(store.read_table(dataset)) == 80
    after = dataset.daebias.probe("site", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    assert (after.score, after.p, after.n_samples) == (before.score, before.p, before.n_samples)
    assert set(dataset.daebias.tag(progress=None).tagged) <= set(ids)
    train_and_embed(dataset)  # embeds again, and maps
    assert store.load_map(dataset, "dae_map")[0] == ids
    with pytest.raises(InputError, match="has no samples"):
        made.daebias.probe("site", progress=None)
    # run again: replaced, not added to
    again = dataset.daebias.mitigate("site", by="clinic", decode=4, repeats=1, n_bootstrap=200, progress=None)
    assert len(dataset.match_tags(schema.TAG_SYNTHETIC)) == len(again.synthetic) == 4
    assert again.of("before").groups == result.of("before").groups
    config, stored = store.load_run(dataset, again.key)
    assert stored["summary"]["verdict"] == again.verdict and len(stored["figures"]) == 1
    json.dumps(again.to_dict())


def test_bad_input_says_so(dataset):
    for at, message in (
        ({"field": "site"}, "exactly one of by, cluster and tag"),
        ({"field": "site", "by": "site"}, "groups of itself"),
        ({"field": "age", "by": "clinic"}, "holds numbers"),
        ({"field": "site", "by": "age"}, "more than 30 values"),
        ({"field": "site", "tag": "nope"}, "no sample with a vector has the tag"),
        ({"field": "site", "by": "clinic", "decode": -1}, "decode at least 0"),
        ({"field": "site", "by": "nope"}, "does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            dataset.daebias.mitigate(**at, progress=None)
