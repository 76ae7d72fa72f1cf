"""Numbers as they are told: three digits that count, with their unit where something says which, else without."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

#: units that names of fields end in
_ENDINGS = {
    "kg": "kg",
    "g": "g",
    "mm": "mm",
    "cm": "cm",
    "ms": "ms",
    "s": "s",
    "years": "years",
    "months": "months",
    "days": "days",
    "degrees": "degrees",
}
#: words for a person's age, and those that may stand beside them
_AGE = frozenset("age alter edad idade leeftijd alder".split())
_BESIDE_AGE = frozenset(
    "patient patients subject participant person at of in the scan visit baseline exam study".split()
)
#: nobody is older: an "age" with larger values is in days, or none
_OLDEST = 120
#: a number of years between these is a date
_YEARS = (1900, 2200)


@dataclass(frozen=True)
class Quantity:
    """How the values of a field are told.

    Attributes:
        unit: unit of the values; of dates, of the time between them; "" where nothing says it
        date: whether the values are dates as numbers of years
    """

    unit: str = ""
    date: bool = False

    def value(self, value: float) -> str:
        """One of the values: "74.9 kg", "2016-10"."""
        if self.date:
            return month_of(value)
        return with_unit(f"{value:,.0f}", self.unit) if value == round(value) else self.amount(value)

    def amount(self, value: float) -> str:
        """How far two of them lie apart: "9.11 years"."""
        return with_unit(number(value), self.unit)


#: of numbers that nothing is known of
PLAIN = Quantity()


def quantity_of(field: str, values: Sequence[float] = (), declared: str = "") -> Quantity:
    """How a field's numbers are told.

    Args:
        field: its name
        values: its numbers, which may show that the name means something else
        declared: the unit that header or table state, where they do
    """
    unit = declared or unit_of(field, values)
    known = [v for v in values if v == v]
    dates = unit == "years" and len(known) > 0 and min(known) >= _YEARS[0] and max(known) <= _YEARS[1]
    return Quantity(unit, dates)


def unit_of(field: str, values: Sequence[float] = ()) -> str:
    """The unit that a field's name says: "weight_kg" is in kg, "age" in years; "" where it says none."""
    plain = re.sub(r"([a-z])([A-Z])", r"\1_\2", field).casefold()
    words = [w for w in re.split(r"[\W_\d]+", plain) if w]
    if len(words) > 1 and words[-1] in _ENDINGS:
        return _ENDINGS[words[-1]]
    known = [v for v in values if v == v]
    if _AGE & set(words) and not set(words) - _AGE - _BESIDE_AGE:
        return "years" if not known or 0 <= min(known) and max(known) <= _OLDEST else ""
    return ""


def with_unit(text: str, unit: str | None) -> str:
    """A number in words, with its unit behind it."""
    return f"{text} {unit}" if unit and text != "–" else text


def month_of(year: float) -> str:
    """A decimal year as year and month."""
    return f"{int(year)}-{min(int(year % 1 * 12) + 1, 12):02d}"


def number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits and no exponent in the usual range; "–" for none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    if abs(value) < 1e-4:
        return f"{value:.1e}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"
