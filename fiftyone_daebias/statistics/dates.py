"""Dates as numbers of years and back, and which field of a dataset holds them."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd

from ..errors import InputError
from ..serialize import decimal_year

DATES = ("acquisition_date", "acquisition_date_years", "date", "study_date", "scan_date", "exam_date")


def iso_date(years: float) -> str:
    """A number of years as a date."""
    if years != years:
        return "?"
    year = int(years)
    return (datetime.date(year, 1, 1) + datetime.timedelta(days=round((years - year) * 365.25))).isoformat()


def as_years(column: pd.Series) -> np.ndarray:
    """Dates, ISO texts or numbers as years, float (n,); NaN where there is none.

    Raises:
        InputError: values that are no dates
    """
    out = np.full(len(column), np.nan)
    for k, value in enumerate(column):
        if value is None or value != value or value == "":
            continue
        if hasattr(value, "timetuple"):
            out[k] = decimal_year(value)
        elif isinstance(value, (int, float, np.number)):
            out[k] = float(value)
        else:
            try:
                date = datetime.date.fromisoformat(str(value)[:10])
            except ValueError:
                raise InputError(
                    f"date_field {column.name!r} holds {value!r}, which is no date; give a field with dates or years"
                ) from None
            out[k] = decimal_year(date)
    return out


def dated(fields: dict[str, str]) -> list[str]:
    """Fields with dates among these (``{name: kind}``): by the usual names, else all that were read as dates."""
    return [f for f in DATES if f in fields] or [f for f, k in fields.items() if k in ("date", "datetime")]


def date_field_of(fields: dict[str, str], given: str | None) -> str:
    """The field named, or the one with dates that a dataset with these fields (``{name: kind}``) has.

    Raises:
        InputError: there is none
    """
    if given is not None:
        if given not in fields:
            raise InputError(f"date_field: there is no field {given!r}; fields: {', '.join(sorted(fields))}")
        return given
    found = dated(fields)
    if not found:
        raise InputError("no field with a date was found; pass date_field=FIELD, a field with dates or years")
    return found[0]
