"""Checks that need no model: fields recorded in one group only, and fields whose codes change with a group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from .binding import FEW_VALUES, levels_of

#: a group or a part of it has at least so many subjects
FEWEST = 10
#: over all pairs of fields together
LEVEL = 0.01


@dataclass(frozen=True)
class Recording:
    """How a field is recorded differently in a group.

    Attributes:
        field: the field
        by: the field that makes the groups
        group: the group
        kind: "one group" (recorded there and nowhere else) or "codes" (numbers there, words elsewhere, or the reverse)
        n_inside: subjects of the group with a value
        n_outside: subjects of all other groups, with or without one
        p: chance of it if the group had nothing to do with it, times the pairs looked at
        examples: a value of the group and one of the others; the second is "" where nothing is recorded
    """

    field: str
    by: str
    group: str
    kind: str
    n_inside: int
    n_outside: int
    p: float
    examples: tuple[str, str]


def recording_differences(table: pd.DataFrame, subjects: np.ndarray) -> list[Recording]:
    """Fields that are recorded in one group of another field only, or in other codes there.

    Groups are the values of fields with few of them, each with enough subjects.
    Under chance the number of a group's subjects among those with a value (or
    with a number for one) is hypergeometric; p is multiplied by the number of
    pairs of a field and a group. Of several fields that make the same group,
    the first is named.

    Args:
        table: metadata, one row a sample
        subjects: subject of each sample, (n,)

    Returns:
        the differences, in the table's order
    """
    by_subject = table.groupby(np.asarray(subjects))
    rows = by_subject.first()  # what is known of a subject from any image
    known = {c: (rows[c].notna() & (rows[c].astype(str) != "")).to_numpy() for c in table.columns}
    varies = by_subject.nunique().gt(1).any()
    # a field that differs within subjects (the side of a breast) makes no groups of subjects
    groups = {by: masks for by, masks in _groups(rows, known).items() if not varies[by]}
    pairs = max(1, sum(len(masks) for masks in groups.values()) * (len(table.columns) - 1))
    out = []
    for field in table.columns:
        seen: list[np.ndarray] = []
        column, has = rows[field], known[field]
        numeric = np.array([_is_number(v) if k else False for v, k in zip(column, has, strict=True)])
        for by, masks in groups.items():
            for name, mask in masks if by != field else ():
                if any(np.array_equal(mask, other) for other in seen):
                    continue
                got = _one_group(column, has, known[by], mask) or _codes(column, has & known[by], numeric, mask)
                if got is not None and got[1] * pairs <= LEVEL:
                    seen.append(mask)
                    kind, p, n_in, n_out, examples = got
                    out.append(Recording(str(field), str(by), name, kind, n_in, n_out, float(p * pairs), examples))
    return out


def _groups(rows: pd.DataFrame, known) -> dict[str, list[tuple[str, np.ndarray]]]:
    """``{field: [(value, whose it is), …]}`` of fields that a few values share out among the subjects."""
    out = {}
    for by in rows.columns:
        if not known[by].any() or rows[by][known[by]].astype(str).nunique() > FEW_VALUES:
            continue
        codes, names = levels_of(rows[by])
        masks = [(n, codes == k) for k, n in enumerate(names) if (codes == k).sum() >= FEWEST]
        if len(masks) >= 2:
            out[by] = masks
    return out


def _one_group(column: pd.Series, known, grouped, mask):
    """Recorded in the group and in no other."""
    inside, outside = int((known & mask).sum()), int((grouped & ~mask).sum())
    if inside < FEWEST or outside < FEWEST or (known & grouped & ~mask).any():
        return None
    n = int(grouped.sum())
    # all those with a value lie in the group
    p = hypergeom.sf(inside - 1, n, int((mask & grouped).sum()), inside)
    return "one group", p, inside, outside, (str(column[known & mask].iloc[0]), "")


def _codes(column: pd.Series, use, numeric, mask):
    """Numbers in the group and words in all others, or the reverse."""
    inside, outside = use & mask, use & ~mask
    n_in, n_out = int(inside.sum()), int(outside.sum())
    if min(n_in, n_out) < FEWEST:
        return None
    shares = numeric[inside].mean(), numeric[outside].mean()
    if shares not in ((1.0, 0.0), (0.0, 1.0)):
        return None
    # all those of one kind lie in the group
    p = hypergeom.sf(n_in - 1, n_in + n_out, n_in, n_in)
    return "codes", p, n_in, n_out, (str(column[inside].iloc[0]), str(column[outside].iloc[0]))


def _is_number(value: object) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)
