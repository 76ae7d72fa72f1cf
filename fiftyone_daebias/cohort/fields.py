"""Header fields beside the table's: typed, compared, and kept apart where they disagree."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from dataclasses import dataclass, replace

from .. import schema
from ..serialize import decimal_year
from .columns import Column
from .dicom.header import KINDS, UNITS
from .items import Item
from .join import Joined
from .pseudonyms import Pseudonyms

#: names under which a table may hold what the header holds too
_SAME = {
    "sex": ("sex", "gender", "patient_sex", "patientsex"),
    "age": ("age", "patient_age", "patientage"),
    "weight": ("weight", "patient_weight", "weight_kg"),
    "height": ("height", "patient_size", "height_m", "height_cm"),
    "manufacturer": ("manufacturer", "vendor"),
    "model": ("model", "scanner", "scanner_model"),
    "acquisition_date": ("acquisition_date", "scan_date", "study_date", "date"),
}
#: words for the sexes as headers write them, without letter case; "m" beside "h" is Spanish or French and means a woman
_SEX_WORDS = {
    **dict.fromkeys(
        "m male man boy masculine männlich maennlich mann homme h hombre masculino uomo maschio maschile mannelijk "
        "mand mężczyzna muž erkek м муж мужской 男 男性 남".split(),
        "m",
    ),
    **dict.fromkeys(
        "f female woman girl feminine w weiblich frau femme mujer femenino feminino donna femmina femminile v vrouw "
        "vrouwelijk kvinde kvinna k kobieta žena kadın ж жен женский 女 女性 여".split(),
        "f",
    ),
    **dict.fromkeys("o other d divers x".split(), "o"),
}
#: how far numbers may differ before they disagree: (absolute, share)
_TOLERANCE = {"age": (1.01, 0.0), "weight": (1.0, 0.02), "height": (0.02, 0.02)}


@dataclass
class Fields:
    """Columns of table and header together, tags of samples in which they disagree, and notes."""

    columns: dict[str, Column]
    tags: dict[str, list[str]]
    notes: list[str]


def header_columns(
    items: list[Item], subjects: list[str], joined: Joined, people: Pseudonyms, shift_dates: int
) -> Fields:
    """Adds the header's fields to the table's.

    Args:
        items: the images and volumes
        subjects: subject of each
        joined: the table's columns
        people: shifts the dates
        shift_dates: at most so many days; 0 leaves dates as they are
    """
    columns, tags, notes = dict(joined.columns), defaultdict(list), []
    taken = {name.casefold(): name for name in columns}
    known = sorted({f for i in items for f in i.header})
    for field in known:
        values = [i.header.get(field) for i in items]
        numeric = all(isinstance(v, (int, float, type(None))) for v in values)
        kind = KINDS.get(field) or ("float" if numeric else "string")
        name = field
        rival = next((taken[n] for n in _SAME.get(field, (field,)) if n in taken), None)
        if rival is not None:
            name = f"header_{field}"
            codes = code_map(field, values, columns[rival].values)
            against = [k for k, v in enumerate(values) if _disagree(field, v, columns[rival].values[k], codes)]
            if not against:
                merged, note = _one_field(field, values, kind, columns[rival], codes)
                if merged is not None:
                    columns[rival] = merged
                    notes.append(f"{rival}: {note}")
                    continue
            if codes:
                notes.append(f"{rival}: the table's codes stand for the header's values: {_told(codes)}")
            for k in against:
                tags[items[k].name].append(schema.TAG_CONFLICT)
            if against:
                notes.append(
                    f"{rival}: table and header disagree in {len(against)} samples (first: "
                    f"{items[against[0]].name}); both are kept, the header's as {name!r}"
                )
        columns[name] = Column(name, kind, values, unit=UNITS.get(field, "") if kind == "float" else "")
    volumes = [i.note for i in items]
    if any(volumes):
        columns.setdefault("volume_of_series", Column("volume_of_series", "string", [v or None for v in volumes]))
    if shift_dates > 0:
        for name, column in columns.items():
            if column.kind == "date":
                moved = [
                    None if v is None else people.shift(v, s, shift_dates)
                    for v, s in zip(column.values, subjects, strict=True)
                ]
                columns[name] = Column(column.name, "date", moved, column.unusable, column.notes)
    for name, column in list(columns.items()):
        companion = name + schema.YEARS_SUFFIX
        if column.kind == "date" and companion.casefold() not in taken:
            columns[companion] = Column(companion, "float", [None if v is None else years(v) for v in column.values])
    return Fields(columns, dict(tags), notes)


def years(date: datetime.date) -> float:
    """A date as a number of years, which the App can colour by: 2021-07-02 is 2021.5."""
    return round(decimal_year(date), 3)


def code_map(field: str, header: list, table: list) -> dict[str, str]:
    """``{table's code: header's value}`` where a table writes the header's values in its own words or numbers.

    Words for the sexes are known; other codes are taken for one where nearly
    all samples say so, each code stands for one value, and none of the codes
    is itself a value of the header.

    Args:
        field: the header's field
        header: its values, ``None`` where missing
        table: the table's values
    """
    pairs = [
        (str(h).casefold(), str(t).casefold())
        for h, t in zip(header, table, strict=True)
        if h is not None and t is not None
    ]
    theirs, ours = {h for h, _ in pairs}, {t for _, t in pairs}
    if not pairs or len(ours) > 20 or any(isinstance(h, (float, datetime.date)) for h in header):
        return {}
    if field == "sex":
        words = _SEX_WORDS if "h" not in ours else {**_SEX_WORDS, "m": "f"}
        if not ours <= theirs and ours <= set(words):
            return {t: words[t] for t in ours}
    if ours <= theirs or ours & theirs and not {"h", "m"} == ours:
        return {}
    counts: dict[str, Counter] = defaultdict(Counter)
    for h, t in pairs:
        counts[t][h] += 1
    found = {t: c.most_common(1)[0] for t, c in counts.items()}
    if len(found) < 2 or len({h for h, _ in found.values()}) < len(found):
        return {}
    if any(n < 3 or n < 0.9 * counts[t].total() for t, (_, n) in found.items()):
        return {}
    return {t: h for t, (h, _) in found.items()}


def _one_field(field: str, header: list, kind: str, table: Column, codes: dict[str, str]) -> tuple[Column | None, str]:
    """The table's column, filled from a header that never contradicts it; ``None`` where the two cannot be compared."""
    both = [k for k, (h, t) in enumerate(zip(header, table.values, strict=True)) if h is not None and t is not None]
    if not both:
        return None, ""
    back = {h: t for t, h in codes.items()}
    spelled = {str(v).casefold(): v for v in table.values if v is not None}
    values, filled = list(table.values), 0
    for k, h in enumerate(header):
        if h is None or values[k] is not None or k in table.unusable:
            continue
        if codes:
            value = spelled.get(back.get(str(h).casefold(), ""))
        elif table.kind == "string" and isinstance(h, str):
            value = spelled.get(h.casefold(), h)
        else:
            value = h if table.kind == kind and field != "height" else None
        if value is not None:
            values[k] = value
            filled += 1
    unit = UNITS.get(field, "")
    if field == "height" and isinstance(table.values[both[0]], (int, float)):
        unit = "cm" if table.values[both[0]] > 10 * header[both[0]] else unit
    said = f"the header says the same in {len(both)} samples" + (f" ({_told(codes)})" if codes else "")
    said += f" and fills {filled} without a value" if filled else ""
    return replace(table, values=values, unit=table.unit or unit), said


def _told(codes: dict[str, str]) -> str:
    return ", ".join(f"{t} = {h.upper() if len(h) == 1 else h}" for t, h in sorted(codes.items()))


def _disagree(field: str, header, table, codes: dict[str, str]) -> bool:
    if header is None or table is None:
        return False
    if codes:
        return codes.get(str(table).casefold()) != str(header).casefold()
    if field == "sex":
        return str(header)[:1].casefold() != str(table).strip()[:1].casefold()
    if isinstance(header, (int, float)) and isinstance(table, (int, float)):
        apart, share = _TOLERANCE.get(field, (1e-6, 0.001))
        # heights may be in cm in one and in m in the other: that is a unit, not a disagreement
        pairs = [(header, table)] + ([(header * 100, table), (header, table * 100)] if field == "height" else [])
        return all(abs(a - b) > max(apart, share * abs(b)) for a, b in pairs)
    return str(header).casefold() != str(table).casefold()
