"""Numbers in words, the same in the panel, the report and the terminal."""

from __future__ import annotations

import math


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


def score(value: float) -> str:
    """A score between −1 and 1, with three decimals."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def p_value(value: float) -> str:
    """A p-value; "–" for none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.1e}" if value < 5e-5 else f"{value:.4f}"


def percent(value: float) -> str:
    """A share in per cent."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.1%}"


def count(n: int, one: str, many: str = "") -> str:
    """ "1 subject", "1,204 subjects"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


#: units that names of fields end in
_UNITS = {
    "kg": "kg",
    "g": "g",
    "mm": "mm",
    "cm": "cm",
    "ms": "ms",
    "s": "s",
    "years": "years",
    "months": "months",
    "days": "days",
}


def unit_of(field: str) -> str:
    """The unit that a field's name ends in ("weight_kg" is in kg); "" for none."""
    stem, _, last = field.lower().rpartition("_")
    return _UNITS.get(last, "") if stem else ""


def listed(words, most: int = 6) -> str:
    """Words with commas, the rest counted."""
    words = [str(w) for w in words]
    text = ", ".join(words[:most])
    return text + (f" and {len(words) - most:,} more" if len(words) > most else "")
