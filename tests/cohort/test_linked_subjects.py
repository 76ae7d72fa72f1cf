"""Copies under several ids are one person in every split, fold and permutation; known people keep their side."""

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import register, schema, store
from fiftyone_daebias.cohort.slices import open_slices


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def picture(seed, size=96):
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 12)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.BICUBIC))


@pytest.fixture
def cohort(tmp_path, daebias_home):
    """40 subjects with an image each; of 10 of them the same file lies under a second id, of one under a third."""
    lines = ["file,patient_id"]
    for k in range(40):
        write(tmp_path / "img" / f"{k}.png", picture(k))
        lines.append(f"{k}.png,p{k:02d}")
    for k in range(10):
        write(tmp_path / "img" / f"copy{k}.png", picture(k))
        lines.append(f"copy{k}.png,q{k:02d}")
    write(tmp_path / "img" / "third.png", picture(0))
    lines.append("third.png,r00")
    for k in range(12):  # a blank is nobody's copy
        write(tmp_path / "img" / f"blank{k}.png", np.full((96, 96), 7, np.uint8))
        lines.append(f"blank{k}.png,b{k:02d}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    return tmp_path


def test_register_links_equal_files(cohort, dataset_name):
    report = register(dataset_name, cohort / "img", cohort / "t.csv")
    dataset = fo.load_dataset(dataset_name)
    stated, people = dataset.values(schema.SUBJECT_FIELD), store.read_subjects(dataset)
    assert len(set(stated)) == 63 and len(set(people)) == 63 - 11
    assert any("21 subjects count as 10" in n for n in report.notes), report.notes
    owner = dict(zip(stated, people))
    assert {owner[s] for s in ("p00", "q00", "r00")} == {"p00"} and owner["b00"] == "b00" and owner["p39"] == "p39"
    for values in (
        dataset.values(schema.SPLIT_FIELD),
        [dict(zip(stated, open_slices(dataset).splits))[s] for s in stated],
    ):
        sides = {}
        for person, side in zip(people, values):
            sides.setdefault(person, set()).add(side)
        assert all(len(s) == 1 for s in sides.values())
    # a view of one of the copies calls it as the whole dataset does
    one = dataset.match({schema.SUBJECT_FIELD: "q03"})
    assert store.read_subjects(one) == ["p03"] and list(store.subjects_and_tags(one)[0].values()) == ["p03"]
    assert schema.LINKED_FIELD not in store.metadata_fields(dataset)
    again = register(dataset_name, cohort / "img", cohort / "t.csv")
    assert (again.added, again.updated) == (0, 0)


def test_under_another_subject_field_links_still_hold(cohort, dataset_name):
    register(dataset_name, cohort / "img", cohort / "t.csv")
    dataset = fo.load_dataset(dataset_name)
    families = {
        s.id: "f" + str(int(s[schema.SUBJECT_FIELD][1:]) // 4) for s in dataset if s[schema.SUBJECT_FIELD][0] == "p"
    }
    store.write_values(dataset, "family", families, kind="string")
    people = dict(zip(dataset.values(schema.SUBJECT_FIELD), store.read_subjects(dataset, "family")))
    # p00 to p03 are a family; q00 is a copy of p00, r00 too
    assert len({people[s] for s in ("p00", "p01", "p02", "p03", "q00", "q03", "r00")}) == 1
    assert people["p36"] == people["p39"] == "f9" != people["p00"]


def test_duplicates_links_near_copies_and_moves_them_to_one_side(tmp_path, dataset_name, daebias_home):
    lines = ["file,patient_id,side"]
    for k in range(30):
        write(tmp_path / "img" / f"{k}.png", picture(k))
        lines.append(f"{k}.png,p{k:02d},left")
        if k < 12:
            brighter = np.clip(picture(k, 128) * 1.1 + 12, 0, 255).astype(np.uint8)
            write(tmp_path / "img" / f"near{k}.png", brighter)
            lines.append(f"near{k}.png,q{k:02d},left")
    write(tmp_path / "img" / "mirror.png", picture(29))
    lines.append("mirror.png,p29,right")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    register(dataset_name, tmp_path / "img", tmp_path / "t.csv")
    dataset = fo.load_dataset(dataset_name)
    before = dict(zip(dataset.values(schema.SUBJECT_FIELD), dataset.values(schema.SPLIT_FIELD)))
    assert any(before[f"p{k:02d}"] != before[f"q{k:02d}"] for k in range(12)), "the test needs torn pairs"
    got = dataset.daebias.duplicates(progress=None)
    assert len(got.linked) == 12 and set(got.linked[3]) == {"p03", "q03"} and not got.not_linked
    assert "24 subjects count as 12" in str(got)
    assert [len(g) for g in got.both_sides] == [2] and "one of the sides is wrong" in str(got)
    after = dict(zip(dataset.values(schema.SUBJECT_FIELD), dataset.values(schema.SPLIT_FIELD)))
    for k in range(12):
        p, q = f"p{k:02d}", f"q{k:02d}"
        assert after[p] == after[q] == min(before[p], before[q], key=schema.SPLITS.index)
    assert all(after[f"p{k}"] == before[f"p{k}"] for k in range(12, 30))
    # a view does not undo what lies outside it; the whole dataset does when nothing is near any more
    dataset.match({schema.SUBJECT_FIELD: "p20"}).daebias.duplicates(progress=None)
    assert len(set(store.read_subjects(dataset))) == 30
    register(dataset_name, tmp_path / "img", tmp_path / "t.csv")
    assert len(set(store.read_subjects(dataset))) == 30
    dataset.daebias.duplicates(threshold=0.999999, progress=None)
    assert len(set(store.read_subjects(dataset))) == 42


def test_a_picture_under_many_ids_links_nobody(tmp_path, dataset_name, daebias_home):
    lines = ["file,patient_id"]
    for k in range(14):
        write(tmp_path / "img" / f"{k}.png", picture(99))
        lines.append(f"{k}.png,p{k:02d}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    register(dataset_name, tmp_path / "img", tmp_path / "t.csv")
    dataset = fo.load_dataset(dataset_name)
    got = dataset.daebias.duplicates(progress=None)
    assert got.linked == () and got.not_linked == 1 and len(set(store.read_subjects(dataset))) == 14


def test_new_images_of_known_people_go_to_their_side(tmp_path, dataset_name, daebias_home):
    lines = ["file,patient_id"]
    for k in range(60):
        write(tmp_path / "img" / f"{k}.png", picture(k, 24))
        lines.append(f"{k}.png,p{k:02d}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    register(dataset_name, tmp_path / "img", tmp_path / "t.csv")
    for k in range(60):
        write(tmp_path / "img" / f"again{k}.png", picture(100 + k, 24))
        lines.append(f"again{k}.png,p{k:02d}")
        write(tmp_path / "img" / f"new{k}.png", picture(200 + k, 24))
        lines.append(f"new{k}.png,a{k:02d}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    register(dataset_name, tmp_path / "img", tmp_path / "t.csv")
    dataset = fo.load_dataset(dataset_name)
    sides = {}
    for subject, side in zip(dataset.values(schema.SUBJECT_FIELD), dataset.values(schema.SPLIT_FIELD)):
        sides.setdefault(subject, set()).add(side)
    assert len(sides) == 120 and all(len(s) == 1 for s in sides.values())
