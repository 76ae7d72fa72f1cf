"""Header fields beside the table's: typed, compared, and kept apart where they disagree."""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import dataclass

from .. import schema
from .columns import Column
from .dicom.header import KINDS
from .identity import Pseudonyms
from .items import Item
from .join import Joined

#: names under which a table may hold what the header holds too
_SAME = {
    "sex": ("sex", "gender", "patient_sex", "patientsex"), "age": ("age", "patient_age", "patientage"),
    "weight": ("weight", "patient_weight", "weight_kg"), "height": ("height", "patient_size", "height_m", "height_cm"),
    "manufacturer": ("manufacturer", "vendor"), "model": ("model", "scanner", "scanner_model"),
    "acquisition_date": ("acquisition_date", "scan_date", "study_date", "date"),
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
            against = [
                k for k, v in enumerate(values) if _disagree(field, v, columns[rival].values[k])
            ]
            for k in against:
                tags[items[k].name].append(schema.TAG_CONFLICT)
            if against:
                notes.append(f"{rival}: table and header disagree in {len(against)} samples (first: "
                             f"{items[against[0]].name}); both are kept, the header's as {name!r}")
        columns[name] = Column(name, kind, values)
    volumes = [i.note for i in items]
    if any(volumes):
        columns.setdefault("volume_of_series", Column("volume_of_series", "string", [v or None for v in volumes]))
    if shift_dates > 0:
        for name, column in columns.items():
            if column.kind == "date":
                moved = [None if v is None else people.shift(v, s, shift_dates)
                         for v, s in zip(column.values, subjects, strict=True)]
                columns[name] = Column(column.name, "date", moved, column.unusable, column.notes)
    for name, column in list(columns.items()):
        companion = name + schema.YEARS_SUFFIX
        if column.kind == "date" and companion.casefold() not in taken:
            columns[companion] = Column(companion, "float", [None if v is None else years(v) for v in column.values])
    return Fields(columns, dict(tags), notes)


def years(date: datetime.date) -> float:
    """A date as a number of years, which the App can colour by: 2021-07-02 is 2021.5."""
    return round(date.year + (date.timetuple().tm_yday - 1) / 365.25, 3)


def _disagree(field: str, header, table) -> bool:
    if header is None or table is None:
        return False
    if field == "sex":
        return str(header)[:1].casefold() != str(table).strip()[:1].casefold()
    if isinstance(header, (int, float)) and isinstance(table, (int, float)):
        apart, share = _TOLERANCE.get(field, (1e-6, 0.001))
        # heights may be in cm in one and in m in the other: that is a unit, not a disagreement
        pairs = [(header, table)] + ([(header * 100, table), (header, table * 100)] if field == "height" else [])
        return all(abs(a - b) > max(apart, share * abs(b)) for a, b in pairs)
    return str(header).casefold() != str(table).casefold()
