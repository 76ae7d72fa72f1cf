"""What a result says, in lines and tables, and how a terminal and the App's Markdown show it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

#: rows of a table that a dialog shows
MOST_ROWS = 10
#: other lines that it shows: the first, and the last two, which say what was corrected
MOST_LINES = 12
#: advice to a caller of the functions: "pass subject=COLUMN", "with n_permutations=1999 or more", "pass to_grey=True"
_ADVICE = re.compile(r"\b(pass|with|or) ([a-z][a-z_]+)=('?)([^\s;,')]+)\3(?=[\s;,.):]|$)")


@dataclass(frozen=True)
class Table:
    """Columns of text.

    Attributes:
        head: names of the columns
        rows: cells, as many a row as there are columns
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, cells: Sequence[Sequence[str]]) -> Table:
        """A table of its lines, the head first."""
        return cls(tuple(cells[0]), tuple(map(tuple, cells[1:])))

    def __bool__(self) -> bool:
        return bool(self.rows)


class Rendered:
    """A result that says itself in lines and tables; its text is what a terminal shows of them."""

    def parts(self) -> list[str | Table]:
        """Lines and tables, in their order."""
        raise NotImplementedError

    def __str__(self) -> str:
        return as_text(self.parts())


def parts_of(result) -> list[str | Table]:
    """Lines and tables of any result; those of one that has no tables are the lines of its text."""
    return result.parts() if isinstance(result, Rendered) else str(result).splitlines()


def as_text(parts: Sequence[str | Table]) -> str:
    """Lines, and tables as aligned columns with a rule under the head."""
    out = []
    for part in parts:
        out += _aligned(part) if isinstance(part, Table) else [part]
    return "\n".join(out).rstrip()


def as_markdown(parts: Sequence[str | Table], most_rows: int = MOST_ROWS, tab: str = "") -> str:
    """Paragraphs, and Markdown tables of at most so many rows.

    The App's code view fetches its editor from the internet, and a fenced block is cut off at the dialog's edge.

    Args:
        parts: lines and tables
        most_rows: rows of a table
        tab: tab of the audit panel that has the rest
    """
    where, out = f"the panel 'Cohort audit'{f', tab {tab}' if tab else ''}", []
    parts = [line for p in parts for line in ([p] if isinstance(p, Table) else p.splitlines() or [""])]
    said = [k for k, part in enumerate(parts) if not isinstance(part, Table)]
    if len(said) > MOST_LINES:
        folded = said[MOST_LINES - 2 : -2]
        parts[folded[0]] = f"… and {len(folded):,} more lines: they are in {where}."
        parts = [part for k, part in enumerate(parts) if k not in folded[1:]]
    for part in parts:
        if not isinstance(part, Table):
            out.append(plain(part) + "  ")
            continue
        rows = [[plain(cell.strip()) for cell in row] for row in (part.head, *part.rows)]
        rows = [rows[0], ["---"] * len(part.head), *rows[1 : 1 + most_rows]]
        out += ["", *("| " + " | ".join(row) + " |" for row in rows), ""]
        if len(part.rows) > most_rows:
            out.append(f"… and {len(part.rows) - most_rows:,} more: they are in {where}.  ")
    return "\n".join(out)


def p_text(p: float, digits: int = 3) -> str:
    """A p-value in text; one that would round to zero is given as a bound."""
    least = 10.0**-digits
    return f"<{least:.{digits}f}" if p < least / 2 else f"{p:.{digits}f}"


def _aligned(table: Table) -> list[str]:
    cells = (table.head, *table.rows)
    widths = [max(len(row[k]) for row in cells) for k in range(len(table.head))]
    lines = ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [lines[0], "  ".join("-" * w for w in widths), *lines[1:]]


def plain(text: str) -> str:
    """Text with nothing in it that Markdown would read as a sign of its own."""
    return re.sub(r"([\\`*_|<>\[\]#~])", r"\\\1", text)


def as_typed(text: str, names: Collection[str]) -> str:
    """Advice as who typed a command has to type it: "pass --subject COLUMN" for "pass subject=COLUMN".

    Args:
        text: what is said, with parameters as the functions name them
        names: the command's parameters
    """

    def typed(found: re.Match) -> str:
        word, name, quote, value = found.groups()
        if name not in names:
            return found[0]
        return f"{word} --{name.replace('_', '-')}" + ("" if value == "True" else f" {quote}{value}{quote}")

    return _ADVICE.sub(typed, text)
