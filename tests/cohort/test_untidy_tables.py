"""Tables as they come: titles, merged headers, separators, words and codes for missing, what is stored and what is not."""

import datetime

import openpyxl
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fiftyone_daebias.cohort.columns import Reading, type_column
from fiftyone_daebias.cohort.table import field_names, read_table
from fiftyone_daebias.errors import CohortError


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def kinds(table):
    return {
        c: type_column(c, table.column(c), siblings=table.columns, delimiter=table.layout.get("delimiter", ""))
        for c in table.columns
    }


# --- headers -------------------------------------------------------------------------------------------


def workbook(path, rows, merge=()):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for area in merge:
        book.active.merge_cells(area)
    book.save(path)
    return path


BODY = [[f"img_{k:03d}.png", 40 + k, "MF"[k % 2], 70 + k, "AB"[k % 2], f"2020-01-{1 + k % 9:02d}"] for k in range(12)]
NAMES = ["file", "age", "sex", "weight", "site", "date"]


@pytest.mark.parametrize(
    "head, merge",
    [
        ([["file", "Demographics", None, None, "Scan", None], [None, *NAMES[1:]]], ["B1:D1", "E1:F1"]),
        ([["file", "Demographics", None, None, "Scan", None], [None, *NAMES[1:]]], []),
        ([["file", "Demographics", "Demographics", "Demographics", "Scan", "Scan"], [None, *NAMES[1:]]], []),
        ([["Spine study, export of 2021-03-01"], NAMES], []),
        ([["Spine study"], [], ["exported", "by", "the clinic"], NAMES], []),
        ([[None, "Demographics", None, None, "Scan", None], NAMES], ["B1:D1"]),
        ([NAMES, [None, "years", "m/f", "kg", None, "yyyy-mm-dd"]], []),
    ],
)
def test_headers_of_several_rows_and_lines_above_them(tmp_path, head, merge):
    table = read_table(workbook(tmp_path / "t.xlsx", [*head, *BODY], merge))
    assert table.columns == NAMES and len(table.rows) == 12
    assert table.rows[0]["age"] == 40 and table.rows[11]["date"] == "2020-01-03"
    assert table.decisions, "what was done to the header is said"


def test_names_that_repeat_take_the_name_above_them(tmp_path):
    rows = [[None, "baseline", None, "follow-up", None], ["file", "age", "bmi", "age", "bmi"], ["a.png", 1, 2, 3, 4]]
    assert read_table(workbook(tmp_path / "t.xlsx", rows)).columns == [
        "file",
        "baseline_age",
        "baseline_bmi",
        "follow-up_age",
        "follow-up_bmi",
    ]


def test_a_column_without_a_name_is_kept_and_said_and_row_numbers_go(tmp_path):
    table = read_table(write(tmp_path / "t.csv", ",file,,age\n0,a.png,x,4\n1,b.png,y,5\n"))
    assert table.columns == ["file", "column_3", "age"]
    assert {d.what.split(" were")[0].split(" was")[0] for d in table.decisions} == {
        "row numbers in a column without a name",
        "a column without a name",
    }


def test_a_table_without_a_header_says_so(tmp_path):
    with pytest.raises(CohortError, match="no header; add a line"):
        read_table(write(tmp_path / "t.csv", "a.png,4\nb.png,5\n"))


def test_the_sheet_that_names_the_images_is_read(tmp_path):
    book = openpyxl.Workbook()
    for k in range(50):
        book.active.append([f"code {k}", f"meaning of {k}", "more"])
    page = book.create_sheet("Data")
    for row in [["file", "age"], ["a.png", 4], ["b.png", 5]]:
        page.append(row)
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx", wanted={"a", "b"})
    assert table.columns == ["file", "age"] and "not read: 'Sheet'" in str(table.decisions[0])
    assert read_table(tmp_path / "t.xlsx", sheet="Sheet").columns[0] == "code 0"
    with pytest.raises(CohortError, match="no sheet 'X'; sheets: Sheet, Data"):
        read_table(tmp_path / "t.xlsx", sheet="X")


def test_merged_and_zero_padded_cells_hold_what_is_shown(tmp_path):
    book = openpyxl.Workbook()
    for row in [["id", "file"], [7, "a.png"], [None, "b.png"], [12, "c.png"]]:
        book.active.append(row)
    for cell in ("A2", "A4"):
        book.active[cell].number_format = "0000"
    book.active.merge_cells("A2:A3")
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").column("id") == ["0007", "0007", "0012"]


# --- text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\r\nfile;age;sex\r\na.png;40;F\r\nb.png;41;M\r\n",
        "file|age|sex\na.png|40|F\nb.png|41|M\n",
        "file age sex\na.png 40 F\nb.png 41 M\n",
        "My table\n\nfile;age;sex\na.png;40;F\nb.png;41;M\n",
        '"sep=,"\nfile,age,sex\na.png,40,F\nb.png,41,M\n',
    ],
)
def test_text_tables(tmp_path, text):
    table = read_table(write(tmp_path / "t.csv", text))
    assert table.columns == ["file", "age", "sex"] and table.column("age") == ["40", "41"]


def test_an_open_quote_swallows_nothing(tmp_path):
    rows = [f"img_{k}.png,{k}," + ('5" disc' if k == 3 else "disc") for k in range(60)]
    table = read_table(write(tmp_path / "t.csv", "file,age,what\n" + "\n".join(rows)))
    assert len(table.rows) == 60
    table = read_table(write(tmp_path / "t.csv", "file,age,what\n" + "\n".join(rows).replace('5" disc', '"5 disc')))
    assert len(table.rows) == 60 and any("never closed" in str(d) for d in table.decisions)
    bad = "\n".join(rows).replace('5" disc', '"5, disc')
    with pytest.raises(CohortError, match="line 5 opens a quote that is never closed"):
        read_table(write(tmp_path / "t.csv", "file,age,what\n" + bad))


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("t.rds", b"x", "are not read here; save the table as"),
        ("t.csv", bytes(range(256)) * 20, "no text"),
        ("t.xlsx", b"no workbook", "cannot be read"),
        ("t.parquet", b"x", "cannot be read"),
        ("t.sav", b"x", "cannot be read"),
        ("t.dta", b"x", "cannot be read"),
        ("t.ods", b"x", "cannot be read"),
        ("t.xls", b"x", "cannot be read"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CohortError, match=message) as error:
        read_table(tmp_path / name)
    assert "\n" not in str(error.value)


def test_statistics_programs_and_open_document(tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    frame = pd.DataFrame({"file": ["a.png", "b.png"], "age": [40.0, None], "sex": [1.0, 2.0]})
    pyreadstat.write_sav(frame, str(tmp_path / "t.sav"), variable_value_labels={"sex": {1: "male", 2: "female"}})
    pyreadstat.write_dta(frame, str(tmp_path / "t.dta"))
    assert read_table(tmp_path / "t.sav").rows[1] == {"file": "b.png", "age": None, "sex": "female"}
    assert read_table(tmp_path / "t.dta").column("age")[0] == 40.0
    pytest.importorskip("odf")
    frame.to_excel(tmp_path / "t.ods", index=False, engine="odf")
    assert read_table(tmp_path / "t.ods").columns == ["file", "age", "sex"]


# --- numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts, delimiter, kind, values",
    [
        (["2,973", "921", "3,100", "1,004"], ",", "integer", [2973, 921, 3100, 1004]),
        (["2.973", "921", "3.100", "1.004", "2.001", "1.500"], ";", "integer", [2973, 921, 3100, 1004, 2001, 1500]),
        (["1,326,135", "1,500,000", "999,999"], ",", "integer", [1326135, 1500000, 999999]),
        (["1.326.135", "999.999"], ";", "integer", [1326135, 999999]),
        (["1.234,5", "2,5", "999,25"], ";", "float", [1234.5, 2.5, 999.25]),
        (["1,234.5", "2.5"], ",", "float", [1234.5, 2.5]),
        (["1 234", "987", "12 345 678"], ",", "integer", [1234, 987, 12345678]),
        (["1'234", "987"], ",", "integer", [1234, 987]),
        (["12,34,567", "1,23,456"], ",", "integer", [1234567, 123456]),
        (["0,125", "0,250"], ";", "float", [0.125, 0.25]),
        (["−5", "3"], ",", "integer", [-5, 3]),
        (["１２", "７"], ",", "integer", [12, 7]),
        (["1e3", "2.5e2"], ",", "float", [1000.0, 250.0]),
        (
            ["12345678901234567890", "12345678901234567891"],
            ",",
            "string",
            ["12345678901234567890", "12345678901234567891"],
        ),
        (["1001.0", "1002.0"], ",", "integer", [1001, 1002]),
    ],
)
def test_numbers_in_many_notations(texts, delimiter, kind, values):
    column = type_column("x", texts, delimiter=delimiter)
    assert (column.kind, column.values) == (kind, values)


def test_what_nothing_decides_is_said_to_be_ambiguous():
    for delimiter, value in ((",", 1234), (";", 1.234)):
        column = type_column("x", ["1,234", "5,678"], delimiter=delimiter)
        assert column.values[0] == value and any("AMBIGUOUS" in n for n in column.notes)


@pytest.mark.parametrize(
    "word",
    [
        "unknown",
        "k.A.",
        "keine Angabe",
        "#NULL!",
        "inconnu",
        "non renseigné",
        "desconocido",
        "s/d",
        "sconosciuto",
        "não informado",
        "onbekend",
        "okänd",
        "nieznany",
        "neznámý",
        "bilinmiyor",
        "неизвестно",
        "нет данных",
        "άγνωστο",
        "未知",
        "不明",
        "모름",
        "N/A",
        "—",
    ],
)
def test_words_for_missing_do_not_make_text_of_numbers_or_dates(word):
    column = type_column("bmi", [word if k % 4 == 0 else f"{20 + k % 13}.5" for k in range(60)])
    assert column.kind == "float" and column.values.count(None) == 15 and not column.unusable
    column = type_column("scan_date", [word if k % 4 == 0 else f"2021-01-{1 + k % 28:02d}" for k in range(60)])
    assert column.kind == "date" and column.values.count(None) == 15


def test_mostly_numbers_stay_numbers_and_what_is_half_is_said():
    column = type_column("crp", [f"{k / 7:.2f}" if k % 5 else "haemolytic" for k in range(100)])
    assert column.kind == "float" and len(column.unusable) == 20 and any("could not be used" in n for n in column.notes)
    column = type_column("crp", [f"{k / 7:.2f}" if k % 2 else "haemolytic" for k in range(100)])
    assert column.kind == "string" and any("KEPT AS TEXT, though 50 of 100" in n for n in column.notes)
    assert type_column("grade", ["1", "2", "3", "control"] * 10).kind == "string", (
        "a class of its own is no typing error"
    )


def test_codes_are_proposed_and_taken_when_confirmed():
    values = [str(110 + k % 30) for k in range(52)] + ["999"] * 8
    column = type_column("sbp", values)
    assert column.values.count(999) == 8 and any("CODES? 999" in n and "--missing-codes" in n for n in column.notes)
    assert type_column("sbp", values, likely_codes=["999", "-1"]).values.count(None) == 8
    assert type_column("sbp", values, codes=["110"]).values.count(None) == 2
    assert (
        type_column("year", [str(2000 + k % 20) for k in range(60)], likely_codes=["2019", "999"]).values.count(None)
        == 0
    )
    dates = ["2015-03-01", "2016-07-09", "1900-01-01"] * 20
    assert any("CODES? 1900-01-01" in n for n in type_column("53-2.0", dates).notes)
    assert type_column("53-2.0", dates, likely_codes=["1900-01-01"]).values.count(None) == 20
    negative = [str(v) for v in [-10, -3, -1, *range(2, 40)]]
    assert type_column("864-0.0", negative, likely_codes=["-1", "-3", "-10"]).values.count(None) == 3
    assert not any("CODES" in n for n in type_column("x", [str(k) for k in range(-30, 30)]).notes)


def test_guesses_need_evidence():
    assert type_column("acquisition", ["2D", "3D"] * 20).kind == "string"
    assert type_column("age", ["2D", "3M", "45Y"]).values[2] == 45.0
    column = type_column("height", ["512"] * 50 + ["180"] * 10, siblings=["file", "width", "height"])
    assert column.values.count(512) == 50 and not column.unusable
    assert type_column("birth_weight_g", ["2973", "921"] * 10).unusable == {}
    assert type_column("gestational_age_days", ["200", "280"] * 10).unusable == {}


def test_dates_in_two_forms_are_one_column():
    column = type_column("scan_date", ["2021-03-14", "14.03.2021", "14 Mar 2021", "20210314", "14 mars 2021"])
    assert column.kind == "date" and set(column.values) == {datetime.date(2021, 3, 14)}
    assert any("dates written as" in n for n in column.notes)
    assert type_column("date", ["44269", "44270"]).values[0] == datetime.date(2021, 3, 14)
    assert type_column("date", ["03/14/2021", "04/05/2021"]).values[1] == datetime.date(2021, 4, 5)
    assert any("AMBIGUOUS" in n for n in type_column("date", ["03/14/2021"] * 4 + ["14/03/2021"]).notes)


def test_names_that_fiftyone_or_this_package_keep(dataset_name):
    import fiftyone as fo

    odd = [
        "id",
        "_id",
        "media_type",
        "filepath",
        "tags",
        "metadata",
        "pk",
        "dataset_id",
        "montage_path",
        "subject_id",
        "field_names",
        "to_dict",
        "clinical.age",
        "_x",
        "1st",
        "größe",
        "年齢",
        "",
        "a" * 300,
        "probe_type",
        "type",
        "x$y",
        "frames",
        "ID",
        "Tags",
        "dae_embedding",
        "header_sex",
        "daebias_split",
        "created_at",
        "class",
        "a\nb",
    ]
    names = field_names(odd)
    assert names["probe_type"] == "table_probe_type" and field_names(["probe_type"])["probe_type"] == "probe_type"
    assert len({n.casefold() for n in names.values()}) == len(odd)
    dataset = fo.Dataset(dataset_name)
    for field in names.values():
        dataset.add_sample_field(field, fo.StringField)
    dataset.add_samples([fo.Sample(filepath="/x.png", **dict.fromkeys(names.values(), "v"))])
    assert all(dataset.values(f) == ["v"] for f in names.values()) and dataset.first().to_dict()


def test_a_reading_can_be_written_and_applied_again():
    for texts in (
        ["1.234,5", "2,5", "unbekannt"],
        ["03/14/2021", "04/05/2021"],
        ["yes", "no"],
        ["a", "B", "b"],
        ["045Y", "9M"],
    ):
        first = type_column("scan_date" if "/" in texts[0] else "age", texts)
        raw = yaml.safe_load(yaml.safe_dump(first.reading.to_dict()))
        again = type_column(first.name, texts, reading=Reading.from_dict(raw))
        assert (again.kind, again.values, again.unusable) == (first.kind, first.values, first.unusable)


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**15, 10**30),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=6),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from(
        [
            "unknown",
            "1,5",
            "1.234,5",
            "045Y",
            "2D",
            "-1",
            "999",
            "1900-01-01",
            "01/02/2020",
            "3 kg",
            "Infinity",
            "1e999",
            "nan",
            "0x10",
            "²",
            "١٢",
            "1/0",
            "00:00",
            "24:00",
            "2021-02-30",
            "9999-12-31",
        ]
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CELLS, max_size=30), st.sampled_from(["x", "age", "scan_date", "height", "sex", "年齢"]))
def test_any_column_is_typed_and_its_reading_gives_the_same_values(cells, name):
    column = type_column(name, cells)
    assert len(column.values) == len(cells)
    expected = {
        "integer": int,
        "float": float,
        "boolean": bool,
        "date": datetime.date,
        "string": str,
        "empty": type(None),
    }
    assert all(v is None or type(v) is expected[column.kind] for v in column.values)
    assert all(v == v and abs(v) != float("inf") for v in column.values if isinstance(v, float))
    again = type_column(name, cells, reading=Reading.from_dict(column.reading.to_dict()))
    assert again.values == column.values
