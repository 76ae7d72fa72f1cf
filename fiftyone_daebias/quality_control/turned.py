"""Pictures that stand upside down, mirrored or turned beside their fellows.

A picture and its turned self are told apart by a machine that has seen other
subjects' pictures: kernel ridge regression with an odd kernel,
k(x, y) − k(Tx, y), so that a picture scores the opposite of its turned self.
Where that tells most of the cohort clearly, a picture that scores as the turned
ones do is one. Where both ways are common (breasts, knees of both sides; a chest
whose sides are nearly alike) nothing is clear, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: turns that undo themselves: (n, h, w) -> (n, h, w)
TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mirrored": lambda t: t[:, :, ::-1],
    "upside-down": lambda t: t[:, ::-1, :],
    "half-turned": lambda t: t[:, ::-1, ::-1],
    "transposed": lambda t: t.transpose(0, 2, 1),
}
#: side of the pictures that are compared
SIDE = 32
#: the middle of the scores is at least so many robust standard deviations from 0, else the turn cannot be told
CLEAR = 4.0
#: a turned picture scores at least so far on the other side, as a share of the middle
OTHER_SIDE = 0.7
#: fewer subjects show no rule
FEWEST = 40
FOLDS, MOST_SEEN, RIDGE = 5, 1500, 0.1


def turned(pictures: np.ndarray, subjects: np.ndarray, seed: int = 51) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which pictures are turned beside their fellows.

    Args:
        pictures: (n, SIDE, SIDE), any grey values
        subjects: subject of each, (n,)
        seed: of folds

    Returns:
        how each is turned, "" for those that are not, (n,); and the turns that can be told in this cohort
    """
    out, told = np.full(len(pictures), "", dtype=object), []
    if len(set(subjects.tolist())) < FEWEST:
        return out, ()
    best = np.full(len(pictures), -OTHER_SIDE)
    for name, turn in TURNS.items():
        scores = turn_scores(pictures, subjects, turn, seed)
        middle = float(np.median(scores))
        spread = 1.4826 * float(np.median(np.abs(scores - middle)))
        if middle < CLEAR * spread or middle <= 0.2:
            continue
        told.append(name)
        # a picture that is upside down is nearly a half-turned one, too: the clearer of the two
        lower = scores / middle < best
        out[lower], best[lower] = name, (scores / middle)[lower]
    return out, tuple(told)


def turn_scores(pictures: np.ndarray, subjects: np.ndarray, turn, seed: int = 51) -> np.ndarray:
    """How surely each picture is not turned: about 1 for most, about −1 for turned ones, 0 where nothing tells.

    Args:
        pictures: (n, SIDE, SIDE)
        subjects: subject of each
        turn: a turn that undoes itself
        seed: of folds
    """
    rng = np.random.default_rng(seed)
    index = np.unique(subjects, return_inverse=True)[1]
    fold = rng.permutation(int(index.max()) + 1)[index] % FOLDS
    x, y = _unit(pictures), _unit(turn(pictures))
    out = np.zeros(len(x))
    for k in range(FOLDS):
        seen, asked = np.flatnonzero(fold != k), fold == k
        seen = rng.permutation(seen)[:MOST_SEEN]
        width = max(float(np.median(1 - x[seen] @ x[seen[:300]].T)), 1e-6)
        inner = _odd(x[seen], x[seen], y[seen], width)
        weights = np.linalg.solve(inner + RIDGE * np.eye(len(seen)), np.ones(len(seen)))
        for part in np.array_split(np.flatnonzero(asked), max(1, asked.sum() // 2000)):
            out[part] = _odd(x[part], x[seen], y[seen], width) @ weights
    return out


def _odd(a: np.ndarray, b: np.ndarray, turned_b: np.ndarray, width: float) -> np.ndarray:
    """k(a, b) − k(a, Tb) with a Gaussian kernel on the sphere; odd in both, as T keeps distances."""
    return np.exp((a @ b.T - 1) / width) - np.exp((a @ turned_b.T - 1) / width)


def _unit(pictures: np.ndarray) -> np.ndarray:
    """Pictures as vectors of mean 0 and length 1; one without any contrast is 0."""
    x = pictures.reshape(len(pictures), -1).astype(np.float64)
    x = x - x.mean(axis=1, keepdims=True)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)
