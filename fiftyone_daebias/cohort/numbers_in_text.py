"""Numbers as tables write them: thousands separators, decimal commas, units, ages, percentages."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_UNIT = re.compile(
    r"([+-]?[\d.,' ]*\d)\s*(kg|g|lbs?|cm|mm|m|years?|yrs?|y/?o|jahre?|ans|anos|años|anni|months?|monate?|mois|mesi|"
    r"meses|t|tesla|ms|s|%|ml|mmhg|kv|kvp|mas|hz|mhz)\.?",
    re.I,
)
_UNIT_ALIAS = {
    "lbs": "lb",
    "year": "years",
    "yr": "years",
    "yrs": "years",
    "y/o": "years",
    "yo": "years",
    "jahr": "years",
    "jahre": "years",
    "ans": "years",
    "anos": "years",
    "años": "years",
    "anni": "years",
    "month": "months",
    "monat": "months",
    "monate": "months",
    "mois": "months",
    "mesi": "months",
    "meses": "months",
    "tesla": "t",
}
_DICOM_AGE = re.compile(r"(\d{1,3})([DWMY])", re.I)
_AGE_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_AGE_NAME = re.compile(r"(^|[^a-z])(age|alter|edad|idade|eta|leeftijd|alder|wiek|vek|yas)([^a-z]|$)|age$|alter$", re.I)
#: a group sign, three digits, once or several times
_GROUPED = {sign: re.compile(rf"[+-]?\d{{1,3}}({re.escape(sign)}\d{{3}})+") for sign in (",", ".", "'", " ")} | {
    "lakh": re.compile(r"[+-]?\d{1,2}(,\d{2})+,\d{3}")
}
#: from so many digits on a whole number is an id: a float would change its last digits
_EXACT = 2**53


@dataclass(frozen=True)
class Notation:
    """How a column writes its numbers.

    Attributes:
        decimal: "." or ","
        thousands: "", ",", ".", "'" or " "
        ages: whether "045Y" and "18M" are ages
        unit: the unit that stands beside some numbers, "" without one
    """

    decimal: str = "."
    thousands: str = ""
    ages: bool = False
    unit: str = ""

    def read(self, text: str) -> float | None:
        """The number a text stands for, ``None`` where it is none in this notation."""
        text = _straight(text)
        if self.ages and (match := _DICOM_AGE.fullmatch(text)):
            return int(match[1]) * _AGE_YEARS[match[2].upper()]
        match = _UNIT.fullmatch(text)
        if match and self.unit and _unit(match) == self.unit:
            text = match[1].strip()
        if self.thousands and self.thousands in text:
            whole = text.partition(self.decimal)[0]
            if not (
                _GROUPED[self.thousands].fullmatch(whole) or self.thousands == "," and _GROUPED["lakh"].fullmatch(whole)
            ):
                return None
            text = text.replace(self.thousands, "")
        if self.decimal != "." and self.decimal in text:
            if "." in text:
                return None
            text = text.replace(self.decimal, ".")
        if not _PLAIN.fullmatch(text):
            return None
        number = float(text)
        return number if math.isfinite(number) else None


def notation_of(
    name: str, counts: Mapping[str, int], delimiter: str = ""
) -> tuple[Notation, list[tuple[str, list[str]]]]:
    """Finds how a column writes its numbers.

    A sign before three digits can be a thousands separator or a decimal sign:
    other values of the column decide (two groups, one or two decimals, whole
    numbers below a thousand beside grouped ones above it), then the sign
    between the columns; what nothing decides is said to be ambiguous.

    Args:
        name: name of the column
        counts: ``{text: how often}``
        delimiter: the sign between the columns of the file, "" where there is none

    Returns:
        the notation, and ``(what was decided, the texts it touches)``
    """
    said: list[tuple[str, list[str]]] = []
    texts = {t: _straight(t) for t in counts}
    units: Counter = Counter()
    bodies = {}
    for text, plain in texts.items():
        match = _UNIT.fullmatch(plain)
        if match:
            units[_unit(match)] += counts[text]
        bodies[text] = match[1].strip() if match else plain
    unit = next(iter(units), "") if len(units) == 1 else ""
    if unit:
        said.append((f"numbers with the unit {unit!r}", [t for t in texts if bodies[t] != texts[t]]))
    decimal, thousands = ".", ""
    for sign, word in (("'", "apostrophes"), (" ", "spaces")):
        grouped = [t for t, b in bodies.items() if sign in b and _GROUPED[sign].fullmatch(re.split(r"[.,]", b)[0])]
        if grouped:
            thousands = sign
            said.append((f"thousands set apart by {word}", grouped))
    commas = [t for t, b in bodies.items() if "," in b and _grouped_or_decimal(b)]
    dots = [t for t, b in bodies.items() if "." in b and _grouped_or_decimal(b)]
    if commas:
        decimal, thousands, notes = _of_commas(bodies, commas, dots, thousands, delimiter)
        said += notes
    elif dots and _dots_group(bodies, dots):
        decimal, thousands = ",", "."
        said.append(("thousands set apart by dots", dots))
    elif dots and all(_GROUPED["."].fullmatch(bodies[t]) and bodies[t].lstrip("+-")[0] != "0" for t in dots):
        said.append(("AMBIGUOUS: read as numbers with three decimals; they could also be thousands", dots))
    ages = [t for t, p in texts.items() if _DICOM_AGE.fullmatch(p)]
    # "2D" and "3D" are no ages: the column's name must say so, or all of them the form that DICOM asks for
    by_form = all(re.fullmatch(r"\d{3}[DWMY]", texts[t], re.I) for t in ages)
    by_form = by_form and any(texts[t][-1] in "Yy" for t in ages)
    read_ages = bool(ages) and (_AGE_NAME.search(name) is not None or by_form)
    if read_ages:
        said.append(("ages as DICOM writes them, in years", ages))
    return Notation(decimal, thousands, read_ages, unit), said


def mixed_units(counts: Mapping[str, int]) -> list[str]:
    """Units that stand side by side in a column, where there are several."""
    units = Counter(_unit(m) for t in counts if (m := _UNIT.fullmatch(_straight(t))))
    return sorted(units) if len(units) > 1 else []


def has_unit(text: str) -> bool:
    """Whether a unit stands behind the number."""
    return not text[-1:].isdigit() and _UNIT.fullmatch(_straight(text)) is not None


def exact(number: float) -> bool:
    """Whether a whole number is small enough to be a quantity and not an id."""
    return abs(number) < _EXACT


def _straight(text: str) -> str:
    """Full-width digits, long minus signs and unusual spaces made plain."""
    text = unicodedata.normalize("NFKC", text).strip().replace("\u2212", "-").replace("\u2013", "-")
    return text.replace("\u2019", "'").replace("\u02bc", "'")


def _unit(match: re.Match) -> str:
    unit = match[2].lower()
    return _UNIT_ALIAS.get(unit, unit)


def _grouped_or_decimal(body: str) -> bool:
    return re.fullmatch(r"[+-]?[\d.,' ]*\d", body) is not None


def _of_commas(bodies, commas, dots, thousands, delimiter):
    """What commas mean: (decimal sign, thousands sign, what is said)."""
    grouped = [
        t
        for t in commas
        if _GROUPED[","].fullmatch(bodies[t].partition(".")[0])
        or _GROUPED["lakh"].fullmatch(bodies[t].partition(".")[0])
    ]
    sure_group = [t for t in grouped if bodies[t].count(",") > 1 or "." in bodies[t]]
    sure_decimal = [t for t in commas if t not in grouped or re.match(r"[+-]?0,", bodies[t])]
    if sure_group and not sure_decimal:
        return ".", ",", [("thousands set apart by commas", grouped)]
    if sure_decimal:
        notes = [("decimal commas", [t for t in commas if t not in sure_group])]
        if any(_GROUPED["."].fullmatch(bodies[t].partition(",")[0]) for t in dots):
            return ",", ".", [*notes, ("thousands set apart by dots", dots)]
        return ",", thousands, notes
    whole = [int(b) for b in bodies.values() if re.fullmatch(r"[+-]?\d+", b)]
    if whole and max(map(abs, whole)) < 1000 and max(map(abs, whole)) >= 100:
        return ".", ",", [("thousands set apart by commas (whole numbers below 1,000 have none)", grouped)]
    if any(re.fullmatch(r"[+-]?\d+\.\d+", bodies[t]) for t in dots):
        return ".", ",", [("thousands set apart by commas (decimals have a dot)", grouped)]
    what = "thousands set apart by commas" if delimiter in (",", "") else "decimal commas"
    other = "decimal commas" if delimiter in (",", "") else "thousands"
    signs = (".", ",") if delimiter in (",", "") else (",", thousands)
    return *signs, [(f"AMBIGUOUS: read as {what}; they could also be {other}", grouped)]


def _dots_group(bodies, dots) -> bool:
    """Whether dots set thousands apart: "1.326.135", or "2.973" beside a whole "921"."""
    grouped = [t for t in dots if _GROUPED["."].fullmatch(bodies[t])]
    if len(grouped) < len(dots):
        return False
    if any(bodies[t].count(".") > 1 for t in grouped):
        return True
    whole = [abs(int(b)) for b in bodies.values() if re.fullmatch(r"[+-]?\d+", b)]
    highest = max(abs(float(bodies[t])) for t in grouped)
    return len(grouped) >= 5 and bool(whole) and 100 <= max(whole) < 1000 and min(whole) > 5 * highest
