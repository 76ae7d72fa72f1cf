"""What an audit leaves on a dataset: few fields, the user's untouched and first, ours in groups of their own."""

import fiftyone as fo
import numpy as np
import pandas as pd
import pytest
from fiftyone.server.routes.embeddings import ColorByChoices
from small_cohort import copy_cohort

from fiftyone_daebias import register, schema, store
from fiftyone_daebias.clustering.cluster import next_color
from fiftyone_daebias.store.sidebar import GROUPS
from fiftyone_daebias.tidy import tidy

QUICK = {
    "train": False,
    "embed": False,
    "explain": False,
    "sensitivity": False,
    "report": False,
    "quality": {"n_permutations": 99},
    "probe-all": {"n_permutations": 99, "n_bootstrap": 100, "repeats": 1},
    "suggest-clusters": {"resamples": 0},
    "test-clusters": {"n_permutations": 99},
    "drift": {"n_permutations": 99},
    "reidentify": {"n_bootstrap": 100},
}


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Sixty radiographs with a table of 32 columns, audited."""
    folder = tmp_path_factory.mktemp("clean")
    images, table = copy_cohort(folder, 60)
    frame, rng = pd.read_csv(table), np.random.default_rng(0)
    frame["acquired"] = [f"20{15 + k % 5}-0{1 + k % 9}-11" for k in range(len(frame))]
    for k in range(32 - len(frame.columns)):
        numbers = np.round(rng.normal(50, 10, len(frame)), 1)
        frame[f"column_{k:02d}"] = numbers if k % 2 else rng.choice(["a", "b", "c"], len(frame))
    frame.to_csv(table, index=False)
    name = "test-clean-dataset"
    register(name, images, table, progress=None)
    dataset = fo.load_dataset(name)
    vectors = rng.normal(size=(len(dataset), 12)).astype(np.float32)
    vectors[:, 0] += [6.0 * (v == "F") for v in dataset.values("sex")]
    ids = store.sample_ids(dataset)
    store.write_vectors(dataset, schema.embedding_field(), ids, vectors)
    store.save_map(dataset, schema.map_key(), ids, vectors[:, :2].astype(float), schema.points_field())
    dataset.add_sample_field("seen_by_me", fo.BooleanField)
    result = dataset.daebias.audit(config={"steps": QUICK}, progress=None)
    assert not [s for s in result.steps if s.outcome == "failed"], str(result)
    dataset.reload()
    yield dataset, list(frame.columns)
    fo.delete_dataset(name)


def test_an_audit_adds_few_fields_and_few_views(audited):
    dataset, columns = audited
    fields = list(dataset.get_field_schema())
    ours = store.own_fields(dataset)
    theirs = [f for f in fields if f not in ours and f not in fo.Sample(filepath="x").field_names]
    assert len(columns) == 32 and len(fields) - 1 <= 50  # "seen_by_me" is not ours
    assert len(ours) <= 13 and "seen_by_me" in theirs
    assert len(dataset.list_saved_views()) <= 5 and not dataset.list_workspaces()
    assert not dataset.list_evaluations() and not [f for f in fields if f.startswith("probe_")]
    # the user's fields stand before all of ours but the clusters, which "Color by" then names first
    own = [f for f in fields if f in ours]
    assert max(map(fields.index, theirs)) < min(fields.index(f) for f in own if f != schema.CLUSTER_FIELD)


def test_ours_lie_in_three_collapsed_groups_and_theirs_where_they_were(audited):
    dataset, columns = audited
    groups = {g.name: g for g in dataset.app_config.sidebar_groups}
    ours = store.own_fields(dataset)
    placed = {p.split(".")[0]: g for g in GROUPS for p in groups[g].paths}
    assert placed == ours and not any(groups[g].expanded for g in GROUPS)
    primitives = groups["primitives"].paths
    assert not set(primitives) & set(ours) and {"subject_id", "sex", "age", "column_07"} <= set(primitives)
    visible = [p for g in groups.values() if g.name in GROUPS and g.expanded for p in g.paths]
    assert len(visible) <= 12
    assert not store.arrange(dataset)  # nothing is left to do


def test_what_the_app_offers_to_colour_by(audited):
    dataset, _ = audited
    asked = {"datasetName": dataset.name, "view": [], "slices": None, "patchesField": None}
    choices = [c for c in ColorByChoices._post_sync(None, asked)["fields"] if not c.startswith("metadata.")]
    assert choices[:2] == ["filepath", "tags"] and len(choices) <= 65
    assert schema.QUALITY_PREFIX + "snr1" in choices and dataset.count(schema.QUALITY_PREFIX + "snr1") > 50
    dataset.limit(20).daebias.name_cluster("some", coloured_by="nothing", progress=None)
    now = [c for c in ColorByChoices._post_sync(None, asked)["fields"] if not c.startswith("metadata.")]
    assert now[:3] == ["filepath", "tags", schema.CLUSTER_FIELD]
    dataset.daebias.clusters("delete", cluster="some")


def test_other_verbs_read_predictions_from_the_runs(audited):
    dataset, _ = audited
    result = dataset.daebias.probe(
        "sex", n_permutations=99, n_bootstrap=100, repeats=1, predictions=True, progress=None
    )
    assert result.score > 0.9 and dataset.has_evaluation("probe_sex_eval")
    dataset.reload()
    groups = {g.name: g.paths for g in dataset.app_config.sidebar_groups}
    assert {"probe_sex", "probe_sex_truth", "probe_sex_eval"} <= set(groups["audit results"])
    assert "probe_sex_eval" not in groups
    dataset.daebias.probe("sex", n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    assert not [f for f in dataset.get_field_schema() if f.startswith("probe_")] and not dataset.list_evaluations()
    assert dataset.daebias.disagreements("sex", progress=None).to_dict()["field"] == "sex"


def test_groups_that_the_user_made_stay(audited):
    dataset, _ = audited
    copy = dataset.clone("test-clean-dataset-own")
    try:
        groups = copy.app_config.sidebar_groups
        for group in groups:
            group.paths = [p for p in group.paths if p not in ("age", schema.OUTLIER_FIELD)]
        groups.insert(2, fo.SidebarGroupDocument(name="mine", paths=["age", schema.OUTLIER_FIELD]))
        next(g for g in groups if g.name == "audit quality").expanded = True
        copy.app_config.sidebar_groups = groups
        copy.save()
        copy.add_sample_field("fresh", fo.StringField)
        copy.add_sample_field("daebias_news", fo.StringField)
        assert store.arrange(copy)
        now = {g.name: g for g in copy.app_config.sidebar_groups}
        assert now["mine"].paths == ["age", schema.OUTLIER_FIELD] and "fresh" in now["primitives"].paths
        assert "daebias_news" in now["audit technical"].paths and now["audit quality"].expanded
        assert schema.OUTLIER_FIELD not in now["audit results"].paths
    finally:
        fo.delete_dataset(copy.name)


def test_an_older_dataset_is_brought_into_this_shape(audited):
    """Fields as older versions wrote them: one a quality measure, three a probe, clusters as classifications, views."""
    dataset, columns = audited
    old = dataset.clone("test-clean-dataset-old")
    try:
        ids = store.sample_ids(old)
        snr = dict(zip(ids, old.values(schema.QUALITY_PREFIX + "snr1"), strict=True))
        for part in ("snr1", "of"):
            values = dict(zip(ids, old.values(schema.QUALITY_PREFIX + part), strict=True))
            kind = "string" if part == "of" else "float"
            store.write_values(old, schema.QUALITY_PREFIX_1 + part, values, kind=kind)
        store.clear_field(old, schema.QUALITY_FIELD)
        config, results = store.load_run(old, "daebias_probe_sex")
        config.pop("predictions")
        store.save_run(old, "daebias_probe_sex", config, results)
        for name in ("probe_sex", "probe_sex_truth"):
            store.write_labels(old, name, {i: fo.Classification(label="F") for i in ids})
        old.evaluate_classifications("probe_sex", gt_field="probe_sex_truth", eval_key="probe_sex_eval")
        about = "look like another sex to a probe that has not seen their subject"
        old.save_view("opposite sex", old.limit(2), description=about)
        old.save_view("opposite view", old.limit(2), description="my own")
        old.set_values("probe_type", ["linear"] * len(old))
        done = tidy(old)
        assert len(done) == 4 and tidy(old) == ()
        assert dict(zip(ids, old.values(schema.QUALITY_PREFIX + "snr1"), strict=True)) == snr
        assert set(old.list_saved_views()) == {"opposite view", *dataset.list_saved_views()}
        assert not old.list_evaluations() and not old.has_field("probe_sex") and not old.has_field("probe_sex_eval")
        assert old.count("probe_type") == 60 and old.count("sex") == dataset.count("sex")
        assert store.load_run(old, "daebias_probe_sex")[1]["scores"].shape == (60, 2)
    finally:
        fo.delete_dataset(old.name)


def test_any_number_of_clusters_has_distinct_colours():
    used = []
    for _ in range(60):
        used.append(next_color(used))
    assert len(set(used)) == 60
    rgb = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in used], float)
    apart = np.linalg.norm(rgb[:, None] - rgb[None], axis=-1) + 1e9 * np.eye(60)
    assert apart.min() > 8
