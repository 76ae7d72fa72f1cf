"""Untidy tables: types, names, joins."""

import datetime

import pandas as pd
import pytest

from fiftyone_daebias.cohort.columns import type_column
from fiftyone_daebias.cohort.join import _subject_column
from fiftyone_daebias.cohort.match import match_files
from fiftyone_daebias.cohort.table import field_names, read_table
from fiftyone_daebias.errors import CohortError


@pytest.mark.parametrize(
    "texts, kind, values",
    [
        (["1", "2", "n/a", ""], "integer", [1, 2, None, None]),
        (["1,75", "1,80", "NA"], "float", [1.75, 1.80, None]),
        (["045Y", "018M", "003W"], "float", [45.0, 1.5, 3 * 7 / 365.25]),
        (["82 kg", "75.5kg"], "float", [82.0, 75.5]),
        (["yes", "no", "Yes"], "boolean", [True, False, True]),
        (["F", "m", " M ", "f", "F"], "string", ["F", "M", "M", "F", "F"]),
        (["007", "012"], "string", ["007", "012"]),
        (["2020-02-29", "2021-01-01"], "date", [datetime.date(2020, 2, 29), datetime.date(2021, 1, 1)]),
        (["29.02.2020", "n/a"], "date", [datetime.date(2020, 2, 29), None]),
        (["82 kg", "180 lb"], "string", ["82 kg", "180 lb"]),
        (["", "NA"], "empty", [None, None]),
        ([1.0, 2.0, float("nan")], "integer", [1, 2, None]),
    ],
)
def test_types(texts, kind, values):
    column = type_column("x_date" if kind == "date" else "x", texts)
    assert column.kind == kind
    assert column.values == pytest.approx(values) if kind == "float" and None not in values else column.values == values


def test_dicom_dates_are_dates_and_not_integers():
    column = type_column("AcquisitionDate", ["20200131", "20191224"])
    assert column.kind == "date" and column.values[0] == datetime.date(2020, 1, 31)


def test_ambiguous_dates_are_said_to_be():
    assert any("AMBIGUOUS" in n for n in type_column("date", ["01/02/2020", "03/04/2020"]).notes)
    assert not any("AMBIGUOUS" in n for n in type_column("date", ["21/02/2020", "03/04/2020"]).notes)


def test_what_cannot_be_used_is_reported_and_not_guessed():
    column = type_column("age", ["50"] * 18 + ["old", "411"])
    assert column.kind == "integer" and column.values[18:] == [None, None]
    assert column.unusable == {18: "old", 19: "411"}
    assert any("impossible" in n for n in column.notes)


def test_an_image_height_is_not_a_body_height():
    column = type_column("orig_height", ["2048", "2500"])
    assert column.values == [2048, 2500] and column.unusable == {}


def test_metres_beside_centimetres_are_noticed():
    assert any("UNITS" in n for n in type_column("height", ["1.75", "180", "165"]).notes)


def test_units_given_for_some_and_another_meant_by_the_rest_are_noticed():
    column = type_column("Groesse", ["1,75"] * 6 + ["175 cm"] * 3)
    assert any(n.startswith("UNITS: 3 values say cm (median 175), 6 say none (median 1.75)") for n in column.notes)
    assert not any("UNITS" in n for n in type_column("Gewicht", ["61,5"] * 6 + ["80 kg"] * 3).notes)


@pytest.mark.parametrize(
    "column, found",
    [
        ("Pat. Nr.", True),
        ("PatientNumber", True),
        ("proband", True),
        ("SubjID", True),
        ("PID", True),
        ("case", False),
        ("Image No", False),
        ("patient_age", False),
    ],
)
def test_the_subject_is_found_by_its_columns_name_in_several_languages(tmp_path, column, found):
    path = tmp_path / "t.csv"
    path.write_text(f"file,{column}\na.png,1\n")
    assert _subject_column(read_table(path), None) == (column if found else None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_delimiters_and_encodings(tmp_path, delimiter, encoding):
    path = tmp_path / "t.csv"
    rows = [["file", "größe", "note"], ["a.png", "1", '"x, y"'], ["b.png", "2", ""]]
    path.write_bytes("\r\n".join(delimiter.join(r) for r in rows).encode(encoding))
    table = read_table(path)
    assert table.columns == ["file", "größe", "note"]
    assert table.rows[0] == {"file": "a.png", "größe": "1", "note": "x, y"}


@pytest.mark.parametrize("suffix", [".xlsx", ".parquet"])
def test_excel_and_parquet(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    frame = pd.DataFrame({"file": ["a.png", "b.png"], "age": [50, None]})
    frame.to_excel(path, index=False) if suffix == ".xlsx" else frame.to_parquet(path)
    rows = read_table(path).rows
    assert rows[0]["age"] == 50 and rows[1]["age"] is None


@pytest.mark.parametrize(
    "content, culprit",
    [
        ("", "empty"),
        ("a,b\n", "no rows"),
        ("a,a\n1,2\n", "two columns named 'a'"),
        ("a,b\n1,2,3\n", "line 2 has 3 values"),
    ],
)
def test_bad_tables_name_the_culprit(tmp_path, content, culprit):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(CohortError, match=culprit):
        read_table(path)


def test_field_names_are_valid_and_clear_of_fiftyones_own():
    assert field_names(["Größe"])["Größe"] == "Grosse"
    names = field_names(["Patient Age", "id", "tags", "2nd", "age/yr", "age yr", "daebias_split"])
    assert names == {
        "Patient Age": "Patient_Age",
        "id": "table_id",
        "tags": "table_tags",
        "2nd": "table_2nd",
        "age/yr": "age_yr",
        "age yr": "age_yr_2",
        "daebias_split": "table_daebias_split",
    }


@pytest.mark.parametrize(
    "values", [["x/1.png", "y/1.png"], ["data/x/1.png", "data/y/1.png"], [".\\x\\1.png", "X/1.PNG"]]
)
def test_files_are_found_by_path_and_an_ambiguous_name_fits_none(tmp_path, values):
    path = tmp_path / "t.csv"
    path.write_text("sex,file\n" + "\n".join(f"F,{v}" for v in values))
    column, found = match_files(read_table(path), ["x/1.png", "y/1.png"])
    assert column == "file"
    assert found[0] == ["x/1.png"]
    path.write_text("file\n1.png\n")
    assert match_files(read_table(path), ["x/1.png", "y/1.png"])[1] == {}
