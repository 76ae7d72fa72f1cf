"""What the columns of an untidy table mean: numbers, categories, booleans, dates.

A column is looked at by its distinct texts, so that it costs as much as it
has different values. What was found is a :class:`Reading`, which can be
written down and applied again.
"""

from __future__ import annotations

import datetime
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import pandas as pd

from .dates_in_text import FIRST_YEAR, LAST_YEAR, all_compact, looks_like_a_date, named_like_a_date, read_dates
from .decisions import Decision, shorten
from .missing import code_dates, code_numbers, is_missing, is_word_for_missing
from .numbers_in_text import Notation, exact, has_unit, mixed_units, notation_of

#: pairs of words that make a column a boolean, beside "true" and "false"
_YES_NO = (
    ("yes", "no"),
    ("y", "n"),
    ("t", "f"),
    ("ja", "nein"),
    ("oui", "non"),
    ("si", "no"),
    ("sí", "no"),
    ("sì", "no"),
    ("sim", "não"),
    ("sim", "nao"),
    ("ja", "nee"),
    ("ja", "nej"),
    ("ja", "nei"),
    ("tak", "nie"),
    ("ano", "ne"),
    ("да", "нет"),
    ("evet", "hayır"),
    ("igen", "nem"),
    ("kyllä", "ei"),
    ("ναι", "οχι"),
    ("是", "否"),
    ("有", "無"),
    ("はい", "いいえ"),
    ("예", "아니오"),
)
_TRUE = {"true", *(a for a, _ in _YES_NO)}
_FALSE = {"false", *(b for _, b in _YES_NO)}
#: so many of the values must be numbers or dates for the others to be set aside
ENOUGH = 0.7
#: words that may stand beside "age", "weight", "height" where a person's is meant
_BESIDE = frozenset(
    "patient patients pat subject participant person body at of in the scan visit baseline mri ct exam study imaging "
    "acquisition enrollment enrolment inclusion years year yrs yr y kg cm m table current self reported measured bl "
    "t0 t1 first last mean num value der bei koerper".split()
)
#: possible values of quantities that are recognised by the name of their column: (names, low, high, unit)
_POSSIBLE = (
    ({"age", "alter", "edad", "idade", "leeftijd", "alder"}, 0.0, 120.0, "years"),
    ({"weight", "gewicht", "koerpergewicht", "poids", "peso"}, 0.2, 400.0, "kg"),
    ({"height", "stature", "groesse", "koerpergroesse", "taille", "talla", "altura"}, 0.2, 260.0, "cm or m"),
)
#: columns beside which a height is that of a picture
_PICTURE = re.compile(r"(^|[^a-z])(width|breite|largeur|ancho|rows|columns|cols|matrix|pixels?)([^a-z]|$)", re.I)


@dataclass(frozen=True)
class Reading:
    """How the texts of a column become values.

    Attributes:
        kind: "integer", "float", "boolean", "date", "string" or "empty"
        notation: how numbers are written
        order: order of day and month for each sign between them
        serial: whether whole numbers are Excel's day numbers
        codes: texts that were confirmed to mean "missing"
        low, high: possible values, where they are known
    """

    kind: str
    notation: Notation = Notation()
    order: dict[str, str] = field(default_factory=dict)
    serial: bool = False
    codes: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def to_dict(self) -> dict:
        """Only what differs from the default, for people to read."""
        out = {"kind": self.kind}
        for f in fields(self)[1:]:
            value, default = getattr(self, f.name), getattr(Reading(self.kind), f.name)
            if value != default:
                out[f.name] = asdict(value) if f.name == "notation" else list(value) if f.name == "codes" else value
        return out

    @classmethod
    def from_dict(cls, raw: dict) -> Reading:
        known = dict(raw)
        if "notation" in known:
            known["notation"] = Notation(**known["notation"])
        if "codes" in known:
            known["codes"] = tuple(map(str, known["codes"]))
        return cls(**known)


@dataclass(frozen=True)
class Column:
    """One column, typed.

    Attributes:
        name: name in the table
        kind: "integer", "float", "boolean", "date", "string" or "empty"
        values: one a row; ``None`` where missing or not usable
        unusable: ``{row: text}`` of values that are there but were not usable
        notes: what was understood, in words
        decisions: the same with counts and examples
        reading: how the texts became values
        unit: what the header or the cells say that the numbers are in; "" where they say nothing
    """

    name: str
    kind: str
    values: list
    unusable: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    reading: Reading | None = None
    unit: str = ""


class _Texts:
    """Distinct texts of a column, how often each comes, and where."""

    def __init__(self, name: str, values: Sequence[object]):
        self.name = name
        raw = [v if isinstance(v, str) else _text(v) for v in values]
        codes, distinct = pd.factorize(np.array([*raw, None], dtype=object)[:-1])
        cleaned = [" ".join(t.replace("\ufeff", "").split()) for t in distinct]
        self.codes = codes
        self.distinct = [None if is_missing(t) else t for t in cleaned]
        often = np.bincount(codes[codes >= 0], minlength=len(distinct)) if len(codes) else np.zeros(0, int)
        self.counts: dict[str, int] = {}
        for text, n in zip(self.distinct, often, strict=True):
            if text is not None:
                self.counts[text] = self.counts.get(text, 0) + int(n)
        self.total = sum(self.counts.values())

    def number_of(self, texts) -> int:
        return sum(self.counts[t] for t in texts)

    def decision(self, what: str, texts) -> Decision:
        """A decision about some of the texts; the example is the most common of them."""
        texts = list(texts)
        first = max(texts, key=lambda t: self.counts[t]) if texts else ""
        return Decision(self.name, what, self.number_of(texts), shorten(first))

    def spread(self, by_text: dict[str, object]) -> list:
        """One value a row."""
        by_code = [None if t is None else by_text.get(t) for t in self.distinct]
        return [by_code[c] if c >= 0 else None for c in self.codes.tolist()]

    def rows_of(self, texts: set[str]) -> dict[int, str]:
        wanted = np.array([t in texts for t in self.distinct] + [False])
        return {int(k): self.distinct[self.codes[k]] for k in np.flatnonzero(wanted[self.codes])}


def type_column(
    name: str,
    texts: Sequence[object],
    *,
    siblings: Sequence[str] = (),
    delimiter: str = "",
    codes: Sequence[str] = (),
    likely_codes: Sequence[str] = (),
    reading: Reading | None = None,
) -> Column:
    """Infers the type of a column from its texts.

    Numbers may carry separators, one common unit, or be DICOM ages ("045Y");
    dates may be ISO, DICOM, Excel's, in words, or day- or month-first. Where
    most values are numbers or dates the others are reported as unusable,
    never guessed; where only some are, the column stays text and says so.

    Args:
        name: name of the column
        texts: one value a row, as text or already typed
        siblings: the other columns, which tell a person's height from a picture's
        delimiter: the sign between the columns of the file
        codes: texts that mean "missing" in this column
        likely_codes: texts that mean it where they lie apart from the other values
        reading: how to read it, instead of finding out

    Returns:
        the typed column
    """
    column = _Texts(name, texts)
    said: list[Decision] = []
    if codes and reading is None:
        reading_codes = {t for t in column.counts for c in codes if _same_code(t, c)}
    else:
        reading_codes = {t for t in column.counts for c in (reading.codes if reading else ()) if _same_code(t, c)}
    if reading_codes:
        said.append(column.decision("codes that mean missing", reading_codes))
    counts = {t: n for t, n in column.counts.items() if t not in reading_codes}
    if not counts:
        return _column(
            column,
            Reading("empty", codes=tuple(sorted(reading_codes))),
            {},
            set(),
            [*said, Decision(name, "no value at all", 0)],
        )
    if reading is not None:
        return _apply(column, counts, reading, said)
    found = None
    for attempt in (_booleans, _numbers, _dates):
        found = attempt(column, counts, delimiter)
        if found is not None:
            break
    if found is None:
        return _categories(column, counts, said, tuple(sorted(reading_codes)))
    reading, by_text, notes = found
    said += notes
    proposed = _proposed_codes(reading.kind, by_text, counts)
    confirmed = {t for t in proposed for c in likely_codes if _same_code(t, c)}
    if confirmed:
        said.append(column.decision("codes that mean missing", confirmed))
        by_text = {t: v for t, v in by_text.items() if t not in confirmed}
        counts = {t: n for t, n in counts.items() if t not in confirmed}
        reading_codes |= confirmed
    if open_codes := [t for t in proposed if t not in confirmed]:
        said.append(
            column.decision(
                f"CODES? {', '.join(open_codes[:5])} lie apart from all other values and may mean 'missing'; if they "
                f'do, pass --missing-codes "{name}={",".join(open_codes[:5])}"',
                open_codes,
            )
        )
    low, high, notes, impossible = _possible(column, reading.kind, by_text, counts, siblings, set(open_codes))
    said += notes
    reading = Reading(
        reading.kind, reading.notation, reading.order, reading.serial, tuple(sorted(reading_codes)), low, high
    )
    by_text = {t: v for t, v in by_text.items() if t not in impossible}
    return _column(column, reading, by_text, set(counts) - set(by_text), said, words=True)


def _column(column: _Texts, reading, by_text, unusable: set[str], said, words=False) -> Column:
    if words:
        missing = {t for t in unusable if is_word_for_missing(t)}
        if missing:
            said = [*said, column.decision("words for missing", missing)]
            unusable = unusable - missing
        if unusable:
            said = [*said, column.decision("values that could not be used", unusable)]
    notes = tuple(d.what if not d.count else str(d) for d in said)
    unit = "years" if reading.notation.ages else reading.notation.unit
    return Column(
        column.name, reading.kind, column.spread(by_text), column.rows_of(unusable), notes, tuple(said), reading, unit
    )


def _apply(column: _Texts, counts: dict[str, int], reading: Reading, said: list[Decision]) -> Column:
    """Reads a column as was decided before."""
    if reading.kind == "string":
        return _categories(column, counts, said, reading.codes)
    if reading.kind == "boolean":
        by_text = {t: t.casefold() in _TRUE for t in counts if t.casefold() in _TRUE | _FALSE}
    elif reading.kind == "date":
        by_text = _in_range(read_dates(counts, reading.order, reading.serial)[0])
    elif reading.kind in ("integer", "float"):
        by_text = {t: v for t in counts if (v := reading.notation.read(t)) is not None}
        if reading.low is not None:
            by_text = {t: v for t, v in by_text.items() if reading.low <= v <= reading.high}
        if reading.kind == "integer":
            by_text = {t: int(v) for t, v in by_text.items() if v.is_integer() and exact(v)}
    else:
        by_text = {}
    return _column(column, reading, by_text, set(counts) - set(by_text), said, words=True)


def _text(value: object) -> str | None:
    """A cell as text; ``None`` where it is missing."""
    if value is None or isinstance(value, float) and value != value:
        return None
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()[:10]
    if isinstance(value, (float, np.floating)):
        # 1e+17 in a spreadsheet is an id whose digits are lost; plain notation keeps what is there
        return str(int(value)) + ".0" if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _same_code(text: str, code: str) -> bool:
    if text.casefold() == code.casefold():
        return True
    try:
        return float(text.replace(",", ".")) == float(code.replace(",", "."))
    except ValueError:
        return False


def _booleans(column: _Texts, counts: dict[str, int], _: str):
    if len(counts) > 50:  # two words, and what stands for missing
        return None
    low = {t: t.casefold() for t in counts}
    known = {v for v in low.values() if not is_word_for_missing(v) or v in _TRUE | _FALSE}
    # A column of F and M, or of F alone, is a sex and not a boolean.
    pairs = (("true", "false"), *(p for p in _YES_NO if len(p[0]) > 1 or ord(p[0]) > 255))
    if not any(known <= set(pair) for pair in pairs) and not (
        known <= {"true", "false", "yes", "no", "y", "n", "t", "f"} and known & {"true", "false", "yes", "no"}
    ):
        return None
    if known == {"no"} and column.total < 2:
        return None
    return Reading("boolean"), {t: v in _TRUE for t, v in low.items() if v in known}, []


def _numbers(column: _Texts, counts: dict[str, int], delimiter: str):
    name = column.name
    plain = pd.to_numeric(pd.Series(list(counts), dtype=object), errors="coerce")
    quick = np.isfinite(plain.to_numpy(dtype=float, na_value=np.nan))
    if not quick.any() and not any(c.isdigit() for t in counts for c in t):
        return None
    zeros = [t for t in counts if len(t) > 1 and t[0] == "0" and t.isdigit()]
    if zeros and not re.search(r"age|alter", name, re.I):
        return None  # leading zeros: a code, not a quantity
    odd = {t: n for (t, n), q in zip(counts.items(), quick, strict=True) if not q or "." in t}
    notation, said = notation_of(name, {**odd, **_some_whole(counts, quick)}, delimiter) if odd else (Notation(), [])
    if notation.decimal == "." and not notation.thousands:
        found = {t: float(v) for t, v, q in zip(counts, plain, quick, strict=True) if q}
        found |= {t: v for t in odd if t not in found and (v := notation.read(t)) is not None}
    else:
        found = {t: v for t in counts if (v := notation.read(t)) is not None}
    if not found:
        return None
    share = column.number_of(found) / column.number_of(counts)
    others = [t for t in counts if t not in found and not is_word_for_missing(t)]
    words = column.number_of(t for t in counts if t not in found) - column.number_of(others)
    beyond = share + words / column.number_of(counts)
    if share < 0.3 or beyond < (ENOUGH if len(found) > 10 else 0.9):
        return None
    if all_compact(t for t in counts if not is_word_for_missing(t)):
        return None
    if named_like_a_date(name) and column.number_of(_in_range(read_dates(counts)[0])) >= ENOUGH * column.number_of(
        counts
    ):
        return None
    decisions = [column.decision(what, texts) for what, texts in said]
    with_unit = [t for t in found if has_unit(t)]
    bare = [t for t in found if not has_unit(t)]
    if with_unit and bare:
        a, b = (statistics.median(abs(found[t]) for t in g for _ in range(counts[t])) for g in (with_unit, bare))
        if max(a, b) > 10 * min(a, b):
            n, m = column.number_of(with_unit), column.number_of(bare)
            decisions.append(
                column.decision(
                    f"UNITS: {n} values say {notation.unit} (median {a:g}), {m} say none (median {b:g}): they look "
                    "like different units",
                    with_unit,
                )
            )
    if any(not exact(v) for v in found.values()) and all(v.is_integer() for v in found.values()):
        return None  # so many digits are an id, and a float would change the last of them
    whole = all(v.is_integer() for v in found.values()) and not notation.ages
    dotless = all("." not in t or notation.thousands == "." for t in found)
    if whole and (dotless or all(t.endswith(".0") for t in found)):
        return Reading("integer", notation), {t: int(v) for t, v in found.items()}, decisions
    return Reading("float", notation), found, decisions


def _some_whole(counts: dict[str, int], quick: np.ndarray) -> dict[str, int]:
    """A few hundred of the plain numbers, which tell what a sign in the others means."""
    plain = [t for t, q in zip(counts, quick, strict=True) if q and "." not in t]
    if len(plain) > 500:
        plain = [*sorted(plain, key=float)[:250], *sorted(plain, key=float)[-250:]]
    return {t: counts[t] for t in plain}


def _in_range(found: dict[str, datetime.date]) -> dict[str, datetime.date]:
    return {t: d for t, d in found.items() if FIRST_YEAR <= d.year <= LAST_YEAR}


def _dates(column: _Texts, counts: dict[str, int], _: str):
    name = column.name
    compact = all_compact(t for t in counts if not is_word_for_missing(t))
    if not named_like_a_date(name) and not compact and not any(looks_like_a_date(t) for t in list(counts)[:1000]):
        return None
    found, order, said, serial = read_dates(counts, None, None if named_like_a_date(name) else False)
    found = _in_range(found)
    words = column.number_of(t for t in counts if t not in found and is_word_for_missing(t))
    total = column.number_of(counts)
    if not found or column.number_of(found) < 0.3 * total or column.number_of(found) + words < ENOUGH * total:
        return None
    return Reading("date", order=order, serial=serial), found, [column.decision(what, some) for what, some in said]


def _proposed_codes(kind: str, by_text: dict[str, object], counts: dict[str, int]) -> list[str]:
    if kind not in ("integer", "float", "date"):
        return []
    often: Counter = Counter()
    for text, value in by_text.items():
        often[value] += counts[text]
    found = set(code_dates(often) if kind == "date" else code_numbers(often))
    return [t for t, v in by_text.items() if v in found]


def _possible(column: _Texts, kind: str, by_text, counts, siblings, codes: set[str]):
    """What a person's age, weight or height can be, where the column is one: (low, high, decisions, texts)."""
    nothing = None, None, [], set()
    if kind not in ("integer", "float") or not by_text:
        return nothing
    words = {w for w in re.split(r"[\W_\d]+", re.sub(r"([a-zß])([A-Z])", r"\1 \2", column.name).casefold()) if w}
    for names, low, high, unit in _POSSIBLE:
        if not words & names or words - names - _BESIDE:
            continue
        if "height" in names and any(_PICTURE.search(s) for s in siblings):
            return nothing
        impossible = {t for t, v in by_text.items() if not low <= v <= high}
        if column.number_of(impossible) > 0.2 * column.number_of(by_text):
            return nothing  # the column is something else: an image's height, an age in days
        said = []
        if impossible:
            said.append(column.decision(f"impossible values (outside {low:g} to {high:g} {unit})", impossible))
        kept = {t: v for t, v in by_text.items() if t not in impossible and t not in codes}
        if unit.startswith("cm"):
            metres = [t for t, v in kept.items() if v < 3]
            if 0 < len(metres) < len(kept):
                rest = column.number_of(kept) - column.number_of(metres)
                said.append(
                    column.decision(
                        f"UNITS: {column.number_of(metres)} values look like metres, {rest} like centimetres", metres
                    )
                )
        return low, high, said, impossible
    return nothing


def _categories(column: _Texts, counts: dict[str, int], said: list[Decision], codes: tuple[str, ...]) -> Column:
    # two letters may be a class (NC, BD …), so only longer words are taken for missing here
    missing = {t for t in counts if len(t) > 2 and is_word_for_missing(t)}
    if missing and len(missing) < len(counts):
        said = [*said, column.decision("words for missing", missing)]
        counts = {t: n for t, n in counts.items() if t not in missing}
    spellings: dict[str, Counter] = {}
    for text, n in counts.items():
        spellings.setdefault(text.casefold(), Counter())[text] += n
    chosen = {key: max(sorted(c), key=c.__getitem__) for key, c in spellings.items()}
    merged = [t for c in spellings.values() if len(c) > 1 for t in c]
    if merged:
        pairs = [f"{sorted(c)} read as {chosen[key]!r}" for key, c in spellings.items() if len(c) > 1]
        said = [*said, column.decision(f"spellings merged: {'; '.join(pairs[:5])}", merged)]
    said = [*said, *_nearly_numbers(column, counts)]
    by_text = {t: chosen[t.casefold()] for t in counts}
    return _column(column, Reading("string", codes=codes), by_text, set(), said)


def _nearly_numbers(column: _Texts, counts: dict[str, int]) -> list[Decision]:
    """What speaks for a number or a date in a column that stays text."""
    total = column.number_of(counts)
    units = mixed_units(counts)
    if units:
        return [
            column.decision(
                f"UNITS: kept as text, since the numbers have several units ({', '.join(units)})",
                [t for t in counts if has_unit(t)],
            )
        ]
    numbers = [t for t in counts if Notation().read(t) is not None]
    if len(numbers) > 1 and column.number_of(numbers) == total and any(t[0] == "0" and len(t) > 1 for t in numbers):
        return [column.decision("kept as text: numbers with leading zeros are codes", numbers)]
    if numbers and column.number_of(numbers) == total:
        return [column.decision("kept as text: numbers of so many digits are ids", numbers)]
    if column.number_of(numbers) > 0.3 * total:
        known = set(numbers)
        rest = [t for t in counts if t not in known]
        return [
            column.decision(
                f"KEPT AS TEXT, though {column.number_of(numbers)} of {total} values are numbers; the others", rest
            )
        ]
    dates = [t for t in counts if looks_like_a_date(t)]
    if column.number_of(dates) > 0.3 * total:
        known = set(dates)
        rest = [t for t in counts if t not in known] or dates
        return [
            column.decision(
                f"KEPT AS TEXT, though {column.number_of(dates)} of {total} values look like dates; the others", rest
            )
        ]
    return []
