"""The verb ``subgroups``: whom does a probe serve worse?"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass

import numpy as np

from .. import store
from ..errors import InputError
from ..parameters import (
    Bootstraps,
    ByFields,
    Kernel,
    Permutations,
    ProbedField,
    Repeats,
    Seed,
    SubjectField,
    VectorFieldOrFields,
)
from ..progress import Progress, start
from ..rendering import p_text
from ..statistics.multiplicity import benjamini_hochberg
from ..statistics.scores import bootstrap_weights, percentile_interval, subject_weights
from ..statistics.strata import make_strata
from ..statistics.targets import Target
from .cross_fit import cross_fit
from .source import ProbeSource
from .svm import score_draws

#: a group with fewer subjects is not scored
SMALLEST = 15


@dataclass(frozen=True)
class Subgroup:
    """The probe's score among the subjects of one group."""

    group: str
    score: float
    interval: tuple[float, float]
    n_subjects: int


@dataclass(frozen=True)
class Gap:
    """Scores by group of one field, and the largest difference.

    Attributes:
        by: the field that makes the groups
        groups: scores, the worst first
        gap: best minus worst score (for errors: worst minus best), at least 0
        interval: 95 % subject-bootstrap interval of the difference between these two groups
        p: permutation p-value of the spread of the scores, groups exchanged among subjects
        q: after Benjamini-Hochberg over the fields
        reason: why there is no number; "" when there is one
    """

    by: str
    groups: tuple[Subgroup, ...] = ()
    gap: float = float("nan")
    interval: tuple[float, float] = (float("nan"), float("nan"))
    p: float = float("nan")
    q: float = float("nan")
    reason: str = ""


@dataclass(frozen=True)
class SubgroupTable:
    """Gaps of a probe over all fields, the surest first."""

    field: str
    metric: str
    score: float
    gaps: tuple[Gap, ...]

    def to_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.field}: {self.metric} {self.score:.3f} over all; by group, the worst served first"]
        for g in self.gaps:
            if g.reason:
                lines.append(f"  not compared: {g.reason}")
                continue
            parts = ", ".join(
                f"{s.group} {s.score:.3f} [{s.interval[0]:.3f}, {s.interval[1]:.3f}] n={s.n_subjects}" for s in g.groups
            )
            mark = "*" if g.q <= 0.05 else " "
            lines.append(
                f"{mark} {g.by}: gap {g.gap:.3f} [{g.interval[0]:.3f}, {g.interval[1]:.3f}], "
                f"p {p_text(g.p)}, q {p_text(g.q)}: {parts}"
            )
        lines.append("*: q at most 0.05. The interval is that of the two groups picked after the fact, so trust q.")
        return "\n".join(lines)


def subgroups(
    samples,
    field: ProbedField,
    *,
    by: ByFields | None = None,
    vectors: VectorFieldOrFields = "dae_embedding",
    kernel: Kernel = "rbf",
    n_permutations: Permutations = 499,
    n_bootstrap: Bootstraps = 1000,
    repeats: Repeats = 3,
    subject_field: SubjectField | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> SubgroupTable:
    """Scores a probe of one field within the groups of every other field, and tests the gaps.

    Numbers are cut at their fifths. Groups with fewer than 15 subjects are
    left out. The p-value exchanges group membership among subjects.

    Args:
        samples: a dataset or view with embeddings
        field: the field that is predicted
        by: the fields that make groups; default: every other metadata field
        vectors: the vector field or brain run to predict from; several are concatenated
        kernel: kernel of the support vector machine
        n_permutations: permutations behind each p-value
        n_bootstrap: bootstrap draws behind each interval
        repeats: how often the folds are drawn anew
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of folds, permutations and draws

    Returns:
        one gap a field

    Raises:
        InputError: the field cannot be probed, or a named field does not exist
    """
    source = ProbeSource(samples, vectors, kernel, subject_field)
    target = source.target(field)
    names = [n for n in store.metadata_fields(samples) if n != field] if by is None else list(by)
    table = store.read_table(samples, names).reindex(source.ids).iloc[target.rows]
    subjects = source.subjects[target.rows]
    rng = np.random.default_rng([seed, zlib.crc32(field.encode())])
    machine = source.folds(target.rows, repeats, seed)
    fit = cross_fit(source.designs, target, subjects, n_permutations=99, rng=rng, machine=machine)
    draws = np.vstack([subject_weights(subjects)[None], bootstrap_weights(subjects, n_bootstrap, rng)])
    gaps = []
    with start(progress, "comparing groups", len(names), "fields") as task:
        for name in names:
            try:
                strata = make_strata(table[[name]])
            except InputError as error:
                gaps.append(Gap(name, reason=str(error)))
            else:
                gaps.append(_gap(name, strata, target, fit, subjects, draws, n_permutations, rng))
            task.advance(note=name)
    q = benjamini_hochberg(np.array([g.p for g in gaps]))
    gaps = [Gap(**{**g.__dict__, "q": float(v)}) for g, v in zip(gaps, q, strict=True)]
    gaps.sort(key=lambda g: (bool(g.reason), np.nan_to_num(g.p, nan=2.0), -np.nan_to_num(g.gap)))
    metric = "AUC" if target.categorical else "concordance" if _worse_is_low(target) else "mean absolute error"
    return SubgroupTable(field, metric, fit.score, tuple(gaps))


def _worse_is_low(target: Target) -> bool:
    """Whether a low score is the worse one: of AUC and concordance, not of an error."""
    return target.categorical or target.kind == "ordinal"


def _gap(name, strata, target, fit, subjects, draws, n_permutations, rng) -> Gap:
    # a subject belongs to the group of its first sample, so that groups share nobody
    people, first, index = np.unique(subjects, return_index=True, return_inverse=True)
    of_person = strata.codes[first]

    def scores(of_person, weights, groups):
        codes = of_person[index]
        return np.array(
            [score_draws(target, fit.repeats, fit.folds, weights, rows=np.flatnonzero(codes == g)) for g in groups]
        )

    groups = [g for g in np.unique(of_person) if g >= 0 and (of_person == g).sum() >= SMALLEST]
    got = scores(of_person, draws, groups) if groups else np.empty((0, len(draws)))
    kept = [k for k in range(len(groups)) if np.isfinite(got[k, 0])]
    if len(kept) < 2:
        return Gap(name, reason=f"{name!r} has fewer than two groups with {SMALLEST} subjects and both classes")
    groups, got = [groups[k] for k in kept], got[kept]
    worse_is_low = _worse_is_low(target)
    order = np.argsort(got[:, 0] if worse_is_low else -got[:, 0])
    sides = got[order[-1]] - got[order[0]] if worse_is_low else got[order[0]] - got[order[-1]]
    observed = np.nanstd(got[:, 0])
    movable = np.flatnonzero(np.isin(of_person, groups))
    hits = 0
    for _ in range(n_permutations):
        moved = of_person.copy()
        moved[movable] = of_person[rng.permutation(movable)]
        hits += np.nanstd(scores(moved, draws[:1], groups)[:, 0]) >= observed - 1e-12
    return Gap(
        name,
        tuple(
            Subgroup(
                strata.names[groups[k]].removeprefix(name).strip(),
                float(got[k, 0]),
                percentile_interval(got[k, 1:]),
                int((of_person == groups[k]).sum()),
            )
            for k in order
        ),
        float(sides[0]),
        percentile_interval(sides[1:]),
        (1 + hits) / (1 + n_permutations),
    )
