"""The store against a real database."""

import datetime

import fiftyone as fo
import numpy as np
import pytest
from bson import json_util

from fiftyone_daebias import schema, store
from fiftyone_daebias.errors import InputError, StoreError
from fiftyone_daebias.findings.finding import Selector


@pytest.fixture
def dataset(dataset_name, tmp_path):
    dataset = fo.Dataset(dataset_name)
    samples = []
    for k in range(12):
        sample = fo.Sample(filepath=str(tmp_path / f"{k}.png"))
        sample["subject_id"] = f"s{k // 2}"
        sample["sex"] = fo.Classification(label="FM"[k % 2])
        sample["age"] = 40.5 + k
        sample["site"] = "A" if k < 6 else None
        sample["day"] = datetime.date(2020, 1, 1 + k)
        samples.append(sample)
    dataset.add_samples(samples)
    return dataset


def test_metadata_fields_leave_out_bookkeeping(dataset):
    store.write_values(dataset, schema.SPLIT_FIELD, {i: "train" for i in store.sample_ids(dataset)}, kind="string")
    assert store.metadata_fields(dataset) == {"sex": "classification", "age": "float", "site": "string", "day": "date"}


def test_table_and_subjects_keep_order(dataset):
    view = dataset.sort_by("age", reverse=True)
    table = store.read_table(view, ["age", "sex", "site"])
    assert list(table["age"]) == [51.5 - k for k in range(12)]
    assert list(table["sex"])[:2] == ["M", "F"]
    assert table["site"].isna().sum() == 6
    assert store.read_subjects(view)[0] == "s5"
    with pytest.raises(InputError, match="'wieght' does not exist"):
        store.read_table(dataset, ["wieght"])


def test_vectors_round_trip_and_missing_ones_are_left_out(dataset):
    ids = store.sample_ids(dataset)
    vectors = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    store.write_vectors(dataset, "dae_embedding", ids[:9], vectors)
    got_ids, got = store.read_vectors(dataset, "dae_embedding")
    assert got_ids == ids[:9]
    np.testing.assert_array_equal(got, vectors)
    with pytest.raises(InputError, match="does not exist; vector fields: dae_embedding"):
        store.read_vectors(dataset, "nope")


def test_run_round_trip_restores_arrays(dataset):
    results = {
        "scores": np.arange(6, dtype=np.float32).reshape(2, 3),
        "rows": [{"field": "sex", "auc": 0.5}],
        "none": None,
    }
    store.save_run(dataset, "daebias_probe_sex", {"seed": 51, "fields": ("sex",)}, results)
    config, got = store.load_run(dataset, "daebias_probe_sex")
    assert config["seed"] == 51 and config["fields"] == ["sex"]
    assert config["schema_version"] == schema.SCHEMA_VERSION and "torch" in config["versions"]
    assert got["scores"].dtype == np.float32 and got["scores"].shape == (2, 3)
    assert got["rows"] == results["rows"]
    store.save_run(dataset, "daebias_probe_sex", {"seed": 52}, {})
    assert store.load_run(dataset, "daebias_probe_sex")[0]["seed"] == 52
    with pytest.raises(StoreError, match="no run 'other'"):
        store.load_run(dataset, "other")


def test_map_is_listed_as_a_visualization_and_survives_a_reload(dataset):
    ids = store.sample_ids(dataset)
    points = np.random.default_rng(1).normal(size=(12, 2))
    store.save_map(dataset, "dae_map", ids[::-1], points[::-1], "dae_map_points")
    dataset = fo.load_dataset(dataset.name)
    assert store.map_runs(dataset) == ["dae_map"]
    got_ids, got = store.load_map(dataset, "dae_map")
    order = {i: k for k, i in enumerate(got_ids)}
    np.testing.assert_allclose(got[[order[i] for i in ids]], points)
    assert dataset.get_brain_info("dae_map").config.cls.startswith("fiftyone.brain.visualization")
    store.save_map(dataset, "dae_map", ids[:7], points[:7], "dae_map_points")
    assert len(store.load_map(dataset, "dae_map")[0]) == 7


def _stages(view) -> str:
    return json_util.dumps(view._serialize())


def test_views_of_many_samples_list_none_of_them(dataset, monkeypatch):
    ids = store.sample_ids(dataset)
    assert ids[0] in _stages(store.lasting_view(dataset, ids[:5]))
    monkeypatch.setattr(store.views, "MOST_LISTED", 4)
    view = store.lasting_view(dataset, ids[:5])
    assert view.values("id") == ids[:5] and not any(i in _stages(view) for i in ids)
    assert store.lasting_view(dataset, ids[4::-1])._serialize(False) == view._serialize(False)
    assert len(dataset.count_sample_tags()) == 1
    store.save_view(dataset, "kept", view)
    store.save_map(dataset, "dae_map", ids[:7], np.random.default_rng(1).normal(size=(7, 2)), "dae_map_points")
    assert dataset.load_brain_view("dae_map").values("id") == ids[:7]
    assert store.saved_view_ids(dataset, "kept") == ids[:5]


def test_an_evaluation_names_its_samples_by_their_truth(dataset):
    ids = store.sample_ids(dataset)
    store.write_predictions(dataset, "guess", ids, ["F"] * 12, [0.5] * 12, [0.1] * 12)
    store.write_evaluation(dataset, "guess", ids[:5], ["F"] * 5, True)
    assert dataset.load_evaluation_view("guess_eval").values("id") == ids[:5]
    assert not any(i in _stages(dataset.load_evaluation_view("guess_eval")) for i in ids)


def test_a_group_is_shown_by_its_values(dataset):
    ids = store.sample_ids(dataset)
    dataset.select(ids[:1]).tag_samples(schema.TAG_SYNTHETIC)
    for name, fields in [("A, F", ("site", "sex")), ("A", ("site",)), ("41.5", ("age",)), ("2020-01-03", ("day",))]:
        selector = Selector("group", name, fields)
        view = selector.view(dataset)
        assert view.values("id") == selector.ids(dataset) != []
        assert any(i in _stages(view) for i in ids) == (fields == ("day",))
    assert Selector("all").view(dataset).values("id") == ids[1:]
    assert not Selector("group", "nobody", ("site",)).ids(dataset)


def test_many_tags_are_written_a_request_at_a_time(dataset, monkeypatch):
    monkeypatch.setattr(store.fields, "MOST_ASKED", 5)
    ids = store.sample_ids(dataset)
    assert [len(p) for p in store.fields._portions(ids)] == [5, 5, 2]
    assert store.tag(dataset, ids, "mine") == 12 and dataset.count_sample_tags() == {"mine": 12}
    store.untag(dataset, "mine", ids[1:])
    assert dataset.match_tags("mine").values("id") == ids[:1]


def test_tags(dataset):
    ids = store.sample_ids(dataset)
    assert store.tag(dataset, ids[:3], "daebias:outlier") == 3
    store.untag(dataset, "daebias:outlier", ids[:1])
    assert dataset.match_tags("daebias:outlier").values("id") == ids[1:3]
    store.untag(dataset, "daebias:outlier")
    assert dataset.count_sample_tags() == {}


def test_wrong_field_type_is_refused(dataset):
    with pytest.raises(InputError, match="'age' already exists as FloatField"):
        store.write_values(dataset, "age", {}, kind="string")


def test_empty_or_foreign_collections_are_refused(dataset, dataset_name):
    with pytest.raises(InputError, match="has no samples"):
        store.ensure_samples(fo.Dataset(dataset_name + "-empty"))
    with pytest.raises(InputError, match="there is no dataset 'nope'"):
        store.load_samples("nope")


def test_many_columns_are_declared_in_one_write_of_the_schema(dataset, monkeypatch):
    writes = []
    save = type(dataset._doc).save

    def counted(self, *args, **kwargs):
        if any(c.startswith("sample_fields") for c in self._get_changed_fields()):
            writes.append(1)
        return save(self, *args, **kwargs)

    monkeypatch.setattr(type(dataset._doc), "save", counted)
    store.declare_fields(dataset, {f"column_{k}": "float" for k in range(300)} | {"mark": fo.Classification})
    assert len(writes) == 1
    assert {"column_0", "column_299", "mark", "age"} <= set(
        fo.load_dataset(dataset.name, reload=True).get_field_schema()
    )
    with pytest.raises(InputError, match="'column_7' already exists as FloatField, not StringField"):
        store.declare_fields(dataset, {"column_7": "string", "fresh": "string"})
    assert not dataset.has_field("fresh")


def test_a_field_that_another_process_declared_is_not_lost(dataset):
    other = fo.Dataset.__new__(fo.Dataset)  # as another process has it: its own copy of the schema
    fo.Dataset.__init__(other, name=dataset.name, _create=False)
    store.declare_fields(other, {"theirs": "string"})
    store.declare_fields(dataset, {"ours": "string"})
    schema_now = fo.load_dataset(dataset.name, reload=True).get_field_schema()
    assert {"theirs", "ours"} <= set(schema_now)
    names = [f.name for f in dataset._doc.sample_fields]
    assert len(names) == len(set(names))
