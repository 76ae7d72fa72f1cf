"""Who, what, when and what is missing: facts of a cohort without anybody's identity."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from .. import schema, store
from ..errors import InputError
from ..findings.finding import plain
from ..statistics.dates import as_years, dated

#: values of a field that are listed, the commonest first
MOST_VALUES = 8
#: a field with more values than this share of the subjects is an id or free text, and its values are not listed
ID_SHARE = 0.5


@dataclass(frozen=True)
class FieldFacts:
    """One metadata field.

    Attributes:
        name: field
        kind: "string", "integer", "float", "date" …
        n_missing: samples without a value
        n_values: distinct values
        values: ``((value, subjects), …)`` of classes; a count below k is ``None``
        rest: further values, not listed, among them all held by fewer than k subjects
        quantiles: 5, 25, 50, 75 and 95 % of numbers, a subject counting once; dates as years
        listed: whether its values may be listed at all
    """

    name: str
    kind: str
    n_missing: int
    n_values: int
    values: tuple[tuple[str, int | None], ...] = ()
    rest: int = 0
    quantiles: tuple[float, ...] = ()
    listed: bool = True


@dataclass(frozen=True)
class CohortFacts:
    """A cohort in numbers; groups of fewer than k subjects are not told.

    Attributes:
        name: dataset
        n_samples: samples
        n_subjects: subjects
        has_subjects: whether a field names the subject; else every sample counts as one
        per_subject: median and largest number of samples a subject
        n_synthetic: generated samples, which take part in nothing
        splits: samples in train, val and test
        fields: metadata fields
        dates: ``(field, ((year, subjects or None), …))``; empty without a date
        geometry: what was done to volumes, in words
        k: smallest group that is told
    """

    name: str
    n_samples: int
    n_subjects: int
    has_subjects: bool
    per_subject: tuple[int, int]
    n_synthetic: int
    splits: dict[str, int]
    fields: tuple[FieldFacts, ...]
    dates: tuple[str, tuple[tuple[int, int | None], ...]]
    geometry: str
    k: int

    def to_dict(self) -> dict:
        return plain(asdict(self))


def cohort_facts(samples, k: int = 5) -> CohortFacts:
    """Counts a cohort.

    Args:
        samples: a dataset or view
        k: groups of fewer subjects are not told
    """
    ids, subjects = store.sample_ids(samples), np.array(store.read_subjects(samples), dtype=object)
    table = store.read_table(samples)
    kinds = {f: kind for f, kind in store.metadata_fields(samples).items() if f != schema.MONTAGE_FIELD}
    counts = Counter(subjects)
    per = sorted(counts.values()) or [0]
    splits: dict[str, int] = {}
    if store.has_field(samples, schema.SPLIT_FIELD):
        found = Counter(v for v in store.read_field(samples, schema.SPLIT_FIELD) if v)
        splits = {s: found.get(s, 0) for s in schema.SPLITS if found.get(s)}
    fields = tuple(_field(name, kind, table[name], subjects, len(counts), k) for name, kind in kinds.items())
    return CohortFacts(
        store.dataset_of(samples).name,
        len(ids),
        len(counts),
        store.subject_field(samples) is not None,
        (int(np.median(per)), int(per[-1])),
        store.count(samples) - len(ids),
        splits,
        fields,
        _dates(table, kinds, subjects, k),
        _geometry(samples),
        k,
    )


def few(n: int, k: int) -> int | None:
    """A count, or ``None`` where fewer than k would be told."""
    return None if 0 < n < k else n


def _field(name: str, kind: str, column: pd.Series, subjects, n_subjects: int, k: int) -> FieldFacts:
    present = column.notna().to_numpy() & (column.astype(str) != "").to_numpy()
    n_missing = int((~present).sum())
    values, owners = column[present], subjects[present]
    n_values = int(values.astype(str).nunique())
    if not len(values):
        return FieldFacts(name, kind, n_missing, 0)
    if kind in ("date", "datetime"):
        return FieldFacts(name, kind, n_missing, n_values, quantiles=_quantiles(as_years(values), owners, k))
    if kind in ("integer", "float") and n_values > 10:
        return FieldFacts(name, kind, n_missing, n_values, quantiles=_quantiles(values.to_numpy(float), owners, k))
    if n_values > 20 and n_values > ID_SHARE * n_subjects:
        return FieldFacts(name, kind, n_missing, n_values, rest=n_values, listed=False)
    texts = [f"{v:.6g}" if isinstance(v, (float, np.floating)) else str(v) for v in values]
    per_value = Counter(v for v, _ in set(zip(texts, owners, strict=True)))
    # values that are as frequent in the order of the alphabet: that of a set differs from process to process
    told = [(v, n) for v, n in sorted(per_value.items(), key=lambda found: (-found[1], found[0])) if n >= k][
        :MOST_VALUES
    ]
    # a few of rare values are the total less those that are told; then the smallest of these is not told either
    if told and 0 < len({o for v, o in zip(texts, owners, strict=True) if v not in dict(told)}) < k:
        told.pop()
    return FieldFacts(name, kind, n_missing, n_values, tuple(told), n_values - len(told))


def _quantiles(values: np.ndarray, owners, k: int) -> tuple[float, ...]:
    """5, 25, 50, 75, 95 % of one value a subject; nothing where an end would stand for fewer than k."""
    per_subject = pd.Series(values).groupby(owners).mean().dropna()
    if len(per_subject) < 4 * k:
        return ()
    ends = (0.05, 0.25, 0.5, 0.75, 0.95) if len(per_subject) >= 20 * k else (0.25, 0.5, 0.75)
    found = tuple(float(q) for q in per_subject.quantile(list(ends)))
    return found if len(found) == 5 else (float("nan"), *found, float("nan"))


def _dates(table: pd.DataFrame, kinds: dict[str, str], subjects, k: int):
    for name in dated(kinds):
        try:
            years = as_years(table[name])
        except InputError:
            continue
        known = np.isfinite(years)
        if known.any():
            pairs = {(int(y), s) for y, s in zip(np.floor(years[known]), subjects[known], strict=True)}
            per_year = Counter(y for y, _ in pairs)
            hidden = [y for y, n in per_year.items() if few(n, k) is None]
            if hidden and sum(per_year[y] for y in hidden) < k and len(per_year) > len(hidden):
                hidden.append(min((y for y in per_year if y not in hidden), key=per_year.get))
            years = range(min(per_year), max(per_year) + 1)
            return name, tuple((y, None if y in hidden else per_year.get(y, 0)) for y in years)
    return "", ()


def _geometry(samples) -> str:
    if not store.has_field(samples, schema.GEOMETRY_FIELD):
        return "2-D images"
    made = [g for g in store.read_field(samples, schema.GEOMETRY_FIELD) if g and g.get("plane", "image") != "image"]
    if not made:
        return "2-D images"
    planes = Counter(g["plane"] for g in made)
    slices = sorted(int(g.get("slices") or 0) for g in made)
    text = f"{len(made):,} volumes, " + ", ".join(f"{n:,} {p}" for p, n in planes.most_common())
    return f"{text}; {slices[0]} to {slices[-1]} slices (median {slices[len(slices) // 2]})"
