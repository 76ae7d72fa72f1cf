"""Which fields say where, and with what, an image was made."""

from __future__ import annotations

from collections.abc import Iterable

_PLACES = ("site", "centre", "center", "hospital", "clinic", "institution")
_DEVICES = ("scanner", "station", "device", "manufacturer", "vendor", "model", "software_version")


def site_fields(fields: Iterable[str]) -> list[str]:
    """Fields that are named like a site or a scanner ("Site", "site_id", "header_station", "study_centre" …).

    Args:
        fields: names of metadata fields

    Returns:
        places first, then devices
    """
    plain = {f: f.lower().removeprefix("header_") for f in fields}
    out = []
    for name in (*_PLACES, *_DEVICES):
        out += sorted(f for f, p in plain.items() if _is(p, name) and f not in out)
    return out


def _is(field: str, name: str) -> bool:
    words = field.replace("-", "_").split("_")
    return field == name or name in words and words[-1] in (name, "id", "name", "code", "number", "no")
