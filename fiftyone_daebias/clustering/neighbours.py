"""Whose picture is it? Sites, scanners, months and persons told by an embedding's nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..statistics.cells import Cells
from ..statistics.exchange import exchange
from ..statistics.scores import bootstrap_weights, percentile_interval, subject_weights

NEAREST, PERMUTATIONS = 5, 999
#: samples that are asked for their neighbours, at most, drawn subject by subject; every sample may be a neighbour. All
#: against all would grow with the square of their number, and no interval needs more
MOST_ASKED = 10_000
#: samples that are compared with all at a time
BLOCK = 512


@dataclass(frozen=True)
class KnnLeakage:
    """How often the nearest samples tell the value of a field.

    Attributes:
        top1: share of samples whose nearest other sample has their value, subjects weighted
        top5: share with their value among the nearest five
        interval1: 95 % subject-bootstrap interval of ``top1``
        interval5: the same of ``top5``
        chance1: ``top1`` of neighbours drawn at random
        chance5: ``top5`` of neighbours drawn at random
        n_samples: samples asked, at most :data:`MOST_ASKED`
        n_subjects: subjects asked
        p: share of permutations of the values that are told as well by the nearest; NaN where none can change places
        cells: subjects with a sample that its nearest tells, and with one that it does not; ``None`` in runs without
    """

    top1: float
    top5: float
    interval1: tuple[float, float]
    interval5: tuple[float, float]
    chance1: float
    chance5: float
    n_samples: int
    n_subjects: int
    p: float = float("nan")
    cells: Cells | None = None


@dataclass(frozen=True)
class Question:
    """What the nearest neighbours are asked for.

    Attributes:
        values: codes of a field (n,), −1 where missing
        same_subject: whether other samples of the same subject may be neighbours: only when subjects are what is asked
        rng: random generator of its draws
    """

    values: np.ndarray
    same_subject: bool
    rng: np.random.Generator


def telling(
    vectors: np.ndarray,
    values: np.ndarray,
    subjects: np.ndarray,
    *,
    same_subject: bool,
    n_bootstrap: int = 500,
    n_permutations: int = PERMUTATIONS,
    rng: np.random.Generator,
) -> KnnLeakage:
    """Top-1 and top-5 of the nearest neighbours for one question; arguments as in :func:`all_telling`."""
    question = Question(values, same_subject, rng)
    return all_telling(vectors, [question], subjects, n_bootstrap=n_bootstrap, n_permutations=n_permutations)[0]


def all_telling(
    vectors: np.ndarray,
    questions: list[Question],
    subjects: np.ndarray,
    *,
    n_bootstrap: int = 500,
    n_permutations: int = PERMUTATIONS,
) -> list[KnnLeakage]:
    """Top-1 and top-5 of the nearest neighbours (cosine of standardised vectors), compared once for all questions.

    Args:
        vectors: float (n, d)
        questions: what is asked
        subjects: codes of the subjects (n,)
        n_bootstrap: draws of the intervals
        n_permutations: subject-level permutations of the values; those of samples when subjects are what is asked
    """
    asked = [_Asked(q, subjects) for q in questions]
    z = _unit(vectors)
    every = np.unique(np.concatenate([a.rows for a in asked])) if asked else np.empty(0, int)
    for first in range(0, len(every), BLOCK):
        part = every[first : first + BLOCK]
        likeness = z[part] @ z.T
        for a in asked:
            a.look(part, likeness, subjects)
    return [a.answer(subjects, n_bootstrap, n_permutations) for a in asked]


class _Asked:
    """One question while it is asked."""

    def __init__(self, question: Question, subjects: np.ndarray):
        self.question, self.known = question, question.values >= 0
        self.partners = _n_partners(question.values, subjects, question.same_subject)
        self.rows = _drawn(np.flatnonzero(self.known & (self.partners > 0)), subjects, question.rng)
        n = len(self.rows)
        self.hits, self.nearest, self.pool = np.zeros((n, 2)), np.zeros(n, int), np.zeros(n)

    def look(self, part: np.ndarray, likeness: np.ndarray, subjects: np.ndarray) -> None:
        """Takes what concerns this question from the likeness of some samples to all."""
        mine = np.isin(part, self.rows)
        part, likeness = part[mine], likeness[mine]
        if not len(part):
            return
        values = self.question.values
        allowed = np.broadcast_to(self.known, likeness.shape).copy()
        if self.question.same_subject:
            allowed[np.arange(len(part)), part] = False
        else:
            allowed &= subjects[part][:, None] != subjects[None]
        likeness[~allowed] = -np.inf
        near = np.argpartition(-likeness, min(NEAREST, likeness.shape[1] - 1), axis=1)[:, :NEAREST]
        order = np.take_along_axis(likeness, near, axis=1).argsort(axis=1)[:, ::-1]
        near = np.take_along_axis(near, order, axis=1)
        same = (values[near] == values[part][:, None]) & np.take_along_axis(allowed, near, axis=1)
        at = np.searchsorted(self.rows, part)
        self.nearest[at] = near[:, 0]
        self.hits[at] = np.column_stack([same[:, 0], same.any(axis=1)])
        self.pool[at] = allowed.sum(axis=1)

    def answer(self, subjects: np.ndarray, n_bootstrap: int, n_permutations: int) -> KnnLeakage:
        rows, hits, pool, partners = self.rows, self.hits, self.pool, self.partners
        if not len(rows):  # every subject has a value of its own: there is nobody to be told
            nan = float("nan")
            return KnnLeakage(nan, nan, (nan, nan), (nan, nan), nan, nan, 0, 0)
        values, rng = self.question.values, self.question.rng
        weights = subject_weights(subjects[rows])
        draws = bootstrap_weights(subjects[rows], n_bootstrap, rng)
        scores = [float(np.average(hits[:, k], weights=weights)) for k in (0, 1)]
        boots = [(draws @ hits[:, k]) / draws.sum(axis=1) for k in (0, 1)]
        share = partners[rows] / np.maximum(pool, 1)
        # without replacement: 1 − ∏ (1 − partners / (pool − j))
        miss = np.ones(len(rows))
        for j in range(NEAREST):
            miss *= 1 - np.minimum(1, partners[rows] / np.maximum(pool - j, 1))
        units = np.arange(len(values)) if self.question.same_subject else subjects
        return KnnLeakage(
            scores[0],
            scores[1],
            percentile_interval(boots[0]),
            percentile_interval(boots[1]),
            float(np.average(share, weights=weights)),
            float(np.average(1 - miss, weights=weights)),
            len(rows),
            len(np.unique(subjects[rows])),
            _p_value(values, units, rows, self.nearest, weights, scores[0], n_permutations, rng),
            cells={"": tuple(len(np.unique(subjects[rows][hits[:, 0] == hit])) for hit in (1, 0))},
        )


def _drawn(rows: np.ndarray, subjects: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most :data:`MOST_ASKED` of the rows, all those of subjects in random order until there are as many."""
    if len(rows) <= MOST_ASKED:
        return rows
    _, owner, counts = np.unique(subjects[rows], return_inverse=True, return_counts=True)
    order = rng.permutation(len(counts))
    fits = np.cumsum(counts[order]) <= MOST_ASKED
    chosen = np.zeros(len(counts), bool)
    chosen[order[: max(1, int(fits.sum()))]] = True
    return rows[chosen[owner]]


def _p_value(values, units, rows, nearest, weights, score, n_permutations, rng) -> float:
    """Who is whose neighbour stays; the values move between the units that have one."""
    known = np.flatnonzero(values >= 0)
    as_well = 0
    moves = exchange(units[known], values[known])
    if moves.impossible:
        return float("nan")
    for order in moves.draw(n_permutations, rng):
        moved = np.array(values)
        moved[known] = values[known[order]]
        as_well += float(np.average(moved[nearest] == moved[rows], weights=weights)) >= score - 1e-9
    return (1 + as_well) / (1 + n_permutations)


def n_with_partner(values: np.ndarray, subjects: np.ndarray, same_subject: bool) -> int:
    """Samples that share their value with another sample (of another subject, unless subjects are asked)."""
    return int(((values >= 0) & (_n_partners(values, subjects, same_subject) > 0)).sum())


def _n_partners(values: np.ndarray, subjects: np.ndarray, same_subject: bool) -> np.ndarray:
    """How many other samples share each sample's value, without its own subject unless that is allowed."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    if same_subject:
        return counts[index] - 1
    pairs = np.column_stack([values, subjects])
    _, own, own_counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    return counts[index] - own_counts[own.ravel()]


def _unit(vectors: np.ndarray) -> np.ndarray:
    spread = vectors.std(axis=0)
    z = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return (z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def risk_words(low: float, chance: float) -> str:
    """What follows of a share whose interval begins at ``low``."""
    return "re-identification is possible" if low > chance else "no more than by chance"
