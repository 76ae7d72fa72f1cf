"""Least-squares support vector machines for thousands of labelings of the same vectors.

A least-squares SVM (Suykens & Vandewalle, Neural Processing Letters 9, 1999)
minimises the squared loss in place of the hinge; its scores are those of kernel
ridge regression on the labels, and so linear in them. One eigendecomposition of
a training fold's kernel serves every labeling: the observed one, a thousand
permutations of it, and every strength of the penalty. So the score that is
reported and the scores of permuted labels come from the very same machine,
tuned anew for each labeling, and the p-value is a p-value of the score itself.

The penalty, and the scaling of the vectors where several are offered, are
chosen by generalised cross-validation within the training fold (Golub, Heath &
Wahba, Technometrics 21, 1979), with the number of subjects as the sample size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ..parallel import each
from ..statistics.covariates import Projection
from .design import Design

#: penalties λ tried; a kernel's diagonal is about 1
PENALTIES = 10.0 ** np.arange(-2.0, 2.6, 0.5)
#: labelings handled at a time
BLOCK = 512
#: of more rows than these a fold keeps no matrix of its own, which ten times together would be forty times the vectors
LEAN_FROM = 20_000
#: rows taken at a time there
STRETCH = 8_192
#: most values of what is computed at the same time
MOST_VALUES = 2**28


@dataclass(frozen=True)
class Fold:
    """A training fold, decomposed.

    Attributes:
        test: rows that are scored, int (t,)
        train: rows that are trained on, int (m,)
        weights: weights of the training rows, summing to 1, (m,)
        into: from labels of the training rows, centred, to eigenvector coordinates, (r, m); multiplied from the left
        values: eigenvalues of the weighted, centred kernel, (r,)
        out: test rows in eigenvector coordinates, (t, r)
        roots: square roots of the rows' subject weights, (m,)
        free: subjects that are left to judge by, after the constant and each penalty's fit, (penalties,)
    """

    test: np.ndarray
    train: np.ndarray
    weights: np.ndarray
    into: np.ndarray | Coordinates
    values: np.ndarray
    out: np.ndarray
    roots: np.ndarray
    free: np.ndarray

    def project(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means (k,), eigenvector coordinates (r, k), and the squared length outside of their span (k,).

        Args:
            y: labels of the training rows, (m, k)
        """
        mean = self.weights @ y
        y = y - mean
        at = self.into @ y
        rest = (self.roots**2) @ (y * y) - np.einsum("ij,ij->j", at, at)
        return mean, at, np.maximum(rest, 0.0)

    def criterion(self, at: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Generalised cross-validation error of each penalty and labeling, (penalties, k)."""
        shrink = PENALTIES[:, None] / (self.values + PENALTIES[:, None])
        return ((shrink**2).astype(at.dtype) @ (at * at) + rest) / (self.free**2)[:, None]

    def score(self, mean: np.ndarray, at: np.ndarray, penalties: np.ndarray) -> np.ndarray:
        """Scores of the test rows, (t, k), each labeling with its own penalty."""
        return mean + self.out @ (at / (self.values[:, None] + penalties[None, :]).astype(at.dtype))


def decompose(design: Design, train: np.ndarray, test: np.ndarray, subjects: np.ndarray, weights: np.ndarray) -> Fold:
    """Prepares a fold.

    Leave-one-out errors by the row would choose a machine that knows the
    subject from its other images. Here the fit that generalised
    cross-validation pays for is how much a subject's own labels, all together,
    decide its own prediction: v'Hv summed over the subjects, v being the
    subject's unit vector. For copies of one image this is the usual trace.

    Args:
        design: vectors of all rows
        train: rows to train on
        test: rows to score
        subjects: index of each row's subject, (n,)
        weights: weight of every row, all rows of a subject summing to 1, (n,)
    """
    roots = np.sqrt(weights[train]).astype(np.float32)
    shares = (weights[train] / weights[train].sum()).astype(np.float32)
    x = design.features
    lean = design.gram is None and x.shape[1] < len(train) and len(x) > LEAN_FROM
    if design.gram is None and x.shape[1] < len(train):
        centre = shares @ x[train]
        weighted = (x[train] - centre) * roots[:, None]
        values, axes = np.linalg.eigh((weighted.T @ weighted).astype(np.float64))
        kept = values > 1e-7 * max(values[-1], 1e-30)
        values, axes = values[kept].astype(np.float32), axes[:, kept].astype(np.float32)
        vectors = (weighted @ axes) / np.sqrt(values)
        out = ((x[test] - centre) @ axes) * np.sqrt(values)
    else:
        if design.gram is None:
            inner, cross = x[train] @ x[train].T, x[test] @ x[train].T
        else:
            inner, cross = design.gram[np.ix_(train, train)], design.gram[np.ix_(test, train)]
        mean = shares @ inner
        total = float(shares @ mean)
        cross = cross - mean[None, :] - (cross @ shares)[:, None] + total
        inner = inner - mean[None, :] - mean[:, None] + total
        values, vectors = np.linalg.eigh(inner * roots[:, None] * roots[None, :])
        kept = values > 1e-6 * max(float(values[-1]), 1e-30)
        values, vectors = values[kept], vectors[:, kept]
        out = (cross * roots[None, :]) @ vectors
    names, owner = np.unique(subjects[train], return_inverse=True)
    people = csr_matrix((roots.astype(float), (owner, np.arange(len(train)))), shape=(len(names), len(train)))
    squares = np.zeros(len(values))  # some columns at a time: all would be many float64; there may be none
    for first in range(0, len(values), 100):
        part = slice(first, first + 100)
        squares[part] = ((people @ vectors[:, part]) ** 2).sum(axis=0)
    fitted = (values / (values + PENALTIES[:, None])) @ squares
    free = np.maximum(len(names) - 1 - fitted, 0.02 * len(names))
    if lean:
        into: np.ndarray | Coordinates = Coordinates(x, train, centre, axes / np.sqrt(values), roots**2)
    else:
        into = np.ascontiguousarray((vectors * roots[:, None]).T)
    return Fold(test, train, shares, into, values, out, roots, free)


@dataclass(frozen=True)
class Coordinates:
    """A fold's matrix from labels to eigenvector coordinates, worked out at each use: it is as large as the fold.

    Attributes:
        features: vectors of all rows, (n, d)
        rows: the training rows, (m,)
        centre: their mean, (d,)
        axes: eigenvectors over the roots of their eigenvalues, (d, r)
        weights: weights of the training rows, (m,)
    """

    features: np.ndarray
    rows: np.ndarray
    centre: np.ndarray
    axes: np.ndarray
    weights: np.ndarray

    def __matmul__(self, y: np.ndarray) -> np.ndarray:
        y = y * self.weights[:, None]
        got = -np.outer(self.centre, y.sum(axis=0))
        for first in range(0, len(self.rows), STRETCH):
            part = slice(first, first + STRETCH)
            got += self.features[self.rows[part]].T @ y[part]
        return self.axes.T @ got


class Folds:
    """Cross-fitting of one set of rows, decomposed once for all fields and labelings on these rows.

    Args:
        designs: the same vectors in one or several scalings
        subjects: subject of each row
        folds: fold of each row in each repeat, (repeats, n)
    """

    def __init__(self, designs: list[Design], subjects: np.ndarray, folds: np.ndarray):
        self.folds, self.subjects = folds, subjects
        _, index, counts = np.unique(subjects, return_inverse=True, return_counts=True)
        self.weights = 1.0 / counts[index]
        held = [fold == f for fold in folds for f in np.unique(fold)]

        def part(test: np.ndarray) -> list[Fold]:
            rows = np.flatnonzero(~test), np.flatnonzero(test)
            return [decompose(d, *rows, index, self.weights) for d in designs]

        self._parts = list(each(part, held, max(1, MOST_VALUES // (4 * len(subjects) ** 2))))

    def given(self, basis: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Least squares on regressors, one fit a fold: what :meth:`predict` takes as ``given``.

        Args:
            basis: (n, p), without the constant

        Returns:
            for each fold the regressors of all rows, float32 (n, 1 + p), and what turns training labels into
            coefficients, (1 + p, m)
        """
        columns = np.hstack([np.ones((len(basis), 1)), basis]).astype(np.float32)
        trained = [part[0].train for part in self._parts]
        return [(columns, Projection(basis[t], self.weights[t]).solve.astype(np.float32)) for t in trained]

    def regress(self, labels: np.ndarray, given: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Out-of-fold predictions of labels (n, k) from the regressors alone, (repeats, n, k)."""
        labels = np.asarray(labels, dtype=np.float32)
        out = np.empty((len(self.folds), *labels.shape), np.float32)
        per_repeat = len(self._parts) // len(self.folds)
        for k, (designs, (columns, solve)) in enumerate(zip(self._parts, given, strict=True)):
            fold = designs[0]
            out[k // per_repeat, fold.test] = columns[fold.test] @ (solve @ labels[fold.train])
        return out

    def predict(self, labels: np.ndarray, given: list[tuple[np.ndarray, np.ndarray]] | None = None) -> np.ndarray:
        """Out-of-fold scores of many labelings.

        Args:
            labels: (n, k), one labeling a column
            given: regressors whose part is taken out of the training labels first, from :meth:`given`

        Returns:
            float32 (repeats, n, k); no row's score comes from a fold that trained on its subject
        """
        labels = np.asarray(labels, dtype=np.float32)
        out = np.empty((len(self.folds), *labels.shape), np.float32)
        per_repeat = len(self._parts) // len(self.folds)
        for first in range(0, labels.shape[1], BLOCK):
            block = labels[:, first : first + BLOCK]
            for k, designs in enumerate(self._parts):
                best, y = None, block[designs[0].train]
                if given is not None:
                    columns, solve = given[k]
                    y = y - columns[designs[0].train] @ (solve @ y)
                for fold in designs:
                    mean, at, rest = fold.project(y)
                    errors = fold.criterion(at, rest)
                    choice = errors.argmin(axis=0)
                    error = errors[choice, np.arange(block.shape[1])]
                    scores = fold.score(mean, at, PENALTIES[choice])
                    if best is None:
                        best, least = scores, error
                    else:
                        better = error < least
                        best[:, better], least[better] = scores[:, better], error[better]
                out[k // per_repeat, designs[0].test, first : first + BLOCK] = best
        return out


def subject_folds(subjects: np.ndarray, n_folds: int, repeats: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each row in each repeat, (repeats, n); all rows of a subject in one.

    Folds do not look at labels: they then serve every field, and a permuted
    label meets the same folds as the observed one.
    """
    names, index = np.unique(subjects, return_inverse=True)
    return np.stack([(rng.permutation(len(names)) % n_folds)[index] for _ in range(repeats)])


def in_blocks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Rows in stretches of ``size``."""
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def labelings_at_once(machine: Folds, columns: int = 1) -> int:
    """Labelings of so many columns that are scored together: :data:`BLOCK` columns, fewer of a large cohort."""
    return max(1, min(BLOCK, MOST_VALUES // (8 * machine.folds.size)) // columns)


def most_blocks(machine: Folds) -> int:
    """Blocks of labelings that memory lets be scored at the same time."""
    return max(1, MOST_VALUES // (4 * BLOCK * machine.folds.size))
