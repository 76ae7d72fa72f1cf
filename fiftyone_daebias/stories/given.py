"""What the images still tell of a field when another field is known: the conditional probe of a pair."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .. import store
from ..errors import DaebiasError, InputError
from ..probes.adjust import adjusted_fit
from ..probes.source import ProbeSource
from ..statistics.association import association_test
from ..statistics.covariates import make_covariates, numbers_of
from ..statistics.targets import MIN_SUBJECTS, Target, make_target
from .binding import QUANTILES, levels_of

#: a field adds nothing where what is left cannot be told from chance at this level and is less than this share
LEVEL, NOTHING_SHARE = 0.01, 0.25
#: of larger cohorts so many subjects are drawn: what is asked is whether most of an effect is left
MOST_SUBJECTS = 1_000
_NAN = float("nan")


@dataclass(frozen=True)
class Left:
    """What is left of a field given another one.

    Attributes:
        field: the field
        given: the field that is known
        answer: "left" (the images tell it beyond the other field), "nothing", "inseparable" (the other field leaves
            too little of it to compare) or "unknown" (too few subjects, or too little to tell)
        measure: "AUC", "MAE" or "Cliff's delta"; "" where nothing was measured
        raw: its value without the other field, on the same subjects
        value: its value given the other field
        interval: 95 % interval of it
        chance: what it would be if nothing were left
        p: p-value of what is left
        overlap: share of the field's variance that the other field leaves
        n_subjects: subjects compared
        unit: what an error is in, where that is known
    """

    field: str
    given: str
    answer: str
    measure: str = ""
    raw: float = _NAN
    value: float = _NAN
    interval: tuple[float, float] = (_NAN, _NAN)
    chance: float = _NAN
    p: float = _NAN
    overlap: float = _NAN
    n_subjects: int = 0
    unit: str = ""


class Conditional:
    """Asks what is left of one field given another, with the vectors read once.

    Args:
        samples: a dataset or view
        vectors: the vector field
        n_permutations: labelings drawn for each question
        subject_field: field that names the subject
        seed: of folds, draws and the choice of subjects
    """

    def __init__(self, samples, vectors: str, *, n_permutations: int, subject_field: str | None, seed: int):
        self.n_permutations, self.seed = n_permutations, seed
        owners = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
        people = np.unique(list(owners.values()))
        if len(people) > MOST_SUBJECTS:
            chosen = set(np.random.default_rng(seed).choice(people, MOST_SUBJECTS, replace=False))
            samples = store.view_of_ids(samples, [i for i, s in owners.items() if s in chosen])
        self.samples, self.subject_field = samples, subject_field
        self.source: ProbeSource | None = None
        try:
            self.source = ProbeSource(samples, vectors, "rbf", subject_field)
        except DaebiasError:  # vectors that do not exist or cannot be used: quality measures may still speak
            pass
        self._raw: dict[str, float] = {}
        #: columns that may be given beside the dataset's fields, by name, indexed by sample id
        self.columns: dict[str, pd.Series] = {}

    def __call__(self, field: str, given: str, measure: str = "") -> Left:
        """What is left of ``field`` given ``given``.

        Args:
            field: the field that is asked for
            given: the field that is known
            measure: sample field of the measure that speaks for it, where no probe does
        """
        if measure:
            return self._quality(field, given, measure)
        if self.source is None:
            return Left(field, given, "unknown")
        try:
            return self._probe(field, given)
        except InputError:
            return Left(field, given, "unknown")

    def _probe(self, field: str, given: str) -> Left:
        source = self.source
        target = source.target(field)
        column = self.columns.get(given)
        column = store.read_table(self.samples, [given])[given] if column is None else column
        column = column.reindex(source.ids).rename(given)
        covariates = make_covariates(pd.DataFrame({given: _as_regressor(column)}))
        if not covariates.fields:
            return Left(field, given, "unknown")
        known = covariates.present[target.rows]
        rows, people = target.rows[known], source.subjects[target.rows[known]]
        part = replace(target, rows=rows, values=target.values[known], notes=())
        if not _enough(part, people):
            return Left(field, given, "unknown")
        machine = source.folds(rows, 1, self.seed)
        rng = np.random.default_rng([self.seed, zlib.crc32(f"{field} given {given}".encode())])
        fit = adjusted_fit(machine, part, covariates.basis(rows, people), n_permutations=self.n_permutations, rng=rng)
        n, measure = len(set(people)), "AUC" if part.categorical else "MAE"
        if fit.reason:
            answer = "inseparable" if fit.overlap < 0.5 else "unknown"
            return Left(field, given, answer, overlap=fit.overlap, n_subjects=n)
        raw = self._raw_score(field, part, machine)
        gain = fit.score - 0.5 if part.categorical else (fit.chance - fit.score) / max(fit.chance, 1e-12)
        nothing = fit.p > LEVEL and (fit.explained or gain <= NOTHING_SHARE * self._gain(field))
        answer = "nothing" if nothing else "left" if fit.p <= LEVEL and fit.better[0] > 0 else "unknown"
        unit = target.quantity.unit if measure == "MAE" else ""
        return Left(
            field, given, answer, measure, raw, fit.score, fit.interval, fit.chance, fit.p, fit.overlap, n, unit
        )

    def _raw_score(self, field: str, target: Target, machine) -> float:
        """The plain probe on the same folds; kept with the share that it is better than guessing."""
        if field not in self._raw:
            from ..probes.cross_fit import cross_fit

            rng = np.random.default_rng([self.seed, zlib.crc32(field.encode())])
            people = self.source.subjects[target.rows]
            fit = cross_fit(self.source.designs, target, people, n_permutations=99, rng=rng, machine=machine)
            gain = fit.score - 0.5 if target.categorical else (fit.chance - fit.score) / max(fit.chance, 1e-12)
            self._raw[field], self._raw[field + "\0gain"] = fit.score, max(gain, 0.0)
        return self._raw[field]

    def _gain(self, field: str) -> float:
        return self._raw[field + "\0gain"]

    def _quality(self, field: str, given: str, measure: str) -> Left:
        """The quality measure against the field, within the levels of the other."""
        if not store.has_field(self.samples, measure):
            return Left(field, given, "unknown")
        table = store.read_table(self.samples, [field, given])
        ids = store.sample_ids(self.samples)
        subjects = np.array(store.read_subjects(self.samples, self.subject_field))
        values = np.array([np.nan if v is None else v for v in store.read_field(self.samples, measure)], float)
        strata = levels_of(table[given].reindex(ids))[0]
        try:
            target = make_target(field, table[field].reindex(ids).tolist(), subjects, "auto")
        except InputError:
            return Left(field, given, "unknown")
        rows = target.rows[(strata[target.rows] >= 0) & np.isfinite(values[target.rows])]
        if len(set(subjects[rows])) < 2 * MIN_SUBJECTS:
            return Left(field, given, "unknown")
        mine = np.isin(target.rows, rows)
        rng = np.random.default_rng([self.seed, zlib.crc32(f"{field} given {given}".encode())])
        ranks = pd.Series(values[rows]).rank().to_numpy()[:, None]
        p, _ = association_test(
            ranks,
            target.values[mine],
            len(target.classes),
            subjects[rows],
            strata=strata[rows],
            n_permutations=max(self.n_permutations, 999),
            rng=rng,
        )
        answer = "unknown" if p[0] != p[0] else "left" if p[0] <= LEVEL else "nothing" if p[0] > 0.05 else "unknown"
        return Left(field, given, answer, measure, p=float(p[0]), n_subjects=len(set(subjects[rows])))


def _as_regressor(column: pd.Series) -> pd.Series:
    """Values that stand for a few things (matrix sizes, spacings) are classes, other numbers stay numbers."""
    codes, names = levels_of(column)
    values = numbers_of(column, codes >= 0)
    if values is not None and len(names) <= QUANTILES and column.nunique() > QUANTILES:
        return column
    return pd.Series([names[c] if c >= 0 else None for c in codes], index=column.index, dtype=object)


def _enough(target: Target, people: np.ndarray) -> bool:
    if len(set(people)) < 2 * MIN_SUBJECTS:
        return False
    if not target.categorical:
        return bool(np.ptp(target.values) > 0)
    return min(len(set(people[target.values == c])) for c in range(len(target.classes))) >= MIN_SUBJECTS // 2
