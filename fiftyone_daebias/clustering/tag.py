"""The verb ``tag``: a list to look at, of samples far from all others, as a whole or in one place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import schema, store
from ..cohort.slices import open_slices
from ..embeddings.encode import centre_indices
from ..embeddings.map import principal_components
from ..errors import CohortError, InputError
from ..parameters import Neighbors, SubjectField, Threshold, VectorField
from ..progress import Progress, listening, start
from ..statistics.outliers import nearest_others, outlier_scores
from .local_outliers import NEAREST, RANK, SLABS, Alike, local_outliers, place_box, place_words, small_picture

#: centre slices of a volume whose places are compared
_SLICES = 12


@dataclass(frozen=True)
class AlikeGroup:
    """Samples that share something in one place that the samples most similar to them do not have.

    Attributes:
        tag: their tag
        members: their ids
        n_subjects: how many subjects they are of
        place: where in the picture, in words
    """

    tag: str
    members: tuple[str, ...]
    n_subjects: int
    place: str

    def to_dict(self) -> dict:
        return {**self.__dict__, "members": list(self.members)}


@dataclass(frozen=True)
class OutlierResult:
    """Outlier scores of all samples and which were tagged.

    Attributes:
        field: sample field of the scores
        tag: tag of the outliers
        tagged: ids of the tagged samples, the strangest first
        scores: their scores
        n_samples: samples scored
        threshold: score from which a sample is tagged; a place on a list, no level of a test
        local: ids of the samples tagged for one strange place, the strangest first
        alike: groups that share a strange place
        first: file names of the strangest samples
        note: why places were not looked at; "" if they were
    """

    field: str
    tag: str
    tagged: tuple[str, ...]
    scores: tuple[float, ...]
    n_samples: int
    threshold: float
    local: tuple[str, ...] = ()
    alike: tuple[AlikeGroup, ...] = ()
    note: str = ""
    first: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        lists = {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}
        return {**lists, "alike": [g.to_dict() for g in self.alike]}

    def __str__(self) -> str:
        text = f"{len(self.tagged):,} of {self.n_samples:,} samples tagged {self.tag!r} (score >= {self.threshold:g})"
        strangest = [f"{i} ({s:.1f})" for i, s in zip(self.first, self.scores, strict=False)]
        text += "; the first: " + ", ".join(strangest) if strangest else ""
        text += "\na list to look at, the farthest first: some people are always far from all others"
        if self.note:
            return f"{text}\n{self.note}"
        text += f"\n{len(self.local):,} have something in one place that similar samples do not; "
        text += f"tagged {schema.TAG_LOCAL!r}, boxes in {schema.LOCAL_PLACE_FIELD!r}"
        for group in self.alike:
            text += (
                f"\n{len(group.members):,} samples of {group.n_subjects:,} subjects share something at the "
                f"{group.place} of the picture; tagged {group.tag!r}"
            )
        return text


def tag(
    samples,
    *,
    vectors: VectorField = "dae_embedding",
    neighbors: Neighbors = 10,
    threshold: Threshold = 3.5,
    local: bool = True,
    subject_field: SubjectField | None = None,
    progress: Progress | None = None,
) -> OutlierResult:
    """Lists samples that are far from all others, and those with something in one place that similar samples lack.

    It is a list to look at, the farthest first, and no test: some people are
    always far from all others. A sample is on it, tag "daebias:outlier", when
    its vector is far from those of all other subjects. A burned-in letter, a cable or a tilted frame
    hardly moves the vector: so every picture is also compared, place by place,
    with those of the 20 most similar samples of other subjects. What fewer than
    four of them have near the same place is a local outlier, tag
    "daebias:local-outlier", with a box in "daebias_local_place". Samples of
    three or more subjects that share an oddity get the tag "daebias:alike:1",
    "daebias:alike:2" …

    Args:
        samples: a dataset or view with embeddings
        vectors: the vector field to look at
        neighbors: how many nearest samples of other subjects to compare vectors with
        threshold: score from which a sample is on the list: robust standard deviations of the log distance to others
        local: whether to compare pictures place by place too
        subject_field: field that names the subject; default: as registered, else guessed by name

    Returns:
        the tagged samples and their scores; every sample's scores are in the fields "daebias_outlier_score" and
        "daebias_local_score"

    Raises:
        InputError: no vectors, too few samples, or a setting out of its range
    """
    store.ensure_samples(samples)
    if neighbors < 1 or threshold <= 0:
        raise InputError(f"neighbors must be at least 1 and threshold above 0; got {neighbors} and {threshold}")
    ids, matrix = store.read_vectors(samples, vectors)
    owners = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
    subjects = np.array([owners[i] for i in ids])
    with start(progress, "outliers", 1, "steps") as task:
        scores = outlier_scores(matrix, subjects, neighbors)
        task.advance()
    found, note = None, "places in the pictures were not looked at"
    if local:
        found, note = _look_locally(samples, ids, matrix, subjects, subject_field, progress)
    _forget(samples)
    order = np.argsort(-scores, kind="stable")
    strange = [k for k in order if scores[k] >= threshold]
    store.write_values(samples, schema.OUTLIER_FIELD, dict(zip(ids, map(float, scores), strict=True)), kind="float")
    store.tag(samples, [ids[k] for k in strange], schema.TAG_OUTLIER)
    places, groups = _store_places(samples, ids, subjects, found, threshold) if found is not None else ((), ())
    return OutlierResult(
        schema.OUTLIER_FIELD,
        schema.TAG_OUTLIER,
        tuple(ids[k] for k in strange),
        tuple(float(scores[k]) for k in strange),
        len(ids),
        threshold,
        places,
        groups,
        note,
        tuple(store.file_names(samples, [ids[k] for k in strange[:3]])),
    )


def _look_locally(samples, ids, matrix, subjects, subject_field, progress):
    """What is strange in one place, and "" or why that cannot be said."""
    k = min(NEAREST, len(ids) - int(np.unique(subjects, return_counts=True)[1].max()))
    if k < 2 * RANK:
        return None, f"places in the pictures were not looked at: that takes {2 * RANK} samples of other subjects"
    try:
        source = open_slices(samples, subject_field=subject_field, progress=progress)
    except (InputError, CohortError) as error:
        listening(progress).say(f"places in the pictures are not looked at: {error}")
        return None, f"places in the pictures were not looked at: {error}"
    row = {i: n for n, i in enumerate(source.sample_ids)}
    slabs = slabs_of(source, [row[i] for i in ids])
    pictures = []
    with start(progress, "local outliers", 2 * len(ids), "pictures") as task:
        for i in ids:
            pictures.append(picture_of(source, row[i], slabs))
            task.advance()
        _, nearest = nearest_others(principal_components(matrix), subjects, k)
        return local_outliers(np.stack(pictures), nearest, subjects, task.advance), ""


def slabs_of(source, rows) -> int:
    """Slabs in which these volumes of a ``SliceSource`` are averaged: 3, or 1 where one of them has fewer slices."""
    return SLABS if min(source.n_slices(int(i)) for i in rows) >= SLABS else 1


def picture_of(source, i: int, slabs: int) -> np.ndarray:
    """What is compared of a volume of a ``SliceSource``: see :func:`~.local_outliers.small_picture`."""
    n = source.n_slices(i)
    return small_picture(source.read(i, centre_indices(n, min(n, _SLICES))) + 1, slabs)


def _forget(samples) -> None:
    """Removes what an earlier run tagged."""
    for tag in store.count_tags(store.dataset_of(samples)):
        if tag in (schema.TAG_OUTLIER, schema.TAG_LOCAL) or tag.startswith(schema.TAG_ALIKE):
            store.untag(samples, tag)
    for field in (schema.LOCAL_FIELD, schema.LOCAL_PLACE_FIELD):
        store.clear_field(samples, field)


def _store_places(samples, ids, subjects, found, threshold) -> tuple[tuple[str, ...], tuple[AlikeGroup, ...]]:
    order = np.argsort(-found.scores, kind="stable")
    strange = [k for k in order if found.scores[k] >= threshold]
    store.write_values(samples, schema.LOCAL_FIELD, dict(zip(ids, map(float, found.scores), strict=True)), kind="float")
    store.tag(samples, [ids[k] for k in strange], schema.TAG_LOCAL)
    boxes = {ids[k]: ("strange place", place_box(found.places[k]), found.scores[k]) for k in strange}
    groups = []
    for n, group in enumerate(found.groups):
        groups.append(_group(n + 1, ids, subjects, group))
        store.tag(samples, groups[-1].members, groups[-1].tag)
        name = groups[-1].tag.removeprefix(schema.TAG_PREFIX)
        boxes |= {ids[k]: (name, place_box(group.place), found.scores[k]) for k in group.rows}
    store.write_boxes(samples, schema.LOCAL_PLACE_FIELD, boxes)
    return tuple(ids[k] for k in strange), tuple(groups)


def _group(number: int, ids, subjects, group: Alike) -> AlikeGroup:
    rows = list(group.rows)
    return AlikeGroup(
        f"{schema.TAG_ALIKE}{number}", tuple(ids[k] for k in rows), len(set(subjects[rows])), place_words(group.place)
    )
