"""``explain`` on real NIfTI files in a real database: what is planted is said, what is not is not."""

import json

import fiftyone as fo
import numpy as np
import planted
import pytest
from PIL import Image

import fiftyone_daebias as fd
from fiftyone_daebias import cli, paths, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.explanation.groups import resolve_groups

NAME = "test-explain-planted"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Group B lies 14 mm further up, which its header says, and has a mark in the corner; arms x and y are alike."""
    folder = tmp_path_factory.mktemp("planted")
    planted.write_cohort(folder, 64, down=-14, header=True, marker=True, seed=2)
    fd.register(NAME, folder / "images", folder / "table.csv", key="image_id", subject="subject_id")
    dataset = fo.load_dataset(NAME)
    yield dataset
    fo.delete_dataset(NAME)


@pytest.fixture(scope="module")
def explained(cohort):
    return cohort.daebias.explain(
        field="group",
        value="B",
        image_size=48,
        steps=30,
        n_slices=2,
        n_maps=40,
        n_permutations=99,
        device="cpu",
        progress=None,
    )


def test_the_shift_is_said_first_in_mm_voxels_and_anatomical_words(explained):
    first = explained.sentences[0]
    assert "superior" in first and "posterior" not in first and "voxels" in first and first.startswith("In group B")
    assert explained.displacement.shift[0] == pytest.approx(-14, abs=3) and explained.displacement.moved == (
        True,
        False,
    )
    assert explained.voxels[0] == pytest.approx(explained.displacement.shift[0] / planted.MM)
    assert (
        explained.sentences[1].startswith("The header says the same")
        and "more inferior in group B" in explained.sentences[1]
    )
    assert explained.header.agrees == ("both moved", "neither moved")
    assert str(explained).startswith(first)


def test_fields_that_changed_are_named_and_the_one_that_drew_the_groups_is_not(explained):
    fields = {c.name: c for c in explained.fields}
    assert fields["software"].found and fields["software"].effect > 0.9 and "group" not in fields
    assert not fields["echo_time"].found and not fields["age"].found and not fields["arm"].found
    assert any(s.startswith("software: v1: 0% in group B") for s in explained.sentences)


def test_maps_are_stored_in_the_previews_geometry_and_lie_on_the_mark(cohort, explained):
    assert explained.classifier.tells_apart and explained.heatmap_field == "explain_group_B"
    with_map = cohort.exists("explain_group_B")
    assert len(with_map) == 40
    total = 0
    for sample in with_map.match({"group": "B"}):
        heat = sample["explain_group_B"].map
        height, width = np.asarray(Image.open(sample.filepath)).shape
        assert heat.shape[0] / heat.shape[1] == pytest.approx(height / width, rel=0.02)
        total = total + heat.astype(float)
    h, w = total.shape
    peak = np.unravel_index(total.argmax(), total.shape)
    # the mark is at rows 6 to 12 of 96 and columns 58 to 66 of 72
    assert peak[0] < 0.25 * h and peak[1] > 0.7 * w
    assert any("at the superior posterior of the picture" in s for s in explained.sentences)
    assert explained.faithfulness.n >= 20 and explained.layer.startswith("layer")
    _, results = store.load_run(cohort, explained.run_key)
    assert results["cam_square"].shape == (64, 64) and len(results["mean_maps"]) == 2


def test_everything_is_stored_and_drawn(cohort, explained):
    config, results = store.load_run(cohort, explained.run_key)
    assert config["comparison"] == "group B against the rest" and config["recipe"]["architecture"] == "resnet10"
    assert results["summary"]["found"] and len(results["sample_ids"]) == 64 and results["mean_inside"].ndim == 2
    names = [f["name"] for f in results["figures"]]
    assert names == [f"explain_group_B_{n}" for n in ("means", "edges", "alignment", "maps")]
    for figure in results["figures"]:
        picture = np.asarray(Image.open(paths.figures_dir(NAME) / figure["png"]))
        assert picture.shape[0] > 300 and picture.std() > 10
        json.dumps(figure["plotly"], allow_nan=False)
    json.dumps(explained.to_dict(), allow_nan=False)


def test_groups_that_do_not_differ_yield_no_explanation(cohort, capsys):
    found = cohort.match({"group": "A"}).daebias.explain(
        field="arm", value="x", image_size=48, steps=10, n_slices=1, n_permutations=99, device="cpu", progress=None
    )
    assert not found.found and found.sentences[0] == "No difference is found between arm x and the rest"
    assert found.sentences[1].startswith("No shift is found (inferior ") and "no map is drawn" in found.sentences[-1]
    assert not found.heatmap_field and not cohort.has_field("explain_arm_x")
    assert (
        cli.main(
            [
                "explain",
                NAME,
                "--field",
                "arm",
                "--value",
                "x",
                "--no-train",
                "--n-permutations",
                "99",
                "--quiet",
                "--json",
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["classifier"] is None


def test_groups_are_clusters_tags_or_values_and_no_subject_is_on_both_sides(cohort):
    ids = store.sample_ids(cohort)
    cohort.select(ids[:20]).daebias.name_cluster("left island", coloured_by="software")
    cohort.select(ids[:6]).tag_samples("odd")
    try:
        by_cluster = resolve_groups(cohort, cluster="left island")
        assert by_cluster.n_subjects == (20, 44) and by_cluster.name == "cluster left island against the rest"
        assert resolve_groups(cohort, tag="odd").n_samples == (6, 58)
        old = resolve_groups(cohort, field="age", value=">=50", against="<50")
        ages = cohort.values("age")
        assert (
            list(old.labels) == [a >= 50 for a in ages]
            and old.key != resolve_groups(cohort, field="age", value="<50").key
        )
        # two samples of one subject on both sides: the subject is left out and counted
        cohort.select(ids[:1]).set_field("subject_id", "S1").save()
        mixed = resolve_groups(cohort, field="group", value="B")
        assert mixed.mixed == 1 and len(mixed) == 62 and "on both sides" in mixed.notes[0]
        cohort.select(ids[2:3]).tag_samples("daebias:synthetic")
        assert len(resolve_groups(cohort, field="group", value="B")) == 61
    finally:
        cohort.set_values("subject_id", {ids[0]: "S0"}, key_field="id")
        cohort.untag_samples(["odd", "daebias:synthetic"])
        cohort.daebias.clusters("delete", cluster="left island")


def test_bad_input_says_so(cohort):
    for at, message in (
        ({}, "give exactly one of cluster, tag and field"),
        ({"cluster": "nope"}, "there is no cluster 'nope'"),
        ({"field": "group"}, "belong together"),
        ({"field": "group", "value": "C"}, "no sample here has group 'C'; values: A, B"),
        ({"tag": "nope"}, "no sample here has the tag"),
        ({"field": "group", "value": "B", "cam": "scorecam"}, "cam must be one of"),
        ({"field": "group", "value": "B", "edge": "sideways"}, "edge must be 'auto' or one of"),
        ({"field": "group", "value": "B", "n_slices": 9}, "n_slices must be between 1 and 3"),
        ({"field": "group", "value": "B", "image_size": 8}, "image_size must be at least 32"),
    ):
        with pytest.raises(InputError, match=message):
            cohort.daebias.explain(**at, progress=None)
    with pytest.raises(InputError, match="has 2 subjects here"):
        cohort.limit(4).daebias.explain(field="group", value="B", progress=None)
