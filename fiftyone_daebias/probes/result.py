"""Results of probes: one row a field, and a table of rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from dataclasses import field as made

import numpy as np

from ..quantities import with_unit
from ..rendering import Rendered, Table, p_text
from ..statistics.cells import Cells, read_cells
from ..statistics.multiplicity import benjamini_hochberg
from ..statistics.power import next_level, smallest_found

#: a field counts as decodable at this false-discovery rate
LEVEL = 0.05


_NAN = float("nan")


INDEPENDENT, EXPLAINED, CANNOT_TELL = "independent", "explained", "too few alike to tell"
#: a comparison that lost more than this share of its subjects speaks for too few of them
LEAST_KEPT = 0.5


@dataclass(frozen=True)
class Adjusted:
    """What is left of the score when other fields are given, see :mod:`~fiftyone_daebias.probes.adjust`.

    Attributes:
        fields: what was adjusted for
        score, interval, chance, better, p, q: as in :class:`ProbeResult`, given the fields; the chance of a number is
            the error with these fields alone
        n_subjects: subjects with a value of every field
        kept: their share of the subjects probed, in [0, 1]
        overlap: share of the label's variance that the fields leave, in [0, 1]
        explained: whether the effect left is shown to be less than half of the raw one
        notes: on whom the comparison rests
        reason: why there is no number; "" when there is one
    """

    fields: tuple[str, ...]
    score: float = _NAN
    interval: tuple[float, float] = (_NAN, _NAN)
    chance: float = _NAN
    better: tuple[float, float] = (_NAN, _NAN)
    p: float = _NAN
    q: float = _NAN
    n_subjects: int = 0
    kept: float = 1.0
    overlap: float = 1.0
    explained: bool = False
    notes: tuple[str, ...] = ()
    reason: str = ""

    @property
    def decodable(self) -> bool:
        """Whether the field is still decodable given the others."""
        return not self.reason and self.q <= LEVEL and self.better[0] > 0

    @property
    def verdict(self) -> str:
        """ "independent", "explained" or "too few alike to tell": neither answer comes from an empty comparison."""
        return self.judge(self.q <= LEVEL)

    def judge(self, holds: bool) -> str:
        """The verdict if the corrected p-value holds, or not; for those who correct over more tests."""
        if self.reason or self.kept < LEAST_KEPT:
            return CANNOT_TELL
        if holds and self.better[0] > 0:
            return INDEPENDENT
        return EXPLAINED if self.explained else CANNOT_TELL


@dataclass(frozen=True)
class Holdout:
    """The paper's protocol: trained on the training split, tuned on the validation split, scored on the test split.

    Attributes:
        score: AUC, concordance or MAE on the test split
        interval: 95 % subject-bootstrap interval
        chance: 0.5, or the error of always guessing the training median
        accuracy: share right (NaN for numbers)
        balanced_accuracy: mean recall (NaN for numbers)
        n_subjects: subjects of the test split
    """

    score: float
    interval: tuple[float, float]
    chance: float
    accuracy: float
    balanced_accuracy: float
    n_subjects: int


@dataclass(frozen=True)
class ProbeResult(Rendered):
    """What an embedding knows of one field.

    Attributes:
        field: the field
        vectors: the vector field probed
        group: the part of the cohort, "region=neck"; "" for all of it
        kind: "binary", "multiclass", "ordinal", "numeric" or "date"
        metric: "AUC" (macro one-against-rest for several classes), "C" (concordance of levels) or "MAE" (in the
            field's unit; years for dates)
        score: its value on held-out subjects, every subject counting once
        interval: 95 % interval of the score over cohorts of this size, training included
        chance: 0.5, or the error of always guessing the median
        better: 95 % interval of the gain over chance; its low end is above 0 when the probe beats chance
        accuracy: share right, every subject counting once; NaN for numbers
        balanced_accuracy: NaN for numbers
        detectable: the smallest score that the whole rule, with its correction and interval, finds with probability 0.8
        p: share of permuted labelings that score at least as well
        q: p after Benjamini-Hochberg over everything tested with it
        n_subjects: subjects that took part
        n_samples: samples that took part
        classes: classes probed, empty for numbers
        n_opposite: samples that the probe puts on another side than their own label
        notes: what was left out
        reason: why there is no number; "" when there is one
        adjusted: the score within strata of other fields, if asked for
        holdout: the score on the stored test split, if there is one
        null: mean and standard deviation of the gain over chance of permuted labelings
        untestable: why no permutation can test the field; "" where they can
        cells: subjects of each class, and of the others; of numbers all subjects; ``None`` in runs that lack them
        unit: what an error is in; "" where that is not known, ``None`` in runs that lack it
    """

    field: str
    vectors: str
    group: str = ""
    kind: str = ""
    metric: str = ""
    score: float = float("nan")
    interval: tuple[float, float] = (float("nan"), float("nan"))
    chance: float = float("nan")
    better: tuple[float, float] = (float("nan"), float("nan"))
    accuracy: float = float("nan")
    balanced_accuracy: float = float("nan")
    detectable: float = float("nan")
    p: float = float("nan")
    q: float = float("nan")
    n_subjects: int = 0
    n_samples: int = 0
    classes: tuple[str, ...] = ()
    n_opposite: int = 0
    notes: tuple[str, ...] = ()
    reason: str = ""
    adjusted: Adjusted | None = None
    holdout: Holdout | None = None
    null: tuple[float, float] = (float("nan"), float("nan"))
    untestable: str = ""
    cells: Cells | None = made(default=None, hash=False)
    unit: str | None = None

    @property
    def name(self) -> str:
        """Field and group."""
        return f"{self.field} [{self.group}]" if self.group else self.field

    @property
    def decodable(self) -> bool:
        """Whether the permutation test passes at the false-discovery level and the score beats chance."""
        return not self.reason and self.q <= LEVEL and self.better[0] > 0

    @property
    def effect(self) -> float:
        """0 for chance, 1 for perfect: 2·AUC − 1, or the share of the median's error that is gone."""
        if self.metric in ("AUC", "C"):
            return 2 * self.score - 1
        return 1 - self.score / self.chance if self.chance else float("nan")

    @property
    def verdict(self) -> str:
        """In words."""
        if self.reason:
            return "not probed"
        if self.untestable:
            return "not testable"
        if self.decodable:
            return "found"
        return "related, not predictable" if self.q <= LEVEL else "not found"

    def at_level(self, level: float) -> ProbeResult:
        """The same with the smallest effect that is found when p must be at most ``level``."""
        if self.reason or self.untestable:
            return self
        found = smallest_found(self.metric, self.chance, self.null, self.n_subjects, level)
        return replace(self, detectable=found)

    def to_dict(self) -> dict:
        return {**_plain(asdict(self)), "verdict": self.verdict}

    @classmethod
    def from_dict(cls, raw: dict) -> ProbeResult:
        """Reads what :meth:`to_dict` wrote."""
        values = _typed(cls, raw)
        for name, part in (("adjusted", Adjusted), ("holdout", Holdout)):
            if raw.get(name):
                values[name] = part(**_typed(part, raw[name]))
            else:
                values[name] = None
        return cls(**{**values, "cells": read_cells(raw.get("cells")), "unit": raw.get("unit")})

    def parts(self) -> list[str | Table]:
        return ProbeTable((self,)).parts()


@dataclass(frozen=True)
class ProbeTable(Rendered):
    """Rows for several fields, the strongest evidence first, those that could not be probed last."""

    rows: tuple[ProbeResult, ...]

    @classmethod
    def ranked(cls, rows: list[ProbeResult]) -> ProbeTable:
        """Adjusts the p-values over all rows (those within strata among themselves) and sorts them."""
        q = benjamini_hochberg(np.array([r.p for r in rows]))
        within = benjamini_hochberg(np.array([r.adjusted.p if r.adjusted else _NAN for r in rows]))
        level = next_level(q)
        out = []
        for row, raw, strict in zip(rows, q, within, strict=True):
            adjusted = replace(row.adjusted, q=float(strict)) if row.adjusted else None
            out.append(replace(row, q=float(raw), adjusted=adjusted).at_level(level))
        return cls.sorted(out)

    @classmethod
    def sorted(cls, rows: list[ProbeResult]) -> ProbeTable:
        """Sorts rows whose p-values are adjusted already."""
        return cls(tuple(sorted(rows, key=lambda r: (bool(r.reason), not r.decodable, -np.nan_to_num(r.effect)))))

    def to_dict(self) -> dict:
        return {"rows": [r.to_dict() for r in self.rows]}

    def parts(self) -> list[str | Table]:
        probed = [r for r in self.rows if not r.reason]
        lines: list[str | Table] = []
        if probed:
            head = (
                "field",
                "verdict",
                "score",
                "95 % interval",
                "chance",
                "p",
                "q",
                "detects from",
                "subjects",
                "images",
            )
            lines.append(Table.of([head, *(_cells(r) for r in probed)]))
            adjusted = [(r, r.adjusted) for r in probed if r.adjusted]
            if adjusted:
                given = ", ".join(adjusted[0][1].fields)
                lines += ["", f"given {given}: is the field still in the image when these are known?"]
                columns = ("field", "answer", "raw", "given these", "95 % interval", "chance", "p", "q", "subjects")
                lines.append(Table.of([columns, *(_adjusted_cells(r, a) for r, a in adjusted)]))
                lines += [f"note: {r.name}: {n}" for r, a in adjusted for n in a.notes]
            lines += [f"note: {r.name}: {n}" for r in probed for n in r.notes]
            lines += [f"not testable: {r.name}: {r.untestable}" for r in probed if r.untestable]
            lines.append(
                "score: AUC of a least-squares SVM on held-out subjects (several classes: mean one against the rest), "
                "or mean absolute error (MAE) in the field's unit, with the gain over guessing the median behind it; "
                f"every subject counts once. found: q at most {LEVEL} and the interval better than chance. detects "
                "from: the smallest effect that this whole rule finds with probability 0.8."
            )
        lines += [f"not probed: {r.reason}" for r in self.rows if r.reason]
        return lines


def _cells(r: ProbeResult) -> tuple[str, ...]:
    d = _digits(r)
    return (
        r.name,
        r.verdict,
        with_unit(f"{r.metric} {r.score:{d}}", r.unit),
        interval_text(r),
        f"{r.chance:{d}}",
        p_text(r.p),
        p_text(r.q),
        f"{r.detectable:{d}}",
        f"{r.n_subjects:,}",
        f"{r.n_samples:,}",
    )


def _adjusted_cells(r: ProbeResult, a: Adjusted) -> tuple[str, ...]:
    d = _digits(r)
    if a.reason:
        return (r.name, a.verdict, f"{r.score:{d}}", "none: " + a.reason, "", "", "", "", "")
    return (
        r.name,
        a.verdict,
        f"{r.score:{d}}",
        with_unit(f"{r.metric} {a.score:{d}}", r.unit),
        interval_text(r, a),
        f"{a.chance:{d}}",
        p_text(a.p),
        p_text(a.q),
        f"{a.n_subjects:,}",
    )


def interval_text(row: ProbeResult, part: Adjusted | None = None) -> str:
    """The interval that decides: of the score, or, for an error, of what it is better by than guessing."""
    d, of = _digits(row), part or row
    if row.metric == "MAE":
        return f"better by {of.better[0]:{d}} to {of.better[1]:{d}}"
    return f"{of.interval[0]:{d}} to {of.interval[1]:{d}}"


def _digits(r: ProbeResult) -> str:
    return ".4g" if r.metric == "MAE" else ".3f"


def _plain(value):
    """JSON-able: lists for tuples, None for NaN."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _typed(cls, raw: dict) -> dict:
    """Fields of a dataclass from JSON: NaN for None where a number belongs, tuples for lists."""
    out = {}
    for name in cls.__dataclass_fields__:
        if name not in raw:
            continue
        value = raw[name]
        if isinstance(value, list):
            value = tuple(_NAN if v is None else v for v in value)
        out[name] = _NAN if value is None else value
    return out
