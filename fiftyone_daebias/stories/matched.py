"""Examples of two groups side by side, each pair alike in the expected fields: what is left to see is the group."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from .. import store
from ..errors import InputError
from ..statistics.covariates import make_covariates, numbers_of
from .binding import levels_of

#: subjects of each group that are compared
MOST = 300


def matched_examples(
    samples, field: str, expected: tuple[str, ...] = (), n: int = 6, seed: int = 51
) -> tuple[list[str], tuple[str, str]]:
    """Pairs of samples of a field's two most different groups, the closest pairs in the expected fields first.

    Groups are the highest and the lowest of a number, else the two largest. One
    sample a subject; of pairs equally alike, the seed decides.

    Args:
        samples: a dataset or view
        field: the field
        expected: fields in which a pair is to be alike
        n: pairs
        seed: random seed

    Returns:
        sample ids, a pair after another, and the names of the two groups

    Raises:
        InputError: the field has fewer than two groups
    """
    table = store.read_table(samples, list(dict.fromkeys([field, *expected])))
    subjects = np.array(store.read_subjects(samples))
    codes, names = levels_of(table[field])
    sizes = [len(set(subjects[codes == k])) for k in range(len(names))]
    if sum(s > 0 for s in sizes) < 2:
        raise InputError(f"{field!r} has fewer than two groups to show side by side")
    if numbers_of(table[field], codes >= 0) is not None:
        pair = (max(k for k, s in enumerate(sizes) if s), min(k for k, s in enumerate(sizes) if s))
    else:
        pair = tuple(int(k) for k in np.argsort(sizes)[::-1][:2])
    rng, chosen = np.random.default_rng(seed), []
    columns = _columns(table, expected)
    complete = np.isfinite(columns).all(axis=1)
    for k in pair:
        rows = np.flatnonzero((codes == k) & complete)
        rows = rows if len(rows) else np.flatnonzero(codes == k)
        rows = rng.permutation(rows)
        first = np.unique(subjects[rows], return_index=True)[1]
        chosen.append(rows[np.sort(first)][:MOST])
    apart = cdist(np.nan_to_num(columns[chosen[0]]), np.nan_to_num(columns[chosen[1]]))
    a, b = linear_sum_assignment(apart)
    best = np.argsort(apart[a, b], kind="stable")[:n]
    ids = store.sample_ids(samples)
    rows = [int(r) for k in best for r in (chosen[0][a[k]], chosen[1][b[k]])]
    return [ids[r] for r in rows], (names[pair[0]], names[pair[1]])


def _columns(table: pd.DataFrame, expected: tuple[str, ...]) -> np.ndarray:
    """Expected fields as standardised columns; NaN where one is missing; one constant column where none is named."""
    given = [f for f in expected if f in table.columns]
    if given:
        try:
            parts = [c[:, :1] if len(np.unique(c[:, 0])) > 2 else c for c in make_covariates(table[given]).columns]
        except InputError:
            parts = []
        if parts:
            return np.hstack(parts)
    return np.zeros((len(table), 1))
