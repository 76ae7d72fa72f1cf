"""What was decided about a table without asking: each with a count and an example, in words and as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Decision:
    """One thing that was decided.

    Attributes:
        about: the column, or "table"
        what: what was decided, in words
        count: how many values, rows or columns it touches
        example: one of them as it stands in the table; "" where showing it would tell of a person
    """

    about: str
    what: str
    count: int
    example: str = ""

    def to_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        shown = f", e.g. {self.example!r}" if self.example else ""
        return f"{self.what} ({self.count:,}{shown})"


def shorten(text: object, most: int = 40) -> str:
    """A cell as an example: one line, not long."""
    line = " ".join(str(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
