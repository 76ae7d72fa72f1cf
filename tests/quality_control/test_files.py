"""What files and pictures give away: planted facts are found and told, cohorts without any raise no alarm."""

import cv2
import fiftyone as fo
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import binom

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import schema, store, verbs
from fiftyone_daebias.cohort.file_facts import file_facts
from fiftyone_daebias.quality_control.burned_in import text_lines
from fiftyone_daebias.quality_control.files import _columns
from fiftyone_daebias.quality_control.quality import field_row
from fiftyone_daebias.quality_control.turned import SIDE, TURNS, turned
from fiftyone_daebias.stories.terminal import as_lines
from fiftyone_daebias.stories.wording import headline, tell

N = 120


def body(rng, side):
    """An ellipse with an organ low on its left, a little elsewhere in each picture."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    dy, dx = rng.normal(0, 0.02, 2)
    inside = ((y - dy) / 0.42) ** 2 + ((x - dx) / 0.33) ** 2 < 1
    organ = ((y - dy - 0.15) / 0.16) ** 2 + ((x - dx + 0.12) / 0.12) ** 2 < 1
    picture = 90 * inside + 90 * organ + rng.normal(0, 6, (side, side))
    return np.clip(cv2.GaussianBlur(picture, (5, 5), 1), 0, 200).astype(np.uint8)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("files")
    rows = []
    for k in range(N):
        sick = k % 2 == 0
        picture = body(rng, 128)
        if k < 3:
            picture = picture[::-1]
        if 10 <= k < 18:
            picture = cv2.putText(picture.copy(), "MILLER 1954", (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
        # the sick ones were exported without compression, and a third of all with three equal channels
        image = Image.fromarray(np.stack([picture] * 3, -1) if k % 3 == 0 else picture)
        image.save(folder / f"{k:03d}.png", compress_level=0 if sick else 9)
        diagnosis, ward = ("sick" if sick else "well"), rng.choice(["x", "y"])
        rows.append({"file": f"{k:03d}.png", "subject_id": f"P{k}", "diagnosis": diagnosis, "ward": ward})
    table = folder / "table.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    name = "test-file-facts"
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    for _ in range(2):  # registered again, what was seen in the pictures stays
        verbs.by_command("register").load()(name, folder, table, progress=None)
        dataset = store.load_samples(name)
        found = dataset.daebias.files(n_permutations=199, progress=None)
    yield dataset, found
    fo.delete_dataset(name)


def test_facts_are_stored_at_registration(cohort):
    dataset, _ = cohort
    first = dataset.sort_by("filepath").first()[schema.FILE_FIELD]
    assert (first.rows, first.columns, first.format) == (128, 128, "PNG")
    assert first.pixels == "8-bit RGB of equal channels" and first.bytes > 3 * 128 * 128 and first.text == "no"
    assert not set(store.metadata_fields(dataset)) & {schema.FILE_FIELD, schema.FILE_PREFIX + "bytes"}


def test_a_diagnosis_that_file_size_tells_is_found_and_told(cohort):
    dataset, found = cohort
    rows = {r.field: r for r in found.rows}
    assert rows["diagnosis"].verdict == "found" and rows["diagnosis"].measure == "bytes"
    assert abs(rows["diagnosis"].effect) == 1 and rows["ward"].verdict == "not found"
    assert found.n_copies == 40 and found.kinds["pixels"] == {"8-bit grey": 80, "8-bit RGB of equal channels": 40}
    told = dataset.daebias.story(progress=None)
    story = next(s for s in told.rows if s.lead == "diagnosis")
    assert headline(story) == "The files alone tell diagnosis" and "100 of 100 cases" in tell(story, told.n_tests).much


def test_turned_pictures_and_text_are_listed_and_told(cohort):
    dataset, found = cohort
    up = dataset.match_tags(schema.TAG_TURNED + "upside-down")
    assert sorted(up.values("subject_id")) == ["P0", "P1", "P2"] and found.turned == {"upside-down": 3}
    text = dataset.match_tags(schema.TAG_TEXT)
    assert sorted(text.values("subject_id")) == [f"P{k}" for k in range(10, 18)]
    lines = "\n".join(as_lines(dataset.daebias.story(progress=None)))
    assert "3 images are turned beside fellows: 3 upside down" in lines
    assert "8 images seem to hold burned-in text" in lines


def test_file_size_that_tells_the_target_is_the_first_story(cohort):
    told = cohort[0].daebias.story(target="diagnosis", progress=None)
    first = told.rows[0]
    assert first.lead == schema.FILE_PREFIX + "bytes" and first.risk.utility_interval[0] > 0.9
    assert headline(first).startswith("The files alone tell diagnosis: file size")
    assert not any(s.lead == schema.FILE_PREFIX + "pixels" for s in told.rows)


def test_files_of_a_clean_cohort_rarely_go_with_a_field():
    rng, alarms, runs = np.random.default_rng(1), 0, 150
    for _ in range(runs):
        n = 80
        people = np.repeat(np.arange(n), rng.integers(1, 4, n))
        size = rng.lognormal(10, 0.3, n)[people] * rng.lognormal(0, 0.05, len(people))
        facts = pd.DataFrame(
            {
                "bytes": size.round(),
                "rows": rng.choice([512, 768, 1024], n)[people],
                "format": rng.choice(["PNG", "JPEG"], n)[people],
                "quality": np.where(rng.random(n) < 0.5, rng.choice([75, 90], n), np.nan)[people],
            }
        )
        field = rng.choice(["a", "b", "c"], n)[people].tolist()
        row = field_row("field", field, _columns(facts, people.astype(str)), None, 99, rng)
        alarms += row.p <= 0.05
    assert alarms <= binom.ppf(0.9999, runs, 0.05)


def pictures(rng, n, what=lambda p: p):
    return np.stack([cv2.resize(what(body(rng, 64)), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for _ in range(n)])


@pytest.mark.parametrize("turn", ["mirrored", "upside-down", "half-turned"])
def test_turned_pictures_are_found_and_others_are_not(turn):
    rng = np.random.default_rng(2)
    small = pictures(rng, 150).astype(np.float32)
    assert (turned(small, np.arange(150))[0] == "").all()
    small[:6] = TURNS[turn](small[:6])
    how, told = turned(small, np.arange(150))
    assert (how[:6] == turn).all() and (how[6:] == "").all() and turn in told


def test_where_both_sides_are_common_nothing_is_said():
    rng = np.random.default_rng(3)
    small = pictures(rng, 150).astype(np.float32)
    half = rng.random(150) < 0.5
    small[half] = TURNS["mirrored"](small[half])
    how, told = turned(small, np.arange(150))
    assert (how == "").all() and "mirrored" not in told and "upside-down" in told
    assert turned(small[:20], np.arange(20))[1] == ()


def test_text_is_read_at_several_sizes_and_a_side_marker_is_none():
    rng = np.random.default_rng(4)
    hits = 0
    for k in range(40):
        picture = cv2.resize(body(rng, 128), (400, 400), interpolation=cv2.INTER_LINEAR)
        assert text_lines(picture) == []
        assert text_lines(cv2.putText(picture.copy(), "R", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 255, 3)) == []
        size, thick = (0.6, 1) if k % 2 else (1.0, 2)
        hits += bool(
            text_lines(cv2.putText(picture, "MILLER 1954", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick))
        )
    assert hits >= 36


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_jpeg_quality_is_read_from_its_tables(tmp_path, quality):
    path = tmp_path / "a.jpg"
    Image.fromarray(body(np.random.default_rng(5), 64)).save(path, quality=quality)
    assert file_facts([path])["quality"] == quality


def test_a_file_without_facts_is_no_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert file_facts([tmp_path / "a.png"]) == {} and file_facts([tmp_path / "gone.nii.gz"]) == {}
