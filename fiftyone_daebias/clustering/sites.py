"""Which fields say where, and with what, an image was made: by their names, and by what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

#: words that name a place or a source of images, in the order in which they are taken
_PLACES = (
    "site",
    "centre",
    "center",
    "hospital",
    "clinic",
    "institution",
    "institute",
    "facility",
    "department",
    "standort",
    "zentrum",
    "klinik",
    "krankenhaus",
    "einrichtung",
    "hopital",
    "centro",
    "sitio",
    "ospedale",
    "collection",
    "source",
    "dataset",
    "database",
    "provider",
    "country",
    "herkunft",
    "land",
    "pays",
    "pais",
)
#: words that are followed by a file's or person's name or number as often, so they must come last
_LAST = ("collection", "source", "dataset", "database", "provider")
_DEVICES = (
    "scanner",
    "station",
    "device",
    "manufacturer",
    "vendor",
    "model",
    "software_version",
    "hersteller",
    "geraet",
    "gerat",
    "fabricante",
    "fabricant",
)
#: what the last word of such a name may be besides
_ENDINGS = ("id", "name", "code", "number", "no", "nr", "key", "label")
_MAKERS = re.compile(
    r"\b(siemens|healthineers|philips|ge|general electric|toshiba|canon|hitachi|fujifilm|fuji|agfa|carestream|kodak|"
    r"hologic|samsung|esaote|bruker|shimadzu|mindray|konica|united imaging|uih|neusoft|varian|elekta|zeiss|heidelberg "
    r"engineering|topcon|leica|hamamatsu|aperio|supersonic|aloka|ultrasonix)\b"
)
_INSTITUTIONS = re.compile(
    r"\b(hospitals?|university|universit\w+|uni|clinics?|klinik\w*|medical cent(er|re)|cent(er|re)s?|institut\w*|"
    r"charit\w+|h[oô]pital|ospedale|krankenhaus|spital|school of medicine|infirmary|health system)\b"
)
_COUNTRIES = frozenset(
    (
        "argentina australia austria belgium brazil canada chile china colombia czechia denmark egypt finland france "
        "germany greece hungary india indonesia iran ireland israel italy japan kenya "
        "korea malaysia mexico netherlands nigeria "
        "norway pakistan peru poland portugal romania russia singapore spain sweden switzerland taiwan thailand turkey "
        "uganda ukraine usa uk vietnam deutschland österreich schweiz frankreich italien spanien"
    ).split()
) | {
    "united states",
    "united kingdom",
    "great britain",
    "south korea",
    "south africa",
    "new zealand",
    "hong kong",
    "saudi arabia",
    "czech republic",
}
#: so many values a field of sites has at most, and so large a share of them must look like places or makers
MOST_SITES, ENOUGH = 200, 0.6


def site_fields(fields: Iterable[str], table: pd.DataFrame | None = None) -> list[str]:
    """Fields that say where or with what an image was made.

    By name ("Site", "site_id", "header_station", "study_centre", "collection", "Country" …), places first, then
    devices; after them, where a table is given, fields of whose values most look like makers, institutions or
    countries, whatever the field is called.

    Args:
        fields: names of metadata fields
        table: their values, one row a sample

    Returns:
        names of fields
    """
    fields = list(fields)
    plain = {f: f.lower().removeprefix("header_") for f in fields}
    out = []
    for name in (*_PLACES, *_DEVICES):
        out += sorted(f for f, p in plain.items() if _is(p, name) and f not in out)
    if table is not None:
        out += [f for f in fields if f not in out and f in table and _holds_sites(table[f])]
    return out


def _is(field: str, name: str) -> bool:
    words = field.replace("-", "_").split("_")
    return field == name or name in words and words[-1] in (name, *(() if name in _LAST else _ENDINGS))


def _holds_sites(values: pd.Series) -> bool:
    """Whether most of a field's values look like makers, institutions or countries."""
    texts = {str(v).strip().casefold() for v in values if isinstance(v, str) and v.strip()}
    if not 2 <= len(texts) <= MOST_SITES:
        return False
    alike = (
        sum(_MAKERS.search(t) is not None for t in texts),
        sum(_INSTITUTIONS.search(t) is not None for t in texts),
        sum(t in _COUNTRIES for t in texts),
    )
    return max(alike) >= ENOUGH * len(texts)
