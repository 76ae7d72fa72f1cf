"""Which pictures of different subjects are nearly the same: scaled, re-encoded or brightened copies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import rankdata

from ..connected_components import MOST_IDS, linked_groups

#: side of the pictures that are compared
SIDE = 64
#: pictures compared with all others at a time
BLOCK = 1024
#: what look-alikes share is the mean of so many, after the nearest, which may be copies
LOOK_ALIKES = 20
#: the partial correlation of a copy may lie so many times further below 1 than its correlation
LESS = 3


def picture(image: np.ndarray) -> np.ndarray:
    """What is compared of an image: 64 x 64, high-passed, of zero mean and unit norm, float32 (4096,)."""
    import cv2

    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if np.ptp(small) == 0:
        return np.zeros(small.size, np.float32)
    # ranks do not change with brightness, contrast or gamma; what is flat stays flat
    ranks = (rankdata(small) * (2 / small.size)).astype(np.float32).reshape(SIDE, SIDE)
    high = (ranks - cv2.GaussianBlur(ranks, (0, 0), 4)).ravel()
    high -= high.mean()
    return high / max(float(np.linalg.norm(high)), 1e-9)


def near_groups(pictures: np.ndarray, subjects: np.ndarray, threshold: float, known: set[int]) -> list[list[int]]:
    """Connected groups of pictures of different subjects that are nearly the same.

    A frame, a mask or an overlay makes any two pictures that bear it correlate,
    though they show different people. So a pair must correlate above the
    threshold, and so must, above ``1 - 3 (1 - threshold)``, what each of the two
    does not share with its look-alikes: the partial correlation given the mean
    of the 20 pictures of other subjects most like it, after the ten nearest.

    Args:
        pictures: (n, d) of unit norm
        subjects: (n,)
        threshold: correlation
        known: exact copies of another sample, left out
    """
    rows = np.setdiff1d(np.arange(len(pictures)), np.array(sorted(known), int))
    compared, people = pictures[rows], subjects[rows]
    alike = np.zeros(len(rows), bool)
    for i, j in _pairs_above(compared, people, threshold):
        alike[i] = alike[j] = True
    some = np.flatnonzero(alike)
    own = _own_parts(compared, people, some)
    pairs = (
        (rows[some[a]], rows[some[b]])
        for i, j in _pairs_above(compared[some], people[some], threshold)
        for a, b in zip(i, j, strict=True)
        if own[a] @ own[b] > 1 - LESS * (1 - threshold)
    )
    return [g for g in linked_groups(len(pictures), pairs) if len(g) > 1]


def _pairs_above(pictures, subjects, threshold: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of different subjects that correlate above the threshold, each once, some at a time."""
    for first in range(0, len(pictures), BLOCK):
        part = pictures[first : first + BLOCK] @ pictures[first:].T
        i, j = np.nonzero(part > threshold)
        i, j = first + i, first + j
        keep = (i < j) & (subjects[i] != subjects[j])
        yield i[keep], j[keep]


def _own_parts(pictures, subjects, rows) -> np.ndarray:
    """What the pictures of these rows do not share with their look-alikes, of unit norm; float32 (rows, d)."""
    out = pictures[rows].copy()
    for first in range(0, len(rows), BLOCK):
        part = rows[first : first + BLOCK]
        likeness = pictures[part] @ pictures.T
        likeness[subjects[part][:, None] == subjects[None]] = -np.inf
        for k, row in enumerate(likeness):
            last = min(MOST_IDS + LOOK_ALIKES, int((row > -np.inf).sum()))
            if last <= MOST_IDS:
                continue
            nearest = np.argpartition(-row, last - 1)[:last]
            nearest = nearest[np.argsort(-row[nearest], kind="stable")][MOST_IDS:]
            shared = pictures[nearest].mean(0)
            shared /= max(float(np.linalg.norm(shared)), 1e-9)
            own = out[first + k] - (out[first + k] @ shared) * shared
            out[first + k] = own / max(float(np.linalg.norm(own)), 1e-9)
    return out
