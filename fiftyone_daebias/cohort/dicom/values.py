"""Ages, sexes and sizes as headers really state them."""

from __future__ import annotations

import re
from collections import Counter

_AGE = re.compile(r"^(\d{1,5}(?:[.,]\d+)?)\s*([DWMY]?)(?:AYS?|EEKS?|ONTHS?|EARS?)?$", re.IGNORECASE)
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0, "": 1.0}
#: more years than anybody lived whom a scanner has seen
OLDEST = 115
#: a person is not taller, so the value is in centimetres
TALLEST_M = 3.0

_SEXES = {
    **dict.fromkeys(
        ("M", "MALE", "MAN", "MANN", "MÄNNLICH", "MAENNLICH", "MASCULINO", "MASCULIN", "MASCHIO", "HOMME", "HOMBRE"),
        "M",
    ),
    **dict.fromkeys(
        (
            "F",
            "FEMALE",
            "W",
            "WOMAN",
            "FRAU",
            "WEIBLICH",
            "FEMENINO",
            "FEMININO",
            "FEMININ",
            "FÉMININ",
            "FEMMINA",
            "FEMME",
            "MUJER",
            "K",
            "KVINNA",
            "KVINDE",
            "KOBIETA",
            "KADIN",
            "V",
            "VROUW",
            "VROUWELIJK",
        ),
        "F",
    ),
    **dict.fromkeys(("O", "OTHER", "D", "DIVERS", "X"), "O"),
}
#: ways to say that nothing is known
NO_SEX = {"", "U", "UNKNOWN", "N", "NA", "N/A", "NONE"}


def years_of(text: str) -> float | None:
    """An age in years: "045Y", "45Y", "45 Y", "9M", "45.5"; ``None`` where it is none, or nobody's."""
    match = _AGE.match(text.strip())
    if not match:
        return None
    years = float(match[1].replace(",", ".")) * _YEARS[match[2].upper()]
    return round(years, 6) if 0 <= years <= OLDEST else None


def metres_of(size: float) -> float | None:
    """A PatientSize in metres; over 3 it was written in centimetres; ``None`` where it is nobody's."""
    if size > TALLEST_M:
        size = round(size / 100, 4)
    return size if 0.2 <= size <= TALLEST_M else None


def sexes_of(texts: list[str | None]) -> tuple[list[str | None], list[str]]:
    """Sexes of a cohort as "M", "F" and "O", by the codes it uses: M/F, m/w, M/K, H/F, 1/2.

    1 and 2 are read as ISO 5218 has them (1 male, 2 female) when both or 2 occur without 0 beside 1 alone; "H" with "M"
    and without "F" is Spanish (hombre, mujer) or is not, so neither is used.

    Args:
        texts: PatientSex of each item as it stands, ``None`` where missing

    Returns:
        the sexes, and what was understood or could not be, in words
    """
    plain = [None if t is None else t.strip().upper().rstrip(".") for t in texts]
    found = Counter(t for t in plain if t not in NO_SEX and t is not None)
    codes, notes = dict(_SEXES), []
    if {"1", "2"} & set(found) and not {"M", "F", "W"} & set(found):
        if "2" in found:
            codes |= {"1": "M", "2": "F", "0": None, "9": None}
            notes.append(f"sex: {found['1'] + found['2']} headers say 1 or 2: read as ISO 5218, 1 male and 2 female")
    if "H" in found:
        if "M" in found and not {"F", "W"} & set(found):
            codes = {t: s for t, s in codes.items() if t not in ("H", "M")}
            notes.append("sex: headers say H and M, which is man and woman in Spanish, man twice elsewhere: not used")
        else:
            codes["H"] = "M"
    out = [codes.get(t) if t is not None else None for t in plain]
    named = {t: codes[t] for t in found if codes.get(t) and t not in ("M", "F", "O", "1", "2")}
    if named:
        notes.append("sex: " + ", ".join(f"{t!r} read as {s}" for t, s in sorted(named.items())))
    return out, notes
