"""From a grid of cells to a table: title lines, headers of several rows, merged cells, columns without a name."""

from __future__ import annotations

import re
import statistics
import unicodedata
from dataclasses import dataclass, field

from .decisions import Decision, shorten
from .missing import is_missing

#: rows that are looked at to find the header
HEAD = 60
_UNITS = re.compile(
    r"[\[(]?(years?|yrs?|y|jahre?|kg|g|cm|mm|m|mmhg|%|kg/m\^?[2²]|ms|s|t|tesla|days?|months?|ml|l|bpm|kvp?|mas|"
    r"d{1,2}[./-]m{1,2}[./-]y{2,4}|y{4}[./-]m{1,2}[./-]d{1,2}|m{1,2}[./-]d{1,2}[./-]y{2,4}|m/f|f/m|m/w|0/1|n/a|-|"
    r"string|text|integer|float|numeric|id)[\])]?",
    re.I,
)
_STRONG_UNIT = re.compile(r"[\[(]?(years|yrs|jahre|kg|cm|mm|mmhg|kg/m\^?[2²]|(dd|yyyy).*(yyyy|dd)|m/f|f/m)[\])]?", re.I)
_IMAGE = re.compile(r"\.(png|jpe?g|tiff?|bmp|dcm|nii|nii\.gz|ima)$", re.I)


@dataclass
class Grid:
    """A table cut out of a grid.

    Attributes:
        columns: names
        rows: cells under them
        header: as :func:`find_header` returned it
        numbers: number of each row in the file, counted from 1
        decisions: what was decided
    """

    columns: list[str]
    rows: list[list]
    header: tuple[int, int, int]
    numbers: list[int]
    decisions: list[Decision] = field(default_factory=list)


def blank(cell: object) -> bool:
    """Whether a cell is empty."""
    return cell is None or isinstance(cell, float) and cell != cell or str(cell).replace("\ufeff", "").strip() == ""


def cut(rows: list[list], header: tuple[int, int, int] | None = None, numbers: list[int] | None = None) -> Grid:
    """Finds the header and what stands under it.

    Args:
        rows: cells, row by row; rows may differ in length
        header: as :func:`find_header` returns it; default: found
        numbers: number of each row in the file; default: counted

    Raises:
        ValueError: there is no header, or a name stands over two columns
    """
    numbers = numbers or list(range(1, len(rows) + 1))
    kept = [k for k, r in enumerate(rows) if not all(map(blank, r))]
    if not kept:
        raise ValueError("it is empty")
    said: list[Decision] = []
    first, n_rows, units = header or find_header(rows)
    top = rows[first]
    lower = [rows[first + k] for k in range(1, n_rows)]
    above = [k for k in kept if k < first]
    names = _names(top, lower, rows[above[-1]] if above and n_rows == 1 else None, said)
    body = [k for k in kept if k >= first + n_rows + units]
    if above:
        text = next(c for c in rows[above[0]] if not blank(c))
        said.append(Decision("table", "lines above the header were left out", len(above), shorten(text)))
    if n_rows > 1:
        what = f"a header of {n_rows} rows was read as one"
        said.append(Decision("table", what, n_rows, shorten(", ".join(names[:4]))))
    if units:
        said.append(
            Decision(
                "table",
                "a row of units or forms under the header was left out",
                1,
                shorten(", ".join(str(c) for c in rows[first + n_rows] if not blank(c))),
            )
        )
    if sum(_IMAGE.search(n) is not None for n in names) > 0:
        raise ValueError(
            f"its first line names an image ({next(n for n in names if _IMAGE.search(n))}), so it has no "
            "header; add a line with the names of the columns"
        )
    width = len(names)
    for k in body:
        if len(rows[k]) > width and not all(map(blank, rows[k][width:])):
            raise ValueError(f"line {numbers[k]} has {len(rows[k])} values under {width} columns")
    cells = [(list(rows[k]) + [None] * width)[:width] for k in body]
    names, cells = _unnamed(names, cells, said)
    return Grid(names, cells, (first, n_rows, units), [numbers[k] for k in body], said)


def find_header(rows: list[list]) -> tuple[int, int, int]:
    """First row of the header, how many rows it has, and whether a row of units follows (0 or 1)."""
    head = [(k, r) for k, r in enumerate(rows[:HEAD]) if not all(map(blank, r))]
    filled = {k: sum(not blank(c) for c in r) for k, r in head}
    most = statistics.median_low(filled.values())
    start = head[0][0]
    for position, (k, row) in enumerate(head[:20]):
        below = head[position + 1][1] if position + 1 < len(head) else None
        named = sum(_may_be_name(c) for c in row if not blank(c)) >= 0.5 * filled[k]
        if named and filled[k] >= max(0.8 * most, min(2, most)):
            start = k
            break
        if (
            named
            and below is not None
            and filled[k] >= max(0.5 * most, min(2, most))
            and any(
                not blank(c) and n < len(below) and not blank(below[n]) and not _is_name(below[n])
                for n, c in enumerate(row)
            )
        ):
            start = k
            break
        if below is not None and filled[k] >= 2 and _completes(row, below, most):
            start = k
            break
    after = [k for k, _ in head if k > start]
    n_rows = 1
    if (
        after
        and after[0] == start + 1
        and len(after) > 1
        and (_completes(rows[start], rows[after[0]], most) or _repeats(rows[start], rows[after[0]], rows[after[1]]))
    ):
        n_rows = 2
    following = start + n_rows
    units = int(len(rows) > following + 1 and following in filled and _is_units(rows[following]))
    return start, n_rows, units


def _completes(row: list, below: list, most: int) -> bool:
    """Whether a row of names stands below and fills the gaps of this one: a merged header."""
    gaps = [c for c in range(len(below)) if (c >= len(row) or blank(row[c])) and not blank(below[c])]
    names = [str(c) for c in below if not blank(c)]
    bare = any(not blank(c) and (k >= len(below) or blank(below[k])) for k, c in enumerate(row))
    return (
        bare
        and bool(gaps)
        and all(map(_is_name, names))
        and all(_is_name(c) for c in row if not blank(c))
        and (len(gaps) + sum(not blank(c) for c in row) >= 0.8 * most)
        and _names_apart(below, gaps)
    )


def _names_apart(row: list, gaps: list[int]) -> bool:
    names = [str(row[c]).strip().casefold() for c in gaps]
    return len(set(names)) > len(names) / 2 or len(names) == 1


def _repeats(row: list, below: list, next_row: list) -> bool:
    """Whether names repeat here and differ below: a merged header that was filled up."""
    names = [str(c).strip() for c in row]
    twice = [c for c, n in enumerate(names) if n and names.count(n) > 1]
    if not twice or any(c >= len(below) or blank(below[c]) or not _is_name(below[c]) for c in twice):
        return False
    return len({str(below[c]).strip() for c in twice}) == len(twice) and any(
        c < len(next_row) and not blank(next_row[c]) and not _is_name(next_row[c]) for c in twice
    )


def _is_name(cell: object) -> bool:
    """Whether a cell can be the name of a column: a text that is no number, date or file."""
    text = str(cell).strip()
    return (
        isinstance(cell, str)
        and not is_missing(text)
        and not re.fullmatch(r"[+-]?[\d.,:/\s-]+", text)
        and not _IMAGE.search(text)
        and len(text) <= 120
    )


def _may_be_name(cell: object) -> bool:
    """As :func:`_is_name`, but UK Biobank's "31-0.0" is one."""
    try:
        float(str(cell))
    except ValueError:
        return not _IMAGE.search(str(cell))
    return False


def _is_units(row: list) -> bool:
    cells = [str(c).strip() for c in row if not blank(c)]
    return (
        len(cells) >= 2
        and all(_UNITS.fullmatch(c) for c in cells)
        and sum(_STRONG_UNIT.fullmatch(c) is not None for c in cells) >= 2
    )


def clean_name(cell: object) -> str:
    """A column's name in one line and in composed letters, "" for an empty cell."""
    if blank(cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return unicodedata.normalize("NFC", " ".join(str(cell).replace("\ufeff", "").split()))


def _names(top: list, lower: list[list], above: list | None, said: list[Decision]) -> list[str]:
    width = max(len(r) for r in (top, *lower))
    rows = [[clean_name(c) for c in (*r, *[None] * (width - len(r)))] for r in (top, *lower)]
    names = rows[-1] if len(rows) > 1 else rows[0]
    groups = _filled_on(rows[0]) if len(rows) > 1 else [""] * width
    if len(rows) == 1 and above is not None and len({n for n in names if n}) < sum(map(bool, names)):
        groups = _filled_on([clean_name(c) for c in (*above, *[None] * (width - len(above)))])
    out = [n or g for n, g in zip(names, rows[0] if len(rows) > 1 else names, strict=True)]
    doubled = {n for n in out if n and out.count(n) > 1}
    out = [f"{g}_{n}" if n in doubled and g and g != n else n for n, g in zip(out, groups, strict=True)]
    twice = sorted({n for n in out if n and out.count(n) > 1})
    if twice:
        raise ValueError(f"two columns named {twice[0]!r}; rename one of them")
    return out


def _filled_on(row: list[str]) -> list[str]:
    out, last = [], ""
    for name in row:
        last = name or last
        out.append(last)
    return out


def _unnamed(names: list[str], cells: list[list], said: list[Decision]) -> tuple[list[str], list[list]]:
    """Columns without a name: empty ones go, row numbers go with a word, others are named by their place."""
    kept, out = [], []
    for c, name in enumerate(names):
        name = "" if re.fullmatch(r"Unnamed: \d+", name) else name
        if not name:
            values = [row[c] for row in cells if not blank(row[c])]
            if not values:
                continue
            if c == 0 and _counts_rows(values, len(cells)):
                said.append(
                    Decision(
                        "table", "row numbers in a column without a name were left out", len(values), shorten(values[0])
                    )
                )
                continue
            name = f"column_{c + 1}"
            what = f"a column without a name was called {name!r}"
            said.append(Decision("table", what, len(values), shorten(values[0])))
        kept.append(c)
        out.append(name)
    return out, [[row[c] for c in kept] for row in cells]


def _counts_rows(values: list, n: int) -> bool:
    try:
        numbers = [int(float(str(v))) for v in values]
    except ValueError:
        return False
    follow = all(b - a == 1 for a, b in zip(numbers, numbers[1:], strict=False))
    return len(numbers) == n and numbers[0] in (0, 1) and follow
