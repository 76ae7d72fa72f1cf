"""Words and numbers that stand for "no value" in tables of many countries."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Mapping, Sequence

#: always missing, in any column; compared without letter case
MISSING = frozenset(
    {
        "",
        "na",
        "n/a",
        "n.a.",
        "n. a.",
        "nan",
        "none",
        "null",
        "-",
        "--",
        "---",
        ".",
        "..",
        "?",
        "??",
        "#n/a",
        "#na",
        "<na>",
        "nat",
        "missing",
        "#null!",
        "#div/0!",
        "#value!",
        "#ref!",
        "#name?",
        "#num!",
        "#bezug!",
        "#wert!",
        "#nv",
        "#n/d",
        "n/d",
        "n.d.",
        "n. d.",
        "–",
        "—",
        "_",
        "\\n",
        "<null>",
        "(null)",
        "[null]",
        "nil",
        "void",
        "n.v.",
    }
)
#: words for "unknown", "not stated", "not done"; compared without letter case and accents
WORDS = frozenset(
    w.strip()
    for w in """unknown|unk|unkn|not known|not available|not applicable|not reported|not recorded|not stated|
    not done|not specified|unspecified|undefined|unavailable|no data|no value|no answer|prefer not to answer|
    do not know|don't know|dont know|refused|withheld|redacted|to be determined|tbd|missing value|not measured|
    unbekannt|unbek.|unbek|k.a.|k. a.|k.a|ka|keine angabe|keine angaben|keine daten|nicht bekannt|nicht erhoben|
    nicht vorhanden|nicht verfugbar|nicht verfuegbar|nicht gemessen|nicht angegeben|fehlt|fehlend|entfallt|entfaellt|
    o.a.|ohne angabe|weiss nicht|
    inconnu|inconnue|non renseigne|non renseignee|nr|n.r.|non disponible|nsp|ne sait pas|manquant|manquante|
    non communique|sans objet|nc|n.c.|
    desconocido|desconocida|no disponible|no consta|sin datos|sin dato|no sabe|s/d|ns/nc|no aplica|faltante|
    sconosciuto|sconosciuta|non noto|non nota|non disponibile|non rilevato|mancante|ignoto|
    desconhecido|desconhecida|ignorado|nao informado|nao disponivel|sem dados|nao sabe|em branco|
    onbekend|niet bekend|niet beschikbaar|geen gegevens|ontbreekt|niet ingevuld|
    okand|okant|uppgift saknas|saknas|ej kant|ej angivet|ukjent|ikke oppgitt|mangler|ukendt|ikke oplyst|
    tuntematon|ei tiedossa|ei tietoa|puuttuu|
    nieznany|nieznana|nieznane|brak|brak danych|b/d|bd|nie dotyczy|
    neznamy|neznama|nezname|neuvedeno|nezjisteno|chybi|neznano|nepoznato|
    ismeretlen|nincs adat|hianyzik|necunoscut|lipsa|fara date|
    bilinmiyor|belirtilmemis|yok|
    неизвестно|неизвестен|нет данных|не указано|н/д|н.д.|отсутствует|невідомо|немає даних|
    αγνωστο|αγνωστη|δεν υπαρχει|
    未知|不详|不詳|不明|无|無|缺失|未填|不知道|未記入|欠損|なし|測定なし|미상|모름|없음|알수없음|
    غير معروف|مجهول|לא ידוע""".replace("\n", "").split("|")
)
#: numbers that are codes where they lie apart from all others
CODES = frozenset(
    [
        -1,
        -2,
        -3,
        -4,
        -5,
        -6,
        -7,
        -8,
        -9,
        -10,
        -77,
        -88,
        -99,
        -777,
        -888,
        -999,
        -9999,
        -99999,
        9,
        77,
        88,
        98,
        99,
        777,
        888,
        998,
        999,
        8888,
        9998,
        9999,
        88888,
        99999,
        999999,
        9999999,
        -999999,
        99.9,
        999.9,
        9.99,
        99.99,
        999.99,
        -999.9,
    ]
)
#: dates that are codes where they lie apart from all others
DATE_CODES = frozenset(
    datetime.date(*d)
    for d in (
        (1800, 1, 1),
        (1899, 12, 30),
        (1899, 12, 31),
        (1900, 1, 1),
        (1901, 1, 1),
        (1900, 1, 2),
        (1904, 1, 1),
        (1909, 9, 9),
        (1911, 11, 11),
        (1903, 3, 3),
        (1902, 2, 2),
        (1960, 1, 1),
        (1970, 1, 1),
        (1753, 1, 1),
        (1582, 10, 14),
        (2037, 7, 7),
        (2099, 12, 31),
        (2100, 1, 1),
        (2199, 12, 31),
        (9999, 12, 31),
        (9999, 9, 9),
        (1111, 11, 11),
        (2999, 12, 31),
        (3000, 1, 1),
        (1, 1, 1),
    )
)


def is_missing(text: str) -> bool:
    """Whether a cell says nothing in any column."""
    return text.strip().casefold() in MISSING


def is_word_for_missing(text: str) -> bool:
    """Whether a cell says in words that there is no value."""
    if text[:1].isdigit():
        return False
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c)).replace("ß", "ss")
    plain = unicodedata.normalize("NFC", plain)
    return " ".join(plain.split()).strip("()[]<> ") in WORDS


def code_numbers(counts: Mapping[float, int]) -> list[float]:
    """Numbers that look like codes for a missing value: known codes that lie apart from all other values.

    Args:
        counts: ``{number: how often}``

    Returns:
        the codes, in order
    """
    others = sorted(v for v in counts if v not in CODES)
    if len(others) < 2:
        return []
    low, high = others[0], others[-1]
    reach = max(high - low, 1e-9)
    found = []
    for value in sorted(v for v in counts if v in CODES):
        if value < 0:
            apart = low >= 0
        elif value < 10:
            apart = high <= 5 and len(others) <= 6
        else:
            apart = value > high + reach / 2 and (value > 1.5 * high or counts[value] > 1)
        if apart:
            found.append(value)
    return found


def code_dates(counts: Mapping[datetime.date, int]) -> list[datetime.date]:
    """Dates that look like codes: known ones more than five years from all others."""
    others = [d for d in counts if d not in DATE_CODES]
    if not others:
        return []
    low, high = min(others), max(others)
    return sorted(d for d in counts if d in DATE_CODES and ((low - d).days > 5 * 365 or (d - high).days > 5 * 365))


def parse_codes(given: Sequence[str] | None, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``--missing-codes`` as given: "999" for every column in which it looks like one, "sbp=999" for one column.

    Returns:
        ``{column: codes}``; codes of every column stand under ""
    """
    out: dict[str, tuple[str, ...]] = {}
    for text in given or ():
        column, sign, codes = str(text).rpartition("=")
        key = column if sign else ""
        if key and key not in columns:
            near = [c for c in columns if c.casefold() == key.casefold()]
            from ..errors import InputError

            if not near:
                raise InputError(f"missing_codes: the table has no column {key!r}; columns: {', '.join(columns[:30])}")
            key = near[0]
        out[key] = (*out.get(key, ()), *(c.strip() for c in codes.split(",") if c.strip()))
    return out
