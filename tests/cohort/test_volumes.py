"""Registering volumes: identity, conflicts, tables, previews, duplicates, again and after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from made import PERSON, scene, write_sagittal, write_slice
from PIL import Image

from fiftyone_daebias import register, schema, store
from fiftyone_daebias.cohort.cache import cache
from fiftyone_daebias.cohort.privacy import privacy
from fiftyone_daebias.cohort.slices import open_slices
from fiftyone_daebias.errors import InputError

SECRETS = (
    "musterfrau",
    "erika",
    "4711",
    "19640812",
    "1964-08-12",
    "heidestr",
    "quacksalber",
    "zebedaeus",
    "acc0815007",
)


@pytest.fixture
def cohort(tmp_path, daebias_home):
    """Five subjects with a sagittal series each; the first has two; one path names the patient."""
    folder = tmp_path / "dicom"
    for k in range(5):
        person = PERSON | {"PatientID": f"HOSP-4711-{k}", "PatientSex": "FM"[k % 2]}
        write_sagittal(folder / f"case{k}" / "t2", scene(14, seed=k) + 300 * (k == 4), **person)
    write_sagittal(folder / "case0" / "Musterfrau_t1", scene(9, seed=9), **PERSON | {"PatientID": "HOSP-4711-0"})
    (folder / "notes.txt").write_text("nothing")
    return folder


def everything(dataset, home) -> str:
    """All that was written anywhere, as text."""
    parts = [json.dumps(s.to_mongo_dict(), default=str) for s in dataset] + [json.dumps(dataset.info, default=str)]
    for path in Path(home).rglob("*"):
        parts.append(str(path.relative_to(home)))
        if path.is_file() and path.suffix not in (".bin",):
            parts.append(path.read_bytes().decode("latin-1"))
    return "\n".join(parts).casefold()


def test_identity_never_reaches_database_cache_or_previews(cohort, dataset_name, daebias_home, capfd):
    report = register(dataset_name, cohort)
    dataset = fo.load_dataset(dataset_name)
    assert report.subjects == 5 and len(dataset) == 6
    assert len(set(dataset.values("subject_id"))) == 5 and all(
        s.startswith("sub-") for s in dataset.values("subject_id")
    )
    text = everything(dataset, daebias_home)
    assert [s for s in SECRETS if s in text] == []
    assert capfd.readouterr().out == ""
    sample = dataset.match({"daebias_geometry.slices": 14}).first()
    assert (sample["age"], sample["weight"], sample["manufacturer"], sample["echo_time"]) == (45.0, 61.5, "ACME", 101.0)
    assert sample["acquisition_date_years"] == pytest.approx(2021 + 63 / 365.25)
    assert "station" not in dataset.get_field_schema()  # it was named after the patient
    key = Path(daebias_home) / "keys" / "subjects.key"
    assert oct(key.stat().st_mode)[-3:] == "600"
    # the same person has the same pseudonym again, and another one under another key
    first = dataset.values("subject_id")
    key.unlink()
    register(dataset_name + "-2", cohort)
    assert set(fo.load_dataset(dataset_name + "-2").values("subject_id")).isdisjoint(first)


def test_volumes_come_back_as_slices_with_previews(cohort, dataset_name, daebias_home):
    report = register(dataset_name, cohort, plane="sagittal")
    dataset = fo.load_dataset(dataset_name)
    source = open_slices(dataset)
    subjects = {}
    for k, sample in enumerate(dataset):
        subjects[k] = sample["subject_id"]
        if source.n_slices(k) == 14:
            got = (source.read(k) + 1) / 2
            assert any(
                np.allclose(got, (t := scene(14, seed=s) + 300 * (s == 4)) / t.max(), atol=1e-5) for s in range(5)
            )
            assert source.spacing[k] == pytest.approx((1.5, 1.2))
        preview, montage = Image.open(sample.filepath), Image.open(sample[schema.MONTAGE_FIELD])
        assert max(preview.size) == 512
        assert preview.size[1] / preview.size[0] == pytest.approx(24 * 1.5 / (20 * 1.2), rel=0.01)
        assert np.asarray(preview).std() > 20 and montage.size[0] > montage.size[1] * 0.8
    assert dataset.app_config.media_fields == ["filepath", schema.MONTAGE_FIELD]
    assert "fewer than 12 slices" in " ".join(report.notes)
    assert len(dataset.match_tags(schema.TAG_FEW_SLICES)) == 1


def test_geometry_and_dates_are_fields_that_can_be_coloured_and_probed(tmp_path, dataset_name, daebias_home):
    write_sagittal(tmp_path / "d", scene(14), **{**PERSON, "PatientWeight": "0"})
    register(dataset_name, tmp_path / "d")
    dataset = fo.load_dataset(dataset_name)
    sample = dataset.first()
    # the series of made.write_sagittal: x from -26 in steps of 4, rows 1.5 mm down from z = 80, columns 1.2 mm from y = -100
    centre = [sample[f"centre_{side}_mm"] for side in ("right", "anterior", "superior")]
    assert centre == pytest.approx([0, 100 - 1.2 * 9.5, 80 - 1.5 * 11.5])
    assert (sample["matrix_rows"], sample["matrix_columns"], sample["n_slices"]) == (24, 20, 14)
    assert (sample["pixel_spacing_mm"], sample["slice_spacing_mm"], sample["plane"]) == (1.5, 4.0, "sagittal")
    assert sample["acquisition_date_years"] == pytest.approx(2021 + 63 / 365.25, abs=1e-3)
    assert "weight" not in dataset.get_field_schema() or sample["weight"] is None  # 0 kg was never measured
    fields = store.metadata_fields(dataset)
    assert "acquisition_date" in fields and "acquisition_date_years" not in fields


def test_table_by_series_and_by_patient_and_conflicts_are_kept(cohort, dataset_name, tmp_path):
    table = tmp_path / "t.csv"
    lines = ["patient_id,folder,sex,Age,Name"]
    lines += [f"P{k},case{k}/t2,{'FM'[k % 2] if k else 'M'},{45 if k != 1 else 60},Anna {k}" for k in range(5)]
    table.write_text("\n".join(lines))
    report = register(dataset_name, cohort, table)
    dataset = fo.load_dataset(dataset_name)
    assert "by series" in report.join and len(report.files_without_row) == 1
    assert {"P0", "P1", "P2", "P3", "P4"} <= set(dataset.values("subject_id"))
    assert "Name" not in dataset.get_field_schema() and "about a person" in report.not_stored["Name"]
    wrong = dataset.match_tags(schema.TAG_CONFLICT)
    assert set(wrong.values("subject_id")) == {"P0", "P1"}
    assert dataset.match({"subject_id": "P0"}).first()["header_sex"] == "F"
    by_id = tmp_path / "ids.csv"
    by_id.write_text("pid,group\n" + "\n".join(f"HOSP-4711-{k},g{k % 2}" for k in range(5)))
    register(dataset_name + "-b", cohort, by_id, key="pid")
    other = fo.load_dataset(dataset_name + "-b")
    assert other.count_values("group") == {"g0": 4, "g1": 2}


def test_dates_shift_by_subject_and_only_by_subject(cohort, dataset_name):
    register(dataset_name, cohort, shift_dates=300)
    dataset = fo.load_dataset(dataset_name)
    by_subject = {}
    for s in dataset:
        by_subject.setdefault(s["subject_id"], set()).add(s["acquisition_date"])
    assert all(len(v) == 1 for v in by_subject.values()) and len(set.union(*by_subject.values())) > 1


def test_new_files_come_in_and_nothing_goes(cohort, dataset_name):
    register(dataset_name, cohort)
    again = register(dataset_name, cohort)
    assert (again.added, again.updated) == (0, 0)
    write_sagittal(cohort / "case9", scene(14, seed=77), **PERSON | {"PatientID": "HOSP-4711-77"})
    third = register(dataset_name, cohort)
    assert (third.added, third.updated, third.images) == (1, 0, 7)


def test_a_lost_cache_is_said_and_filled_again(cohort, dataset_name, daebias_home):
    register(dataset_name, cohort)
    for path in (Path(daebias_home) / "cache").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="run 'daebias register' on its files again"):
        open_slices(fo.load_dataset(dataset_name))
    register(dataset_name, cohort)
    assert len(open_slices(fo.load_dataset(dataset_name))) == 6


def test_killed_in_the_middle_it_goes_on(tmp_path, dataset_name, daebias_home):
    folder = tmp_path / "many"
    for k in range(60):
        write_slice(folder / f"{k}", scene(1, 700, 700, seed=k)[0], PatientID=f"p{k:05d}", PatientName=f"Doe^Number{k}")
    code = f"from fiftyone_daebias import register; register({dataset_name!r}, {str(folder)!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    index = Path(daebias_home) / "cache" / "slices-v1.jsonl"
    for _ in range(600):
        if index.exists() and index.read_bytes().count(b"\n") >= 5:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    report = register(dataset_name, folder)
    dataset = fo.load_dataset(dataset_name)
    assert report.images == len(dataset) == 60 and len(set(dataset.values("subject_id"))) == 60
    source = open_slices(dataset)
    assert all(source.read(k).max() == pytest.approx(1) for k in range(60))


def test_workers_give_the_same(cohort, dataset_name, tmp_path, monkeypatch):
    register(dataset_name, cohort, workers=1)
    monkeypatch.setenv("DAEBIAS_HOME", str(tmp_path / "other"))
    report = register(dataset_name + "-w", cohort, workers=2)
    one, two = fo.load_dataset(dataset_name), fo.load_dataset(dataset_name + "-w")
    assert report.images == 6
    assert one.values(schema.CACHE_FIELD) == two.values(schema.CACHE_FIELD)


def test_duplicates_under_different_ids_and_leaking_splits(tmp_path, dataset_name, daebias_home):
    rng = np.random.default_rng(0)
    folder = tmp_path / "png"
    folder.mkdir()
    lines = ["file,patient_id,split"]
    for k in range(12):
        coarse = Image.fromarray(rng.integers(0, 255, (12, 12)).astype(np.uint8)).resize((96, 96), Image.BICUBIC)
        coarse.save(folder / f"{k}.png")
        lines.append(f"{k}.png,p{k},{'train' if k < 8 else 'test'}")
        if k == 0:
            coarse.save(folder / "copy.png", optimize=True)
            lines.append("copy.png,q1,test")
        if k == 1:
            brighter = Image.fromarray(np.clip(np.asarray(coarse) * 1.1 + 12, 0, 255).astype(np.uint8)).resize(
                (128, 128)
            )
            brighter.save(folder / "near.png")
            lines.append("near.png,q2,train")
        if k == 2:
            Image.fromarray(255 - np.asarray(coarse)).save(folder / "torn.png")
            lines.append("torn.png,p2,test")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    register(dataset_name, folder, tmp_path / "t.csv")
    dataset = fo.load_dataset(dataset_name)
    got = dataset.daebias.duplicates(progress=None)
    names = {i: Path(f).stem for i, f in zip(dataset.values("id"), dataset.values("filepath"), strict=True)}
    assert [{names[i] for i in g} for g in got.exact] == [{"0", "copy"}]
    assert [{names[i] for i in g} for g in got.near] == [{"1", "near"}]
    assert {s for s, _ in got.several_subjects} == {("p0", "q1"), ("p1", "q2")}
    assert got.leaks == {"split": ("p2",)} and got.across == {"split": 1}
    assert len(dataset.match_tags(schema.TAG_DUPLICATE)) == 4 and len(dataset.match_tags(schema.TAG_LEAK)) == 4


def test_privacy_counts_and_shows_no_value(cohort, tmp_path):
    got = privacy(cohort)
    assert got.attributes["PatientName"] == got.dicom == 79 and got.names_in_paths >= 9
    assert not any(s in str(got).casefold() for s in SECRETS)
    folder = tmp_path / "text"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(10):
        image = rng.integers(0, 90, (256, 256)).astype(np.uint8)
        image[20:40:4, 10:50] = 250  # strokes in the same place of every image
        Image.fromarray(image).save(folder / f"{k}.png")
    assert set(privacy(folder).corners) == {"upper left"}
    for k in range(10):
        Image.fromarray(rng.integers(0, 255, (256, 256)).astype(np.uint8)).save(folder / f"{k}.png")
    assert privacy(folder).corners == {}


def test_a_bids_folder_brings_its_own_tables(tmp_path, dataset_name, daebias_home):
    import nibabel as nib

    for sub, sessions in (("01", ("a", "b")), ("02", ("a",)), ("03", ())):
        for session in sessions or ("",):
            folder = tmp_path / f"sub-{sub}" / (f"ses-{session}" if session else "") / "anat"
            folder.mkdir(parents=True)
            stem = f"sub-{sub}" + (f"_ses-{session}" if session else "") + "_T2w"
            nib.save(nib.Nifti1Image(scene(13), np.diag([4, 1, 1, 1])), folder / f"{stem}.nii.gz")
            (folder / f"{stem}.json").write_text(json.dumps({"EchoTime": 0.101, "Manufacturer": "ACME"}))
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tsex\tage\nsub-01\tF\t40\nsub-02\tM\t50\nsub-03\tF\tn/a\n"
    )
    for sub, text in (("01", "ses-a\t40\t61\nses-b\t42\t63\n"), ("02", "ses-a\tn/a\t80\n")):
        (tmp_path / f"sub-{sub}" / f"sub-{sub}_sessions.tsv").write_text("session_id\tage\tweight\n" + text)
    report = register(dataset_name, tmp_path)
    assert "participants.tsv" in str(report) and "2 sessions.tsv" in str(report) and not report.rows_without_file
    dataset = fo.load_dataset(dataset_name)
    found = {(s["subject_id"], s["session"]): (s["sex"], s["age"], s["weight"]) for s in dataset}
    assert found == {
        ("sub-01", "ses-a"): ("F", 40, 61),
        ("sub-01", "ses-b"): ("F", 42, 63),
        ("sub-02", "ses-a"): ("M", 50, 80),
        ("sub-03", None): ("F", None, None),
    }
    assert schema.TAG_CONFLICT not in dataset.count_sample_tags()


def test_the_cache_can_be_asked_and_pruned(cohort, dataset_name):
    register(dataset_name, cohort)
    dataset = fo.load_dataset(dataset_name)
    assert cache().unused == 0
    dataset.delete_samples(dataset.take(2, seed=1))
    assert (cache().unused, cache(prune=True).pruned) == (2, True)
    assert cache().arrays == 4 and len(open_slices(dataset)) == 4


def test_what_was_read_once_is_not_read_again_and_told_the_same(cohort, dataset_name, monkeypatch):
    from fiftyone_daebias.cohort import load

    first = register(dataset_name, cohort)
    before = {s[schema.SOURCE_FIELD]: s.to_mongo_dict() for s in fo.load_dataset(dataset_name)}
    read, decode = [], load.read_item
    monkeypatch.setattr(load, "read_item", lambda paths, *rest: read.append(paths) or decode(paths, *rest))
    again = register(dataset_name, cohort)
    assert not read and (again.added, again.updated) == (0, 0) and again.notes == first.notes
    write_sagittal(cohort / "case5" / "t2", scene(9, seed=40), **PERSON | {"PatientID": "HOSP-4711-5"})
    one = next(s for s in before.values() if s["filepath"].endswith(".png"))
    Path(one["filepath"]).unlink()
    more = register(dataset_name, cohort)
    assert len(read) == 2 and (more.added, more.updated) == (1, 0) and Path(one["filepath"]).exists()
    for sample in fo.load_dataset(dataset_name):
        old = before.get(sample[schema.SOURCE_FIELD])
        assert old is None or old == sample.to_mongo_dict()


def test_units_that_header_and_table_state_are_kept(tmp_path, dataset_name, daebias_home):
    for k in range(3):
        person = {**PERSON, "PatientID": f"P{k}", "PatientWeight": f"{60 + k}", "PatientSize": f"1.{60 + k}"}
        write_sagittal(tmp_path / f"d{k}", scene(14, seed=k), **person)
    (tmp_path / "table.csv").write_text(
        "patient;height;dose;score\n" + "".join(f"P{k};{160 + k};{5 + k} mg;{k}\n" for k in range(3))
    )
    register(dataset_name, tmp_path, tmp_path / "table.csv")
    units = store.read_units(fo.load_dataset(dataset_name))
    # the header's metres and the table's centimetres are one field; "weight" alone would say no unit
    assert units["weight"] == "kg" and units["age"] == "years" and units["height"] == "cm"
    assert "score" not in units and "sex" not in units


def test_single_pictures_and_volumes_are_one_cohort_whichever_comes_first(tmp_path, dataset_name, daebias_home):
    for name in ("a", "z"):  # before and after the volume
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30)).astype(np.uint8)).save(
            tmp_path / f"{name}.png"
        )
    write_sagittal(tmp_path / "m", scene(14), **PERSON)
    register(dataset_name, tmp_path)
    dataset = fo.load_dataset(dataset_name)
    montages = dict(zip(dataset.values(schema.SOURCE_FIELD), dataset.values(schema.MONTAGE_FIELD), strict=True))
    assert len(montages) == 3 and [m is not None for s, m in sorted(montages.items())] == [False, True, False]
