"""Which labels may change places when nothing is going on, and permutations that respect it.

Subjects are exchangeable, and the images of one subject are exchangeable with
one another (multi-level exchangeability blocks; Winkler et al. 2015,
NeuroImage 123:253). A label that is constant within subjects is exchanged
between subjects. One that varies within them is shuffled among a subject's own
images, and the subjects' sets of labels change places where subjects have
about as many images; so a label that has the same values in every subject
(neck and back, left and right) is tested within subjects, and the order of the
rows is of no importance.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

#: with fewer subjects whose labels could be others there is no test
FEWEST_MOVABLE = 6
#: permutations written at a time
BLOCK = 200


@dataclass(frozen=True)
class Exchange:
    """What may change places with what; draws permutations of it.

    Attributes:
        index: subject of each sample, 0, 1, 2 …, (m,)
        stratum: stratum of each sample, 0, 1, 2 …, (m,)
        groups: subjects whose labels may change places with one another
        n_movable: subjects whose labels can become others
        within: whether labels are shuffled within subjects
        between: whether labels change places between subjects
    """

    index: np.ndarray
    stratum: np.ndarray
    groups: tuple[np.ndarray, ...]
    n_movable: int
    within: bool
    between: bool

    @property
    def words(self) -> str:
        """What is exchanged."""
        if self.within and self.between:
            return "labels exchanged between subjects and within them"
        return "labels exchanged within subjects" if self.within else "subjects exchanged"

    @property
    def impossible(self) -> str:
        """Why no test is possible; "" where one is."""
        if self.n_movable >= FEWEST_MOVABLE:
            return ""
        return f"the labels of only {self.n_movable} subjects could change places ({FEWEST_MOVABLE} are needed)"

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """``n`` permutations: the sample whose label each sample gets, int32 (n, m)."""
        counts = np.bincount(self.index)
        starts = np.r_[0, np.cumsum(counts)[:-1]]
        order = np.lexsort((self.stratum, self.index))
        place = np.empty(len(self.index), int)  # how-manieth sample of its subject
        place[order] = np.arange(len(self.index)) - np.repeat(starts, counts)
        source = np.tile(np.arange(len(counts)), (n, 1))
        for members in self.groups:
            source[:, members] = rng.permuted(np.tile(members, (n, 1)), axis=1)
        out = np.empty((n, len(self.index)), np.int32)
        step = 1 if self.within else BLOCK
        for k in range(0, n, step):
            if self.within:
                order = np.lexsort((rng.random(len(self.index)), self.stratum, self.index))
            giver = source[k : k + step, self.index]
            out[k : k + step] = order[starts[giver] + place % counts[giver]]
        return out


def exchange(subjects: np.ndarray, labels: np.ndarray, strata: np.ndarray | None = None) -> Exchange:
    """Finds out what may change places.

    Args:
        subjects: subject of each sample, (m,)
        labels: label of each sample, (m,) or (m, k)
        strata: stratum of each sample, (m,); labels change places only within a stratum
    """
    subjects, labels = np.asarray(subjects), np.asarray(labels)
    names, index, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    code = np.unique(labels.reshape(len(labels), -1), axis=0, return_inverse=True)[1].ravel()
    stratum = np.zeros(len(index), int) if strata is None else np.unique(strata, return_inverse=True)[1].ravel()
    order = np.lexsort((stratum, index))
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    first = order[starts]
    constant = bool((code == code[first][index]).all())
    layered = not (stratum == stratum[first][index]).all()
    if constant and not layered:
        sets, keys = code[first].tolist(), [(s,) for s in stratum[first].tolist()]
        within = np.zeros(len(names), bool)
    else:
        blocks = [order[i : i + c] for i, c in zip(starts, counts, strict=True)]
        sets = [_set_of(code[b], stratum[b]) for b in blocks]
        within = np.array([_varies(code[b], stratum[b]) for b in blocks], bool)
        sizes = np.zeros(len(names), int) if constant else np.log2(counts).astype(int)
        keys = [
            tuple(stratum[b].tolist()) if layered else (int(n), int(stratum[b[0]]))
            for b, n in zip(blocks, sizes, strict=True)
        ]
    groups = defaultdict(list)
    for s, key in enumerate(keys):
        groups[key].append(s)
    # subjects that all have the same set of labels change nothing by changing places
    apart = [np.array(m) for m in groups.values() if len({sets[s] for s in m}) > 1]
    between = np.zeros(len(names), bool)
    for members in apart:
        between[members] = True
    return Exchange(
        index, stratum, tuple(apart), int((between | within).sum()), bool(within.any()), bool(between.any())
    )


def _set_of(labels: np.ndarray, layers: np.ndarray) -> tuple:
    """A subject's labels as shares, whatever their order and number."""
    pairs, counts = np.unique(np.column_stack([layers, labels]), axis=0, return_counts=True)
    return tuple(map(tuple, pairs.tolist())), tuple(np.round(counts / counts.sum(), 6).tolist())


def _varies(labels: np.ndarray, layers: np.ndarray) -> bool:
    """Whether a subject's labels differ within one of its strata."""
    return any(len(set(labels[layers == v].tolist())) > 1 for v in set(layers.tolist()))


def subject_permutations(
    subjects: np.ndarray, labels: np.ndarray, n: int, rng: np.random.Generator, strata: np.ndarray | None = None
) -> np.ndarray:
    """``n`` permutations: the sample whose label each sample gets, int32 (n, samples)."""
    return exchange(subjects, labels, strata).draw(n, rng)


def first_stratum(subjects: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Stratum of the first sample of each sample's subject, (n,)."""
    _, first, index = np.unique(subjects, return_index=True, return_inverse=True)
    return np.asarray(strata)[first][index]
