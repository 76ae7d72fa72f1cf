"""Strata of expected differences: is a field still decodable among subjects who are alike in them?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from .scores import subject_weights, weighted_auc

#: quantile bins of a number
BINS = 5
#: a stratum with fewer subjects compares hardly anybody
SMALLEST = 4


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
            values = _as_numbers(column, present)
            if values is not None and values[present].nunique() > BINS:
                numbers[name] = values.to_numpy(float)
                cuts = pd.qcut(values, BINS, duplicates="drop")
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


def _as_numbers(column: pd.Series, present) -> pd.Series | None:
    first = column[present].iloc[0]
    if hasattr(first, "timetuple"):
        return column.map(
            lambda v: v.year + (v.timetuple().tm_yday - 1) / 365.25 if hasattr(v, "timetuple") else np.nan
        ).astype(float)
    if isinstance(first, (int, float, np.number)):
        return pd.to_numeric(column, errors="coerce")
    return None


@dataclass(frozen=True)
class Support:
    """How much the strata can say.

    Attributes:
        rows: positions of the samples in strata that compare somebody, int (m,)
        n_subjects: subjects in them
        n_strata: such strata
        notes: warnings, in words
    """

    rows: np.ndarray
    n_subjects: int
    n_strata: int
    notes: tuple[str, ...]


def support(strata: Strata, codes: np.ndarray, subjects: np.ndarray, values, categorical: bool) -> Support:
    """Which strata have subjects of at least two classes (or several subjects, for a number).

    Args:
        strata: the strata, of all samples
        codes: stratum of the rows probed (n,)
        subjects: subject of the rows
        values: class indices or numbers of the rows
        categorical: whether the values are classes
    """
    kept, lost = [], []
    for s in np.unique(codes):
        mine = codes == s
        people = len(set(subjects[mine]))
        if s < 0:
            lost.append(f"{people} subjects without a value of {', '.join(strata.fields)}")
        elif people < SMALLEST:
            lost.append(f"{strata.names[s]!r} ({people} subjects)")
        elif categorical and len(np.unique(values[mine])) < 2:
            lost.append(f"{strata.names[s]!r} (one class only, {people} subjects)")
        else:
            kept.append(s)
    rows = np.flatnonzero(np.isin(codes, kept))
    notes = []
    if lost:
        shown = "; ".join(lost[:5]) + (f"; and {len(lost) - 5} more" if len(lost) > 5 else "")
        notes.append(f"strata that cannot compare anybody were left out: {shown}")
    everybody = len(set(subjects))
    here = len(set(subjects[rows]))
    if here < 0.5 * everybody:
        notes.append(f"only {here} of {everybody} subjects are in strata that compare somebody: weak evidence")
    return Support(rows, here, len(kept), tuple(notes))


def left_within(
    strata: Strata, rows: np.ndarray, codes: np.ndarray, target_values, subjects, binary: bool
) -> list[str]:
    """Warns where a number, cut into bins, still goes with the label inside the bins.

    Args:
        strata: the strata
        rows: positions of the samples among all samples, (n,)
        codes: their stratum (n,)
        target_values: class indices or numbers (n,)
        subjects: (n,)
        binary: whether the values are two classes
    """
    out = []
    weights = subject_weights(subjects)
    for name, numbers in strata.numbers.items():
        values = numbers[rows]
        if not binary:
            continue
        auc = float(weighted_auc(values, target_values == 1, weights, codes)[0])
        if np.isfinite(auc) and abs(auc - 0.5) > 0.05:
            out.append(
                f"within the strata {name} still goes with the label (AUC {max(auc, 1 - auc):.2f}); the adjustment is "
                "incomplete by that much"
            )
    return out
