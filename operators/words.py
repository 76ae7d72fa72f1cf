"""Texts of the library as the App shows them."""

from __future__ import annotations

import re


def sentence(text: str) -> str:
    """A help text with a capital and without quotes that only make sense in code."""
    text = text.strip().replace("``", "'").replace("*", "\\*")
    return text[:1].upper() + text[1:]


#: rows of a table that a result's dialog shows
MOST_ROWS = 10


def as_markdown(text: str) -> str:
    """A result's text for the App: tables of columns become Markdown tables, other lines paragraphs.

    The App's code view fetches its editor from the internet, and a fenced block is cut off at the dialog's edge.
    """
    lines, out = text.splitlines(), []
    k = 0
    while k < len(lines):
        rule = lines[k + 1] if k + 1 < len(lines) else ""
        spans = [m.span() for m in re.finditer(r"-+", rule)] if re.fullmatch(r"-+(  -+)+\s*", rule) else []
        if not spans:
            out.append(plain(lines[k]) + "  ")
            k += 1
            continue
        rows = [lines[k]]
        k += 2
        while k < len(lines) and all(lines[k][b : b + 2].strip() == "" for _, b in spans[:-1]):
            rows.append(lines[k])
            k += 1
        cells = [
            [plain(row[a : b if i + 1 < len(spans) else None].strip()) for i, (a, b) in enumerate(spans)]
            for row in rows
        ]
        more = len(cells) - 1 - MOST_ROWS
        cells = [cells[0], ["---"] * len(spans), *cells[1 : 1 + MOST_ROWS]]
        out += ["", *("| " + " | ".join(row) + " |" for row in cells), ""]
        if more > 0:
            out.append(f"… and {more:,} more: they are in the panel 'Cohort audit'.  ")
    return "\n".join(out)


def plain(text: str) -> str:
    """Text with nothing in it that Markdown would read as a sign of its own."""
    return re.sub(r"([\\`*_|<>\[\]#~])", r"\\\1", text)
