"""Tables in plain text."""

from __future__ import annotations

from collections.abc import Sequence


def table_lines(cells: Sequence[tuple[str, ...]]) -> list[str]:
    """Aligned columns with a rule under the head."""
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    lines = ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [lines[0], "  ".join("-" * w for w in widths), *lines[1:]]


def p_text(p: float, digits: int = 3) -> str:
    """A p-value in text; one that would round to zero is given as a bound."""
    least = 10.0**-digits
    return f"<{least:.{digits}f}" if p < least / 2 else f"{p:.{digits}f}"
