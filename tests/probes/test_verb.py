"""The verbs on a real database."""

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_daebias  # noqa: F401  adds the methods
from fiftyone_daebias import schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.probes.source import read_joined
from fiftyone_daebias.probes.stored import stored_probes


@pytest.fixture
def dataset(dataset_name, tmp_path):
    rng = np.random.default_rng(0)
    dataset = fo.Dataset(dataset_name)
    vectors = rng.normal(size=(160, 12)).astype(np.float32)
    samples = []
    for k in range(160):
        sample = fo.Sample(filepath=str(tmp_path / f"{k}.png"), subject_id=f"s{k // 2}")
        sample["sex"] = "FM"[k // 2 % 2]
        vectors[k, 0] += 3 * (k // 2 % 2)
        sample["age"] = 50.0 + 5 * float(vectors[k, 1])
        sample["coin"] = bool(rng.random() < 0.5)
        sample["constant"] = "x"
        sample["case"] = f"case-{k}"
        samples.append(sample)
    dataset.add_samples(samples)
    store.write_vectors(dataset, "dae_embedding", store.sample_ids(dataset), vectors)
    return dataset


def test_probe_all_ranks_stores_tags_and_explains(dataset):
    table = dataset.daebias.probe_all(n_permutations=199, predictions=True, progress=None)
    rows = {r.field: r for r in table.rows}
    assert [r.field for r in table.rows][:2] == ["sex", "age"] or [r.field for r in table.rows][:2] == ["age", "sex"]
    assert rows["sex"].decodable and rows["sex"].score > 0.9 and rows["sex"].n_subjects == 80
    assert rows["age"].decodable and rows["age"].metric == "MAE" and rows["age"].score < rows["age"].chance
    assert not rows["coin"].decodable and rows["coin"].q > 0.05
    assert "one value" in rows["constant"].reason and "an id" in rows["case"].reason
    text = str(table)
    assert "found" in text and "not probed: field 'case'" in text

    dataset = fo.load_dataset(dataset.name)
    wrong = [s.id for s in dataset if s["probe_sex"].label != s["sex"]]
    assert 0 < len(wrong) < 20
    assert set(dataset.match_tags("daebias:opposite:sex").values("id")) == set(wrong)
    assert not dataset.list_saved_views()
    assert all((s["probe_sex"].margin < 0) == (s.id in wrong) for s in dataset)
    assert all(0.5 <= s["probe_sex"].confidence <= 1 for s in dataset)
    assert isinstance(dataset.first()["probe_age"], fo.Regression)
    assert "daebias:opposite:coin" not in dataset.count_sample_tags()
    # FiftyOne's own evaluation takes the fields as they are
    labelled = [fo.Classification(label=v) for v in dataset.values("sex")]
    dataset.set_values("truth", labelled)
    results = dataset.evaluate_classifications("probe_sex", gt_field="truth", method="simple")
    assert results.metrics()["accuracy"] == pytest.approx(1 - len(wrong) / 160)

    again = {r.field: r for r in stored_probes(dataset).rows}
    for field in ("sex", "coin"):
        assert again[field].score == rows[field].score and again[field].interval == rows[field].interval
        assert again[field].p == rows[field].p and again[field].null == rows[field].null
    config, results = store.load_run(dataset, schema.PROBE_RUN_PREFIX + "sex")
    assert config["seed"] == 51 and results["scores"].shape == (160, 2)


def test_vectors_side_by_side_have_the_same_say_a_value_whatever_their_units(dataset):
    rng = np.random.default_rng(1)
    ids, one = store.read_vectors(dataset, "dae_embedding")
    store.write_vectors(dataset, "loud", ids, 1e4 * rng.normal(size=(len(ids), 6)) + 1e6)
    read, joined = read_joined(dataset, ["dae_embedding", "loud"])
    assert read == list(ids) and joined.shape == (160, 18)
    spread = [np.sqrt((part**2).mean()) for part in (joined[:, :12], joined[:, 12:])]
    assert spread == pytest.approx([1, 1], rel=1e-4)
    np.testing.assert_array_equal(read_joined(dataset, ["dae_embedding"])[1], one)  # alone they are as they are


def test_one_probe_is_the_same_alone_and_repeatable(dataset):
    alone = dataset.daebias.probe("coin", n_permutations=99, progress=None)
    table = dataset.daebias.probe_all(fields=["sex", "coin"], n_permutations=99, progress=None)
    row = next(r for r in table.rows if r.field == "coin")
    assert (alone.p, alone.score, alone.interval) == (row.p, row.score, row.interval)


def test_bad_input_leaves_no_trace(dataset):
    before = set(dataset.get_field_schema())
    for field, message in [("nope", "does not exist"), ("constant", "one value"), ("case", "an id")]:
        with pytest.raises(InputError, match=message):
            dataset.daebias.probe(field, progress=None)
    with pytest.raises(InputError, match="vector field 'other' does not exist"):
        dataset.daebias.probe("sex", vectors="other", progress=None)
    with pytest.raises(InputError, match="n_permutations must be at least 99"):
        dataset.daebias.probe("sex", n_permutations=5, progress=None)
    ids = store.sample_ids(dataset)
    store.write_vectors(dataset, "bad", ids, np.full((160, 3), np.nan))
    with pytest.raises(InputError, match=r"160 vectors in 'bad' hold NaN"):
        dataset.daebias.probe("sex", vectors="bad", progress=None)
    assert set(dataset.get_field_schema()) - before == {"bad"} and dataset.list_runs() == []


def test_outliers_are_tagged_and_a_subjects_own_images_do_not_hide_it(dataset):
    ids, vectors = store.read_vectors(dataset, "dae_embedding")
    vectors[20:22] += 15  # both images of one subject
    store.write_vectors(dataset, "dae_embedding", ids, vectors)
    result = dataset.daebias.tag(progress=None)
    assert set(result.tagged) == set(ids[20:22]) == set(dataset.match_tags("daebias:outlier").values("id"))
    assert dataset.count(schema.OUTLIER_FIELD) == 160
    vectors[20:22] -= 15
    store.write_vectors(dataset, "dae_embedding", ids, vectors)
    assert dataset.daebias.tag(progress=None).tagged == ()
    assert "daebias:outlier" not in dataset.count_sample_tags()
    with pytest.raises(InputError, match="neighbors=500 needs that many"):
        dataset.daebias.tag(neighbors=500, progress=None)
