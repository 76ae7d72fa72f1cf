"""Dates as tables write them, several ways in one column where each can be told."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping

_NAME = re.compile(
    r"date|datum|dato|fecha|(^|[^a-z])data($|[^a-z])|(^|_)day($|_)|acquired|birth|дата|日期|日付|날짜|^53[-_.]", re.I
)
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\d{4}(?:\d{2})?(?:\.\d+)?)?")
_RECENT = re.compile(r"(19[89]\d|20[0-3]\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_PARTS = re.compile(r"(\d{1,2})([./-])\s*(\d{1,2})\2\s*(\d{4}|\d{2})(?:[T ,].*)?")
_WORD = re.compile(r"(?:[^\W\d_]{2,9}, )?(\d{1,2})[.\s-]*([^\W\d_]{3,10})[.,\s-]*(\d{4}|\d{2})(?:[T ,].*)?")
_WORD_FIRST = re.compile(r"([^\W\d_]{3,10})[.\s]*(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(?:[T ,].*)?")
_EAST = re.compile(r"(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日일]?")
_MONTHS = {
    word: number
    for number, names in enumerate(
        (
            "jan january januar janvier janv enero ene gennaio gen januari januari stycznia leden",
            "feb february februar fevrier fevr febrero febbraio februari fev",
            "mar march marz maerz mrz mars marzo maart",
            "apr april avril avr abril abr aprile",
            "may mai mayo maggio mag mei maj",
            "jun june juni juin junio giugno giu",
            "jul july juli juillet juil julio luglio lug",
            "aug august aout agosto ago augustus augusti",
            "sep sept september septembre septiembre settembre set",
            "oct october okt oktober octobre octubre ottobre ott",
            "nov november novembre noviembre",
            "dec december dez dezember decembre diciembre dic dicembre",
        ),
        start=1,
    )
    for word in names.split()
}
#: years that images and people can have; others are not usable
FIRST_YEAR, LAST_YEAR = 1880, 2200


def named_like_a_date(name: str) -> bool:
    """Whether the column's name says that it holds dates."""
    return _NAME.search(name) is not None


def looks_like_a_date(text: str) -> bool:
    """Whether a text has the form of a date with signs or words in it."""
    return any(p.fullmatch(text) for p in (_ISO, _PARTS, _WORD_FIRST, _EAST)) or (
        (m := _WORD.fullmatch(text)) is not None and _month(m[2]) is not None
    )


def all_compact(texts: Iterable[str]) -> bool:
    """Whether all of at least five texts are eight digits that make a day of the last decades: no ids do that."""
    found = []
    for text in texts:
        if not _RECENT.fullmatch(text):
            return False
        found.append(text)
    texts = found
    if len(texts) < 5:
        return False
    days: dict[str, datetime.date] = {}
    for text in texts:
        _put(days, {}, text, int(text[:4]), int(text[4:6]), int(text[6:]), "")
    return len(days) == len(texts)


def read_dates(
    texts: Iterable[str] | Mapping[str, int], order: dict[str, str] | None = None, serial: bool | None = None
) -> tuple[dict[str, datetime.date], dict[str, str], list[tuple[str, list[str]]], bool]:
    """Reads every text that is a date.

    Args:
        texts: distinct cells, with how often each comes where that is known
        order: ``{"/": "dmy", "-": "mdy"}`` as decided before; default: found here
        serial: whether whole numbers are Excel's day numbers; default: found here

    Returns:
        ``{text: date}`` in any year, the order of day and month a sign, ``(what was decided, texts)``, and whether
        whole numbers were read as day numbers
    """
    often = texts if isinstance(texts, Mapping) else {}
    texts = list(texts)
    found: dict[str, datetime.date] = {}
    ways: dict[str, list[str]] = {}
    parts: dict[str, list[tuple[str, int, int, int]]] = {}
    for text in texts:
        if match := _ISO.fullmatch(text) or _EAST.fullmatch(text) or _COMPACT.fullmatch(text):
            _put(
                found,
                ways,
                text,
                *(int(g) for g in match.groups()[:3]),
                "YYYY-MM-DD" if "-" in text else "YYYYMMDD" if text[:8].isdigit() else "year first",
            )
        elif match := _PARTS.fullmatch(text):
            parts.setdefault(match[2], []).append((text, int(match[1]), int(match[3]), _year(match[4])))
        elif (match := _WORD.fullmatch(text)) and (month := _month(match[2])):
            _put(found, ways, text, _year(match[3]), month, int(match[1]), "month in words")
        elif (match := _WORD_FIRST.fullmatch(text)) and (month := _month(match[1])):
            _put(found, ways, text, int(match[3]), month, int(match[2]), "month in words")
    orders, said = dict(order or {}), []
    for sign, rows in parts.items():
        if sign not in orders:
            orders[sign], doubt = _order(sign, rows, often)
            if doubt:
                said.append((doubt, [r[0] for r in rows]))
        for text, a, b, year in rows:
            day, month = (a, b) if orders[sign] == "dmy" else (b, a)
            shape = sign.join(("DD", "MM") if orders[sign] == "dmy" else ("MM", "DD")) + sign + "YYYY"
            _put(found, ways, text, year, month, day, shape)
    if serial is None:
        days = [t for t in texts if re.fullmatch(r"[2-6]\d{4}(\.\d+)?", t)]
        serial = len(days) > 0.9 * len(texts)
    if serial:
        for text in texts:
            if text not in found and re.fullmatch(r"\d{1,5}(\.\d+)?", text):
                day = datetime.date(1899, 12, 30) + datetime.timedelta(days=int(float(text)))
                found[text] = day
                ways.setdefault("Excel's day numbers", []).append(text)
    if len(ways) > 1:
        said += [(f"dates written as {way}", some) for way, some in ways.items()]
    elif ways:
        way, some = next(iter(ways.items()))
        said.append((f"dates read as {way}", some))
    return found, orders, said, bool(serial)


def _order(sign: str, rows, often: Mapping[str, int]) -> tuple[str, str]:
    """Whether the day or the month comes first, and what is doubtful about it."""
    if sign == ".":
        return "dmy", ""
    day_first = sum(often.get(t, 1) for t, a, _, _ in rows if a > 12)
    month_first = sum(often.get(t, 1) for t, _, b, _ in rows if b > 12)
    if day_first and month_first:
        chosen, other = ("dmy", month_first) if day_first >= month_first else ("mdy", day_first)
        return chosen, f"AMBIGUOUS: {other} of them can only be read the other way round, so day and month are in doubt"
    if day_first or month_first:
        return ("dmy" if day_first else "mdy"), ""
    if all(a == b for _, a, b, _ in rows):
        return "dmy", ""
    return "dmy", "AMBIGUOUS: read with the day first; the month could be; write them as YYYY-MM-DD to be sure"


def _put(found, ways, text: str, year: int, month: int, day: int, way: str) -> None:
    try:
        found[text] = datetime.date(year, month, day)
    except ValueError:
        return
    ways.setdefault(way, []).append(text)


def _year(text: str) -> int:
    """Two digits as Python's strptime reads them: 69 is 1969, 68 is 2068."""
    number = int(text)
    return number if len(text) == 4 else number + (1900 if number >= 69 else 2000)


def _month(word: str) -> int | None:
    plain = word.casefold().translate({0xE9: "e", 0xFB: "u", 0xE4: "a", 0xE8: "e"}).strip(".")
    return _MONTHS.get(plain)
