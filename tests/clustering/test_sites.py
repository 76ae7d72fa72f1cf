"""Which fields say where and with what an image was made."""

import fiftyone as fo
import numpy as np
import pandas as pd
import pytest

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias.clustering.sites import site_fields


def test_by_name_places_before_devices():
    fields = [
        "age",
        "header_manufacturer",
        "Country",
        "collection",
        "site_id",
        "source_name",
        "data_source",
        "cohort_type",
        "centre_right_mm",
        "model",
        "Standort",
        "dataset_id",
    ]
    assert site_fields(fields) == [
        "site_id",
        "Standort",
        "collection",
        "data_source",
        "Country",
        "header_manufacturer",
        "model",
    ]


@pytest.mark.parametrize(
    "name, values, is_site",
    [
        ("made_by", ["SIEMENS", "Philips Medical Systems", "GE MEDICAL SYSTEMS"], True),
        ("where", ["University Hospital A", "Klinikum Nord", "St. Mary's Hospital"], True),
        ("origin", ["Germany", "France", "Brazil"], True),
        ("finding", ["Effusion", "Atelectasis", "No finding"], False),
        ("answer", ["no", "yes"], False),
        ("modality", ["US", "MR", "CT"], False),
        ("only", ["Germany", "Germany"], False),
        ("ward", ["GE 3", "surgery", "medicine", "paediatrics"], False),
    ],
)
def test_by_what_a_field_holds(name, values, is_site):
    table = pd.DataFrame({name: (values * 10)})
    assert site_fields([name], table) == ([name] if is_site else [])
    assert site_fields([name]) == []


@pytest.mark.parametrize("field, values", [("collection", ("A", "B")), ("recorded_on", ("Siemens Vida", "GE Signa"))])
def test_case_mix_is_possible_where_there_are_two_collections(field, values, dataset_name):
    rng = np.random.default_rng(0)
    dataset = fo.Dataset(dataset_name)
    dataset.add_samples(
        [
            fo.Sample(
                filepath=f"/nowhere/{k}.png",
                subject_id=f"P{k}",
                sex="MF"[int(rng.random() < (0.2, 0.8)[k % 2])],
                **{field: values[k % 2]},
            )
            for k in range(120)
        ]
    )
    (row,) = dataset.daebias.case_mix(n_permutations=199, progress=None).rows
    assert (row.field, row.over, row.verdict) == ("sex", field, "found")
