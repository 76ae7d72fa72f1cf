"""From an untidy table and untidy paths to a dataset: joined as a person would, and nothing stored that names one."""

import datetime
import json
import os
import subprocess
import sys

import fiftyone as fo
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from fiftyone_daebias import store
from fiftyone_daebias.cli import main
from fiftyone_daebias.cohort.fields import code_map
from fiftyone_daebias.cohort.match import match_names
from fiftyone_daebias.cohort.register import register
from fiftyone_daebias.errors import CohortError, InputError


def pictures(folder, names, seed=0):
    rng = np.random.default_rng(seed)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def cohort(tmp_path, dataset_name, daebias_home):
    """Registers pictures of these names with this table, given as columns."""

    def registered(names, table, **options):
        pictures(tmp_path / "i", names)
        pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
        report = register(dataset_name, tmp_path / "i", tmp_path / "t.csv", workers=1, **options)
        return report, fo.load_dataset(dataset_name)

    return registered


FILES = [f"img_{k:03d}.png" for k in range(40)]


def stored_text(name) -> str:
    """All that the database holds of a dataset, as one text."""
    dataset = fo.load_dataset(name)
    return json.dumps([s.to_dict() for s in dataset], default=str, ensure_ascii=False) + json.dumps(
        dataset.info, default=str, ensure_ascii=False
    )


MARKERS = {
    "Vorname": "Erika",
    "Nachname": "Quastenflosser",
    "Geburtsdatum": "05.05.1961",
    "Straße": "Heideweg 17",
    "PLZ": "50667",
    "Téléphone": "0221-471199",
    "Médecin": "Dr. Zwirbel",
    "Versichertennummer": "A987654321",
    "名前": "山田花子",
    "mystery": None,
    "remarks": None,
    "kontakt2": None,
    "gd": None,
}


def test_nothing_that_names_somebody_is_stored_and_the_report_says_what_was_left_out(
    cohort, dataset_name, daebias_home, tmp_path
):
    table = {
        "file": FILES,
        **{c: [v] * 40 for c, v in MARKERS.items() if v},
        "mystery": [f"Zausel{k}" for k in range(40)],
        "remarks": [f"fell off horse number {k} on the way home" for k in range(40)],
        "kontakt2": ["sie@beispiel.test", "er@beispiel.test"] * 20,
        "gd": [f"{1 + k % 28:02d}.07.19{40 + k % 40}" for k in range(40)],
        "age": [20 + k for k in range(40)],
        "site": ["A", "B"] * 20,
    }
    report, dataset = cohort(FILES, table)
    fields = set(dataset.get_field_schema())
    assert {"age", "site"} <= fields and set(report.not_stored) == {"file", *MARKERS}
    text = (
        stored_text(dataset_name)
        + str(report.decisions)
        + "".join(p.read_text("utf-8", "ignore") for p in daebias_home.rglob("*") if p.is_file())
    )
    for marker in (
        "Erika",
        "Quastenflosser",
        "1961",
        "Heideweg",
        "50667",
        "471199",
        "Zwirbel",
        "987654321",
        "山田",
        "Zausel",
        "horse",
        "beispiel",
    ):
        assert marker not in text, marker
    dataset.daebias.audit(
        config={"steps": {s: False for s in ("train", "embed", "quality", "probe-all", "tag", "duplicates")}},
        out=tmp_path / "a.html",
        progress=None,
    )
    page = (tmp_path / "a.html").read_text() + (tmp_path / "a.json").read_text()
    assert not any(m in page for m in ("Erika", "Quastenflosser", "Heideweg", "Zausel", "horse"))


def test_a_column_is_stored_when_it_is_named(cohort):
    table = {"file": FILES, "operator": ["Zoe"] * 20 + ["Kim"] * 20, "code": [f"c{k}" for k in range(40)]}
    report, dataset = cohort(FILES, table, keep=["code", "operator"])
    assert (
        dataset.values("code")[3] == "c3"
        and dataset.values("operator")[0] == "Zoe"
        and set(report.not_stored) == {"file"}
    )
    with pytest.raises(CohortError, match="no column 'cod'"):
        cohort(FILES, table, keep=["cod"])


def test_a_value_that_looks_like_a_name_is_a_stand_in_that_keeps_the_groups(cohort):
    table = {"file": FILES, "group": (["control", "case", "other", "Mueller, Hans"] * 10)}
    report, dataset = cohort(FILES, table)
    values = dataset.values("group")
    assert (
        len(set(values)) == 4
        and "Mueller, Hans" not in values
        and values[3] == values[7]
        and values[3].startswith("name-")
    )


@pytest.mark.parametrize("folder", ["Mueller_Hans", "DOE^JANE", "1961-05-05", "MRN 123456", "山田太郎"])
def test_paths_that_name_somebody_are_stored_as_stand_ins_and_found_again(folder, cohort, dataset_name, daebias_home):
    names = [f"{folder}/{k}.png" for k in range(3)] + ["p4/4.png"]
    table = {"file": names, "age": [1, 2, 3, 4]}
    report, dataset = cohort(names, table)
    assert report.added == 4 and "3 of 4 paths hold something" in str(report)
    assert folder not in stored_text(dataset_name)
    assert all(os.path.exists(p) for p in dataset.values("filepath")), "the App has a picture of each"
    report, _ = cohort(names, table)
    assert (report.added, report.updated) == (0, 0)


def test_a_subject_that_is_a_name_becomes_a_pseudonym(cohort, dataset_name):
    names = [f"a{k}.png" for k in range(6)]
    _, dataset = cohort(names, {"file": names, "patient_id": ["Hans Mueller", "Hans Mueller", "P3", "P3", "P5", "P6"]})
    subjects = dataset.values("subject_id")
    assert subjects[0] == subjects[1] and subjects[2] == "P3" and "Hans" not in stored_text(dataset_name)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_file_names_that_are_no_letters(tmp_path, dataset_name, daebias_home, capsys):
    pictures(tmp_path / "i", ["a.png", "b.png"])
    os.rename(tmp_path / "i" / "a.png", os.fsencode(tmp_path / "i") + b"/caf\xe9.png")
    (tmp_path / "t.csv").write_bytes("file,age\ncafé.png,41\nb.png,42\n".encode("cp1252"))
    assert main(["register", dataset_name, str(tmp_path / "i"), "--table", str(tmp_path / "t.csv"), "--quiet"]) == 0
    dataset = fo.load_dataset(dataset_name)
    said = capsys.readouterr().out
    assert dataset.values("age") == [42] and "left out: 1 file" in said and "rename it" in said


def test_names_of_datasets_that_share_an_address(cohort, dataset_name, tmp_path):
    pictures(tmp_path / "i", ["a.png"])
    register(dataset_name + " x", tmp_path / "i")
    with pytest.raises(InputError, match="have the same address in the App"):
        register(dataset_name + "-x", tmp_path / "i")
    with pytest.raises(InputError, match="cannot be called"):
        register("???", tmp_path / "i")


# --- joins ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files, column, values, said",
    [
        ([f"img_{k:03d}.png" for k in range(9)], "image", [f"IMG-{k}" for k in range(9)], "leading zeros"),
        ([f"{k:04d}.png" for k in range(9)], "id", [f"{k}.0" for k in range(9)], "leading zeros"),
        ([f"{1000 + k}.png" for k in range(9)], "id", [f"{1000 + k}.0" for k in range(9)], '".0" behind a number'),
        (["größe_1.png", "größe_2.png"], "file", ["gro\u0308\u00dfe_1.png", "gro\u0308\u00dfe_2.png"], "accents"),
        (["Case 1.png", "Case 2.png"], "file", ["case_1", "case_2"], "spaces, dashes"),
        ([f"s{k}/scan.png" for k in range(5)], "name", [f"S{k}" for k in range(5)], "by pieces of the paths"),
        (
            [f"P{k:03d}_T1.png" for k in range(9)] + [f"P{k:03d}_T2.png" for k in range(9)],
            "patient",
            [f"P{k:03d}" for k in range(9)],
            "by pieces of the paths",
        ),
        ([f"a{k}.png" for k in range(5)], "file", [f"D:\\export\\a{k}.jpg" for k in range(5)], "by file"),
    ],
)
def test_what_a_person_sees_at_once_is_joined_and_said(files, column, values, said, cohort):
    report, dataset = cohort(files, {column: values, "age": [20 + k for k in range(len(values))]})
    assert all(v is not None for v in dataset.values("age")) and said in str(report)


def test_two_names_that_would_become_one_fit_nothing(cohort):
    report, dataset = cohort(["a_1.png", "a-1.png", "b.png"], {"file": ["A 1", "b"], "age": [1, 2]})
    assert sorted(v for v in dataset.values("age") if v is not None) == [2]
    assert match_names(["01", "1"], ["1"])[0] == {"1": "1"} and match_names(["a"], ["A", "a "])[0] == {"a": "a "}


def test_one_row_a_subject_makes_one_subject_of_all_its_images(cohort):
    files = [f"P{k:03d}_{s}.png" for k in range(9) for s in ("T1", "T2")]
    report, dataset = cohort(files, {"patient": [f"P{k:03d}" for k in range(9)], "age": range(9)})
    assert report.subjects == 9 and len(dataset) == 18


def test_when_nothing_joins_the_nearest_pair_is_shown(cohort):
    with pytest.raises(
        CohortError, match=r"nearest are 'scan_a7x' in column 'what' and 'scan_b7x\.png': the table has 'a' more"
    ):
        cohort(["scan_b7x.png", "other.png"], {"what": ["scan_a7x", "nothing"], "age": [1, 2]})


def test_sessions_are_joined_without_regard_to_zeros(tmp_path, dataset_name, daebias_home):
    files = [f"sub-{k:02d}/ses-{s:02d}/anat/sub-{k:02d}_ses-{s:02d}_T1w.png" for k in (1, 2) for s in (1, 2)]
    pictures(tmp_path / "i", files)
    (tmp_path / "t.tsv").write_text("participant_id\tsession\tage\n1\t1\t30\n1\t2\t31\n2\t1\t40\n2\t2\t41\n")
    report = register(dataset_name, tmp_path / "i", tmp_path / "t.tsv", workers=1)
    ages = dict(
        zip(
            fo.load_dataset(dataset_name).values(["daebias_source", "age"])[0],
            fo.load_dataset(dataset_name).values("age"),
        )
    )
    assert [ages[str((tmp_path / "i" / f).resolve())] for f in files] == [30, 31, 40, 41] and "leading zeros" in str(
        report
    )


def test_uk_biobank(cohort):
    rng = np.random.default_rng(0)
    table = {
        "eid": [1000000 + k // 2 for k in range(40)],
        "file": FILES,
        "31-0.0": [(k // 2) % 2 for k in range(40)],
        "864-0.0": rng.choice([-10, -3, -1, *range(2, 20)], 40),
        "53-2.0": rng.choice(["2015-03-01", "2016-07-09", "1900-01-01"], 40),
    }
    report, dataset = cohort(FILES, table)
    assert report.subjects == 20 and "column 'eid'" in report.subject_source
    fields = store.metadata_fields(dataset)
    assert fields["table_31_0_0"] == "integer" and fields["table_53_2_0"] == "date" and "eid" not in fields
    assert any("CODES?" in n and "table_864_0_0" in n for n in report.notes) and any(
        "1900-01-01" in n for n in report.notes
    )
    report, dataset = cohort(FILES, table, missing_codes=["-1", "-3", "-10", "1900-01-01"])
    assert min(v for v in dataset.values("table_864_0_0") if v is not None) >= 2


def test_columns_of_ultrasound_are_fields_like_any_other(cohort):
    report, dataset = cohort(FILES, {"file": FILES, "probe_type": ["convex", "linear"] * 20, "probe_mhz": range(40)})
    assert {"probe_type", "probe_mhz"} <= set(store.metadata_fields(dataset))


# --- plan ----------------------------------------------------------------------------------------------


def test_a_plan_repeats_the_registration_exactly_and_can_be_edited(cohort, tmp_path, dataset_name, daebias_home):
    table = {
        "datei": [f"IMG-{k}" for k in range(40)],
        "Größe": ["1,75", "unbekannt"] * 20,
        "sbp": ([120, 130, 999, 110] * 10),
        "scan_date": ["03/04/2021", "05/06/2021"] * 20,
        "Arzt": ["Zwirbel"] * 40,
        "media_type": ["film", "digital"] * 20,
    }
    report, dataset = cohort(FILES, table, plan=tmp_path / "p.yaml", missing_codes=["999"])
    plan = yaml.safe_load((tmp_path / "p.yaml").read_text())
    columns = plan["table"]["columns"]
    assert columns["Arzt"]["stored"] is False and columns["media_type"]["field"] == "table_media_type"
    assert columns["Größe"]["reading"]["notation"]["decimal"] == "," and columns["sbp"]["reading"]["codes"] == ["999"]
    assert all({"about", "what", "count", "example"} == set(d) for d in plan["decided"]) and len(plan["decided"]) >= 5
    assert "Zwirbel" not in (tmp_path / "p.yaml").read_text()
    other = dataset_name + " again"
    again = register(other, tmp_path / "i", tmp_path / "t.csv", from_plan=tmp_path / "p.yaml", workers=1)
    names = ["daebias_source", "subject_id", "daebias_split", "Grosse", "sbp", "scan_date", "table_media_type"]
    assert dataset.values(names) == fo.load_dataset(other).values(names)
    assert again.fields == report.fields and again.not_stored == report.not_stored and again.join == report.join
    columns["scan_date"]["reading"]["order"]["/"] = "mdy"
    columns["Arzt"] = {"stored": True, "field": "doctor"}
    (tmp_path / "q.yaml").write_text(yaml.safe_dump(plan))
    register(dataset_name + " edited", tmp_path / "i", tmp_path / "t.csv", from_plan=tmp_path / "q.yaml", workers=1)
    edited = fo.load_dataset(dataset_name + " edited")
    assert edited.values("scan_date")[0].month == 3 and edited.values("doctor")[0] == "Zwirbel"
    for text, message in (("[]", "no plan"), ("version: 9\ntable: {}", "version 9"), ("a: [", "is no YAML")):
        (tmp_path / "q.yaml").write_text(text)
        with pytest.raises(InputError, match=message):
            register(other, tmp_path / "i", tmp_path / "t.csv", from_plan=tmp_path / "q.yaml")


# --- header and table ----------------------------------------------------------------------------------


def test_codes_of_a_table_stand_for_the_headers_values():
    header = ["M", "F"] * 12
    assert code_map("sex", header, [1, 2] * 12) == {"1": "m", "2": "f"}
    assert code_map("sex", header, ["m", "w"] * 12) == {"m": "m", "w": "f"}
    assert code_map("sex", header, ["h", "m"] * 12) == {"h": "m", "m": "f"}
    assert code_map("sex", header, ["M", "F"] * 12) == {} and code_map("sex", header, ["F", "M"] * 12) == {}
    assert code_map("sex", header, [1, 2, 2, 1] * 6) == {}, "no code tells the sex here"
    assert code_map("sex", header[:4], [1, 2, 1, 2]) == {}, "four samples are no evidence"
    swapped = [1, 2] * 12
    swapped[0] = 2
    assert code_map("sex", header, swapped) == {"1": "m", "2": "f"}, "one of them is a conflict, not another code"


def test_the_command_prints_the_report_whatever_the_terminal_can_show(tmp_path, daebias_home):
    pictures(tmp_path / "i", ["größe.png"])
    (tmp_path / "t.csv").write_text("file,größe\ngröße.png,1\n", encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "fiftyone_daebias",
            "register",
            "test-ascii",
            str(tmp_path / "i"),
            "--table",
            str(tmp_path / "t.csv"),
            "--quiet",
            "--json",
        ],
        env={**os.environ, "PYTHONIOENCODING": "ascii:backslashreplace"},
        capture_output=True,
        text=True,
    )
    fo.delete_dataset("test-ascii")
    assert done.returncode == 0 and json.loads(done.stdout)["images"] == 1


def test_samples_lie_in_the_database_as_fiftyone_would_have_put_them(cohort, dataset_name):
    dates = ["2020-01-02", "", "2021-05-06", "2022-03-01"] * 10
    table = {"file": FILES, "sex": ["F", "M", "", "F"] * 10, "age": [40, 50, 60, ""] * 10, "scan_date": dates}
    _, dataset = cohort(FILES, table)
    ours = {d["_id"]: d for d in dataset._sample_collection.find()}
    for sample in list(dataset.iter_samples())[:8]:
        theirs, mine = dataset._make_dict(sample.copy()), ours[sample._id]
        if "scan_date" in mine:
            mine["scan_date"] = mine["scan_date"].replace(tzinfo=datetime.timezone.utc)
        apart = {"_id", "_rand", "created_at", "last_modified_at"}
        assert {k: v for k, v in mine.items() if k not in apart} == {k: v for k, v in theirs.items() if k not in apart}
    assert len({d["_rand"] for d in ours.values()}) == 40  # by which FiftyOne shuffles
    assert dataset.count("age") == 30 and dataset.count("scan_date") == 30 and len(dataset) == 40
    assert len({d["_id"] for d in ours.values()}) == 40 and all("last_modified_at" in d for d in ours.values())
