"""Sides and repeats as file names tell them."""

import fiftyone as fo
import numpy as np
import pytest
from made import scene, write_slice
from PIL import Image

from fiftyone_daebias import register
from fiftyone_daebias.cohort.items import look_through
from fiftyone_daebias.cohort.names import repeats_told, sides_of


def test_sides_come_in_pairs():
    names = [f"images/bus_{k:04d}-{s}.jpg" for k in range(5) for s in "lr"] + ["images/bus_0009-s.jpg"]
    got = sides_of(names)
    assert len(got) == 10 and got["images/bus_0003-l.jpg"] == "L" and got["images/bus_0003-r.jpg"] == "R"
    assert sides_of([f"series_r_{k}.png" for k in range(10)]) == {}  # no left: no side
    assert sides_of(["left/1.png", "left/2.png", "right/1.png", "right/2.png"]) == {
        "left/1.png": "L",
        "left/2.png": "L",
        "right/1.png": "R",
        "right/2.png": "R",
    }


@pytest.mark.parametrize(
    "names, first",
    [
        ([f"{p:08d}_{k:03d}.png" for p in range(3) for k in range(4)], "4 of '00000000'"),
        ([f"bus_{p:04d}-{s}.png" for p in range(4) for s in "lr"], "2 of 'bus_0000'"),
        ([f"img_{k:03d}.png" for k in range(30)], ""),
        ([f"ixi_{k}.nii.gz" for k in range(30)], ""),
    ],
)
def test_repeats_are_offered_as_a_pattern(names, first):
    got = repeats_told(names)
    assert (first in got and "pattern=" in got) if first else got == ""


def test_the_offered_pattern_works_and_sides_are_a_field(tmp_path, dataset_name, daebias_home):
    for k in range(4):
        for side in "lr":
            pixels = np.random.default_rng(2 * k + (side == "r")).integers(0, 255, (20, 24)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"bus_{k:04d}-{side}.png")
    report = register(dataset_name, tmp_path)
    (note,) = [n for n in report.notes if "several images of one subject" in n]
    assert report.subjects == 8
    pattern = note.rpartition("pattern='")[2].rstrip("'")
    report = register(dataset_name + "-2", tmp_path, pattern=pattern)
    assert report.subjects == 4
    assert fo.load_dataset(dataset_name + "-2").count_values("laterality") == {"L": 4, "R": 4}


def test_a_stack_whose_series_uids_were_lost_is_said(tmp_path):
    for k, pixels in enumerate(scene()):
        write_slice(
            tmp_path / f"{k}",
            pixels,
            position=(0, 0, 2.0 * k),
            orientation=(1, 0, 0, 0, 1, 0),
            number=k,
            PatientID="P",
            StudyInstanceUID="1.2.3",
        )
    found = look_through(tmp_path)
    assert len(found.items) == 14 and any("14 files of 1 stacks" in n for n in found.notes)
