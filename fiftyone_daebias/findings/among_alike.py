"""What a difference is among subjects who are alike in the expected fields: verdict and sentence."""

from __future__ import annotations

import math

from ..serialize import or_nan
from ..statistics.result_cache import SMALLEST_KEPT
from .formatting import count, listed


def among_alike(row: dict, within: bool) -> str:
    """What a difference that was found is among subjects alike in the expected fields.

    Args:
        row: with "kept_interval", the interval of the share of it that is left
        within: whether the test among them holds
    """
    low, high = (or_nan(v) for v in row.get("kept_interval") or (None, None))
    if within and low > 0:
        return "found"
    return "explained" if high < SMALLEST_KEPT else "inseparable"


def left_among_alike(row: dict, expected: list[str]) -> str:
    """What is left of a difference among subjects alike in the expected fields, and on whom that rests."""
    share, (low, high) = or_nan(row.get("kept")), (or_nan(v) for v in row.get("kept_interval") or (None, None))
    if not expected:
        return ""
    who = f"{count(row.get('n_alike') or 0, 'subject')} who have others alike in {listed(expected)} on the other side"
    if share == share and math.isfinite(low):
        return f" Among {who}, {share:.0%} of the difference is left (95 % interval {low:.0%} to {high:.0%})."
    return f" What is left of it among the {who} cannot be told."
