"""Which fields are labels, and which probes speak of single samples."""

from dataclasses import replace

import pytest

from fiftyone_daebias.probes.labels import not_a_label, too_weak
from fiftyone_daebias.probes.result import ProbeResult

LABELS = ("sex", "view", "finding", "laterality", "side", "pathology", "birads", "repo_class", "sex_code", "region")
FACTS = (
    "file_mode",
    "file_format",
    "licence_class",
    "colour",
    "alpha_nontrivial",
    "field_strength",
    "MagneticFieldStrength",
    "T2w_MRAcquisitionType",
    "SpecificCharacterSet",
    "orig_pixel_spacing_mm",
    "matrix_rows",
    "manufacturer",
    "model",
    "site",
    "institution_id",
    "header_station",
    "repo_split",
    "visit",
    "series_description",
    "study_date",
    "n_slices",
)


def test_labels_are_told_from_facts_of_file_scanner_place_and_time():
    assert [f for f in LABELS if not_a_label(f, "string")] == []
    assert [f for f in FACTS if not not_a_label(f, "string")] == []
    assert "file" in not_a_label("file_mode", "string")
    assert not not_a_label("grade", "integer") and not not_a_label("fracture", "boolean")
    assert "float values" in not_a_label("age", "float") and "date values" in not_a_label("born", "date")


STRONG = ProbeResult(
    "sex",
    "dae",
    kind="binary",
    metric="AUC",
    score=0.93,
    interval=(0.88, 0.96),
    better=(0.38, 0.46),
    p=0.001,
    q=0.01,
    n_subjects=200,
    n_samples=400,
    classes=("F", "M"),
    n_opposite=40,
)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"interval": (0.84, 0.97), "better": (0.34, 0.47)}, "may be as low as 0.840"),
        ({"n_opposite": 90}, "misses 22%"),
        ({"q": 0.2}, "beyond chance"),
        ({"metric": "MAE"}, "not probed as classes"),
        ({"reason": "too few"}, "not probed as classes"),
    ],
)
def test_the_lower_end_of_the_interval_decides(change, why):
    said = too_weak(replace(STRONG, **change))
    assert (said == "") == (why == "") and why in said
