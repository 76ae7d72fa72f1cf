"""The verb ``reidentify``: do the embeddings tell site, scanner, month or person?"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from .. import schema, store
from ..errors import InputError
from ..parameters import Bootstraps, DateField, ProbedFields, Seed, SubjectField, VectorField
from ..progress import Progress, start
from ..rendering import Rendered, Table
from ..statistics.dates import as_years, dated
from .neighbours import KnnLeakage, Question, all_telling, n_with_partner
from .sites import site_fields

SUBJECT, MONTH = "subject", "month"


@dataclass(frozen=True)
class Reidentification(Rendered):
    """What the nearest neighbours of a sample give away.

    Attributes:
        rows: ``{what: KnnLeakage}``
        skipped: ``{what: why it could not be asked}``
        verdicts: ``{what: verdict}`` over everything tested on the dataset
        correction: what that spans, in words
    """

    rows: dict[str, KnnLeakage]
    skipped: dict[str, str]
    verdicts: dict[str, str] = field(default_factory=dict)
    correction: str = ""

    def to_dict(self) -> dict:
        return {
            "rows": {k: asdict(t) for k, t in self.rows.items()},
            "skipped": dict(self.skipped),
            "verdicts": dict(self.verdicts),
            "correction": self.correction,
        }

    def parts(self) -> list[str | Table]:
        lines: list[str | Table] = []
        if self.rows:
            cells = [
                (
                    "what",
                    "told by nearest",
                    "95 % interval",
                    "chance",
                    "p",
                    "among nearest 5",
                    "chance",
                    "verdict",
                    "subjects",
                    "samples",
                )
            ]
            for what, t in self.rows.items():
                cells.append(
                    (
                        what,
                        f"{t.top1:.1%}",
                        f"{t.interval1[0]:.1%} to {t.interval1[1]:.1%}",
                        f"{t.chance1:.1%}",
                        f"{t.p:.3f}",
                        f"{t.top5:.1%}",
                        f"{t.chance5:.1%}",
                        self.verdicts.get(what, ""),
                        f"{t.n_subjects:,}",
                        f"{t.n_samples:,}",
                    )
                )
            lines.append(Table.of(cells))
        lines += [f"not asked: {what}: {why}" for what, why in self.skipped.items()]
        lines.append(
            "told by nearest: share of samples whose most similar sample (of another person, unless persons are asked) "
            "has the same value. Whoever holds embeddings and a few known samples can do this; share map coordinates "
            "or nothing where persons are told."
        )
        lines += [self.correction] if self.correction else []
        return lines


def reidentify(
    samples,
    *,
    fields: ProbedFields | None = None,
    date_field: DateField | None = None,
    vectors: VectorField = "dae_embedding",
    subject_field: SubjectField | None = None,
    n_bootstrap: Bootstraps = 500,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> Reidentification:
    """Asks how well site, scanner, month and person can be told from the embedding.

    Args:
        samples: a dataset or view with embeddings
        fields: fields to ask for; default: what is named like a site or a scanner
        date_field: field whose month is asked for; default: found by name
        vectors: the vector field
        subject_field: field that names the subject; default: as registered, else guessed by name
        n_bootstrap: draws of the intervals
        seed: seed of the draws

    Returns:
        top-1 and top-5 beside chance; persons are asked where some have several samples

    Raises:
        InputError: no vectors, or a field that does not exist
    """
    store.ensure_samples(samples)
    ids, matrix = store.read_vectors(samples, vectors)
    if len(ids) < 10:
        raise InputError(f"at least 10 samples with vectors are needed; got {len(ids)}")
    owner = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
    subjects = pd.factorize(np.array([owner[i] for i in ids]))[0]
    known = store.metadata_fields(samples)
    if fields is None:
        fields = site_fields(known)
    table = store.read_table(samples, list(fields)).reindex(ids)
    asked: dict[str, np.ndarray] = {SUBJECT: subjects}
    for name in fields:
        asked[name] = pd.factorize(table[name].map(lambda v: None if v is None or v != v else str(v)))[0]
    dates = [date_field] if date_field else dated(known)
    if dates:
        years = as_years(store.read_table(samples, [dates[0]])[dates[0]].reindex(ids))
        asked[MONTH] = pd.factorize(np.where(np.isfinite(years), np.floor(years * 12), np.nan))[0]
    rows, skipped = {}, {}
    questions: dict[str, Question] = {}
    for what, codes in asked.items():
        if what == SUBJECT and len(np.unique(codes)) == len(codes):
            skipped[what] = "no person has two samples"
        elif len(np.unique(codes[codes >= 0])) < 2:
            skipped[what] = "fewer than two values"
        elif (n := n_with_partner(codes, subjects, what == SUBJECT)) < 10:
            skipped[what] = f"only {n} samples share their value with another " + (
                "of the same person" if what == SUBJECT else "person"
            )
        else:
            questions[what] = Question(codes, what == SUBJECT, np.random.default_rng(seed))
    with start(progress, "re-identification", len(questions), "fields") as task:
        told = all_telling(matrix, list(questions.values()), subjects, n_bootstrap=n_bootstrap)
        for what, leakage in zip(questions, told, strict=True):
            if leakage.p == leakage.p:
                rows[what] = leakage
            else:
                skipped[what] = "too few subjects could change values with others"
            task.advance(note=what)
    if not dates:
        skipped[MONTH] = "no field with a date"
    result = Reidentification(rows, skipped)
    store.save_run(
        samples,
        schema.REIDENTIFY_RUN,
        {"fields": list(fields), "vectors": vectors, "seed": seed},
        {"table": result.to_dict(), "sample_ids": ids},
    )
    return result
