"""Findings that point at the same samples: overlap among subjects, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..statistics.intervals import share_interval
from .binding import levels_of

#: sets are one where the lower end of their overlap is at least this
ONE = 0.5
#: smaller sets are not compared: any two of them overlap by chance
FEWEST = 5


@dataclass(frozen=True)
class Overlap:
    """Samples that a finding points at, beside a group of another story.

    Attributes:
        finding: key of the finding
        name: what the samples are, in a few words
        group: the group that they overlap with; "" where that is another set of samples
        value: shared subjects over all subjects of both (Jaccard 1901)
        interval: 95 % interval (Clopper & Pearson 1934)
        n_both: subjects in both
        n_subjects: subjects that the finding points at
    """

    finding: str
    name: str
    group: str
    value: float
    interval: tuple[float, float]
    n_both: int
    n_subjects: int


def overlap(a: np.ndarray, b: np.ndarray, subjects: np.ndarray) -> tuple[float, tuple[float, float], int]:
    """Jaccard's index of two sets of samples among their subjects.

    Args:
        a, b: membership, bool (n,)
        subjects: subject of each sample, (n,)

    Returns:
        the index in [0, 1], its 95 % interval, and the number of subjects in both
    """
    first, second = set(subjects[a].tolist()), set(subjects[b].tolist())
    k, n = len(first & second), len(first | second)
    return k / max(n, 1), share_interval(k, n), k


def best_group(finding: str, name: str, inside: np.ndarray, column, subjects: np.ndarray) -> Overlap | None:
    """The group of a field that overlaps most with a set of samples; ``None`` where the set is too small.

    Args:
        finding: key of the finding behind the set
        name: what the samples are
        inside: membership, bool (n,)
        column: the field, one value a sample
        subjects: subject of each sample
    """
    people = len(set(subjects[inside].tolist()))
    if people < FEWEST:
        return None
    codes, levels = levels_of(column)
    found = []
    for k, level in enumerate(levels):
        value, interval, both = overlap(inside, codes == k, subjects)
        found.append(Overlap(finding, name, level, value, interval, both, people))
    return max(found, key=lambda o: o.value, default=None)


def same_sets(sets: dict[str, np.ndarray], subjects: np.ndarray) -> list[list[str]]:
    """Sets of samples that are one: the first named stands for those that overlap with it.

    Args:
        sets: ``{key: membership}``, those that may stand for others first
        subjects: subject of each sample

    Returns:
        lists of keys, the one that stands for the others first
    """
    out: list[list[str]] = []
    for key, inside in sets.items():
        people = len(set(subjects[inside].tolist()))
        for group in out if people >= FEWEST else []:
            if overlap(inside, sets[group[0]], subjects)[1][0] >= ONE:
                group.append(key)
                break
        else:
            out.append([key])
    return out
