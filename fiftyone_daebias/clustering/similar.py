"""The verb ``similar``: the cases most like a sample or a cluster, of other people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from .. import schema, store
from ..errors import InputError
from ..parameters import Advanced, Cases, ClusterName, Label, Like, SimilarityIndex
from ..progress import Progress, listening
from . import cluster as named


@dataclass(frozen=True)
class SimilarCases:
    """Look-up of similar cases.

    Attributes:
        query: what was looked up, in words
        sample_ids: the most similar samples, best first
        subjects: their subjects
        files: their files
        view: saved view that shows them
        index: brain key of the similarity index
    """

    query: str
    sample_ids: tuple[str, ...]
    subjects: tuple[str, ...]
    files: tuple[str, ...]
    view: str
    index: str

    def to_dict(self) -> dict:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}

    def __str__(self) -> str:
        lines = [f"{len(self.sample_ids)} cases most like {self.query}; saved view {self.view!r}"]
        for n, (s, f) in enumerate(zip(self.subjects, self.files, strict=True), 1):
            lines.append(f"{n:3}  {f}  of {s}")
        return "\n".join(lines)


def similar(
    samples,
    *,
    to: Like | None = None,
    cluster: ClusterName | None = None,
    k: Cases = 12,
    index: SimilarityIndex = "dae_similarity",
    same_subject: Annotated[bool, Label("Also the same people"), Advanced] = False,
    progress: Progress | None = None,
) -> SimilarCases:
    """Finds the cases most like a sample or a cluster, through FiftyOne's similarity index.

    Args:
        samples: a dataset or view: only its samples are found
        to: ids or file names of one or several samples; their mean distance counts
        cluster: a cluster instead; its members are not found themselves
        k: how many cases
        index: brain key of the similarity index
        same_subject: whether other samples of the same people count

    Returns:
        the cases, best first; the saved view "similar cases" shows them

    Raises:
        InputError: neither or both of ``to`` and ``cluster``, an unknown sample, or no index
    """
    told = listening(progress)
    if (to is None or not len(to)) == (cluster is None):
        raise InputError("give either to=[sample ids or file names] or cluster=NAME")
    if k < 1:
        raise InputError(f"k must be at least 1; got {k}")
    dataset = store.dataset_of(samples)
    if not store.count(samples):
        raise InputError("this view has no samples to look among; widen it")
    if index not in store.similarity_runs(dataset):
        known = ", ".join(store.similarity_runs(dataset)) or "none; run 'daebias embed' first"
        raise InputError(f"there is no similarity index {index!r}; indexes: {known}")
    ids = store.sample_ids(dataset)
    owner = dict(zip(ids, store.read_subjects(dataset), strict=True))
    if cluster is not None:
        query, text = list(named.get(dataset, cluster).members), f"cluster {cluster!r}"
    else:
        query = _resolve(dataset, ids, list(to))
        text = f"{len(query)} samples"
        if len(query) == 1:
            text = f"{store.file_names(dataset, query)[0]} of {owner[query[0]]}"
    query = _indexed(dataset, query)
    if not query:
        raise InputError(f"{text} has no vector in the index {index!r}; run 'daebias embed' again")
    people = {owner[i] for i in query}
    ranked = store.sample_ids(store.sort_by_similarity(samples, query, index, None))
    asked = set(query)
    found = [i for i in ranked if i not in asked and (same_subject or owner[i] not in people)][:k]
    if len(found) < k:
        told.say(f"only {len(found)} other cases are in this view")
    store.save_view(
        dataset,
        "similar cases",
        store.view_of_ids(dataset, found, ordered=True),
        description=f"the {len(found)} cases most like {text}, best first",
    )
    return SimilarCases(
        text,
        tuple(found),
        tuple(owner[i] for i in found),
        tuple(store.file_names(dataset, found)),
        "similar cases",
        index,
    )


def _resolve(dataset, ids: list[str], given: list[str]) -> list[str]:
    known, out = set(ids), []
    by_name: dict[str, str] = {}
    for field in ("filepath", schema.SOURCE_FIELD):
        if store.has_field(dataset, field):
            for i, path in zip(ids, store.read_field(dataset, field), strict=True):
                if path:
                    by_name.setdefault(path.rpartition("/")[2], i)
    for name in given:
        i = name if name in known else by_name.get(name.rpartition("/")[2])
        if i is None:
            raise InputError(f"to: there is no sample {name!r}; give a sample id or a file name")
        out.append(i)
    return out


def _indexed(dataset, query: list[str]) -> list[str]:
    has = set(store.sample_ids(store.view_of_field(dataset, schema.embedding_field())))
    return [i for i in query if i in has] if has else query
