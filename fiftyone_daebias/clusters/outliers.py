"""The verb ``tag``: samples that look like nobody else's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import schema, store
from ..errors import InputError
from ..progress import Progress, start


@dataclass(frozen=True)
class OutlierResult:
    """Outlier scores of all samples and which were tagged.

    Attributes:
        field: sample field of the scores
        tag: tag of the outliers
        tagged: ids of the tagged samples, the strangest first
        scores: their scores
        n_samples: samples scored
        threshold: score from which a sample is tagged
    """

    field: str
    tag: str
    tagged: tuple[str, ...]
    scores: tuple[float, ...]
    n_samples: int
    threshold: float

    def to_dict(self) -> dict:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}

    def __str__(self) -> str:
        text = f"{len(self.tagged):,} of {self.n_samples:,} samples tagged {self.tag!r} (score >= {self.threshold:g})"
        strangest = [f"{i} ({s:.1f})" for i, s in zip(self.tagged[:3], self.scores, strict=False)]
        return text + ("; strangest: " + ", ".join(strangest) if strangest else "")


def tag_outliers(
    samples,
    *,
    vectors: str = "dae_embedding",
    neighbors: int = 10,
    threshold: float = 3.5,
    subject_field: str | None = None,
    progress: Progress | None = None,
) -> OutlierResult:
    """Scores how strange every sample is and tags the strangest "daebias:outlier".

    Args:
        samples: a dataset or view with embeddings
        vectors: the vector field to look at
        neighbors: how many nearest samples of other subjects to compare with
        threshold: score, in robust standard deviations, from which a sample is tagged
        subject_field: field that names the subject; default: as registered, else guessed by name

    Returns:
        the tagged samples and their scores; every sample's score is in the field "daebias_outlier_score"

    Raises:
        InputError: no vectors, too few samples, or a setting out of its range
    """
    store.ensure_samples(samples)
    if neighbors < 1 or threshold <= 0:
        raise InputError(f"neighbors must be at least 1 and threshold above 0; got {neighbors} and {threshold}")
    ids, matrix = store.read_vectors(samples, vectors)
    owners = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
    with start(progress, "outliers", 1, "steps") as task:
        scores = outlier_scores(matrix, np.array([owners[i] for i in ids]), neighbors)
        task.advance()
    order = np.argsort(-scores, kind="stable")
    strange = [k for k in order if scores[k] >= threshold]
    store.write_values(samples, schema.OUTLIER_FIELD, dict(zip(ids, map(float, scores), strict=True)), kind="float")
    store.untag(samples, schema.TAG_OUTLIER)
    store.tag(samples, [ids[k] for k in strange], schema.TAG_OUTLIER)
    return OutlierResult(
        schema.OUTLIER_FIELD, schema.TAG_OUTLIER, tuple(ids[k] for k in strange),
        tuple(float(scores[k]) for k in strange), len(ids), threshold,
    )


def outlier_scores(vectors: np.ndarray, subjects: np.ndarray, neighbors: int = 10) -> np.ndarray:
    """Robust z-scores of the log distance to the nearest samples of other subjects.

    Args:
        vectors: float (n, d); standardised here
        subjects: subject of each sample (n,): a subject's own other images do not make it ordinary
        neighbors: how many neighbours to average over

    Returns:
        float (n,): 0 is typical; 3.5 is that many robust standard deviations (1.4826 · MAD) further out than typical

    Raises:
        InputError: vectors that are not finite, or fewer other subjects than ``neighbors``
    """
    if not np.isfinite(vectors).all():
        raise InputError("vectors hold NaN or infinite values; embed again")
    names, owner = np.unique(subjects, return_inverse=True)
    counts = np.bincount(owner)
    if len(vectors) - counts.max() < neighbors:
        raise InputError(
            f"neighbors={neighbors} needs that many samples of other subjects; the largest subject leaves "
            f"{len(vectors) - counts.max()}; pass a smaller number"
        )
    spread = vectors.std(axis=0)
    z = ((vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32)
    squares = (z * z).sum(axis=1)
    mean = np.empty(len(z))
    for first in range(0, len(z), 1024):
        part = slice(first, first + 1024)
        distance = np.maximum(squares[part, None] + squares[None] - 2 * z[part] @ z.T, 0)
        distance[owner[part, None] == owner[None]] = np.inf
        nearest = np.partition(distance, neighbors - 1, axis=1)[:, :neighbors]
        mean[part] = np.sqrt(nearest).mean(axis=1)
    logs = np.log(np.maximum(mean, 1e-12))
    centre = np.median(logs)
    scale = 1.4826 * np.median(np.abs(logs - centre))
    return (logs - centre) / max(scale, 1e-9)
