"""Out-of-fold reading of vectors, and paired differences between embeddings; the same reader for every embedding.

Kernel ridge regression with a Gaussian kernel (class indicators or values). The scaling of the vectors and the ridge
are chosen on inner folds of the training subjects; nothing of a held-out subject's label is seen before it is scored.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from ..statistics.scores import macro_auc, percentile_interval, weighted_mae
from .scaling import scalings

#: squared width of the kernel, in mean squared norms of a vector
WIDTH = 1.0
RIDGES = tuple(10.0**k for k in np.arange(-3.0, 1.51, 0.5))
OUTER, INNER = 5, 3


@dataclass(frozen=True)
class Question:
    """A field that vectors are asked for.

    Attributes:
        name: the field
        rows: positions of the vectors with a value (m,)
        values: class indices or numbers (m,)
        classes: names of the classes; none for a number
    """

    name: str
    rows: np.ndarray
    values: np.ndarray
    classes: tuple[str, ...] = ()


def folds_of(subjects: np.ndarray, k: int, rng: np.random.Generator, values=None) -> np.ndarray:
    """Fold of each row: subjects are shuffled, in the order of their mean value, so that folds are alike."""
    names, index = np.unique(subjects, return_inverse=True)
    key = rng.random(len(names))
    if values is not None:
        mean = np.bincount(index, weights=values) / np.bincount(index)
        order = np.lexsort((key, mean))
        fold = np.empty(len(names), int)
        for first in range(0, len(names), k):  # one of each fold in every stretch of neighbours
            part = order[first : first + k]
            fold[part] = rng.permutation(k)[: len(part)]
        return fold[index]
    return (np.argsort(np.argsort(key)) % k)[index]


def predictions(
    matrix: np.ndarray,
    n_slices: int,
    question: Question,
    subjects,
    seed: int = 0,
    repeats: int = 2,
    which: tuple[str, ...] | None = None,
) -> tuple[np.ndarray, dict[str, int]]:
    """Out-of-fold predictions of a field.

    Args:
        matrix: vectors of all samples (n, d)
        n_slices: codes that each vector joins
        question: the field
        subjects: subject of every sample (n,)
        seed: seed of the folds
        repeats: draws of the folds, over which predictions are averaged
        which: scalings to choose among; default: all

    Returns:
        margins (m, classes) or values (m, 1), and how often each scaling was chosen
    """
    owners = np.asarray(subjects)[question.rows]
    ways = scalings(matrix, n_slices)  # of all rows, as no label is needed for it
    grams = {k: _kernel(v[question.rows]) for k, v in ways.items() if which is None or k in which}
    y = np.eye(len(question.classes))[question.values] if question.classes else question.values[:, None].astype(float)
    index = np.unique(owners, return_inverse=True)[1]
    weights = 1 / np.bincount(index)[index]
    total, chosen = np.zeros_like(y), dict.fromkeys(grams, 0)
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat, zlib.crc32(question.name.encode())])
        fold = folds_of(owners, OUTER, rng, question.values)
        for f in range(OUTER):
            train, test = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
            inner = folds_of(owners[train], INNER, rng, question.values[train])
            best = min(
                (
                    (loss, key, ridge)
                    for key, gram in grams.items()
                    for ridge, loss in zip(RIDGES, _inner(gram, y, weights, train, inner, question), strict=True)
                ),
                key=lambda found: found[0],
            )
            chosen[best[1]] += 1
            total[test] += _ridge(grams[best[1]], y, weights, train, test, (best[2],))[0]
    return total / repeats, chosen


def _kernel(x: np.ndarray) -> np.ndarray:
    norm = (x.astype(np.float64) ** 2).sum(axis=1)
    return np.exp(-np.maximum(norm[:, None] + norm[None] - 2.0 * (x @ x.T), 0) / (2 * WIDTH)).astype(np.float32)


def _inner(gram, y, weights, train, inner, question) -> list[float]:
    out = np.zeros((len(RIDGES), *y[train].shape))
    for f in range(INNER):
        fit, check = train[inner != f], np.flatnonzero(inner == f)
        out[:, check] = _ridge(gram, y, weights, fit, train[check], RIDGES)
    w = weights[train] / weights[train].sum()
    if question.classes:  # squared error of the class indicators: smoother than an AUC, and proper
        return [float((w[:, None] * (p - y[train]) ** 2).sum()) for p in out]
    return [float((w * np.abs(p - y[train])[:, 0]).sum()) for p in out]


def _ridge(gram, y, weights, train, test, ridges) -> np.ndarray:
    """Weighted kernel ridge for several ridges from one eigendecomposition, (ridges, test, k)."""
    root = np.sqrt(weights[train] / weights[train].mean()).astype(np.float32)
    mean = np.average(y[train], axis=0, weights=weights[train])
    # float32 halves the time; the smallest ridge is far above its rounding
    values, axes = np.linalg.eigh(gram[np.ix_(train, train)] * root[:, None] * root[None])
    coded = axes.T @ (root[:, None] * (y[train] - mean))
    cross = (gram[np.ix_(test, train)] * root[None]) @ axes
    return np.stack([mean + cross @ (coded / (np.maximum(values, 0) + r)[:, None]) for r in ridges])


def score(question: Question, predicted: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Area under the ROC curve (mean of one against the rest) or mean absolute error, for weights of the rows.

    Args:
        question: the field
        predicted: (m, k)
        counts: weights of the rows, (draws, m)

    Returns:
        (draws,)
    """
    if not question.classes:
        return weighted_mae(predicted[:, 0] - question.values, counts)
    return macro_auc(predicted, question.values, counts)


def draws_of(question: Question, subjects, n: int, seed: int = 0) -> np.ndarray:
    """Subject-bootstrap weights of a question's rows, (n + 1, m); the first row is the sample itself."""
    owners = np.asarray(subjects)[question.rows]
    names, index = np.unique(owners, return_inverse=True)
    rng = np.random.default_rng([seed, 1])
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n).astype(np.float32)
    whole = np.vstack([np.ones((1, len(names)), np.float32), counts])
    return (whole / np.bincount(index))[:, index].astype(np.float32)


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Value of the sample and its 95 % bootstrap interval."""
    return float(values[0]), *percentile_interval(values[1:])
