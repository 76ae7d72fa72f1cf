"""What is said of a subject that a probe puts elsewhere: label and images contradict each other, or a description."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..statistics.label_errors import LabelErrors

#: a sample is an outlier of its own region at this many robust standard deviations
OUTLIER_Z = 3.5
#: kinds of verdicts, and what they mean
KINDS = {
    "contradicted": "their images look throughout like another class, more than any tail of their own explains",
    "bad image": "their misclassified images are outliers within their region",
    "ambiguous": "ambiguous to the probe: some or all of their images are misclassified, as happens to right labels",
}
OPEN = "left open: the label is wrong, the images were exchanged, or the person looks so throughout"


@dataclass(frozen=True)
class Verdict:
    """What is said of a subject (or of its samples of one label) with misclassified samples.

    Attributes:
        subject: the subject
        label: its label in the table
        seen_as: what its images look like
        kind: one of :data:`KINDS`; only "contradicted" is a claim, the others describe
        n_opposite: misclassified samples
        n_samples: samples
        posterior: probability that the images are those of another class
        outliers: misclassified samples that are outliers within their region
        evidence: of a contradicted label, what other records of the subject say, or that it is left open
        sample_ids: all samples of a contradicted label, else the misclassified ones
    """

    subject: str
    label: str
    seen_as: str
    kind: str
    n_opposite: int
    n_samples: int
    posterior: float
    outliers: int
    evidence: str
    sample_ids: tuple[str, ...]


def judge(
    errors: LabelErrors,
    classes: tuple[str, ...],
    subjects,
    codes,
    predicted,
    outlier_z,
    ids,
    records: Mapping[str, Counter] | None = None,
) -> list[Verdict]:
    """One verdict a subject that is listed or has misclassified samples.

    Args:
        errors: the list of contradicted labels
        classes: names of the classes
        subjects: subject of each sample, (n,)
        codes: recorded class of each sample, (n,)
        predicted: class by the probe of each, (n,)
        outlier_z: robust z of the distance to the neighbours in the same region, (n,)
        ids: sample ids
        records: ``{subject: what other records of it say}``, for example the header's; the subject's samples of another
            label are looked at anyway
    """
    subjects, codes, predicted = np.asarray(subjects), np.asarray(codes), np.asarray(predicted)
    listed, out = set(errors.listed.tolist()), []
    rows: dict[tuple, list[int]] = {}
    for k, pair in enumerate(zip(subjects, codes, strict=True)):
        rows.setdefault(pair, []).append(k)
    for unit, pair in enumerate(zip(errors.subjects, errors.labels, strict=True)):
        mine = np.array(rows[pair])
        bad = mine[predicted[mine] != codes[mine]]
        if unit not in listed and not len(bad):
            continue
        far = int((np.asarray(outlier_z)[bad] > OUTLIER_Z).sum())
        label, seen, why = classes[pair[1]], classes[errors.seen_as[unit]], ""
        if unit in listed:
            kind = "contradicted"
            others = Counter(classes[c] for c in codes[(subjects == pair[0]) & (codes != pair[1])])
            why = evidence(label, seen, others, (records or {}).get(str(pair[0]), Counter()))
        else:
            kind = "bad image" if far == len(bad) else "ambiguous"
        shown = mine if unit in listed else bad
        out.append(
            Verdict(
                str(pair[0]),
                label,
                seen,
                kind,
                len(bad),
                len(mine),
                float(errors.posterior[unit]),
                far,
                why,
                tuple(ids[k] for k in shown),
            )
        )
    order = list(KINDS)
    return sorted(out, key=lambda v: (order.index(v.kind), -v.posterior, -v.n_opposite / v.n_samples, v.subject))


def evidence(label: str, seen_as: str, others: Counter, records: Counter) -> str:
    """What speaks for a wrong label or for the person's own anatomy, beside the images themselves.

    Args:
        label: the recorded class
        seen_as: the class the images look like
        others: labels of the subject's other samples
        records: what other records of the subject say
    """
    if others[seen_as]:
        return f"other samples of the subject are recorded as {seen_as}: the label is wrong here, or of somebody else"
    if records[seen_as]:
        return f"another record of the subject says {seen_as}: the label is wrong"
    if records[label]:
        return f"another record of the subject says {label} too: exchanged images, or the person looks so throughout"
    return OPEN
