"""Which fields hold dates."""

import pytest

from fiftyone_daebias.errors import InputError
from fiftyone_daebias.statistics.dates import date_field_of, dated


def test_a_field_with_dates_is_found_by_its_usual_name_and_else_by_its_kind():
    fields = {"site": "string", "Aufnahmedatum": "date", "Aufnahmedatum_years": "float", "age": "float"}
    assert dated(fields) == ["Aufnahmedatum"] and date_field_of(fields, None) == "Aufnahmedatum"
    assert dated({**fields, "study_date": "string"}) == ["study_date"]
    assert dated({"age": "float"}) == []
    with pytest.raises(InputError, match="no field with a date"):
        date_field_of({"age": "float"}, None)
    with pytest.raises(InputError, match="no field 'when'"):
        date_field_of(fields, "when")
