"""What kind of question a metadata field asks, and whether it can be asked at all."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from ..quantities import PLAIN, Quantity, quantity_of
from ..serialize import decimal_year

#: a class needs this many subjects to be probed
MIN_SUBJECTS = 10
#: a numeric field with at most this many values is a set of categories (a device's pixel spacings)
MOST_LEVELS = 10
#: the most common classes that are probed
MOST_CLASSES = 20


@dataclass(frozen=True)
class Target:
    """A field made ready to be probed.

    Attributes:
        name: field
        kind: "binary", "multiclass", "ordinal", "numeric" or "date"
        rows: positions of the samples that take part, int array (n,)
        values: class indices, int (n,), or float values (n,); dates are years
        classes: names of the classes; empty for numbers
        notes: what was left out, in words
        quantity: how its numbers are told
    """

    name: str
    kind: str
    rows: np.ndarray
    values: np.ndarray
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    quantity: Quantity = PLAIN

    @property
    def categorical(self) -> bool:
        return self.kind in ("binary", "multiclass")


def make_target(
    name: str, values: Sequence[object], subjects: Sequence[str], scale: str = "auto", unit: str = ""
) -> Target:
    """Types a field and leaves out what cannot be probed.

    Args:
        name: field
        values: one a sample; ``None`` or NaN where missing
        subjects: subject of each sample
        scale: "auto" (a number with at most :data:`MOST_LEVELS` values is a set of classes), "classes", "ordinal"
            (numbers whose order counts but not their distance) or "numeric"
        unit: what its numbers are in, where that is stated; default: what its name says

    Returns:
        the target

    Raises:
        InputError: no values, one value, an id, mixed types, or too few subjects; the message says which
    """
    present = np.array([k for k, v in enumerate(values) if not _missing(v)], dtype=int)
    if not len(present):
        raise InputError(f"field {name!r} has no values")
    given = [values[k] for k in present]
    owners = [str(subjects[k]) for k in present]
    notes = []
    if len(present) < len(values):
        notes.append(f"{len(values) - len(present)} samples without a value were left out")
    distinct = len(set(given))
    if distinct == 1:
        raise InputError(f"field {name!r} has one value ({given[0]!r}) for all samples: there is nothing to tell apart")
    if len(set(owners)) < 2 * MIN_SUBJECTS:
        raise InputError(
            f"field {name!r} has values for {len(set(owners))} subjects; a probe needs at least {2 * MIN_SUBJECTS}"
        )
    if all(isinstance(v, (datetime.date, datetime.datetime)) for v in given):
        numbers = np.array([decimal_year(v) for v in given])
        return Target(name, "date", present, numbers, (), tuple(notes), Quantity("years", date=True))
    if all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in given):
        numbers = np.array(given, dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise InputError(f"field {name!r} holds infinite values; correct or remove them")
        if np.ptp(numbers) == 0:
            raise InputError(f"field {name!r} holds whole numbers too large to be told apart: an id")
        if np.abs(numbers).max() > 1e30:
            raise InputError(
                f"field {name!r} holds numbers of {np.abs(numbers).max():.0e}, too large to compute with; "
                "give them in another unit, or correct them"
            )
        if scale == "ordinal":
            levels = np.unique(numbers, return_inverse=True)[1].astype(float)
            return Target(name, "ordinal", present, levels, (), tuple(notes))
        if scale == "numeric" or scale == "auto" and distinct > MOST_LEVELS:
            return Target(
                name, "numeric", present, numbers, (), tuple(notes), quantity_of(name, numbers.tolist(), unit)
            )
        given = [f"{v:.6g}" for v in numbers]
    elif scale in ("ordinal", "numeric"):
        raise InputError(f"field {name!r} holds no numbers, so it cannot be probed as {scale}")
    elif not all(isinstance(v, (str, bool)) for v in given):
        kinds = sorted({type(v).__name__ for v in given})
        raise InputError(f"field {name!r} mixes types ({', '.join(kinds)}); make it one type")
    return _categories(name, present, [str(v) for v in given], owners, notes)


def upper_half(values: np.ndarray) -> np.ndarray:
    """Which numbers lie above their median; where more than half of them are the largest, which are that, bool (n,)."""
    middle = np.median(values)
    above = values > middle
    return above if above.any() else values >= middle


def _categories(name, present, labels, owners, notes) -> Target:
    pairs = set(zip(labels, owners, strict=True))
    per_class = Counter(label for label, _ in pairs)
    if len(per_class) > 20 and len(per_class) > 0.5 * len(set(owners)):
        raise InputError(
            f"field {name!r} has {len(per_class)} values for {len(set(owners))} subjects: an id or free text, not "
            "classes"
        )
    kept = sorted(c for c, n in per_class.most_common(MOST_CLASSES) if n >= MIN_SUBJECTS)
    if len(kept) < 2:
        raise InputError(
            f"field {name!r} has fewer than two values with {MIN_SUBJECTS} subjects each "
            f"({', '.join(f'{c}: {n}' for c, n in per_class.most_common(4))})"
        )
    dropped = len(per_class) - len(kept)
    mask = np.array([label in kept for label in labels])
    if dropped:
        notes = [*notes, f"{dropped} rare values ({int((~mask).sum())} samples) were left out"]
    index = {c: k for k, c in enumerate(kept)}
    codes = np.array([index[label] for label, m in zip(labels, mask, strict=True) if m], dtype=int)
    kind = "binary" if len(kept) == 2 else "multiclass"
    return Target(name, kind, present[mask], codes, tuple(kept), tuple(notes))


def _missing(value: object) -> bool:
    return value is None or value == "" or isinstance(value, (float, np.floating)) and bool(np.isnan(value))
