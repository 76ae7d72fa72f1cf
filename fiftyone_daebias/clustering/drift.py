"""The verb ``drift``: where and when do the images change?"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from .. import schema, store
from ..errors import InputError
from ..parameters import AdjustFor, ByFields, DateField, Permutations, Seed, SubjectField, VectorField, Versions
from ..progress import Progress, start
from ..statistics.association import effect_of, omnibus_test, permutation_p
from ..statistics.cells import Cells
from ..statistics.dates import as_years, date_field_of, iso_date
from ..statistics.strata import make_strata
from ..statistics.targets import make_target
from .change_points import COMPONENTS, Change, change_points, detectable_change, whiten
from .sites import site_fields

LEVEL = 0.05
FEWEST = 24
MOST_SITES = 50
_VERSIONS = ("software_version", "software", "protocol", "protocol_name", "model", "coil")
_NAN = float("nan")


@dataclass(frozen=True)
class DriftRow:
    """One group of subjects (a site, a region …) over time, or over the versions of something.

    Attributes:
        group: the group, "" for all
        over: the date field, or the field with versions
        verdict: "not tested"; else "" until it is settled over everything tested on the dataset
        p: permutation p-value, subjects exchanged
        q: p after correction over everything tested on the dataset
        changes: what changed when: :class:`~.change_points.Change` as dicts, with ``fields``, what
            else changed then
        size: for versions, the largest distance of two versions' means in standard deviations within
        detectable: a change in mid-time of so many standard deviations would have been found by this test alone with
            probability 0.8
        n_subjects: subjects
        note: why there is no number
        by: fields whose values make the group
        cells: subjects before and after each change, of each version and the others; what else changed with
            its values; ``None`` where it was not tested
    """

    group: str
    over: str
    verdict: str = "not tested"
    p: float = _NAN
    q: float = _NAN
    changes: tuple[dict, ...] = ()
    size: float = _NAN
    detectable: float = _NAN
    n_subjects: int = 0
    note: str = ""
    by: tuple[str, ...] = ()
    cells: Cells | None = None

    def to_dict(self) -> dict:
        raw = asdict(self)
        raw["by"] = list(self.by)
        raw["changes"] = [{k: list(v) if isinstance(v, tuple) else v for k, v in c.items()} for c in self.changes]
        return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in raw.items()}

    def lines(self) -> list[str]:
        """In words."""
        name = self.group or "all"
        if self.verdict == "not tested":
            return [f"{name}, over {self.over}: not tested: {self.note}"]
        numbers = f"p {self.p:.4f}, q {self.q:.4f}, {self.n_subjects:,} subjects"
        head = f"{name}, over {self.over}: {self.verdict or 'tested'}"
        if self.verdict == "not found":
            would = f"; a change of {self.detectable:.1f} SD would have been" if np.isfinite(self.detectable) else ""
            return [f"{head}{would} ({numbers})"]
        if not self.changes:
            size = f", by up to {self.size:.1f} SD" if np.isfinite(self.size) else ""
            return [f"{head}{size} ({numbers})"]
        several = "s" * (len(self.changes) > 1)
        out = [f"{head}: {len(self.changes)} change{several} ({numbers})"]
        for c in self.changes:
            also = "; with it: " + "; ".join(c["fields"]) if c["fields"] else ""
            out.append(
                f"  between {iso_date(c['before'])} and {iso_date(c['when'])} (90 % interval "
                f"{iso_date(c['interval'][0])} to {iso_date(c['interval'][1])}), {c['size']:.1f} SD, "
                f"{c['n_before']:,} subjects before and {c['n_after']:,} after{also}"
            )
        return out


@dataclass(frozen=True)
class DriftTable:
    """All groups, those with changes first; ``correction`` says what the q-values span."""

    rows: tuple[DriftRow, ...]
    notes: tuple[str, ...] = ()
    correction: str = ""

    def to_dict(self) -> dict:
        return {"rows": [r.to_dict() for r in self.rows], "notes": list(self.notes), "correction": self.correction}

    def __str__(self) -> str:
        lines = [*(line for r in self.rows for line in r.lines()), *(f"note: {n}" for n in self.notes)]
        return "\n".join([*lines, self.correction]).rstrip()


def drift(
    samples,
    *,
    by: ByFields | None = None,
    sites: bool = True,
    date_field: DateField | None = None,
    versions: Versions | None = None,
    vectors: VectorField = "dae_embedding",
    adjust_for: AdjustFor | None = None,
    n_permutations: Permutations = 499,
    subject_field: SubjectField | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> DriftTable:
    """Looks for changes of the embedding over the acquisition date and over versions, group by group.

    In each group (each site and region, say) the principal components of the
    embedding, a point a subject, are scanned for the date before and after
    which their means differ most; subjects are exchanged to tell chance from
    change; segments are searched again. Where none is found, the row says how
    large a change would have been found.

    Args:
        samples: a dataset or view with embeddings
        by: fields whose combinations are the groups: site, region …; default: all samples are one group
        sites: whether to look at every site (else hospital, scanner …) by itself too, where a field is named like one
        date_field: field with the date, or with a number of years; default: found by name
        versions: fields with versions of software or protocol; default: found by name, with several values
        vectors: the vector field
        adjust_for: fields within whose strata subjects are exchanged, so that a change of the case mix is no drift
        n_permutations: subject-level permutations
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of permutations, draws and simulations

    Returns:
        a row a group and field, with change points, their interval and what else changed then

    Raises:
        InputError: no vectors, no date, or a field that does not exist
    """
    store.ensure_samples(samples)
    ids, matrix = store.read_vectors(samples, vectors)
    owner = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
    subjects = np.array([owner[i] for i in ids])
    fields = store.metadata_fields(samples)
    by = list(by or [])
    table = store.read_table(samples).reindex(ids)
    for name in [*by, *(versions or []), *(adjust_for or [])]:
        store.read_table(samples, [name])
    date_field = date_field_of(fields, date_field)
    if versions is None:
        versions = [v for v in _VERSIONS if v in fields and table[v].nunique() > 1]
    years = as_years(store.read_table(samples, [date_field])[date_field].reindex(ids))
    groups = [(g, mine, by) for g, mine in _groups(table, by)]
    places = site_fields(fields, table)
    site = next((f for f in places if f not in by and 2 <= table[f].nunique() <= MOST_SITES), None)
    if sites and site and not set(places) & set(by):
        groups += [(g, mine, [*by, site]) for g, mine in _groups(table, [*by, site])]
    rows, stated = list[DriftRow](), store.read_units(samples)
    with start(progress, "drift", len(groups) * (1 + len(versions)), "tests") as task:
        for group, mine, parts in groups:
            units = _units(mine, subjects, matrix, years)
            strata = None
            if adjust_for:
                strata = make_strata(table.iloc[units.first][list(adjust_for)]).codes
            rng = np.random.default_rng(seed)
            row = _over_time(group, date_field, units, strata, table, parts, n_permutations, rng, stated)
            rows.append(replace(row, by=tuple(parts)))
            task.advance(note=group)
            for field in versions:
                if field not in parts:
                    row = _over_versions(group, field, units, table[field], strata, n_permutations, rng)
                    rows.append(replace(row, by=tuple(parts)))
                task.advance(note=group)
    result = DriftTable(tuple(sorted(rows, key=lambda r: r.p if r.p == r.p else 2)))
    store.save_run(
        samples,
        schema.DRIFT_RUN,
        {
            "by": by,
            "date_field": date_field,
            "version_fields": versions,
            "vectors": vectors,
            "seed": seed,
            "adjust_for": list(adjust_for or []),
            "n_permutations": n_permutations,
        },
        {"table": result.to_dict(), "sample_ids": ids},
    )
    return result


def _groups(table: pd.DataFrame, by: list[str]) -> list[tuple[str, np.ndarray]]:
    if not by:
        return [("", np.arange(len(table)))]
    texts = table[by].map(lambda v: None if v is None or v != v else str(v))
    known = texts.notna().all(axis=1).to_numpy()
    names = texts.agg(", ".join, axis=1, raw=False) if known.all() else texts[known].agg(", ".join, axis=1)
    names = names.reindex(texts.index)
    values = sorted(set(names[known]))
    if len(values) > 500:
        raise InputError(f"by: {', '.join(by)} make {len(values)} groups; at most 500 can be looked at")
    return [(v, np.flatnonzero((names == v).to_numpy())) for v in values]


@dataclass(frozen=True)
class _Units:
    """One point a subject: the mean of its vectors, its first row, and its date."""

    vectors: np.ndarray
    first: np.ndarray
    years: np.ndarray


def _units(rows: np.ndarray, subjects, matrix, years) -> _Units:
    names, index = np.unique(subjects[rows], return_inverse=True)
    total = np.zeros((len(names), matrix.shape[1]))
    np.add.at(total, index, matrix[rows])
    counts = np.bincount(index)
    dates = pd.Series(years[rows]).groupby(index).min().to_numpy()
    first = rows[np.unique(index, return_index=True)[1]]
    return _Units(total / counts[:, None], first, dates)


def _over_time(group, field, units: _Units, strata, table, by, n_permutations, rng, stated) -> DriftRow:
    dated = np.flatnonzero(np.isfinite(units.years))
    if len(dated) < FEWEST:
        note = f"{len(dated)} subjects have a date; {FEWEST} are needed"
        return DriftRow(group, field, n_subjects=len(dated), note=note)
    points = whiten(units.vectors[dated], COMPONENTS)
    years = units.years[dated]
    p, found = change_points(
        points, years, strata=None if strata is None else strata[dated], n_permutations=n_permutations, rng=rng
    )
    if p != p:
        note = "the dates leave no place for a change, or nobody is alike in the fields adjusted for: too few to tell"
        return DriftRow(group, field, n_subjects=len(dated), note=note)
    changes, cells = [], {"": (len(dated), 0)}
    for c in found:
        also = _with_it(c, units.first[dated], years, table, {field, *by}, rng, stated)
        changes.append({**asdict(c), "fields": [text for text, _ in also]})
        when = iso_date(c.when)
        cells[when] = c.n_before, c.n_after
        cells |= {f"{when}: {text}: {v}": pair for text, of in also for v, pair in of.items()}
    would = _NAN if changes else detectable_change(points, years, rng=rng)
    return DriftRow(group, field, "", p, changes=tuple(changes), detectable=would, n_subjects=len(dated), cells=cells)


def _with_it(
    change: Change, rows, years, table, skip: set[str], rng, stated: dict[str, str]
) -> list[tuple[str, Cells]]:
    """Metadata that differ between before and after, at a familywise level over all fields (Bonferroni).

    Returns:
        in words, with the subjects of each value after and before
    """
    late = years >= change.when
    found, asked = [], [f for f in table.columns if f not in skip and not f.startswith("acquisition_date")]
    for field in asked:
        units = np.arange(len(rows)).astype(str)
        try:
            target = make_target(field, table[field].iloc[rows].tolist(), units, unit=stated.get(field, ""))
        except ValueError:
            continue
        inside = late[target.rows]
        if len(np.unique(inside)) < 2:
            continue
        p = permutation_p(
            inside[:, None],
            target.values,
            len(target.classes),
            units[target.rows],
            n_permutations=40 * len(asked) - 1,
            rng=rng,
        )[0]
        effect = effect_of(inside, target.values, target.classes, units[target.rows], quantity=target.quantity)
        if p * len(asked) <= LEVEL and abs(effect.value) > 0.2:
            words = effect.words.replace("inside", "after").replace("outside", "before")
            found.append((abs(effect.value), f"{field} ({words})", effect.cells))
    return [(text, cells) for _, text, cells in sorted(found, key=lambda f: f[:2], reverse=True)[:4]]


def _over_versions(group, field, units: _Units, column, strata, n_permutations, rng) -> DriftRow:
    values = column.iloc[units.first].tolist()
    try:
        target = make_target(field, values, np.arange(len(values)).astype(str), "classes")
    except ValueError as error:
        return DriftRow(group, field, n_subjects=len(values), note=str(error))
    if not target.classes:
        return DriftRow(group, field, n_subjects=len(values), note="its values are no versions")
    points = whiten(units.vectors[target.rows], COMPONENTS)
    p, moves = omnibus_test(
        points,
        target.values,
        len(target.classes),
        np.arange(len(points)),
        strata=None if strata is None else strata[target.rows],
        n_permutations=n_permutations,
        rng=rng,
    )
    if p != p:
        return DriftRow(group, field, n_subjects=len(points), note=moves.impossible or "no permutation changes it")
    means = np.array([points[target.values == c].mean(axis=0) for c in range(len(target.classes))])
    counts = np.bincount(target.values, minlength=len(target.classes))
    best = 0.0
    for a in range(len(means)):
        for b in range(a):
            noise = points.shape[1] * (1 / counts[a] + 1 / counts[b])
            best = max(best, ((means[a] - means[b]) ** 2).sum() - noise)
    cells = {v: (int(n), len(points) - int(n)) for v, n in zip(target.classes, counts, strict=True)}
    return DriftRow(group, field, "", p, size=float(np.sqrt(best)), n_subjects=len(points), cells=cells)
