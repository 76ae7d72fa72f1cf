"""Results as plain values that JSON can hold."""

from __future__ import annotations

import datetime
import math
from dataclasses import asdict


def plain(row) -> dict:
    """A dataclass as a dict: NaN becomes ``None``, a tuple a list, at the top level."""
    return {k: [_known(x) for x in v] if isinstance(v, tuple) else _known(v) for k, v in asdict(row).items()}


def finite(value):
    """The same value, whatever lies in it, with ``None`` for NaN and infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def or_nan(value: float | None) -> float:
    """A number of a stored row, NaN where :func:`plain` left ``None``."""
    return float("nan") if value is None else float(value)


def decimal_year(date: datetime.date) -> float:
    """A date as a number of years: 2021-07-02 is about 2021.5."""
    return date.year + (date.timetuple().tm_yday - 1) / 365.25


def _known(value):
    return None if isinstance(value, float) and value != value else value
