"""Numbers with their units: where name, header or cells say which, and nowhere else."""

import numpy as np
import pytest

from fiftyone_daebias.quantities import Quantity, number, quantity_of, unit_of
from fiftyone_daebias.statistics.association import effect_of
from fiftyone_daebias.statistics.targets import make_target


@pytest.mark.parametrize(
    ("field", "values", "unit"),
    [
        ("age", (), "years"),
        ("Age", (4.0, 88.0), "years"),
        ("PatientAge", (30.0,), "years"),
        ("age_at_scan", (30.0,), "years"),
        ("alter", (30.0,), "years"),
        ("age_months", (30.0,), "months"),
        ("weight_kg", (), "kg"),
        ("pixel_spacing_mm", (), "mm"),
        ("tilt_degrees", (), "degrees"),
        ("acquisition_date_years", (), "years"),
        # nothing says the unit of these
        ("age", (12.0, 11_000.0), ""),  # in days
        ("age", (-1.0, 40.0), ""),
        ("age_group", (1.0, 5.0), ""),
        ("weight", (70.0,), ""),  # kg or pounds
        ("height", (1.7,), ""),
        ("stage", (1.0,), ""),
        ("mm", (1.0,), ""),
        ("programs", (1.0,), ""),
        ("echo_time", (0.03,), ""),  # ms in DICOM, s in BIDS
    ],
)
def test_a_unit_is_told_where_something_says_it(field, values, unit):
    assert unit_of(field, values) == unit


def test_values_amounts_and_dates_read_well():
    age, weight = quantity_of("age", [20.0, 80.0]), quantity_of("weight", [60.0], "kg")
    assert age.amount(9.1123) == "9.11 years" and age.value(47.0) == "47 years"
    assert weight.value(82.5833) == "82.6 kg" and quantity_of("score", [1.0]).value(2.66667) == "2.67"
    years = quantity_of("acquisition_date_years", [2015.2, 2019.9])
    assert years.value(2016.8) == "2016-10" and years.amount(0.91) == "0.910 years"
    # an age of many years is no date, and a number that is none has no unit
    assert not age.date and Quantity("kg").amount(float("nan")) == "–" and number(34246) == "34,246"


def test_what_a_group_differs_in_has_its_unit():
    ages, subjects = [float(v) for v in range(20, 60)], [f"s{k}" for k in range(40)]
    target = make_target("age", ages, subjects)
    effect = effect_of(np.arange(40) >= 20, target.values, (), np.array(subjects), quantity=target.quantity)
    assert effect.words == "mean 49.5 years inside, 29.5 years outside"
    stated = make_target("weight", ages, subjects, unit="kg")
    assert stated.quantity == Quantity("kg") and make_target("weight", ages, subjects).quantity == Quantity()
