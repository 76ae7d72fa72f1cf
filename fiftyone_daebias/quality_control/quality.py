"""The verb ``quality``: do image-quality measures go with site, scanner, date or any other field?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import schema, store
from ..errors import InputError
from ..parameters import ByField, Expected, Permutations, ProbedFields, Seed, SubjectField
from ..progress import Progress, start
from ..quantities import number
from ..rendering import Rendered, Table
from ..statistics.association import Effect, effect_of, omnibus_test
from ..statistics.cells import Cells, split_cells
from ..statistics.result_cache import ResultCache, kept_share
from ..statistics.rows import AdjustedRow
from ..statistics.strata import Strata, make_strata
from ..statistics.targets import Target, make_target, upper_half
from .measures import MEANINGS, MEASURES, vectors_of
from .stored import read_measures

LEVEL = 0.05
#: measures are cut at so many robust standard deviations: one broken image must not decide
FARTHEST = 5.0
#: fields by whose values measures are compared, unless told otherwise, and how many values they may have
_PARTS, MOST_PARTS = ("body_part", "region", "body_region", "view", "view_position"), 20
_NAN = float("nan")


@dataclass(frozen=True)
class Columns:
    """Measures of the samples that are tested together against a field.

    Attributes:
        names: of the measures
        meanings: ``{name: what it is}``, for a sentence
        z: values on comparable scales, float32 (n, k)
        raw: the values themselves, (n, k)
        subjects: subject of each sample, (n,)
    """

    names: tuple[str, ...]
    meanings: dict[str, str]
    z: np.ndarray
    raw: np.ndarray
    subjects: np.ndarray


@dataclass(frozen=True)
class QualityRow(AdjustedRow):
    """One metadata field.

    Attributes:
        field: the field
        verdict: "not tested"; else "" until it is settled over everything tested on the dataset: "found", "explained"
            (among subjects alike in the expected fields less than half of it is left), "inseparable" (too few are
            alike to tell), "expected", "unconfirmed" or "not found"
        measure: the measure that differs most
        group: the value, or the upper half of the numbers, in which it does
        effect: Cliff's delta of that measure, in [−1, 1]; the largest of many, so rather too large
        interval: covers all measures and groups together with 95 %, so it may be read although one was picked
        p: permutation p-value of all measures together, subjects exchanged
        n_subjects, n_samples: who took part
    """

    field: str
    group: str = ""
    n_subjects: int = 0
    n_samples: int = 0


@dataclass(frozen=True)
class QualityTable(Rendered):
    """All fields, those that go with the quality first.

    Attributes:
        rows: the fields
        by: field within whose values measures were compared, "" for none
        expected: fields whose differences are no news
        correction: what the q-values span, in words
    """

    rows: tuple[QualityRow, ...]
    by: str = ""
    expected: tuple[str, ...] = ()
    correction: str = ""

    def to_dict(self) -> dict:
        return {
            "rows": [r.to_dict() for r in self.rows],
            "by": self.by,
            "expected": list(self.expected),
            "correction": self.correction,
        }

    def parts(self) -> list[str | Table]:
        cells = [("field", "verdict", "what differs most", "Cliff's delta", "p", "q", "q within", "subjects")]
        for r in self.rows:
            if r.verdict != "not tested":
                cells.append(
                    (
                        r.field,
                        r.verdict,
                        r.words,
                        f"{r.effect:+.2f}",
                        f"{r.p:.4f}",
                        f"{r.q:.4f}",
                        f"{r.q_within:.4f}",
                        f"{r.n_subjects:,}",
                    )
                )
        lines: list[str | Table] = [Table.of(cells)] if len(cells) > 1 else []
        lines += [f"not tested: {r.field}: {r.note}" for r in self.rows if r.verdict == "not tested"]
        return [*self.heading(), *lines, self.closing(), self.correction]

    def heading(self) -> list[str]:
        """What is said before the table."""
        return []

    def closing(self) -> str:
        """What is said after it."""
        within = f" within each {self.by}" if self.by else ""
        return (
            f"{len(MEASURES)} measures of image quality, tested together{within}; each is stored as a field "
            f"{schema.QUALITY_PREFIX}… by which the grid and the map can be coloured"
        )


def quality(
    samples,
    *,
    fields: ProbedFields | None = None,
    expected: Expected | None = None,
    by: ByField | None = None,
    n_permutations: Permutations = 1999,
    subject_field: SubjectField | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> QualityTable:
    """Measures the quality of every image and tests whether it goes with metadata.

    An embedding is trained to keep anatomy and drop noise; noise, blur and
    shading are what scanners differ in. So the 15 measures of MRQy (Sadri et
    al. 2020: signal-to-noise and contrast-to-noise ratios, entropy focus
    criterion …) of the 12 centre slices are tested too, all together for each
    field; the measure that differs most is named. Run again, only new or
    changed images are measured.

    Args:
        samples: a dataset or view of images or volumes
        fields: metadata fields; default: all
        expected: fields whose differences are no news: sex, age … other fields are also tested among subjects alike
            in them
        by: field within whose values images are compared; default: body part, region or view, where there is one
        n_permutations: subject-level permutations
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of permutations and draws

    Returns:
        a row a field

    Raises:
        InputError: no images, or a field that does not exist
        CohortError: an image that cannot be read
    """
    store.ensure_samples(samples)
    if n_permutations < 99:
        raise InputError(f"n_permutations must be at least 99; got {n_permutations}")
    table = store.read_table(samples, fields)
    expected = list(expected or [])
    known = store.metadata_fields(samples)
    part = by if by is not None else next((f for f in _PARTS if f in known), None)
    parts = store.read_table(samples, [part])[part] if part else None
    if by is None and parts is not None and not 2 <= parts.nunique() <= MOST_PARTS:
        part = parts = None
    ids, raw = read_measures(samples, subject_field=subject_field, progress=progress)
    owner = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
    subjects = np.array([owner[i] for i in ids])
    table = table.reindex(ids)
    strata = make_strata(store.read_table(samples, expected).reindex(ids)) if expected else None
    columns = Columns(MEASURES, MEANINGS, comparable(raw, None if parts is None else parts.reindex(ids)), raw, subjects)
    rows, units = [], store.read_units(samples)
    with start(progress, "testing quality", len(table.columns), "fields") as task:
        for field in table.columns:
            rows.append(
                QualityRow(field, note=f"images are compared within each {field}")
                if field == part
                else field_row(
                    field,
                    table[field].tolist(),
                    columns,
                    strata,
                    n_permutations,
                    np.random.default_rng(seed),
                    units.get(field, ""),
                )
            )
            task.advance(note=field)
    rows.sort(key=lambda r: r.p if r.p == r.p else 2)
    result = QualityTable(tuple(rows), part or "", tuple(expected))
    store.save_run(
        samples,
        schema.QUALITY_RUN,
        {
            "fields": list(table.columns),
            "expected": expected,
            "by": part or "",
            "n_permutations": n_permutations,
            "seed": seed,
        },
        {"table": result.to_dict(), "sample_ids": ids},
    )
    return result


def comparable(raw: np.ndarray, parts: pd.Series | None) -> np.ndarray:
    """Measures (n, 15) as robust z-scores within each part, cut at :data:`FARTHEST`, float32."""
    z = vectors_of(raw).astype(np.float64)
    names = np.zeros(len(z)) if parts is None else parts.map(str).to_numpy()
    for name in np.unique(names):
        mine = names == name
        centre = np.median(z[mine], axis=0)
        spread = 1.4826 * np.median(np.abs(z[mine] - centre), axis=0)
        z[mine] = (z[mine] - centre) / np.where(spread > 1e-9, spread, np.inf)
    return z.clip(-FARTHEST, FARTHEST).astype(np.float32)


def field_row(
    field, values, columns: Columns, strata: Strata | None, n_permutations, rng, unit: str = ""
) -> QualityRow:
    """One field against all measures together; the measure that differs most is named."""
    subjects, raw = columns.subjects, columns.raw
    try:
        target = make_target(field, values, subjects, unit=unit)
    except ValueError as error:
        return QualityRow(field, note=str(error))
    mine, owners = columns.z[target.rows], subjects[target.rows]
    if not (mine.std(axis=0) > 0).any():
        return QualityRow(field, note="no measure varies")
    n_classes = len(target.classes)
    p, moves = omnibus_test(mine, target.values, n_classes, owners, n_permutations=n_permutations, rng=rng)
    if p != p:
        return QualityRow(field, note=moves.impossible or "no permutation of it changes anything")
    k, group, effect = _strongest(target, mine, owners)
    within, kept = _NAN, ResultCache()
    if strata is not None and field not in strata.fields:
        codes = strata.codes[target.rows]
        numbers = [v[target.rows] for v in strata.numbers.values()]
        covariates = np.column_stack(numbers) if numbers else None
        usable = np.flatnonzero(codes >= 0)
        if len(usable) and (mine[usable].std(axis=0) > 0).any():
            within, _ = omnibus_test(
                mine[usable],
                target.values[usable],
                n_classes,
                owners[usable],
                strata=codes[usable],
                covariates=None if covariates is None else covariates[usable],
                n_permutations=n_permutations,
                rng=rng,
            )
        kept = kept_share(_inside(target, group), mine[:, k], 0, owners, codes, covariates=covariates)
    side = "higher" if effect.value > 0 else "lower"
    halves = [raw[target.rows, k][m] for m in (_inside(target, group), ~_inside(target, group))]
    name, meaning = _group_name(target, group), columns.meanings[columns.names[k]]
    if set(np.unique(raw[:, k])) <= {0.0, 1.0}:
        words = f"{meaning}: {halves[0].mean():.0%} of {name}, {halves[1].mean():.0%} of the others"
    else:
        medians = [np.nanmedian(h) for h in halves]
        words = f"{meaning} {side} in {name} (median {number(medians[0], 4)} against {number(medians[1], 4)})"
    return QualityRow(
        field,
        name,
        verdict="",
        measure=columns.names[k],
        effect=effect.value,
        interval=effect.interval,
        words=words,
        p=float(p),
        p_within=float(within),
        kept=kept.share,
        kept_interval=kept.interval,
        n_alike=kept.n_subjects,
        n_subjects=len(np.unique(owners)),
        n_samples=len(owners),
        note="; ".join(target.notes),
        cells=_cells(target, group, owners),
    )


def _inside(target: Target, group: int) -> np.ndarray:
    return target.values == group if target.classes else upper_half(target.values)


def _cells(target: Target, group: int, owners: np.ndarray) -> Cells:
    """Subjects of each class, or of the upper half of numbers, and the others."""
    names = target.classes or (_group_name(target, group),)
    return split_cells([(name, _inside(target, k)) for k, name in enumerate(names)], owners)


def _group_name(target: Target, group: int) -> str:
    if target.classes:
        return target.classes[group]
    middle = np.median(target.values)
    return f"values {'above' if target.values.max() > middle else 'of'} {target.quantity.value(middle)}"


def _strongest(target: Target, z: np.ndarray, owners: np.ndarray) -> tuple[int, int, Effect]:
    """The measure and the group that differ most from the rest, by Cliff's delta."""
    from scipy.stats import rankdata

    ranks = rankdata(z, axis=0)
    best = (-1.0, 0, 0)
    for group in range(len(target.classes) or 1):
        inside = _inside(target, group)
        n = inside.sum()
        if 0 < n < len(inside):
            delta = 2 * (ranks[inside].sum(axis=0) - n * (n + 1) / 2) / (n * (len(inside) - n)) - 1
            k = int(np.argmax(np.abs(delta)))
            best = max(best, (float(abs(delta[k])), k, group))
    _, k, group = best
    level = 1 - LEVEL / (z.shape[1] * (len(target.classes) or 1))
    return k, group, effect_of(_inside(target, group), z[:, k], (), owners, level=level)
