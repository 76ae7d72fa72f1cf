"""Fields that are expected to differ, as columns of a regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from ..errors import InputError
from ..serialize import decimal_year

#: a number with more values than this is continuous
MOST_LEVELS = 5
#: a field with more categories than this is an id, or free text
MOST_CATEGORIES = 50
#: categories with fewer subjects are pooled
SMALLEST = 5
#: one column needs so many subjects
SUBJECTS_A_COLUMN = 8


@dataclass(frozen=True)
class Covariates:
    """Expected fields of all samples.

    Attributes:
        fields: their names
        columns: one table a field, each (n, columns of the field), the most important column first; NaN where missing
        present: whether a sample has all of them, bool (n,)
        alike: expected fields with one value, which need no adjustment
    """

    fields: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    present: np.ndarray
    alike: tuple[str, ...] = ()

    def missing(self, rows: np.ndarray, subjects: np.ndarray) -> str:
        """Which field is missing for most subjects, in words; "" where none is missing."""
        lost = [
            (len(set(subjects[~np.isfinite(c[rows]).all(axis=1)])), f)
            for c, f in zip(self.columns, self.fields, strict=True)
        ]
        count, name = max(lost)
        return f"{name} is missing for {count} of {len(set(subjects))} subjects" if count else ""

    def basis(self, rows: np.ndarray, subjects: np.ndarray) -> np.ndarray:
        """Regressors of some rows, standardised, (m, p).

        Curves of numbers and products of fields are taken in as far as the subjects can pay for them.

        Args:
            rows: rows with all fields
            subjects: subject of each of these rows
        """
        most = max(len(self.fields), len(set(subjects)) // SUBJECTS_A_COLUMN)
        parts = [c[rows][:, _used(c[rows], subjects)] for c in self.columns]
        main = [p[:, :1] if _continuous(c) else p for p, c in zip(parts, self.columns, strict=True)]
        curves = [p[:, 1:] for p, c in zip(parts, self.columns, strict=True) if _continuous(c)]
        products = [
            np.einsum("ij,ik->ijk", a, b).reshape(len(rows), -1) for k, a in enumerate(main) for b in main[k + 1 :]
        ]
        out = np.hstack(main)
        for extra in (*(c[:, k : k + 1] for k in (0, 1) for c in curves if c.shape[1] > k), *products):
            if extra.shape[1] and out.shape[1] + extra.shape[1] <= most:
                out = np.hstack([out, extra])
        out = out - out.mean(axis=0)
        sd = out.std(axis=0)
        return out[:, sd > 1e-9] / sd[sd > 1e-9]


def _continuous(columns: np.ndarray) -> bool:
    known = columns[np.isfinite(columns).all(axis=1)]
    return len(np.unique(known[:, 0])) > 2


def _used(columns: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    if _continuous(columns):
        return np.ones(columns.shape[1], bool)
    enough = [len(set(subjects[columns[:, k] > 0])) >= SMALLEST for k in range(columns.shape[1])]
    return np.array(enough, bool)


def make_covariates(table: pd.DataFrame) -> Covariates:
    """Turns expected fields into regressors: numbers and dates into normal scores with curves, the rest into dummies.

    Args:
        table: one column a field, one row a sample

    A field with one value for everybody is left out: all are alike in it already.

    Raises:
        InputError: a field has no values, or as many categories as an id
    """
    columns, present, names, alike = [], np.ones(len(table), bool), [], []
    for name in table.columns:
        column = table[name]
        known = (column.notna() & (column.astype(str) != "")).to_numpy()
        if not known.any():
            raise InputError(f"adjust_for: field {name!r} has no values")
        values = numbers_of(column, known)
        if values is not None and len(np.unique(values[known])) > MOST_LEVELS:
            z = np.full(len(column), np.nan)
            ranks = pd.Series(values[known]).rank().to_numpy()
            z[known] = norm.ppf((ranks - 0.5) / known.sum())
            columns.append(np.stack([z, z**2, z**3], axis=1))
        else:
            texts = column.where(pd.Series(known, index=column.index)).map(str, na_action="ignore")
            levels = texts[known].value_counts()
            if len(levels) > MOST_CATEGORIES:
                raise InputError(
                    f"adjust_for: field {name!r} has {len(levels)} categories; expected fields need few values with "
                    "several subjects each"
                )
            if len(levels) < 2:
                alike.append(str(name))
                continue
            # the most common category is the reference
            dummies = np.stack([(texts == level).to_numpy(float) for level in levels.index[1:]], axis=1)
            dummies[~known] = np.nan
            columns.append(dummies)
        names.append(str(name))
        present &= known
    return Covariates(tuple(names), tuple(columns), present, tuple(alike))


def numbers_of(column: pd.Series, known: np.ndarray) -> np.ndarray | None:
    """A column as numbers, dates as years; ``None`` where it holds neither."""
    first = column[known].iloc[0]
    if isinstance(first, (bool, np.bool_)):
        return None
    if hasattr(first, "timetuple"):
        return np.array(
            [decimal_year(v) if k and hasattr(v, "timetuple") else np.nan for v, k in zip(column, known, strict=True)]
        )
    if isinstance(first, (int, float, np.number)):
        return pd.to_numeric(column, errors="coerce").to_numpy(float)
    return None


class Projection:
    """Weighted least squares on fixed regressors, for many labelings at once.

    Args:
        basis: (n, p), without the constant
        weights: (n,)
    """

    def __init__(self, basis: np.ndarray, weights: np.ndarray):
        self.columns = np.hstack([np.ones((len(weights), 1)), basis])
        weighted = self.columns * weights[:, None]
        inner = self.columns.T @ weighted
        # a hair of ridge, for regressors that repeat each other
        inner[np.diag_indices(len(inner))] += 1e-6 * np.trace(inner) / len(inner)
        self.solve = np.linalg.solve(inner, weighted.T)

    def fit(self, y: np.ndarray) -> np.ndarray:
        """Fitted values of each column, (n, k)."""
        return self.columns @ (self.solve @ y)
