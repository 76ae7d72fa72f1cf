"""What a test of a difference between groups stores: one base for the rows of all tables of such tests."""

from __future__ import annotations

from dataclasses import dataclass

from ..serialize import plain
from .cells import Cells

_NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class DifferenceRow:
    """A difference between groups, or why it was not tested.

    Attributes:
        verdict: "not tested"; else "" until it is settled over everything tested on the dataset
        measure: what the effect is: "Cramér's V", "Cliff's delta" …
        effect: its value
        interval: its 95 % interval, subjects as the units
        words: the difference in words
        p: permutation p-value, subjects exchanged
        q: p after correction over everything tested on the dataset
        note: why there is no number, or what to bear in mind
        cells: subjects of each value on either side; ``None`` where it was not tested
    """

    verdict: str = "not tested"
    measure: str = ""
    effect: float = _NAN
    interval: tuple[float, float] = (_NAN, _NAN)
    words: str = ""
    p: float = _NAN
    q: float = _NAN
    note: str = ""
    cells: Cells | None = None

    def to_dict(self) -> dict:
        return plain(self)


@dataclass(frozen=True, kw_only=True)
class AdjustedRow(DifferenceRow):
    """A difference that was looked at among subjects alike in the expected fields, too.

    Attributes:
        p_within: p among subjects alike in the expected fields
        q_within: p_within after the same correction as q
        kept: share of the difference that is left among them
        kept_interval: its 95 % interval
        n_alike: subjects that have others alike in the expected fields on the other side
    """

    p_within: float = _NAN
    q_within: float = _NAN
    kept: float = _NAN
    kept_interval: tuple[float, float] = (_NAN, _NAN)
    n_alike: int = 0
