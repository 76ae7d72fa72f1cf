"""Fields of a cohort's table as questions for :mod:`fiftyone_daebias.embeddings.reading`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fiftyone_daebias.embeddings.reading import Question, draws_of, interval, predictions, score

__all__ = ["Question", "draws_of", "interval", "predictions", "questions", "score"]


def questions(table: pd.DataFrame, fields, subjects, least: int = 20) -> list[Question]:
    """Fields as questions; classes of fewer than ``least`` subjects are left out."""
    out = []
    for name in fields:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column) and column.nunique() > 10:
            rows = np.flatnonzero(column.notna())
            out.append(Question(name, rows, column.to_numpy(float)[rows]))
            continue
        text = column.where(column.notna(), "").astype(str)
        counts = pd.Series(subjects).groupby(text.to_numpy()).nunique()
        kept = [c for c in sorted(counts.index) if c and counts[c] >= least]
        rows = np.flatnonzero(text.isin(kept))
        if len(kept) > 1:
            codes = {c: k for k, c in enumerate(kept)}
            out.append(Question(name, rows, np.array([codes[t] for t in text.iloc[rows]]), tuple(kept)))
    return out
