"""The verb ``test-clusters``: what is it that a cluster has in common?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .. import schema, store
from ..errors import InputError
from ..findings.finding import BUILT_IN
from ..parameters import ClusterNames, Expected, Permutations, ProbedFields, Seed, SubjectField
from ..progress import Progress, start
from ..rendering import Rendered, Table
from ..statistics.association import association_test, effect_of
from ..statistics.result_cache import kept_share
from ..statistics.rows import AdjustedRow
from ..statistics.strata import Strata, make_strata
from ..statistics.targets import Target, make_target
from . import cluster as named
from .blind import Label, goes_with, is_unknown, label_of, make_label

#: a side with fewer subjects is not compared
FEWEST = 5
_NAN = float("nan")


@dataclass(frozen=True)
class Association(AdjustedRow):
    """One cluster against one field.

    Attributes:
        cluster: the cluster
        field: the field
        verdict: "" until it is settled over everything tested on the dataset; "found"; "explained" (found, and among
            subjects alike in the expected fields less than half of it is left); "inseparable" (found, but too few
            subjects are alike in the expected fields to tell it from them); "unconfirmed" (nearly found, see
            :mod:`~..findings.multiplicity`); "expected" (named as an expected difference); "built in" (the
            cluster was made from this field, or from one that goes with it, so a test means nothing); "not found";
            "not tested"
        difference: standardised mean difference, for numbers
        n_inside: subjects in the cluster
        n_outside: subjects outside
        made_from: label that the cluster was made from, held fixed in the test; "" for none
        exchanged: what the permutations exchanged, in words
    """

    cluster: str
    field: str
    difference: float = _NAN
    n_inside: int = 0
    n_outside: int = 0
    made_from: str = ""
    exchanged: str = ""


@dataclass(frozen=True)
class ClusterTests(Rendered):
    """All clusters against all fields, the most unexpected first.

    Attributes:
        rows: the associations
        expected: fields named as expected differences
        n_tests: cluster × field pairs tested
        notes: what to bear in mind
        correction: what the q-values span, in words
    """

    rows: tuple[Association, ...]
    expected: tuple[str, ...]
    n_tests: int
    notes: tuple[str, ...] = ()
    correction: str = ""

    def to_dict(self) -> dict:
        return {
            "rows": [r.to_dict() for r in self.rows],
            "expected": list(self.expected),
            "n_tests": self.n_tests,
            "notes": list(self.notes),
            "correction": self.correction,
        }

    def parts(self) -> list[str | Table]:
        lines: list[str | Table] = []
        tested = [r for r in self.rows if r.verdict != "not tested"]
        if tested:
            head = ("cluster", "field", "verdict", "effect", "95 % interval", "what", "p", "q")
            head += ("left among alike",) if self.expected else ()
            head += ("subjects in", "out")
            lines.append(Table.of([head, *(self._cells(r) for r in tested)]))
        for r in self.rows:
            if r.verdict == "not tested":
                lines.append(f"not tested: {r.cluster}, {r.field}: {r.note}")
            elif r.note and r.verdict in ("found", "inseparable", "explained", "unconfirmed"):
                lines.append(f"note: {r.cluster}, {r.field}: {r.note}")
        lines += [f"note: {n}" for n in self.notes]
        if self.expected:
            lines.append(f"alike: subjects alike in {', '.join(self.expected)}")
        if self.correction:
            lines.append(self.correction)
        return lines

    def _cells(self, r: Association) -> tuple[str, ...]:
        letter = {"Cramér's V": "V", "Cliff's delta": "δ"}.get(r.measure, "")
        interval = f"{r.interval[0]:.2f} to {r.interval[1]:.2f}"
        effect = f"{letter} {r.effect:.2f}"
        cells = (r.cluster, r.field, r.verdict, effect, interval, r.words, _p(r.p), _p(r.q))
        cells += (_kept(r),) if self.expected else ()
        return (*cells, f"{r.n_inside:,}", f"{r.n_outside:,}")


def _p(value: float) -> str:
    return "" if value != value else f"{value:.4f}"


def _kept(r: Association) -> str:
    if r.kept != r.kept:
        return ""
    return f"{r.kept:.0%} ({r.kept_interval[0]:.0%} to {r.kept_interval[1]:.0%})"


def test_clusters(
    samples,
    *,
    names: ClusterNames | None = None,
    fields: ProbedFields | None = None,
    expected: Expected | None = None,
    n_permutations: Permutations = 1999,
    subject_field: SubjectField | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> ClusterTests:
    """Tests every cluster against every metadata field, on all subjects.

    A cluster that was drawn without labels is tested against every field by
    permuting the field's values over subjects, and within subjects where they
    vary there. One that was made from a label (misclassified samples, a lasso
    on a map coloured by the label) is not tested against that label or fields
    that go with it; other fields are permuted among subjects alike in it.

    Args:
        samples: a dataset or view with clusters
        names: clusters to test; default: all, proposed ones too
        fields: metadata fields; default: all
        expected: fields whose differences are no news (region, sex, age …): what they explain goes to the bottom
        n_permutations: permutations of each test
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of the permutations

    Returns:
        the associations, the most unexpected first; q-values and verdicts span everything tested on the dataset

    Raises:
        InputError: no clusters, or a cluster or field that does not exist
    """
    store.ensure_samples(samples)
    known = named.read_clusters(samples)
    if not known:
        raise InputError("there are no clusters yet; draw one in the App or run 'daebias suggest-clusters'")
    for name in names or []:
        named.get(samples, name)
    chosen = [known[n] for n in names] if names else list(known.values())
    table = store.read_table(samples, fields)
    expected = list(expected or [])
    strata = make_strata(store.read_table(samples, expected)) if expected else None
    every = store.read_table(samples)
    labels = {n: make_label(n, every[n]) for n in {label_of(c, every.columns) for c in chosen} - {""}}
    subjects = np.array(store.read_subjects(samples, subject_field))
    ids = store.sample_ids(samples)
    inside = np.array([[i in m for i in ids] for m in (set(c.members) for c in chosen)]).T.reshape(len(ids), -1)
    rows, units = list[Association](), store.read_units(samples)
    with start(progress, "testing clusters", len(table.columns), "fields") as task:
        for field in table.columns:
            part = _Part.of(field, table[field].tolist(), subjects, units.get(field, ""))
            rng = np.random.default_rng(seed)
            for made in sorted({label_of(c, every.columns) for c in chosen}):
                mine = [k for k, c in enumerate(chosen) if label_of(c, every.columns) == made]
                rows += _test_field(
                    part,
                    [chosen[k] for k in mine],
                    inside[:, mine],
                    labels.get(made),
                    strata,
                    expected,
                    n_permutations,
                    rng,
                )
            task.advance(note=field)
    notes = []
    if any(map(is_unknown, chosen)):
        notes.append(
            "it is not known what some clusters were drawn by; if by the field tested, a difference means "
            "nothing, so none is called found; name them again with coloured_by ('nothing' if drawn without colours)"
        )
    result = ClusterTests(tuple(rows), tuple(expected), sum(r.p == r.p and r.verdict == "" for r in rows), tuple(notes))
    store.save_run(
        samples,
        schema.ASSOCIATION_RUN,
        {
            "clusters": [c.name for c in chosen],
            "fields": list(table.columns),
            "expected": expected,
            "seed": seed,
            "n_permutations": n_permutations,
            "unknown": [c.name for c in chosen if is_unknown(c)],
        },
        {"tests": result.to_dict(), "sample_ids": ids},
    )
    return result


@dataclass(frozen=True)
class _Part:
    """A field made ready, or why it cannot be."""

    field: str
    subjects: np.ndarray
    target: Target | None
    reason: str = ""

    @classmethod
    def of(cls, field: str, values: list, subjects: np.ndarray, unit: str = "") -> _Part:
        try:
            return cls(field, subjects, make_target(field, values, subjects, unit=unit))
        except ValueError as error:
            return cls(field, subjects, None, str(error))


@dataclass(frozen=True)
class _How:
    """How the clusters of one label are tested against a field.

    Attributes:
        made: the label that they were made from
        strata: of the expected fields
        verdict: the verdict that stands before any test, or ""
        note: what is said of every row
        n_permutations: permutations
        rng: random generator
    """

    made: str
    strata: Strata | None
    verdict: str
    note: str
    n_permutations: int
    rng: np.random.Generator


def _test_field(part: _Part, chosen, inside, label: Label | None, strata, expected, n_permutations, rng):
    """Rows of the clusters that were made from one label, or from none."""
    target, field = part.target, part.field
    made = label.field if label else ""
    if target is None:
        return [Association(c.name, field, made_from=made, note=part.reason) for c in chosen]
    verdict = "expected" if field in expected else ""
    note = "; ".join(target.notes)
    if label and (
        field == made
        or label.codes is None
        or goes_with(label.codes[target.rows], target.values, target.classes, part.subjects[target.rows], rng)
    ):
        verdict = BUILT_IN
        why = f"it was made from {made}" if field == made else f"it was made from {made}, with which {field} goes"
        note = "; ".join(filter(None, (note, why)))
    how = _How(made, strata, verdict, note, n_permutations, rng)
    if label is not None and label.codes is not None and verdict != BUILT_IN:
        return [_one(part, c, inside[:, [k]], label, how) for k, c in enumerate(chosen)]
    return _together(part, chosen, inside, how)


def _one(part: _Part, cluster, inside, label: Label, how: _How) -> Association:
    """A cluster that was made from a label: only among samples whose label has samples inside and outside."""
    codes = label.codes[part.target.rows]
    mine = inside[part.target.rows, 0]
    both = [c for c in np.unique(codes) if 0 < mine[codes == c].sum() < (codes == c).sum()]
    kept = np.flatnonzero(np.isin(codes, both))
    if not len(kept):
        text = f"it was made from {label.field}, and nobody alike in it is on the other side"
        return Association(cluster.name, part.field, made_from=label.field, note=text)
    smaller = replace(part, target=_rows_of(part.target, kept))
    if len(np.unique(smaller.target.values)) < 2:
        return Association(cluster.name, part.field, made_from=label.field, note="one value only among those compared")
    return _together(smaller, [cluster], inside, how, codes[kept])[0]


def _together(part: _Part, chosen, inside, how: _How, fixed: np.ndarray | None = None) -> list[Association]:
    """Clusters that the same permutations serve; ``fixed`` is what stays as it is, the label they were made from."""
    target = part.target
    owners, groups = part.subjects[target.rows], inside[target.rows]
    out = [_sides(c, part.field, groups[:, k], owners, how.made) for k, c in enumerate(chosen)]
    tested = [k for k, r in enumerate(out) if not r.note]
    if not tested:
        return out
    n_classes = len(target.classes)
    p, moves = np.full(len(tested), _NAN), None
    if how.verdict != BUILT_IN:
        p, moves = association_test(
            groups[:, tested],
            target.values,
            n_classes,
            owners,
            strata=fixed,
            n_permutations=how.n_permutations,
            rng=how.rng,
        )
    within = alike = None
    if how.strata is not None and not how.verdict:
        within, alike = _among_alike(part, groups[:, tested], how.strata, fixed, how.n_permutations, how.rng)
    for j, k in enumerate(tested):
        effect = effect_of(groups[:, k], target.values, target.classes, owners, quantity=target.quantity)
        row = replace(
            out[k],
            verdict=how.verdict,
            measure=effect.measure,
            effect=effect.value,
            interval=effect.interval,
            difference=effect.difference,
            words=effect.words,
            cells=effect.cells,
            p=float(p[j]),
            note=how.note,
            exchanged=moves.words if moves is not None else "",
        )
        if not how.verdict and not p[j] == p[j]:
            row = replace(
                row,
                verdict="not tested",
                note=moves.impossible
                or (
                    "every permutation that the design allows leaves the difference as it is: each subject has the "
                    "same values, and none is divided by the cluster"
                ),
            )
        elif within is not None:
            kept = kept_share(groups[:, k], target.values, n_classes, owners, *alike)
            row = replace(
                row, p_within=float(within[j]), kept=kept.share, kept_interval=kept.interval, n_alike=kept.n_subjects
            )
        out[k] = row
    return out


def _sides(cluster, field: str, member: np.ndarray, owners: np.ndarray, made: str) -> Association:
    counts = [len(set(owners[member == side])) for side in (True, False)]
    note = ""
    if min(counts) < FEWEST:
        where = "inside" if counts[0] < FEWEST else "outside"
        note = f"{min(counts)} subjects with a value are {where}; {FEWEST} are needed"
    return Association(cluster.name, field, n_inside=counts[0], n_outside=counts[1], made_from=made, note=note)


def _among_alike(part: _Part, groups, strata: Strata, fixed, n_permutations, rng):
    """p-values among samples alike in the expected fields (and in the label); stratum and covariates of each row."""
    target = part.target
    codes = strata.codes[target.rows]
    joint = codes if fixed is None else np.where(codes >= 0, codes * (fixed.max() + 2) + fixed + 1, -1)
    usable = np.flatnonzero(codes >= 0)
    numbers = [v[target.rows] for v in strata.numbers.values()]
    covariates = np.column_stack(numbers) if numbers else None
    if len(usable) < 2 or len(np.unique(target.values[usable])) < 2:
        return np.full(groups.shape[1], _NAN), (joint, covariates)
    p, _ = association_test(
        groups[usable],
        target.values[usable],
        len(target.classes),
        part.subjects[target.rows][usable],
        strata=joint[usable],
        covariates=None if covariates is None else covariates[usable],
        n_permutations=n_permutations,
        rng=rng,
    )
    return p, (joint, covariates)


def _rows_of(target: Target, rows: np.ndarray) -> Target:
    return replace(target, rows=target.rows[rows], values=target.values[rows])
