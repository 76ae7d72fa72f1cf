"""Numbers in words, the same in the panel, the report and the terminal."""

from __future__ import annotations

import math

from ..quantities import number as number


def score(value: float) -> str:
    """A score between −1 and 1, with three decimals."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def p_value(value: float) -> str:
    """A p-value; "–" for none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.1e}" if value < 5e-5 else f"{value:.4f}"


def percent(value: float) -> str:
    """A share in per cent."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.1%}"


def count(n: int, one: str, many: str = "") -> str:
    """ "1 subject", "1,204 subjects"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(words, most: int = 6) -> str:
    """Words with commas, the rest counted."""
    words = [str(w) for w in words]
    text = ", ".join(words[:most])
    return text + (f" and {len(words) - most:,} more" if len(words) > most else "")
