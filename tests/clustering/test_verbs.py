"""Clusters on a real database: suggested, lassoed, edited, tested; drift, re-identification, similar cases."""

import json

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import schema, store
from fiftyone_daebias.clustering.neighbours import telling
from fiftyone_daebias.clustering.sites import site_fields
from fiftyone_daebias.embeddings.map import fit_map
from fiftyone_daebias.errors import InputError

N = 320


def make_dataset(name, seed=0):
    """320 samples of 160 subjects; site B's images are another island from 2018 on; sex shifts everything a little."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(N // 2), 2)
    site = np.where(rng.random(N // 2) < 0.4, "B", "A")[subject]
    sex = np.where(rng.random(N // 2) < 0.5, "F", "M")[subject]
    year = (2016 + 4 * rng.random(N // 2))[subject]
    weight = np.round(rng.normal(70, 9, N // 2) + 6 * (np.unique(subject) % 2), 1)[subject]
    vectors = rng.standard_normal((N, 24)) + 0.8 * rng.standard_normal((N // 2, 24))[subject]
    moved = (site == "B") & (year >= 2018)
    vectors[moved, :6] += 5
    vectors[:, 7] += 1.5 * (sex == "F")
    software = np.where(moved, "v2", "v1")
    dataset = fo.Dataset(name)
    dataset.add_samples(
        [
            fo.Sample(
                filepath=f"/nowhere/{k:03d}.png",
                subject_id=f"P{subject[k]}",
                site=site[k],
                sex=sex[k],
                acquisition_date_years=float(year[k]),
                weight=float(weight[k]),
                software_version=software[k],
            )
            for k in range(N)
        ]
    )
    ids = store.sample_ids(dataset)
    store.write_vectors(dataset, schema.embedding_field(), ids, vectors.astype(np.float32))
    store.save_map(dataset, schema.map_key(), ids, fit_map(vectors, perplexity=30).points, schema.points_field())
    store.save_similarity(dataset, schema.similarity_key(), schema.embedding_field())
    return dataset, {i for i, m in zip(ids, moved) if m}


@pytest.fixture(scope="module")
def planted():
    dataset, moved = make_dataset("test-clusters-planted")
    yield dataset, moved
    fo.delete_dataset("test-clusters-planted")


@pytest.fixture
def clean(planted):
    dataset, moved = planted
    for name in [c.name for c in dataset.daebias.clusters().clusters]:
        dataset.daebias.clusters("delete", cluster=name)
    return dataset, moved


def jaccard(a, b):
    return len(set(a) & set(b)) / len(set(a) | set(b))


def lasso(dataset, ids):
    """The view that the App hands over for a lasso around these samples' points."""
    _, points = store.load_map(dataset, "dae_map")
    order = {i: k for k, i in enumerate(store.load_map(dataset, "dae_map")[0])}
    mine = points[[order[i] for i in ids]]
    (x0, y0), (x1, y1) = mine.min(axis=0) - 0.1, mine.max(axis=0) + 0.1
    polygon = [[float(x), float(y)] for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    return dataset.mongo([{"$match": {schema.points_field(): {"$geoWithin": {"$polygon": polygon}}}}])


def test_the_planted_island_is_suggested_named_by_its_cause_and_confirmed(clean):
    dataset, moved = clean
    found = dataset.daebias.suggest_clusters(resamples=3, progress=None)
    assert found.clusters and all(c.proposed for c in found.clusters)
    best = max(found.clusters, key=lambda c: jaccard(c.members, moved))
    assert jaccard(best.members, moved) > 0.9 and best.stability > 0.8
    assert "daebias:cluster:" + best.name in dataset.count_sample_tags()
    accepted = dataset.daebias.clusters("accept", cluster=best.name, new_name="new software")
    assert "accepted" in str(accepted) and not [c for c in accepted.clusters if c.name == "new software"][0].proposed
    tests = dataset.daebias.test_clusters(names=["new software"], progress=None)
    rows = {r.field: r for r in tests.rows}
    assert tests.rows[0].field == "software_version" and rows["software_version"].effect > 0.9
    assert rows["site"].verdict == "found" and rows["site"].words.startswith(("A:", "B:"))
    assert rows["sex"].verdict == "not found" and rows["weight"].verdict == "not found"
    assert rows["acquisition_date_years"].verdict == "found" and rows["acquisition_date_years"].effect > 0.5
    assert "provisional" in str(tests) and rows["site"].exchanged == "subjects exchanged"
    given = dataset.daebias.test_clusters(names=["new software"], expected=["software_version"], progress=None)
    rows = {r.field: r for r in given.rows}
    # software B never ran at site A: nobody alike in the software is on the other side
    assert rows["site"].verdict == "inseparable" and rows["software_version"].verdict == "expected"
    assert "alike: subjects alike in software_version" in str(given)
    json.dumps(given.to_dict())


def test_a_lasso_keeps_its_polygon_and_what_it_was_coloured_by(clean):
    dataset, moved = clean
    out = lasso(dataset, moved).daebias.name_cluster("by eye", note="right island", author="ada", coloured_by="site")
    (cluster,) = out.clusters
    assert cluster.origin == "lasso" and cluster.map_key == "dae_map" and len(cluster.polygon) == 4
    assert jaccard(cluster.members, moved) > 0.9
    assert dataset.load_saved_view("cluster: by eye").values("id") == dataset.match_tags(
        "daebias:cluster:by eye"
    ).values("id")
    colors = [f for f in dataset.app_config.color_scheme.fields if f["path"] == schema.CLUSTER_FIELD]
    assert colors[0]["valueColors"] == [{"value": "by eye", "color": cluster.color}]
    rows = {r.field: r for r in dataset.daebias.test_clusters(progress=None).rows}
    assert rows["site"].verdict == "built in" and np.isnan(rows["site"].q)
    # what was drawn along the site says nothing of what goes with the site; other fields are still tested
    assert rows["software_version"].verdict == "built in" and "software_version goes" in rows["software_version"].note
    assert rows["weight"].verdict == "not found" and rows["weight"].made_from == "site"
    # a sample added later joins when its point lies inside; a far one does not
    ids, points = store.load_map(dataset, "dae_map")
    centre = points[[ids.index(i) for i in moved]].mean(axis=0)
    new = [fo.Sample(filepath=f"/nowhere/new{k}.png", subject_id=f"N{k}") for k in range(2)]
    dataset.add_samples(new)
    try:
        every = np.vstack([points, centre, centre + 1e3])
        store.save_map(dataset, "dae_map", [*ids, new[0].id, new[1].id], every, schema.points_field())
        assert "1 samples added since joined 1 clusters" in str(dataset.daebias.clusters("apply"))
        assert new[0].id in store.sample_ids(dataset.match_tags("daebias:cluster:by eye"))
    finally:
        dataset.delete_samples([s.id for s in new])
        store.save_map(dataset, "dae_map", ids, points, schema.points_field())


def test_edited_exported_and_imported(clean, tmp_path):
    dataset, moved = clean
    ids = store.sample_ids(dataset)
    dataset.select(ids[:30]).daebias.name_cluster("a")
    dataset.select(ids[20:50]).daebias.name_cluster("b", coloured_by="nothing")
    assert sorted(c.name for c in dataset.daebias.clusters("rename", cluster="a", new_name="first").clusters) == [
        "b",
        "first",
    ]
    dataset.daebias.clusters("subtract", cluster="first", other="b", new_name="rest")
    assert {c.name: len(c.members) for c in dataset.daebias.clusters().clusters} == {"first": 30, "b": 30, "rest": 20}
    dataset.daebias.clusters("export", file=tmp_path / "c.json")
    dataset.daebias.clusters("merge", cluster="first", other="b")
    now = {c.name: c for c in dataset.daebias.clusters().clusters}
    assert set(now) == {"first", "rest"} and len(now["first"].members) == 50 and now["first"].coloured_by == "unknown"
    assert (
        dataset.count_sample_tags()["daebias:cluster:first"] == 50
        and "daebias:cluster:b" not in dataset.count_sample_tags()
    )
    assert dataset.count_values("daebias_clusters")["first"] == 50
    out = dataset.daebias.clusters("import", file=tmp_path / "c.json")
    assert "3 clusters imported" in str(out) and {"first (imported)", "b", "rest (imported)"} <= {
        c.name for c in out.clusters
    }
    (tmp_path / "bad.json").write_text('{"version": 1, "clusters": [{"name": "<script>", "members": []}]}')
    with pytest.raises(InputError, match="holds no clusters"):
        dataset.daebias.clusters("import", file=tmp_path / "bad.json")


def test_bad_input_says_so_and_writes_nothing(clean):
    dataset, _ = clean
    ids = store.sample_ids(dataset)
    for samples, name, at, message in (
        (dataset.match({"site": "Z"}), "x", {}, "holds no samples"),
        (dataset, "x", {}, "no rest to compare with"),
        (dataset.limit(5), "<b>", {}, "a cluster's name has"),
        (dataset.limit(5), "x", {"coloured_by": "nope"}, "no field 'nope'"),
        (dataset.limit(5), "x", {"map_key": "gone"}, "no map 'gone' any more"),
        (dataset.limit(5), "x", {"color": "javascript:1"}, "CSS colour"),
    ):
        with pytest.raises(InputError, match=message):
            samples.daebias.name_cluster(name, **at)
    with pytest.raises(InputError, match="no clusters yet"):
        dataset.daebias.test_clusters(progress=None)
    with pytest.raises(InputError, match="no cluster 'nope'"):
        dataset.daebias.clusters("delete", cluster="nope")
    assert dataset.daebias.clusters().clusters == ()
    dataset.select(ids[:2]).daebias.name_cluster("one subject")
    row = dataset.daebias.test_clusters(fields=["sex"], progress=None).rows[0]
    assert row.verdict == "not tested" and "5 are needed" in row.note
    with pytest.raises(InputError, match="already; choose another name"):
        dataset.limit(9).daebias.name_cluster("one subject")
    with pytest.raises(InputError, match="pass a smaller"):
        dataset.limit(12).daebias.suggest_clusters(resamples=0, progress=None)
    with pytest.raises(InputError, match="give either"):
        dataset.daebias.similar()
    with pytest.raises(InputError, match="no sample 'zzz'"):
        dataset.daebias.similar(to=["zzz"])


def test_drift_names_the_group_the_date_and_what_changed_with_it(planted):
    dataset, _ = planted
    table = dataset.daebias.drift(by=["site"], n_permutations=199, progress=None)
    rows = {(r.group, r.over): r for r in table.rows}
    change = rows["B", "acquisition_date_years"]
    assert change.verdict == "found" and len(change.changes) == 1
    assert change.changes[0]["before"] < 2018 <= change.changes[0]["when"]
    assert any("software_version" in f for f in change.changes[0]["fields"])
    silent = rows["A", "acquisition_date_years"]
    assert silent.verdict == "not found" and 0 < silent.detectable < 4
    assert "a change of" in str(table) and "between 201" in str(table)
    assert rows["B", "software_version"].verdict == "found"
    with pytest.raises(InputError, match="no field 'nope'"):
        dataset.daebias.drift(date_field="nope", progress=None)


def test_reidentification_against_chance(planted):
    told = planted[0].daebias.reidentify(progress=None).rows
    assert told["subject"].top1 > 10 * told["subject"].chance1
    assert set(told) >= {"subject", "site", "software_version", "month"}
    assert told["software_version"].top1 > 0.9 > told["software_version"].chance1


def test_similar_cases_are_of_other_people_and_in_the_view(planted):
    dataset, moved = planted
    one = sorted(moved)[0]
    found = dataset.daebias.similar(to=[one], k=8)
    assert len(found.sample_ids) == 8 and set(found.sample_ids) <= moved
    assert dataset[one]["subject_id"] not in found.subjects
    assert dataset.load_saved_view("similar cases").values("id") == list(found.sample_ids)
    women = dataset.match({"sex": "F"}).daebias.similar(to=["000.png"], k=5)
    assert set(dataset.select(list(women.sample_ids)).values("sex")) == {"F"}
    dataset.select(sorted(moved)[:10]).daebias.name_cluster("ten", replace=True)
    near = dataset.daebias.similar(cluster="ten", k=10)
    assert set(near.sample_ids) <= moved and not set(near.sample_ids) & set(sorted(moved)[:10])
    dataset.daebias.clusters("delete", cluster="ten")


def test_drift_looks_at_every_site_by_itself_unless_asked_otherwise(planted):
    dataset, _ = planted
    rows = {(r.group, r.over): r for r in dataset.daebias.drift(versions=[], n_permutations=99, progress=None).rows}
    assert {g for g, _ in rows} == {"", "A", "B"}
    changed = rows["B", "acquisition_date_years"]
    assert changed.verdict == "found" and changed.by == ("site",)
    assert rows["A", "acquisition_date_years"].verdict == "not found"
    groups = {r.group for r in dataset.daebias.drift(versions=[], sites=False, n_permutations=99, progress=None).rows}
    assert groups == {""}


def test_neighbours_tell_nothing_where_there_is_nothing():
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(60), 2)
    p = []
    for _ in range(60):
        vectors = rng.standard_normal((120, 5)) + rng.standard_normal((60, 5))[subjects]
        site = rng.integers(0, 2, 60)[subjects]
        told = telling(vectors, site, subjects, same_subject=False, n_bootstrap=50, n_permutations=99, rng=rng)
        p.append(told.p)
    assert np.mean(np.array(p) <= 0.05) <= 0.15 and 0.35 < np.mean(p) < 0.65
    vectors[:, 0] += 4 * site
    told = telling(vectors, site, subjects, same_subject=False, n_bootstrap=50, n_permutations=99, rng=rng)
    assert told.p == 0.01 and told.interval1[0] > told.chance1


def test_fields_named_like_a_site_or_a_scanner():
    fields = ["age", "website", "site_id", "Center", "header_station", "study_centre", "off_site_visit", "model_score"]
    assert site_fields(fields) == ["site_id", "study_centre", "Center", "header_station"]


@pytest.mark.parametrize("n, proposed", [(40, True), (100, False)])
def test_many_on_the_other_side_are_a_weak_probe_and_no_group(clean, n, proposed):
    dataset, _ = clean
    summary = {"field": "sex", "kind": "binary", "decodable": True}
    store.save_run(dataset, schema.PROBE_RUN_PREFIX + "sex", {}, {"summary": summary})
    tag = schema.TAG_OPPOSITE + "sex"
    store.tag(dataset, store.sample_ids(dataset)[:n], tag)
    try:
        clusters = dataset.daebias.suggest_clusters(space="embedding", resamples=0, progress=None).clusters
        assert any(c.origin == "opposite sex" for c in clusters) == proposed
    finally:
        store.untag(dataset, tag)
        dataset.delete_run(schema.PROBE_RUN_PREFIX + "sex")
