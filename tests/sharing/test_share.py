"""Sharing between two copies of a cohort: other paths, ids, order and subject names; then between two databases."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from shared_cohorts import audit, register_two

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import schema, store
from fiftyone_daebias.clustering.cluster import read_clusters
from fiftyone_daebias.errors import BundleError, InputError
from fiftyone_daebias.findings.review import read_reviews
from fiftyone_daebias.sharing import merge
from fiftyone_daebias.sharing.archive import AUDIT, MANIFEST, VECTORS, read_archive

NAMES = ("test-share-a", "test-share-b")


#: findings that get a view and a workspace
SHARED = ["probe:sex", "cluster:women", "association:women:sex", "opposite:sex"]


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    register_two(folder, NAMES, missing=7)
    owner = audit(fo.load_dataset(NAMES[0]))
    yield owner, folder
    for name in NAMES:
        if fo.dataset_exists(name):
            fo.delete_dataset(name)


@pytest.fixture(scope="module")
def bundle(cohorts):
    owner, folder = cohorts
    return owner.daebias.share(folder / "map.zip", progress=None, findings=SHARED), folder / "map.zip"


@pytest.fixture
def mate(cohorts):
    """The teammate's copy, as it was registered."""
    copy = fo.load_dataset(NAMES[1]).clone("test-share-mate", persistent=False)
    yield copy
    fo.delete_dataset("test-share-mate")


def pictures(dataset):
    """``{sample id: pixels}``, which is what two copies have in common."""
    from PIL import Image

    return {s.id: np.asarray(Image.open(s.filepath)).tobytes() for s in dataset}


def state(dataset):
    """Everything an import could have touched."""
    dataset.reload()
    # a label that is written anew with the same content has another inner id, and its sample another time of change
    content = [
        re.sub(r"'\$oid': '[0-9a-f]{24}'", "", str({k: v for k, v in s.to_dict().items() if k != "last_modified_at"}))
        for s in dataset.limit(20)
    ]
    return json.dumps(
        [
            sorted(dataset.get_field_schema()),
            sorted(dataset.list_runs()),
            sorted(dataset.list_brain_runs()),
            sorted((n, str(v)) for n, v in store.saved_views(dataset).items()),
            sorted((n, str(v)) for n, v in store.saved_workspaces(dataset).items()),
            dataset.count_sample_tags(),
            [c.to_dict() for c in read_clusters(dataset).values()],
            dataset.info,
            content,
        ],
        default=str,
        sort_keys=True,
    )


def test_every_finding_opens_by_name_and_by_link(cohorts, bundle):
    owner, _ = cohorts
    shared, _ = bundle
    views, spaces = store.saved_views(owner), store.saved_workspaces(owner)
    by_key = {v.finding: v for v in shared.views}
    assert set(by_key) == set(SHARED)
    for v in shared.views:
        assert v.workspace in spaces and spaces[v.workspace]["description"] and spaces[v.workspace]["color"]
        assert not v.view or v.view in views
        assert v.link.startswith(f"http://localhost:5151/datasets/{owner.name}?")
        if v.view:
            slug = owner._get_saved_view_doc(v.view).slug
            assert f"view={slug}" in v.link
    assert views[by_key["probe:sex"].view]["description"].startswith("found: ")
    layout = {w["name"]: w for w in store.workspace_layouts(owner)}[by_key["probe:sex"].workspace]
    assert layout["map_key"] == "dae_map" and layout["color_by"] == "sex"
    women = owner.load_saved_view(by_key["cluster:women"].view)
    assert set(women.values("sex")) == {"F"} and by_key["cluster:women"].link in str(shared)
    # a finding that is gone takes its view and workspace with it, and nothing else
    copy = owner.clone("test-share-copy", persistent=False)
    try:
        store.save_view(copy, "mine", copy.limit(3))
        before = set(copy.list_saved_views())
        few = copy.daebias.share(progress=None).views
        assert 0 < len(few) <= 5
        (one,) = copy.daebias.share(findings=["cluster:women"], progress=None).views
        assert one.finding == "cluster:women" and len(set(copy.list_saved_views()) - before) <= 6
        with pytest.raises(InputError, match="there is no finding 'probe:nothing'"):
            copy.daebias.share(findings=["probe:nothing"], progress=None)
        keys = [v.finding for v in shared.views]
        first = {v.finding: v for v in copy.daebias.share(findings=keys, progress=None).views}
        assert {v.finding: v for v in copy.daebias.share(findings=keys, progress=None).views} == first
        copy.daebias.clusters("delete", cluster="women")
        left = copy.daebias.share(url="http://audit.example:8080/app", progress=None)
        assert "cluster:women" not in {v.finding for v in left.views} and "mine" in store.saved_views(copy)
        assert first["cluster:women"].workspace not in store.saved_workspaces(copy)
        assert left.views[0].link.startswith("http://audit.example:8080/app/datasets/test-share-copy?")
        assert left.bundle == "" and "risk" not in str(left)
    finally:
        fo.delete_dataset("test-share-copy")


def test_a_share_that_was_interrupted_makes_nothing_twice(cohorts, monkeypatch):
    owner, _ = cohorts
    copy = owner.clone("test-share-interrupted", persistent=False)
    try:
        real, made = store.save_workspace, []

        def breaking(*given, **facts):
            if len(made) == 1:
                raise KeyboardInterrupt
            made.append(real(*given, **facts))

        monkeypatch.setattr(store, "save_workspace", breaking)
        with pytest.raises(KeyboardInterrupt):
            copy.daebias.share(progress=None)
        monkeypatch.setattr(store, "save_workspace", real)
        views = copy.daebias.share(progress=None).views
        assert {v.workspace for v in views} <= set(copy.list_workspaces())
        assert not any("(2)" in n for n in [*copy.list_workspaces(), *copy.list_saved_views()])
    finally:
        copy.delete()


def test_nothing_of_a_bundle_names_a_person_a_file_or_a_small_group(cohorts, bundle):
    owner, folder = cohorts
    shared, path = bundle
    with zipfile.ZipFile(path) as archive:
        everything = b"\n".join(archive.read(n) for n in archive.namelist()).decode("latin-1")
        assert VECTORS not in archive.namelist()
    secrets = {*store.read_subjects(owner), *store.sample_ids(owner), *(Path(p).stem for p in owner.values("filepath"))}
    assert not [s for s in secrets if len(s) > 3 and s in everything]
    for word in (str(folder), "secret place", "three people", "all but three", "two images", "<b>", owner.name):
        assert word not in everything
    raw = json.loads(zipfile.ZipFile(path).read(AUDIT))
    assert [c["name"] for c in raw["clusters"]] == ["women"] and raw["clusters"][0]["color"] == "#ff0000"
    assert raw["clusters"][0]["description"] == "see [withheld] and [withheld]"
    assert "two" not in [v["name"] for v in raw["views"]] and "older" in [v["name"] for v in raw["views"]]
    assert shared.withheld["clusters"] == 2 and shared.withheld["views"] >= 1
    notes = {r["finding"]: r["note"] for r in raw["reviews"]}
    assert notes["cluster:women"] == "fewer than 5 patients only" and "\u2039b\u203a" in notes["probe:sex"]
    # every group that is left has k subjects inside and k or none outside
    rows = json.loads(zipfile.ZipFile(path).read("samples.json"))["samples"]
    people = [r["subject"] for r in rows]
    for group in raw["clusters"] + raw["views"]:
        inside = {people[r] for r in group["rows"]}
        assert len(inside) >= 5 and (len(set(people)) - len(inside) == 0 or len(set(people)) - len(inside) >= 5)
    assert "its person for" in shared.risk[0] and shared.risk_rows[0]["of"] == "dae_map"
    silent = owner.daebias.share(folder / "silent.zip", with_notes=False, progress=None)
    said = b"".join(read_archive(folder / "silent.zip").values())
    assert b"grace" not in said and b"by ada" not in said and not silent.notes
    assert b"by ada" in b"".join(read_archive(path).values())


def test_a_view_that_does_not_open_any_more_is_left_out_and_named(cohorts, tmp_path):
    owner, _ = cohorts
    copy = owner.clone("test-share-broken", persistent=False)
    try:
        store.write_labels(copy, "passing", {i: fo.Classification(confidence=0.5) for i in store.sample_ids(copy)})
        store.save_view(copy, "sure", copy.filter_labels("passing", fo.ViewField("confidence") > 0.1))
        copy.delete_sample_field("passing")
        shared = copy.daebias.share(tmp_path / "x.zip", progress=None)
        assert "sure" not in [v["name"] for v in json.loads(read_archive(tmp_path / "x.zip")[AUDIT])["views"]]
        assert "saved views that do not open any more were left out: sure" in shared.remarks
    finally:
        fo.delete_dataset("test-share-broken")


def test_a_larger_k_withholds_more_and_too_large_a_k_everything(cohorts):
    owner, folder = cohorts
    women = len({s for s, x in zip(store.read_subjects(owner), owner.values("sex"), strict=True) if x == "F"})
    shared = owner.daebias.share(folder / "k.zip", min_subjects=women + 1, progress=None)
    assert shared.counts["clusters"] == 0 and shared.withheld["clusters"] == 3 and shared.counts["probes"] == 1
    for k, message in ((500, "fewer than 500"), (1, "at least 2")):
        with pytest.raises(InputError, match=message):
            owner.daebias.share(folder / "none.zip", min_subjects=k, progress=None)
    with pytest.raises(InputError, match="at least 12 characters"):
        owner.daebias.share(folder / "none.zip", secret="short", progress=None)
    with pytest.raises(InputError, match="url must look"):
        owner.daebias.share(url="javascript:alert(1)", progress=None)
    assert not (folder / "none.zip").exists()


def test_another_copy_gets_the_map_the_clusters_and_the_views_by_content(cohorts, bundle, mate):
    owner, _ = cohorts
    shared, path = bundle
    found = mate.import_shared(path, progress=None)
    assert (found.n_bundle, found.n_here, found.n_matched, found.not_here, found.not_in_bundle) == (96, 89, 89, 7, 0)
    key = f"dae_map_shared_{shared.bundle_id[:8]}"
    assert found.added["maps"] == (key,) and key in store.map_runs(mate)
    # the same picture has the same point, whatever its name, id and place
    ours, theirs = pictures(owner), pictures(mate)
    want = {ours[i]: p for i, p in zip(*store.load_map(owner, "dae_map"), strict=True)}
    ids, points = store.load_map(mate, key)
    assert len(ids) == 89
    np.testing.assert_allclose(points, [want[theirs[i]] for i in ids], rtol=1e-6)
    assert set(mate.load_saved_view("cluster: women").values("sex")) == {"F"}
    women = {p for i, p in ours.items() if owner[i]["sex"] == "F"} & set(theirs.values())
    assert {theirs[i] for i in read_clusters(mate)["women"].members} == women
    assert min(mate.load_saved_view("older").values("age")) > 40
    layout = {w["name"]: w for w in store.workspace_layouts(mate)}["test-share-mate: sex: what the image tells"]
    assert layout["map_key"] == key and layout["color_by"] == "sex"
    assert [(r.finding, r.author, r.origin) for r in read_reviews(mate)] == [
        ("probe:sex", "grace", shared.bundle_id),
        ("cluster:women", "grace", shared.bundle_id),
    ]
    config, results = store.load_run(mate, found.run_key)
    assert config["bundle"] == shared.bundle_id and config["n_matched"] == 89
    assert {p["field"] for p in results["probes"]} == {"sex", "age"}
    assert results["provenance"]["dae"]["checkpoint_hash"] == "c" * 64
    assert not mate.has_field(schema.embedding_field())
    assert found.findings[0][0] == "found" and f"the sender's finding, found: {found.findings[0][1]}" in str(found)
    json.dumps(found.to_dict()), json.dumps(shared.to_dict())


def test_importing_again_changes_nothing(bundle, mate):
    _, path = bundle
    mate.import_shared(path, progress=None)
    before = state(mate)
    again = mate.import_shared(path, progress=None)
    assert again.again and "nothing changed" in str(again) and state(mate) == before


def test_what_has_a_taken_name_is_kept_beside_it(bundle, mate):
    _, path = bundle
    mate.match({"sex": "M"}).daebias.name_cluster("women", note="mine")
    store.save_view(mate, "older", mate.limit(3), description="mine")
    mate.daebias.review("cluster:women", note="my own", progress=None)
    mate.import_shared(path, progress=None)
    clusters = read_clusters(mate)
    assert clusters["women"].note == "mine" and clusters["women (shared)"].origin == "imported"
    assert set(mate.load_saved_view("cluster: women").values("sex")) == {"M"}
    assert len(mate.load_saved_view("older")) == 3 and len(mate.load_saved_view("older (shared)")) > 3
    said = {(r.finding, r.note) for r in read_reviews(mate)}
    # what was said of the sender's cluster is not put on the one of the same name here
    assert ("cluster:women (shared)", "fewer than 5 patients only") in said and ("cluster:women", "my own") in said


def test_samples_registered_later_join_on_the_next_import(bundle, mate):
    _, path = bundle
    ids = store.sample_ids(mate)
    store.tag(mate, ids[:40], schema.TAG_SYNTHETIC)  # out of sight of every reader
    assert mate.import_shared(path, progress=None).n_matched == 49
    mate.daebias.clusters("rename", cluster="women", new_name="die Frauen")
    store.untag(mate, schema.TAG_SYNTHETIC)
    found = mate.import_shared(path, progress=None)
    assert found.again and found.n_matched == 89 and "women" not in read_clusters(mate)
    (key,) = found.added["maps"]
    assert len(store.load_map(mate, key)[0]) == 89
    assert sorted(store.saved_views(mate)) == sorted(set(store.saved_views(mate)))
    assert not [v for v in store.saved_views(mate) if "(shared)" in v]


def test_a_write_that_fails_is_undone(bundle, mate, monkeypatch):
    _, path = bundle
    mate.match({"sex": "M"}).daebias.name_cluster("women", note="mine")
    before = state(mate)
    for part in ("save_workspace", "save_run"):
        real = getattr(store, part)

        def failing(samples, name, *args, real=real, **kwargs):
            if name.startswith((schema.SHARED_RUN_PREFIX, "test-share-mate: look")):
                raise OSError("no space left")
            return real(samples, name, *args, **kwargs)

        monkeypatch.setattr(merge.store, part, failing)
        with pytest.raises(OSError, match="no space left"):
            mate.import_shared(path, progress=None)
        monkeypatch.undo()
        assert state(mate) == before


def test_a_hostile_bundle_leaves_the_database_as_it_was(bundle, mate, tmp_path):
    from test_archive import put, sealed

    _, path = bundle
    before, members = state(mate), read_archive(path)
    raw = json.loads(members[AUDIT])
    for change in (
        put("views", 0, "name", "<img src=x onerror=alert(1)>"),
        put("clusters", 0, "rows", [10**6]),
        put("views", 0, "stages", [{"_cls": "fiftyone.core.stages.Mongo"}]),
        put("reviews", 0, "note", "a\x00b"),
    ):
        bad = json.loads(json.dumps(raw))
        change(bad)
        sealed_members = sealed({**members, AUDIT: json.dumps(bad).encode()})
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as out:
            for name, data in sealed_members.items():
                out.writestr(name, data)
        with pytest.raises(BundleError):
            mate.import_shared(tmp_path / "bad.zip", progress=None)
        assert state(mate) == before


def test_stories_travel_with_their_findings_and_are_read_as_they_were_told(cohorts, mate, tmp_path):
    from test_archive import put, sealed

    from fiftyone_daebias.sharing.shared_stories import read_received
    from fiftyone_daebias.stories.story import read_stories
    from fiftyone_daebias.stories.wording import headline

    owner, _ = cohorts
    told = owner.daebias.story(n_permutations=99, progress=None)
    try:
        # what people say of a finding, and what looks closer at a known group, leave the stories standing
        owner.daebias.review("probe:sex", status="reviewed", author="ada", progress=None)
        assert read_stories(owner) == told
        shared = owner.daebias.share(tmp_path / "told.zip", findings=SHARED, progress=None)
        few = owner.daebias.share(tmp_path / "few.zip", findings=SHARED, min_subjects=24, progress=None)
    finally:
        store.delete_run(owner, schema.STORIES_RUN)
    found = mate.import_shared(tmp_path / "told.zip", progress=None)
    (received,) = read_received(mate)
    want = {s.key: headline(s) for s in told.rows}
    assert "story:sex" in want and shared.counts["stories"] == len(received.stories) > 0
    assert {s.key: s.headline for s in received.stories}.items() <= want.items()
    assert received.stories[0].findings[0] == "probe:sex" and received.findings["probe:sex"]["verdict"] == "found"
    assert f"the sender's story: {received.stories[0].headline}" in str(found)
    # a story whose strongest finding must stay stays too
    keys = {f["key"] for f in json.loads(read_archive(tmp_path / "few.zip")[AUDIT])["findings"]}
    assert "probe:sex" not in keys and few.counts["stories"] < shared.counts["stories"]
    # hostile stories
    before, members = state(mate), read_archive(tmp_path / "told.zip")
    assert json.loads(members[MANIFEST])["version"] == 2
    for change in (put("stories", 0, "headline", "<script>alert(1)</script>"), put("stories", 0, "view", [1])):
        bad = json.loads(members[AUDIT])
        change(bad)
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as out:
            for name, data in sealed({**members, AUDIT: json.dumps(bad).encode()}).items():
                out.writestr(name, data)
        with pytest.raises(BundleError):
            mate.import_shared(tmp_path / "bad.zip", progress=None)
        assert state(mate) == before


def test_vectors_and_names_go_along_only_when_asked(cohorts, mate):
    owner, folder = cohorts
    path = folder / "all.zip"
    shared = owner.daebias.share(
        path, with_vectors=True, with_identity=True, secret="correct horse battery", progress=None
    )
    assert shared.vectors and any(r.startswith("dae_embedding: ") for r in shared.risk)
    assert "FILE NAMES AND SUBJECT IDS" in str(shared)
    found = mate.import_shared(path, secret="correct horse battery", progress=None)
    (field,) = found.added["vectors"]
    ours, theirs = pictures(owner), pictures(mate)
    want = {ours[i]: v for i, v in zip(*store.read_vectors(owner, "dae_embedding"), strict=True)}
    ids, vectors = store.read_vectors(mate, field)
    np.testing.assert_array_equal(vectors, [want[theirs[i]] for i in ids])
    # the teammate's subjects have other names, so the agreed secret finds none of them
    assert any(r.startswith("not here: ") for r in found.remarks) and not any(
        "another subject" in r for r in found.remarks
    )
    # the same bundle at the sender's: everything is there already
    alone = owner.clone("test-share-self", persistent=False)
    try:
        back = alone.import_shared(path, secret="correct horse battery", progress=None)
        assert back.n_matched == 96 and not back.added["clusters"] and not back.added["views"] and back.n_reviews == 0
    finally:
        fo.delete_dataset("test-share-self")


def test_a_changed_header_is_matched_by_pixels_and_other_images_not_at_all(bundle, mate, dataset_name, tmp_path):
    _, path = bundle
    store.write_values(mate, schema.CACHE_FIELD, {}, kind="string")
    from fiftyone_daebias.cohort.slice_cache import SliceCache

    cache, changed = SliceCache(), {}
    for i, key in list(zip(store.sample_ids(mate), mate.values(schema.CACHE_FIELD), strict=True))[:5]:
        other = "f" * 56 + key[:8]
        if other not in cache:
            cache.add(other, np.array(cache.read(key)[0]))
        changed[i] = other
    store.write_values(mate, schema.CACHE_FIELD, changed)
    found = mate.import_shared(path, progress=None)
    assert found.n_matched == 89 and found.by_pixels == 5 and "5 by their pixels alone" in str(found)

    from PIL import Image

    for k in range(3):
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (40, 40), dtype=np.uint8)).save(tmp_path / f"{k}.png")
    strangers = fo.Dataset.from_images_dir(str(tmp_path), name=dataset_name)
    with pytest.raises(BundleError, match="none of the 3 samples"):
        strangers.import_shared(path, progress=None)
    assert not strangers.list_runs()


IMPORT = """
import json, sys
import fiftyone as fo
import fiftyone_daebias
from fiftyone_daebias import register, store
from fiftyone_daebias.clustering.cluster import read_clusters
register("over there", sys.argv[1], table=sys.argv[2], subject="subject_id")
there = fo.load_dataset("over there")
assert fo.list_datasets() == ["over there"]
found = there.import_shared(sys.argv[3], progress=None)
back = there.daebias.share(sys.argv[4], progress=None)
sex = set(there.load_saved_view("cluster: women").values("sex"))
print(json.dumps({**found.to_dict(), "sex": sorted(sex), "map": len(store.load_map(there, found.added["maps"][0])[0]),
                  "reviews": back.counts["reviews"]}))
"""


def test_two_databases_and_one_bundle_between_them(cohorts, bundle, tmp_path):
    owner, folder = cohorts
    _, path = bundle
    environment = {
        **os.environ,
        "FIFTYONE_DATABASE_DIR": str(tmp_path / "mongo"),
        "DAEBIAS_HOME": str(tmp_path / "home"),
    }
    environment.pop("FIFTYONE_DATABASE_URI", None)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            IMPORT,
            str(folder / "b" / "elsewhere"),
            str(folder / "b" / "table.csv"),
            str(path),
            str(tmp_path / "back.zip"),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["n_matched"] == 89 and told["not_here"] == 7 and told["sex"] == ["F"] and told["map"] == 89
    assert told["added"]["clusters"] == ["women"] and told["reviews"] == 2
    # what comes back is not said twice
    n = len(read_reviews(owner))
    back = owner.import_shared(tmp_path / "back.zip", progress=None)
    assert back.n_matched == 89 and back.n_reviews == 0 and len(read_reviews(owner)) == n
    assert back.added["clusters"] == () and "older (shared)" not in back.added["views"]


def test_groups_and_words_by_hand():
    from fiftyone_daebias.sharing.suppress import big_enough, secret_words, suppress_small_counts

    subjects = list("aabbccddee")
    assert big_enough(range(6), subjects, 2) and not big_enough(range(8), subjects, 2)
    assert big_enough(range(10), subjects, 2) and not big_enough([0, 1], subjects, 2)
    words = secret_words(["P017", "12"], ["/data/x/scan_9.nii.gz"], ["64a"])
    assert (
        suppress_small_counts("P017, scan_9 and /data/x/scan_9.nii.gz of 12", 0, words)
        == "[withheld], [withheld] and [withheld] of 12"
    )
    assert (
        suppress_small_counts("case 017 and 17", 0, secret_words(["017", "17"], [], [], 3)) == "case [withheld] and 17"
    )
    assert suppress_small_counts("case 017", 0, secret_words(["017"], [], [])) == "case 017"
    assert suppress_small_counts("p017's scan", 0, words) == "[withheld]'s scan"
    assert suppress_small_counts("3 subjects, 12 patients, 1,204 images, T2, 4 mm, 4 of 90 samples", 5) == (
        "fewer than 5 subjects, 12 patients, 1,204 images, T2, 4 mm, fewer than 5 of 90 samples"
    )
    assert (
        suppress_small_counts("0 subjects") == "0 subjects"
        and suppress_small_counts("a\tb\u202ec<d>") == "a b c\u2039d\u203a"
    )


def test_matching_by_hand():
    from fiftyone_daebias.sharing.contents import Row
    from fiftyone_daebias.sharing.matching import match

    rows = [Row("a", "pa", "s1"), Row("b", "pb", "s1"), Row("b", "pb", "s2"), Row("c", "pc", "s3"), Row("d", "", "s9")]
    found = match(
        rows,
        ["1", "2", "3", "4", "5", "6"],
        [("a", "pa"), ("b", "pb"), ("b", "pb"), ("x", "pc"), ("a", "pa"), ("y", "")],
        ["A", "B", "A", "C", "A", "D"],
        ["s1", "s2", "s1", "s3", "s1", "s9"],
    )
    # the twin goes to the row of its own subject; a picture that is here twice has its row twice
    assert found.row_of == {"1": 0, "2": 2, "3": 1, "4": 3, "5": 0}
    assert found.by_pixels == 1 and found.lost == (4,) and found.new == ("6",)
    assert found.known_subjects == 1 and found.other_subjects == 0 and found.regrouped == 0
    torn = match(rows, ["1", "2"], [("a", "pa"), ("b", "pb")], ["A", "B"], ["x", "y"])
    assert torn.regrouped == 1 and torn.other_subjects == 0


def test_manifest_says_what_the_bundle_is(bundle):
    shared, path = bundle
    manifest = json.loads(read_archive(path)[MANIFEST])
    assert manifest["format"] == "daebias-bundle" and manifest["version"] == 1 and manifest["id"] == shared.bundle_id
    assert manifest["k"] == 5 and manifest["withheld"] == shared.withheld and manifest["software"]["numpy"]


def test_by_uri_from_the_app(cohorts, mate, tmp_path):
    import asyncio

    import fiftyone.operators as foo
    from fiftyone.operators.executor import ExecutionContext

    from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin

    link_plugin()
    owner, _ = cohorts

    def run(name, dataset, **params):
        result = foo.execute_operator(f"{PLUGIN_NAME}/{name}", {"dataset": dataset, "params": params})
        if asyncio.isfuture(result) or asyncio.iscoroutine(result):
            result = asyncio.get_event_loop().run_until_complete(result)
        return result

    shared = run("share", owner, out=str(tmp_path / "app.zip"), min_subjects=6)
    assert "no pixels" in shared.result["summary"] and (tmp_path / "app.zip").exists()
    found = run("import_shared", mate, bundle=str(tmp_path / "app.zip"))
    assert found.result["result"]["n_matched"] == 89
    (tmp_path / "bad.zip").write_bytes(b"PK")
    # an error is raised, or comes back with the result; either way it is the one line
    try:
        said = str(run("import_shared", mate, bundle=str(tmp_path / "bad.zip")).error)
    except Exception as error:
        said = str(error)
    assert "is not a readable zip file" in said
    for name in ("share", "import_shared", "sensitivity"):
        uri = f"{PLUGIN_NAME}/{name}"
        context = ExecutionContext(request_params={"dataset_name": owner.name, "params": {}}, operator_uri=uri)
        form = foo.get_operator(uri).resolve_input(context).type.properties
        # nothing that tells more of people is ticked beforehand
        assert form and not any(form[n].default for n in ("with_vectors", "with_identity") if n in form)
