"""Registering real files into a real database."""

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

from fiftyone_daebias import register, schema, store
from fiftyone_daebias.cli import main
from fiftyone_daebias.cohort.slices import open_slices
from fiftyone_daebias.errors import CohortError, InputError


@pytest.fixture
def cohort(tmp_path, daebias_home):
    """24 images of 12 subjects in two folders, 8 and 16 bit and equal-channel colour, with a table."""
    folder = tmp_path / "images"
    rng = np.random.default_rng(0)
    lines = ["file;Patient ID;sex;age;seen on"]
    for k in range(24):
        sub = folder / f"s{k % 2}"
        sub.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (20, 24))
        if k % 3 == 0:
            image = Image.fromarray(np.stack([pixels] * 3, -1).astype(np.uint8))
        elif k % 3 == 1:
            image = Image.fromarray((pixels * 200).astype(np.uint16))
        else:
            image = Image.fromarray(pixels.astype(np.uint8))
        image.save(sub / f"im{k:02d}.png")
        lines.append(f"im{k:02d};P{k // 2};{'FM'[k % 2]};{40 + k},5;{k + 1:02d}.03.2020")
    table = tmp_path / "table.csv"
    table.write_text("\n".join(lines))
    return folder, table


def test_the_whole_way(cohort, dataset_name):
    folder, table = cohort
    report = register(dataset_name, folder, table)
    dataset = fo.load_dataset(dataset_name)
    assert len(dataset) == report.images == report.added == 24 and report.subjects == 12
    assert dataset.persistent
    by_file = {s.filepath[-8:]: s for s in dataset}
    sample = by_file["im05.png"]
    assert (sample["subject_id"], sample["sex"], sample["age"]) == ("P2", "M", 45.5)
    assert sample["seen_on"].isoformat() == "2020-03-06"
    assert sample["seen_on_years"] == pytest.approx(2020 + 65 / 365.25)
    sides = {}
    for s in dataset:
        sides.setdefault(s["subject_id"], set()).add(s[schema.SPLIT_FIELD])
    assert all(len(v) == 1 for v in sides.values())
    source = open_slices(dataset)
    for k in range(len(source)):
        raw = np.asarray(Image.open(dataset[source.sample_ids[k]][schema.SOURCE_FIELD])).astype(np.float64)
        raw = raw[..., 0] if raw.ndim == 3 else raw
        np.testing.assert_allclose(source.read(k)[0], raw / raw.max() * 2 - 1, atol=1e-6)


def test_again_changes_nothing_and_new_files_and_values_come_in(cohort, dataset_name):
    folder, table = cohort
    register(dataset_name, folder, table)
    ids = fo.load_dataset(dataset_name).values("id")
    again = register(dataset_name, folder, table)
    assert (again.added, again.updated) == (0, 0)
    Image.fromarray(np.full((20, 24), 7, np.uint8)).save(folder / "s0" / "im99.png")
    table.write_text(table.read_text().replace("im03;P1;M;43,5", "im03;P1;M;63,5") + "\nim99;P1;M;50;01.04.2020\n")
    more = register(dataset_name, folder, table)
    dataset = fo.load_dataset(dataset_name)
    assert (more.added, more.updated, more.images) == (1, 1, 25)
    assert dataset.values("id")[:24] == ids
    assert sorted(a for a in dataset.values("age"))[-1] == 63.5


def test_rows_and_files_that_do_not_meet_are_reported_and_kept(cohort, dataset_name):
    folder, table = cohort
    lines = table.read_text().splitlines()
    table.write_text(
        "\n".join([*lines[:20], lines[5], lines[6].replace(";F;", ";M;").replace("im05", "im03"), "gone;P9;F;1;"])
    )
    report = register(dataset_name, folder, table)
    assert len(report.files_without_row) == 5 and len(report.rows_without_file) == 1
    assert "equal rows" in report.duplicate_rows["s0/im04.png"]
    assert "differ in" in report.duplicate_rows["s1/im03.png"]
    dataset = fo.load_dataset(dataset_name)
    assert len(dataset) == 24
    assert len(dataset.match_tags(schema.TAG_NO_ROW)) == 5
    assert len(dataset.match_tags(schema.TAG_CONFLICT)) == 1


def test_join_by_subject_from_the_path(tmp_path, daebias_home, dataset_name):
    for k in range(6):
        folder = tmp_path / "img" / f"sub-{k:02d}"
        folder.mkdir(parents=True)
        for view in ("a", "b"):
            Image.fromarray(np.full((9, 9), k * 10 + 3, np.uint8)).save(folder / f"{view}.png")
    table = tmp_path / "p.tsv"
    table.write_text("participant_id\tsex\n" + "\n".join(f"sub-{k:02d}\t{'FM'[k % 2]}" for k in range(6)))
    report = register(dataset_name, tmp_path / "img", table, pattern=r"(?P<subject>sub-\d+)/(?P<part>\w)\.")
    dataset = fo.load_dataset(dataset_name)
    assert report.subjects == 6 and len(dataset) == 12
    assert dataset.count_values("sex") == {"F": 6, "M": 6} and dataset.count_values("part") == {"a": 6, "b": 6}


@pytest.mark.parametrize("case", ["empty", "nofolder", "joinless", "unreadable", "colour", "nocolumn", "pattern"])
def test_bad_input_is_one_line_with_code_2_and_leaves_no_dataset(case, cohort, dataset_name, tmp_path, capsys):
    folder, table = cohort
    arguments = ["--table", str(table)]
    if case == "empty":
        folder = tmp_path / "nothing"
        folder.mkdir()
        expected = "no images in"
    elif case == "nofolder":
        folder, expected = tmp_path / "gone", "does not exist"
    elif case == "joinless":
        table.write_text("file,sex\nq1,F\nq2,M\n")
        expected = "joins nothing"
    elif case == "unreadable":
        (folder / "s0" / "im04.png").write_bytes(b"\x89PNG but no more")
        expected = "im04.png cannot be read"
    elif case == "colour":
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (9, 9, 3)).astype(np.uint8)).save(
            folder / "s0" / "im04.png"
        )
        expected = "im04.png is in colour"
    elif case == "nocolumn":
        arguments += ["--key", "nope"]
        expected = "no column 'nope'"
    else:
        arguments += ["--pattern", "(oops"]
        expected = "not a regular expression"
    assert main(["register", dataset_name, str(folder), *arguments, "--quiet"]) == 2
    err = capsys.readouterr().err
    assert expected in err and err.strip().count("\n") == 0 and "Traceback" not in err
    assert not fo.dataset_exists(dataset_name)


def test_unreadable_images_can_be_left_out_and_are_reported(cohort, dataset_name):
    folder, table = cohort
    (folder / "s0" / "im04.png").write_bytes(b"")
    report = register(dataset_name, folder, table, skip_unreadable=True)
    assert list(report.skipped) == ["s0/im04.png"] and report.images == 23


def test_a_dataset_of_somebody_else_is_not_touched(cohort, dataset_name):
    dataset = fo.Dataset(dataset_name)
    dataset.add_sample(fo.Sample(filepath=str(cohort[0] / "s0" / "im00.png")))
    with pytest.raises(InputError, match="was not registered by this package"):
        register(dataset_name, *cohort)
    assert len(dataset) == 1


def test_no_subject_known_is_said(cohort, dataset_name):
    report = register(dataset_name, cohort[0])
    assert report.subjects == 24 and "every image is its own subject" in report.subject_source
    with pytest.raises(CohortError, match="does not exist"):
        register(dataset_name, cohort[0], cohort[0] / "no.csv")


def test_columns_that_may_name_the_subject_are_offered(cohort, dataset_name):
    images, table = cohort
    table.write_text(table.read_text().replace("Patient ID", "who"))
    report = register(dataset_name, images, table)
    assert any("pass subject=COLUMN: 'who' (12 values in 24 rows)" in n for n in report.notes), report.notes


def test_a_column_that_was_not_stored_is_no_dead_end(cohort, dataset_name, capsys):
    """Who asks for it later is told how to have it, on every way in."""
    folder, table = cohort
    head, *rows = table.read_text().splitlines()
    lines = [head + ";Befund", *(f"{row};{'krank' if k % 3 else 'gesund'}" for k, row in enumerate(rows))]
    table.write_text("\n".join(lines), encoding="utf-8")
    assert main(["register", dataset_name, str(folder), "--table", str(table), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "columns not stored (--keep COLUMN stores them)" in said and "or free text" in said
    for line in (["audit", dataset_name, "--target", "Befund"], ["subgroups", dataset_name, "sex", "--by", "Befund"]):
        assert main([*line, "--quiet"]) == 2
    dataset = fo.load_dataset(dataset_name)
    with pytest.raises(InputError, match="register again with --keep 'Befund'"):
        store.read_table(dataset, ["Befund"])
    with pytest.raises(InputError, match="did you mean 'age'"):
        store.read_table(dataset, ["agee"])
    assert "register again with --keep 'Befund'" in capsys.readouterr().err
    assert main(["register", dataset_name, str(folder), "--table", str(table), "--keep", "Befund", "--quiet"]) == 0
    assert set(dataset.reload() or dataset.values("Befund")) == {"krank", "gesund"}
