"""Texts of the library as the App shows them."""

from __future__ import annotations

import re

from fiftyone_daebias.analyses import ANALYSES


def sentence(text: str) -> str:
    """A help text with a capital and without quotes that only make sense in code."""
    text = text.strip().replace("``", "'").replace("*", "\\*")
    return text[:1].upper() + text[1:]


#: rows of a table that a result's dialog shows
MOST_ROWS = 10
#: labels of tabs that are not their names
_TABS = {"explain": "Explained"}
#: other lines that it shows: the first, and the last two, which say what was corrected
MOST_LINES = 12


def as_markdown(text: str, tab: str = "") -> str:
    """A result's text for the App: tables of columns become Markdown tables, other lines paragraphs.

    The App's code view fetches its editor from the internet, and a fenced block is cut off at the dialog's edge.

    Args:
        text: the result in words
        tab: tab of the audit panel where the rest can be seen
    """
    where = f"the panel 'Cohort audit'{f', tab {tab}' if tab else ''}"
    lines, out, said = text.splitlines(), [], []
    k = 0
    while k < len(lines):
        rule = lines[k + 1] if k + 1 < len(lines) else ""
        spans = [m.span() for m in re.finditer(r"-+", rule)] if re.fullmatch(r"-+(  -+)+\s*", rule) else []
        if not spans:
            said.append(len(out))
            out.append(_plain(lines[k]) + "  ")
            k += 1
            continue
        rows = [lines[k]]
        k += 2
        while k < len(lines) and all(lines[k][b : b + 2].strip() == "" for _, b in spans[:-1]):
            rows.append(lines[k])
            k += 1
        cells = [
            [_plain(row[a : b if i + 1 < len(spans) else None].strip()) for i, (a, b) in enumerate(spans)]
            for row in rows
        ]
        more = len(cells) - 1 - MOST_ROWS
        cells = [cells[0], ["---"] * len(spans), *cells[1 : 1 + MOST_ROWS]]
        out += ["", *("| " + " | ".join(row) + " |" for row in cells), ""]
        if more > 0:
            out.append(f"… and {more:,} more: they are in {where}.  ")
    if len(said) > MOST_LINES:
        folded = said[MOST_LINES - 2 : -2]
        out[folded[0]] = f"… and {len(folded):,} more lines: {where} has them.  "
        out = [line for n, line in enumerate(out) if n not in folded[1:]]
    return "\n".join(out)


def tab_of(command: str) -> str:
    """The tab of the audit panel with what a verb found."""
    if command in ("story", "audit"):
        return "Story"
    analysis = next((a for a in ANALYSES if any(v["command"] == command for v in a.verbs)), None)
    tab = analysis.tab if analysis is not None else ""
    return _TABS.get(tab, tab.capitalize()) or "Findings"


def _plain(text: str) -> str:
    """Text with nothing in it that Markdown would read as a sign of its own."""
    return re.sub(r"([\\`*_|<>\[\]#~])", r"\\\1", text)
