"""The verb ``disagreements``: whose label do the images contradict?"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass

import numpy as np

from .. import schema, store
from ..errors import InputError
from ..parameters import ByField, ProbedField, Seed, Share, SubjectField, VectorField
from ..progress import Progress, start
from ..statistics.label_errors import LabelErrors, label_errors
from ..statistics.outliers import outlier_scores
from .agreement import Agreement, agreement
from .contradictions import Verdict, judge
from .labels import too_weak
from .result import ProbeResult

#: tags of the verdicts; "label-error" marks a contradiction, of which the sentence says what is known
KINDS = {"contradicted": "label-error", "bad image": "bad-image", "ambiguous": "ambiguous"}
#: tags that earlier versions set
FORMER = ("variant",)
#: a region is looked for outliers with more than so many subjects
_FEW = 12


@dataclass(frozen=True)
class Disagreements:
    """Whose label the images contradict, with an expected false share, and what describes the others.

    Attributes:
        field: the field
        by: field that names the region, "" for none
        agreement: misclassified samples across regions beside independence; no evidence
        verdicts: one a subject that is listed or has misclassified samples
        p: p-value of "no label contradicts its images"; None where that was not tested
        n_draws: draws of the bootstrap behind it
        n_listed: subjects whose label their images contradict
        false_share: expected share of them whose images are those of their own class; None where nobody is listed
        rate: estimated share of such labels in the cohort; None where that was not tested
        n_subjects: subjects that took part
        reason: why no sample is spoken of; "" where samples are
    """

    field: str
    by: str
    agreement: Agreement | None
    verdicts: tuple[Verdict, ...]
    p: float | None = None
    n_draws: int = 0
    n_listed: int = 0
    false_share: float | None = None
    rate: float | None = None
    n_subjects: int = 0
    reason: str = ""

    def to_dict(self) -> dict:
        return {
            **{k: v for k, v in self.__dict__.items() if k not in ("agreement", "verdicts")},
            "agreement": self.agreement.to_dict() if self.agreement else None,
            "verdicts": [{**asdict(v), "sample_ids": list(v.sample_ids)} for v in self.verdicts],
        }

    @property
    def line(self) -> str:
        """What came of it."""
        if self.reason:
            return f"none: {self.field}: {self.reason}"
        said = f"{self.n_listed:,} of {self.n_subjects:,} subjects have a label that their images contradict"
        if self.p is not None:
            said += f" (p {self.p:.3g} that there is none"
            said += f"; expected false share {self.false_share:.0%})" if self.false_share is not None else ")"
        return said

    def __str__(self) -> str:
        if self.reason:
            return f"verdicts: {self.line}"
        counts = Counter(v.kind for v in self.verdicts)
        lines = [str(self.agreement)] if self.agreement else []
        lines.append("verdicts: " + self.line)
        for v in [v for v in self.verdicts if v.kind == "contradicted"][:15]:
            lines.append(
                f"  {v.subject}: {self.field} {v.label}, looks like {v.seen_as} in {v.n_opposite} of {v.n_samples} "
                f"samples, probability {v.posterior:.2f}; {v.evidence}"
            )
        rest = [(counts["ambiguous"], "ambiguous to the probe"), (counts["bad image"], "with outlying images")]
        told = ", ".join(f"{n:,} {text}" for n, text in rest if n)
        if told:
            lines.append(f"not claimed, described only: {told}")
        return "\n".join(lines)


def disagreements(
    samples,
    field: ProbedField,
    *,
    by: ByField | None = None,
    vectors: VectorField = "dae_embedding",
    most_false: Share = 0.1,
    level: Share = 0.05,
    subject_field: SubjectField | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> Disagreements:
    """Lists subjects whose label their images contradict, with the share of the list that is expected to be false.

    Reads the stored margins of "probe" or, when there are any, those of
    "probe-all --by". The list, tag "daebias:label-error:FIELD", is empty unless
    there are more confident contradictions than a cohort with right labels and
    margins of that shape gives. It says that label and images contradict each
    other; which is right is told only where another record of the subject
    speaks (another sample's label, the header's value), else left open. Other
    subjects with misclassified samples are described, not claimed: tags
    "daebias:ambiguous:FIELD" and "daebias:bad-image:FIELD" (outliers within
    their region). A probe whose AUC may be below 0.85 says nothing about single
    samples. Agreement across regions is shown beside independence (Graf et al.
    2024, §3.1).

    Args:
        samples: a dataset or view whose field was probed
        field: the field that was probed
        by: field that names the region, series or visit; default: each subject's samples in order
        vectors: the vector field in which outliers are looked for
        most_false: largest expected false share of the list
        level: level of the test that there is any contradiction
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of the bootstrap

    Returns:
        the test, the list, and one verdict a subject

    Raises:
        InputError: the field was not probed, or is a number
    """
    store.ensure_samples(samples)
    if not 0 < most_false <= 0.5 or not 0 < level <= 0.5:
        raise InputError(f"most_false and level must be above 0 and at most 0.5; got {most_false} and {level}")
    key, summary = _stored(samples, field, by)
    rows = [ProbeResult.from_dict(r) for r in summary.get("parts") or [summary["summary"]]]
    if not rows[0].classes:
        raise InputError(f"field {field!r} was probed as a number; disagreements need classes")
    split = bool(summary.get("parts"))
    weak = {r.group: too_weak(r) for r in rows}
    reason = "" if not all(weak.values()) else next(iter(weak.values()))
    if "scores" not in summary:
        reason = f"its probes are of an earlier version, or differ in their classes; run 'daebias probe NAME {field}'"
    tags = {kind: f"{schema.TAG_PREFIX}{tag}:{field}" for kind, tag in KINDS.items()}
    config = {
        "field": field,
        "by": by,
        "vectors": vectors,
        "most_false": most_false,
        "level": level,
        "seed": seed,
        "owns": {"tags": list(tags.values())},
    }
    for tag in (*tags.values(), *(f"{schema.TAG_PREFIX}{former}:{field}" for former in FORMER)):
        store.untag(store.dataset_of(samples), tag)
    if reason:
        result = Disagreements(field, by or "", None, (), reason=reason)
        store.save_run(samples, key, config, {"summary": result.to_dict()})
        return result
    with start(progress, "judging disagreements", 3, "steps") as task:
        classes = rows[0].classes
        rival = _rival(samples, field)
        table = store.read_table(samples, [field, *([by] if by else []), *([rival] if rival else [])])
        owners = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
        place = {str(i): k for k, i in enumerate(summary["sample_ids"])}
        group = {i: f"{by}={table.at[i, by]}" if split else "" for i in table.index}
        code = {c: k for k, c in enumerate(classes)}
        truth = {i: code.get(_text(table.at[i, field])) for i in table.index}
        ids = [i for i in table.index if i in place and truth[i] is not None and not weak.get(group[i], "")]
        scores = np.asarray(summary["scores"], float)[[place[i] for i in ids]]
        codes, subjects = np.array([truth[i] for i in ids]), np.array([owners[i] for i in ids])
        regions = np.array([str(table.at[i, by]) if by else "" for i in ids])
        predicted = scores.argmax(axis=1)
        errors = label_errors(
            subjects,
            codes,
            scores,
            regions=regions,
            most_false=most_false,
            level=level,
            rng=np.random.default_rng(seed),
        )
        task.advance()
        z = _outliers(samples, vectors, ids, subjects, regions)
        task.advance()
        records: dict[str, Counter] = defaultdict(Counter)
        for i in ids if rival else ():
            records[str(owners[i])][_text(table.at[i, rival])] += 1
        verdicts = judge(errors, classes, subjects, codes, predicted, z, ids, records)
        for kind, tag in tags.items():
            store.tag(samples, [i for v in verdicts if v.kind == kind for i in v.sample_ids], tag)
        result = _result(field, by, errors, verdicts, _across(subjects, regions, predicted != codes, by))
        store.save_run(samples, key, config, {"summary": result.to_dict()})
        task.advance()
    return result


def _stored(samples, field: str, by: str | None) -> tuple[str, dict]:
    """Key of the run to store, and what the probe stored, that of "probe-all --by" before that of the whole cohort."""
    stem = schema.field_stem(field)
    runs = set(store.list_runs(samples, schema.PROBE_RUN_PREFIX))
    for key in (f"{stem}_by_{schema.field_stem(by)}" if by else stem, stem):
        if schema.PROBE_RUN_PREFIX + key in runs:
            _, results = store.load_run(samples, schema.PROBE_RUN_PREFIX + key)
            if "scores" in results or key == stem:
                return schema.DISAGREEMENT_RUN_PREFIX + stem, results
    raise InputError(f"field {field!r} has not been probed here; run 'daebias probe NAME {field}' first")


def _rival(samples, field: str) -> str:
    """Another field that records the same: the header's beside the table's."""
    name = field.removeprefix("header_") if field.startswith("header_") else f"header_{field}"
    return name if store.has_field(samples, name) else ""


def _outliers(samples, vectors: str, ids: list[str], subjects, regions) -> np.ndarray:
    """How strange each sample is within its region, in robust standard deviations; 0 where too few are there."""
    have, matrix = store.read_vectors(samples, vectors)
    place = {i: k for k, i in enumerate(have)}
    z = np.zeros(len(ids))
    for r in np.unique(regions):
        mine = np.array([k for k in range(len(ids)) if regions[k] == r and ids[k] in place], int)
        if len(set(subjects[mine])) > _FEW:
            z[mine] = outlier_scores(matrix[[place[ids[k]] for k in mine]], subjects[mine])
    return z


def _across(subjects, regions, wrong, by: str | None) -> Agreement | None:
    """Misclassified samples across regions; a subject's worst sample speaks for a region it has twice."""
    names = sorted(set(regions)) if by else []
    if len(names) < 2:
        return None
    people = {s: k for k, s in enumerate(dict.fromkeys(subjects))}
    grid = np.full((len(people), len(names)), np.nan)
    for s, r, w in zip(subjects, regions, wrong, strict=True):
        cell = people[s], names.index(r)
        grid[cell] = np.nanmax([grid[cell], float(w)])
    return agreement(grid, tuple(names))


def _result(field: str, by, errors: LabelErrors, verdicts: list[Verdict], together) -> Disagreements:
    def known(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    listed = {errors.subjects[k] for k in errors.listed}
    return Disagreements(
        field,
        by or "",
        together,
        tuple(verdicts),
        known(errors.p),
        errors.n_draws,
        len(listed),
        known(errors.false_share),
        known(errors.rate),
        len(set(errors.subjects)),
        errors.reason,
    )


def _text(value) -> str:
    """A value as the probe named its class."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_)):
        return f"{float(value):.6g}"
    return str(value)
