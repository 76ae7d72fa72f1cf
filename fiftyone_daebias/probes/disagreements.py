"""The verb ``disagreements``: who is on the other side in several regions, and why?"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np

from .. import schema, store
from ..clusters.outliers import outlier_scores
from ..errors import InputError
from ..progress import Progress, start
from .agreement import Agreement, Verdict, agreement, judge

#: tags of the verdicts
KINDS = {"label error": "label-error", "variant": "variant", "bad image": "bad-image"}


@dataclass(frozen=True)
class Disagreements:
    """Agreement across regions, and a verdict for each subject with a disagreement."""

    field: str
    by: str
    agreement: Agreement | None
    verdicts: tuple[Verdict, ...]

    def to_dict(self) -> dict:
        return {
            "field": self.field, "by": self.by, "agreement": self.agreement.to_dict() if self.agreement else None,
            "verdicts": [{**asdict(v), "sample_ids": list(v.sample_ids)} for v in self.verdicts],
        }

    def __str__(self) -> str:
        counts = Counter(v.kind for v in self.verdicts)
        lines = [str(self.agreement)] if self.agreement else ["one region only: nothing to compare across regions"]
        lines.append("verdicts: " + (", ".join(f"{n:,} {k}" for k, n in counts.items()) or "nobody disagrees"))
        for v in [v for v in self.verdicts if v.kind != "undecided"][:15]:
            lines.append(
                f"  {v.kind:<11} {v.subject}: {self.field} {v.label}, looks like {v.seen_as} in {v.n_opposite} of "
                f"{v.n_samples} samples, mean margin {v.margin:+.2f} of the typical one"
            )
        return "\n".join(lines)


def disagreements(
    samples,
    field: str,
    *,
    by: str | None = None,
    vectors: str = "dae_embedding",
    subject_field: str | None = None,
    progress: Progress | None = None,
) -> Disagreements:
    """Tells wrong labels from anatomical variants and bad images among the samples that a probe puts elsewhere.

    Reads the stored predictions of "probe" or, when there are any, those of
    "probe-all --by". Counts subjects on the other side in one, two, three
    regions against independence (Graf et al. 2024, §3.1), and tags the samples
    "daebias:label-error:FIELD" (every region disagrees, by large margins),
    "daebias:variant:FIELD" (some do) and "daebias:bad-image:FIELD" (an outlier
    in its own region).

    Args:
        samples: a dataset or view whose field was probed
        field: the field that was probed
        by: field that names the region, series or visit; default: each subject's samples in order
        vectors: the vector field in which outliers are looked for
        subject_field: field that names the subject; default: as registered, else guessed by name

    Returns:
        counts against independence, and one verdict a subject

    Raises:
        InputError: the field was not probed, or is a number
    """
    store.ensure_samples(samples)
    stem = schema.PROBE_FIELD_PREFIX + schema.field_stem(field)
    name = stem + f"_by_{schema.field_stem(by)}" if by else stem
    if not store.has_field(samples, name):
        name = stem
    if not store.has_field(samples, name):
        raise InputError(f"field {field!r} has not been probed here; run 'daebias probe NAME {field}' first")
    labels = store.read_labels(samples, name, ("label", "margin"))
    if not labels or any(v[0] is None for v in labels.values()):
        raise InputError(f"field {field!r} was probed as a number; disagreements need classes")
    with start(progress, "judging disagreements", 3, "steps") as task:
        columns = [field, by] if by else [field]
        table = store.read_table(samples, columns)
        owners = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
        ids = [i for i in table.index if i in labels]
        truth = np.array([_text(table.at[i, field]) for i in ids])
        subjects = np.array([owners[i] for i in ids])
        regions = np.array([str(table.at[i, by]) if by else "" for i in ids])
        predicted = np.array([labels[i][0] for i in ids])
        margins = np.array([labels[i][1] for i in ids], float)
        task.advance()
        have, matrix = store.read_vectors(samples, vectors)
        place = {i: k for k, i in enumerate(have)}
        z = np.zeros(len(ids))
        for r in np.unique(regions):
            mine = np.array([k for k in range(len(ids)) if regions[k] == r and ids[k] in place])
            if len(set(subjects[mine])) > 12:
                z[mine] = outlier_scores(matrix[[place[ids[k]] for k in mine]], subjects[mine])
        task.advance()
        verdicts = judge(subjects, truth, predicted, margins, regions, z, ids)
        names = sorted(set(regions)) if by else []
        together = None
        if len(names) > 1:
            people = {s: k for k, s in enumerate(dict.fromkeys(subjects))}
            grid = np.full((len(people), len(names)), np.nan)
            for s, r, a, b in zip(subjects, regions, predicted, truth, strict=True):
                cell = people[s], names.index(r)
                grid[cell] = np.nanmax([grid[cell], float(a != b)])
            together = agreement(grid, tuple(names))
        dataset = store.dataset_of(samples)
        for kind, tag in KINDS.items():
            store.untag(dataset, f"{schema.TAG_PREFIX}{tag}:{field}")
            store.tag(samples, [i for v in verdicts if v.kind == kind for i in v.sample_ids],
                      f"{schema.TAG_PREFIX}{tag}:{field}")
        result = Disagreements(field, by or "", together, tuple(verdicts))
        store.save_run(samples, schema.DISAGREEMENT_RUN_PREFIX + schema.field_stem(field), {"field": field, "by": by},
                       {"summary": result.to_dict()})
        task.advance()
    return result


def _text(value) -> str:
    """A value as the probe named its class."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_)):
        return f"{float(value):.6g}"
    return str(value)
