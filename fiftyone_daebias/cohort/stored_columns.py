"""Which columns of a table are stored: numbers, dates, and categories with few values; the rest only by name."""

from __future__ import annotations

import datetime
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .columns import Column
from .decisions import Decision
from .pseudonyms import Pseudonyms, bare, identifying_column, looks_identifying

#: a text with more values than this is no category
MOST_VALUES = 100
#: so many words in the typical value make free text of a column
MANY_WORDS = 6
#: dates that lie before this year are those of people rather than of pictures
FIRST_IMAGES = 1985
#: columns that name places and machines, which may be called after people
_PLACES = (
    "site",
    "centre",
    "center",
    "hospital",
    "clinic",
    "klinik",
    "institut",
    "manufacturer",
    "vendor",
    "model",
    "scanner",
    "station",
    "device",
    "protocol",
    "sequence",
    "hersteller",
    "hopital",
    "ospedale",
    "standort",
    "cohort",
    "dataset",
    "study",
    "collection",
)


@dataclass(frozen=True)
class Choice:
    """Whether a column is stored.

    Attributes:
        column: the column as it is stored, ``None`` where it is not
        reason: why it is not stored, or what was replaced
    """

    column: Column | None
    reason: str = ""


def refused_by_name(name: str) -> str:
    """Why a column is not even looked at; "" where its name says nothing of a person, or of free text."""
    return "its name says that it is about a person, or free text" if identifying_column(name) else ""


def choose(column: Column, subjects: Sequence[str], people: Pseudonyms) -> Choice:
    """Decides by type and values whether a column is stored.

    Numbers, booleans and dates are, unless the dates look like births. A text
    is a category when it has few values for so many people and reads like
    none; single values that look like a name are stored as a keyed stand-in,
    so that who belongs together is still seen.

    Args:
        column: a typed column
        subjects: subject of each row, for counting people
        people: makes the stand-ins
    """
    if column.kind == "date":
        days = [v for v in column.values if v is not None]
        if days and statistics.median_low(days) < datetime.date(FIRST_IMAGES, 1, 1):
            return Choice(None, f"most of its dates lie before {FIRST_IMAGES}, so they may be of birth")
        return Choice(column)
    if column.kind != "string":
        return Choice(column)
    counts = Counter(v for v in column.values if v is not None)
    if not counts:
        return Choice(column)
    owners = len({s for s, v in zip(subjects, column.values, strict=True) if v is not None})
    words = statistics.median(len(v.split()) for v in counts)
    if len(counts) > max(3, min(MOST_VALUES, owners // 3)):
        return Choice(None, f"a text with {len(counts):,} values for {owners:,} subjects, which may tell who they are")
    if words >= MANY_WORDS or max(map(len, counts)) > 200:
        return Choice(None, "free text")
    place = any(w in bare(column.name) for w in _PLACES)
    shown = {v: r for v in counts if (r := looks_identifying(v)) and not (place and r == "a name")}
    if len(shown) > len(counts) / 2 or sum(counts[v] for v in shown) > 0.5 * sum(counts.values()):
        reason = next(iter(shown.values()))
        return Choice(None, f"{len(shown)} of its {len(counts)} values look like {reason}")
    if not shown:
        return Choice(column)
    stand_in = {v: "name-" + people.name(v)[:8] for v in shown}
    what = f"values that look like {next(iter(shown.values()))} are stored as stand-ins"
    said = Decision(column.name, what, sum(counts[v] for v in shown))
    return Choice(
        replace(
            column,
            values=[stand_in.get(v, v) for v in column.values],
            decisions=(*column.decisions, said),
            notes=(*column.notes, str(said)),
        ),
        what,
    )
