"""Datasets that this package did not register: grouped ones, patches, nested fields, files that moved."""

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

from fiftyone_daebias import schema, store
from fiftyone_daebias.cli import main
from fiftyone_daebias.cohort.slices import open_slices
from fiftyone_daebias.errors import InputError


def pictures(folder, n, size=32):
    rng = np.random.default_rng(0)
    folder.mkdir()
    paths = [folder / f"img_{k:03d}.png" for k in range(n)]
    for k, path in enumerate(paths):
        picture = 60 + 60 * (k % 2) * np.linspace(0, 1, size)[None] + rng.normal(0, 12, (size, size))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path)
    return paths


@pytest.fixture
def grouped(tmp_path, dataset_name, daebias_home):
    paths = pictures(tmp_path / "i", 80)
    dataset = fo.Dataset(dataset_name, persistent=True)
    dataset.add_group_field("group", default="pa")
    samples = []
    for k in range(40):
        group = fo.Group()
        samples += [
            fo.Sample(filepath=str(paths[2 * k + j]), group=group.element(s), patient=f"p{k}", sex="MF"[k % 2])
            for j, s in enumerate(("pa", "lateral"))
        ]
    dataset.add_samples(samples)
    for name in ("pa", "lateral"):
        dataset.save_view(name, dataset.select_group_slices(name))
    dataset.save_view("both", dataset.select_group_slices(["pa", "lateral"]))
    return dataset


@pytest.mark.parametrize("name", ["pa", "lateral"])
def test_every_verb_works_on_the_slice_in_view(grouped, name, capsys):
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    view = store.load_samples(grouped.name, name)
    vectors[:, 0] += 3 * np.array([s == "F" for s in view.values("sex")])
    store.write_vectors(view, "vectors", store.sample_ids(view), vectors)
    words = ["--view", name, "--quiet"]
    quick = ["--n-permutations", "99", "--n-bootstrap", "100", "--repeats", "1", "--predictions"]
    assert main(["probe", grouped.name, "sex", "--vectors", "vectors", *quick, *words]) == 0
    assert main(["quality", grouped.name, "--n-permutations", "99", *words]) == 0
    assert main(["duplicates", grouped.name, *words]) == 0
    assert main(["tag", grouped.name, "--vectors", "vectors", *words]) == 0
    assert main(["reidentify", grouped.name, "--vectors", "vectors", *words]) == 0
    capsys.readouterr()
    view = store.load_samples(grouped.name, name)
    assert sum(v is not None for v in view.values(schema.PROBE_FIELD_PREFIX + "sex")) == 40
    other = store.load_samples(grouped.name, "pa" if name == "lateral" else "lateral")
    assert sum(v is not None for v in other.values(schema.PROBE_FIELD_PREFIX + "sex")) == 0
    slices = open_slices(store.load_samples(grouped.name, name))
    assert slices.sample_ids == store.sample_ids(view) and len(set(slices.splits)) == 3


def test_one_subject_is_on_one_side_in_all_slices(grouped):
    sides = [
        dict(zip((s := open_slices(store.load_samples(grouped.name, n))).subjects, s.splits, strict=True))
        for n in ("pa", "lateral")
    ]
    assert sides[0] == sides[1]


def test_a_grouped_dataset_as_a_whole_is_refused_in_one_line(grouped, capsys):
    for words in ([], ["--view", "both"]):
        assert main(["quality", grouped.name, *words]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "pa, lateral" in error.replace("lateral, pa", "pa, lateral")


def test_patches_are_refused_and_nested_fields_are_read(tmp_path, dataset_name, daebias_home, capsys):
    paths = pictures(tmp_path / "i", 40)
    dataset = fo.Dataset(dataset_name, persistent=True)
    dataset.add_samples(
        [
            fo.Sample(
                filepath=str(p),
                patient=f"p{k}",
                det=fo.Detections(detections=[fo.Detection(label="nodule", bounding_box=[0.1, 0.1, 0.2, 0.2])]),
                probe_type="AB"[k % 2],
                clinical=fo.DynamicEmbeddedDocument(age=40 + k, lab=fo.DynamicEmbeddedDocument(crp=k / 7)),
            )
            for k, p in enumerate(paths)
        ],
        dynamic=True,
    )
    dataset.save_view("lesions", dataset.to_patches("det"))
    for verb in (["train"], ["embed"], ["quality"], ["probe-all"], ["audit"]):
        assert main([verb[0], dataset_name, "--view", "lesions"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "shows patches" in error
    fields = store.metadata_fields(dataset)
    assert (
        fields["clinical.age"] == "integer"
        and fields["clinical.lab.crp"] == "float"
        and fields["probe_type"] == "string"
    )
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    store.write_vectors(dataset, "vectors", store.sample_ids(dataset), vectors)
    for field in ("clinical.age", "probe_type"):
        assert (
            main(
                [
                    "probe",
                    dataset_name,
                    field,
                    "--vectors",
                    "vectors",
                    "--quiet",
                    "--n-permutations",
                    "99",
                    "--n-bootstrap",
                    "100",
                    "--repeats",
                    "1",
                ]
            )
            == 0
        )
    dataset.reload()
    assert "probe_type" in store.metadata_fields(dataset) and "probe_clinical_age" not in store.metadata_fields(dataset)


def test_files_that_moved_are_counted_in_one_line(tmp_path, dataset_name, daebias_home):
    paths = pictures(tmp_path / "i", 12)
    dataset = fo.Dataset(dataset_name)
    dataset.add_samples([fo.Sample(filepath=str(p)) for p in paths])
    for path in paths[3:]:
        path.rename(path.with_suffix(".gone"))
    with pytest.raises(InputError, match="9 of 12 image files are not where this dataset says"):
        open_slices(dataset)
