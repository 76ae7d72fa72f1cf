"""Strata of expected differences: is a field still to be told among subjects who are alike in them?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from .covariates import numbers_of

#: quantile bins of a number
BINS = 5


@dataclass(frozen=True)
class Strata:
    """Subjects that are alike in the fields adjusted for.

    Attributes:
        fields: the fields
        codes: stratum of each sample, −1 where a field has no value, (n,)
        names: name of each stratum
        numbers: ``{field: values (n,)}`` of the numeric fields, for the check of what is left within bins
    """

    fields: tuple[str, ...]
    codes: np.ndarray
    names: tuple[str, ...]
    numbers: dict


def make_strata(table: pd.DataFrame) -> Strata:
    """Crosses fields; numbers are cut at their fifths, dates are numbers of years.

    Args:
        table: one column a field, one row a sample

    Raises:
        InputError: a field has no values, or as many categories as an id
    """
    parts, numbers = [], {}
    for name in table.columns:
        column = table[name]
        present = column.notna() & (column.astype(str) != "")
        if not present.any():
            raise InputError(f"adjust_for: field {name!r} has no values")
        if pd.api.types.is_bool_dtype(column[present].infer_objects()):
            part = column.astype(object).where(present).map(str, na_action="ignore")
        else:
            values = numbers_of(column, present.to_numpy())
            if values is not None and len(np.unique(values[present])) > BINS:
                numbers[name] = values
                cuts = pd.qcut(pd.Series(values, index=column.index), BINS, duplicates="drop")
                part = cuts.map(lambda i: f"{i.left:.4g} to {i.right:.4g}", na_action="ignore").astype(object)
            else:
                part = column.where(present).map(str, na_action="ignore")
        if part.nunique() > 50:
            raise InputError(
                f"adjust_for: field {name!r} has {part.nunique()} values; strata need few values with several "
                "subjects each"
            )
        parts.append(name + " " + part.astype(object))
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + ", " + part
    codes, names = pd.factorize(joined, sort=True)
    return Strata(tuple(map(str, table.columns)), codes.astype(int), tuple(map(str, names)), numbers)
