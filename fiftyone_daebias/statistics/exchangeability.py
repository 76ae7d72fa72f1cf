"""What may be exchanged when a label has nothing to do with the vectors: subjects, images within subjects, or both.

A permutation test is only as good as its permutations. A label that is the
same in all images of a subject (sex) is exchanged between subjects. A label
that varies within subjects (region, side, sequence, visit) is exchanged within
them as well: where every subject has one neck and one back, whole subjects can
be exchanged for ever without changing a single label, and only exchanges
within subjects test anything. These are the exchangeability blocks of Winkler
et al. (NeuroImage 123, 2015), with both levels allowed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

#: a test at the 5 % level needs at least so many different labelings
FEWEST_LABELINGS = 20
#: below this share of the changes that free shuffling would make, the design hardly moves the label
LEAST_CHANGE = 0.1


@dataclass(frozen=True)
class Exchange:
    """How labels are exchanged.

    Attributes:
        kind: "between" subjects (the label is constant within each), or "both" between and within them
        orders: int32 (permutations, n): the sample whose label each sample gets
        reason: why these exchanges test nothing; "" where they do
    """

    kind: str
    orders: np.ndarray
    reason: str = ""


def exchange(
    subjects: np.ndarray, labels: np.ndarray, n: int, rng: np.random.Generator, strata: np.ndarray | None = None
) -> Exchange:
    """Draws permutations as the design allows, whatever the order of the rows.

    A label that varies within subjects is dealt anew among the subject's own
    images, after whole sets of labels have moved between subjects with about
    as many images (powers of two).

    Args:
        subjects: subject of each sample, (n_samples,)
        labels: (n_samples,) or (n_samples, k)
        n: permutations
        rng: random generator
        strata: stratum of each sample; subjects are exchanged only within the stratum of their first sample
    """
    labels = np.asarray(labels).reshape(len(subjects), -1)
    _, index, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    by_subject = np.argsort(index, kind="stable")
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    constant = bool(np.all(labels == labels[by_subject[starts]][index]))
    size = np.zeros(len(counts), int) if constant else np.log2(counts).astype(int)
    groups = defaultdict(list)
    for s in range(len(counts)):
        groups[(size[s], None if strata is None else strata[by_subject[starts[s]]])].append(s)
    giver = np.tile(np.arange(len(counts)), (n, 1))
    for members in groups.values():
        giver[:, members] = rng.permuted(np.tile(np.array(members), (n, 1)), axis=1)
    place = np.empty(len(index), int)  # how-manieth sample of its subject
    place[by_subject] = np.arange(len(index)) - np.repeat(starts, counts)
    orders = np.empty((n, len(index)), np.int32)
    for k in range(n):
        source = giver[k][index]
        rows = by_subject if constant else np.lexsort((rng.random(len(index)), index))
        orders[k] = rows[starts[source] + place % counts[source]]
    return Exchange("between" if constant else "both", orders, _untestable(labels, orders, constant))


def _untestable(labels: np.ndarray, orders: np.ndarray, constant: bool) -> str:
    codes = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    shares = np.bincount(codes) / len(codes)
    some = codes[orders[:200]]
    change = float((some != codes).mean())
    where = "between subjects" if constant else "between and within subjects"
    if change < LEAST_CHANGE * (1 - float((shares**2).sum())):
        return (
            f"exchanging labels {where} changes {change:.0%} of them, so no permutation can tell chance from more: the "
            "label goes with the subject or with what is adjusted for"
        )
    if len(some) >= FEWEST_LABELINGS and len(np.unique(some, axis=0)) < FEWEST_LABELINGS:
        return f"exchanging labels {where} gives fewer than {FEWEST_LABELINGS} different labelings: too few subjects"
    return ""
