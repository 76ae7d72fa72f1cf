"""The label that a model is to be trained on, checked before anything is reckoned with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError, hint
from ..findings.formatting import listed
from ..statistics.targets import MIN_SUBJECTS, make_target

#: what parts several labels of one image
_BETWEEN = ("|", ";")
_LISTS = (list, tuple, set)


@dataclass(frozen=True)
class Label:
    """A target as classes.

    Attributes:
        name: as it was given: "finding", or "finding=Effusion"
        field: the field
        codes: class of each sample, −1 where there is none, (n,)
        classes: names of the classes
    """

    name: str
    field: str
    codes: np.ndarray
    classes: tuple[str, ...]


def no_field(parameter: str, field: str, table: pd.DataFrame, way_out: str = "") -> str:
    """What to say of a field that is not there: how to have it, else those that are."""
    names = list(map(str, table.columns))
    way_out = way_out or hint(field, names, 3, 0.5) or f"fields: {listed(names, 20)}"
    return f"{parameter}: there is no field {field!r}; {way_out}"


def read_label(
    table: pd.DataFrame, subjects: np.ndarray, spec: str, way_out: Callable[[str], str] = lambda field: ""
) -> Label:
    """Reads a target.

    Args:
        table: metadata, one row a sample
        subjects: subject of each sample, (n,)
        spec: a field, or "field=value" for one value against all others; of several labels in one text
            ("Effusion|Infiltration") each is a value
        way_out: says of a field that is not there how to have it, "" where it cannot

    Raises:
        InputError: no such field or value, one class, a number, several labels, or too few subjects; it says which
    """
    field, _, value = (spec, "", "") if spec in table.columns else spec.partition("=")
    if field not in table.columns:
        raise InputError(no_field("target", field, table, way_out(field)))
    column = table[field]
    known = (column.notna() & ~column.astype(str).isin(("", "[]", "()"))).to_numpy()
    if any(isinstance(v, dict) for v in column[known]):
        raise InputError(f"target {field!r} holds records, not labels; name a field of labels, classes or yes/no")
    parts = [_labels(v) if k else () for v, k in zip(column, known, strict=True)]
    if value:
        return _one_value(spec, field, value, parts, known, subjects)
    if any(len(p) > 1 for p in parts):
        raise InputError(
            f"target {field!r} holds several labels an image ({_example(parts)!r}); name one of them, each is a yes/no "
            f"target of its own: {_choices(field, parts, subjects)}"
        )
    # a list of one label is that label
    column = column.map(lambda v: _labels(v)[0] if isinstance(v, _LISTS) and len(v) else v)
    try:
        made = make_target(field, [v if k else None for v, k in zip(column, known, strict=True)], subjects)
    except InputError as error:
        raise InputError(f"target: {error}") from None
    if not made.categorical:
        what = "date" if hasattr(column[known].iloc[0], "timetuple") else "number"
        raise InputError(
            f"target {field!r} is a {what} with {column[known].nunique()} values; a model's label needs classes: make "
            "a field of classes of it and name that"
        )
    codes = np.full(len(table), -1)
    codes[made.rows] = made.values
    return Label(spec, field, codes, made.classes)


def _labels(value: object) -> tuple[str, ...]:
    """The labels in one value."""
    if isinstance(value, _LISTS):
        return tuple(dict.fromkeys(str(v) for v in value))
    if not isinstance(value, str):
        return (f"{value:.6g}" if isinstance(value, float) else str(value),)
    for between in _BETWEEN:
        if between in value:
            return tuple(dict.fromkeys(p.strip() for p in value.split(between) if p.strip()))
    return (value,)


def _one_value(spec, field, value, parts, known, subjects) -> Label:
    if not any(value in p for p in parts):
        raise InputError(f"target: no image has {field} {value!r}; choices: {_choices(field, parts, subjects)}")
    codes = np.where(known, [int(value in p) for p in parts], -1)
    for code, which in ((1, value), (0, f"anything but {value}")):
        n = len(set(subjects[codes == code]))
        if n < MIN_SUBJECTS:
            raise InputError(f"target {spec!r}: {n} subjects have {which}; at least {MIN_SUBJECTS} are needed")
    return Label(spec, field, codes, (f"not {value}", value))


def _example(parts) -> str:
    return "|".join(next(p for p in parts if len(p) > 1))


def _choices(field: str, parts, subjects) -> str:
    people = Counter(label for label, _ in {(v, s) for p, s in zip(parts, subjects, strict=True) for v in p})
    told = [f"{field}={label} ({n} subjects)" for label, n in people.most_common(8) if n >= MIN_SUBJECTS]
    return ", ".join(told) or "none has enough subjects"
