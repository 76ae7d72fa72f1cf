"""What the columns of an untidy table mean: numbers, categories, booleans, dates."""

from __future__ import annotations

import datetime
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

MISSING = {"", "na", "n/a", "n.a.", "nan", "none", "null", "-", "--", ".", "?", "#n/a", "<na>", "nat", "missing"}
_TRUE, _FALSE = {"true", "yes", "y", "t"}, {"false", "no", "n", "f"}
_NUMBER = re.compile(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")
_COMMA = re.compile(r"^[+-]?\d+,\d+$")
_DICOM_AGE = re.compile(r"^(\d{1,3})([DWMY])$", re.IGNORECASE)
_UNIT = re.compile(r"^([+-]?\d+(?:[.,]\d+)?)\s*(kg|g|lb|lbs|cm|mm|m|years?|yrs?|y/?o|months?|t|tesla|ms|s|%)\.?$", re.I)
_AGE_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_UNIT_ALIAS = {"lbs": "lb", "year": "years", "yr": "years", "yrs": "years", "y/o": "years", "yo": "years",
               "month": "months", "tesla": "t"}
_DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d.%m.%y",
                 "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S")
#: possible values of quantities that are recognised by the name of their column: (pattern, low, high, unit)
_POSSIBLE = (
    (re.compile(r"(^|_)age($|_)", re.I), 0.0, 120.0, "years"),
    (re.compile(r"(^|_)weight($|_)", re.I), 0.2, 400.0, "kg"),
    (re.compile(r"(^|_)height($|_)", re.I), 0.2, 260.0, "cm or m"),
)


@dataclass(frozen=True)
class Column:
    """One column, typed.

    Attributes:
        name: name in the table
        kind: "integer", "float", "boolean", "date", "string" or "empty"
        values: one a row; ``None`` where missing or not usable
        unusable: ``{row: text}`` of values that are there but were not usable
        notes: what was understood, in words
    """

    name: str
    kind: str
    values: list
    unusable: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def type_column(name: str, texts: Sequence[object]) -> Column:
    """Infers the type of a column from its texts.

    Numbers may carry a decimal comma, one common unit, or be DICOM ages
    ("045Y"); dates may be ISO, DICOM, or day- or month-first. A column is a
    number or a date when at least nine in ten of its values are; the others
    are reported as unusable, never guessed.

    Args:
        name: name of the column
        texts: one value a row, as text or already typed

    Returns:
        the typed column
    """
    cleaned = [_clean(t) for t in texts]
    present = {k: t for k, t in enumerate(cleaned) if t is not None}
    if not present:
        return Column(name, "empty", [None] * len(cleaned), {}, ("no value at all",))
    for attempt in (_booleans, _numbers, _dates):
        parsed = attempt(name, present)
        if parsed is not None:
            kind, by_row, notes = parsed
            unusable = {k: t for k, t in present.items() if k not in by_row}
            by_row, impossible, more = _possible(name, kind, by_row, present)
            values = [by_row.get(k) for k in range(len(cleaned))]
            return Column(name, kind, values, {**unusable, **impossible}, (*notes, *more))
    return _categories(name, cleaned)


def _clean(value: object) -> str | None:
    if value is None or isinstance(value, float) and value != value:
        return None
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()[:10]
    text = " ".join(str(value).replace("\ufeff", "").split())
    return None if text.lower() in MISSING else text


def _enough(found: dict, present: dict) -> bool:
    return len(found) >= 0.9 * len(present) and len(found) > 0


def _booleans(name: str, present: dict[int, str]):
    low = {k: t.lower() for k, t in present.items()}
    values = set(low.values())
    # A column of F and M, or of F alone, is a sex and not a boolean.
    if values <= _TRUE | _FALSE and (values & {"true", "false", "yes", "no"}):
        return "boolean", {k: t in _TRUE for k, t in low.items()}, ()
    return None


def _numbers(name: str, present: dict[int, str]):
    if any(re.match(r"^0\d+$", t) for t in present.values()) and "age" not in name.lower():
        return None  # leading zeros: a code, not a quantity
    notes: list[str] = []
    found: dict[int, float] = {}
    commas = 0
    units: Counter = Counter()
    for k, text in present.items():
        if _NUMBER.match(text):
            found[k] = float(text)
        elif _COMMA.match(text):
            found[k] = float(text.replace(",", "."))
            commas += 1
        elif match := _DICOM_AGE.match(text):
            found[k] = int(match[1]) * _AGE_YEARS[match[2].upper()]
            units["DICOM age"] += 1
        elif match := _UNIT.match(text):
            found[k] = float(match[1].replace(",", "."))
            unit = match[2].lower()
            units[_UNIT_ALIAS.get(unit, unit)] += 1
    if not _enough(found, present):
        return None
    if commas:
        notes.append(f"{commas} values with a decimal comma")
    named = [u for u in units if u != "DICOM age"]
    if len(named) > 1:
        return None  # mixed units are a question for the owner, not for a guess
    if units:
        notes.append("units understood: " + ", ".join(f"{u} ({n})" for u, n in units.items()))
    bare = [v for k, v in found.items() if not _UNIT.match(present[k])]
    if named and bare and (with_unit := [v for k, v in found.items() if _UNIT.match(present[k])]):
        a, b = statistics.median(map(abs, with_unit)), statistics.median(map(abs, bare))
        if max(a, b) > 10 * min(a, b):
            notes.append(
                f"UNITS: {len(with_unit)} values say {named[0]} (median {a:g}), {len(bare)} say none (median {b:g}): "
                "they look like different units"
            )
    if all(v.is_integer() and abs(v) < 2**53 for v in found.values()) and not units.get("DICOM age"):
        whole = all(_NUMBER.match(present[k]) and "." not in present[k] for k in found)
        if whole or all(present[k].endswith(".0") for k in found):
            if _dates_by_name(name) and _dates(name, present) is not None:
                return None
            return "integer", {k: int(v) for k, v in found.items()}, tuple(notes)
    return "float", found, tuple(notes)


def _dates_by_name(name: str) -> bool:
    return re.search(r"date|datum|(^|_)day($|_)|acquired|birth", name, re.I) is not None


def _dates(name: str, present: dict[int, str]):
    if not _dates_by_name(name) and not any(re.search(r"\d[-/.]\w+[-/.]\d", t) for t in present.values()):
        return None
    best: dict[str, dict[int, datetime.date]] = {}
    for pattern in _DATE_FORMATS:
        parsed = {}
        for k, text in present.items():
            try:
                day = datetime.datetime.strptime(text.split("+")[0].rstrip("Z")[:19], pattern).date()
            except ValueError:
                continue
            if 1880 <= day.year <= 2200:
                parsed[k] = day
        if _enough(parsed, present):
            best[pattern] = parsed
    if not best:
        return None
    pattern = max(best, key=lambda p: len(best[p]))
    notes = [f"dates read as {pattern}"]
    rivals = [p for p in best if p != pattern and len(best[p]) == len(best[pattern]) and best[p] != best[pattern]]
    if rivals:
        notes.append(f"AMBIGUOUS: they could also be {', '.join(rivals)}; write them as YYYY-MM-DD to be sure")
    return "date", best[pattern], tuple(notes)


def _possible(name: str, kind: str, by_row: dict, present: dict[int, str]):
    if kind not in ("integer", "float"):
        return by_row, {}, ()
    for pattern, low, high, unit in _POSSIBLE:
        if pattern.search(name):
            impossible = {k: present[k] for k, v in by_row.items() if not low <= v <= high}
            if len(impossible) > 0.2 * len(by_row):
                break  # the column is something else: an image's height, an age in days
            kept = {k: v for k, v in by_row.items() if k not in impossible}
            notes = []
            if impossible:
                notes.append(f"{len(impossible)} impossible values (outside {low:g} to {high:g} {unit})")
            if unit.startswith("cm") and kept:
                metres = sum(v < 3 for v in kept.values())
                if 0 < metres < len(kept):
                    notes.append(f"UNITS: {metres} values look like metres, {len(kept) - metres} like centimetres")
            return kept, impossible, tuple(notes)
    return by_row, {}, ()


def _categories(name: str, cleaned: list[str | None]) -> Column:
    spellings: dict[str, Counter] = {}
    for text in cleaned:
        if text is not None:
            spellings.setdefault(text.casefold(), Counter())[text] += 1
    chosen = {key: max(sorted(c), key=c.__getitem__) for key, c in spellings.items()}
    merged = [f"{sorted(c)} read as {chosen[key]!r}" for key, c in spellings.items() if len(c) > 1]
    notes = (f"spellings merged: {'; '.join(merged[:5])}",) if merged else ()
    return Column(name, "string", [None if t is None else chosen[t.casefold()] for t in cleaned], {}, notes)
