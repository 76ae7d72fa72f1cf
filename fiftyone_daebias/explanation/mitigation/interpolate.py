"""New embeddings between subjects of one group (after SMOTE: Chawla et al., JAIR 16, 2002)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Between:
    """Synthetic vectors, each on the line between samples of two subjects.

    Attributes:
        first: row of one parent, int (m,)
        second: row of the other, of another subject
        weight: share of the second parent, in (0, 1)
        vectors: float32 (m, d)
    """

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray
    vectors: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.first)


def interpolate(
    vectors: np.ndarray, rows: np.ndarray, subjects: np.ndarray, count: int, *, neighbors: int, rng: np.random.Generator
) -> Between:
    """Interpolates between samples of different subjects of one group.

    A subject is drawn, one of its samples, one of its nearest other subjects (by their mean vectors) and one of that
    subject's samples; the synthetic vector lies at a random place between the two.

    Args:
        vectors: (n, d), all samples
        rows: samples of the group, to interpolate among
        subjects: subject of each of the n samples
        count: vectors to make
        neighbors: nearest subjects to draw the second parent from
        rng: random generator

    Returns:
        the vectors; none when the group has fewer than two subjects
    """
    names, index = np.unique(subjects[rows], return_inverse=True)
    empty = np.empty(0, int)
    if len(names) < 2 or count <= 0:
        return Between(empty, empty, np.empty(0), np.empty((0, vectors.shape[1]), np.float32))
    sums = np.zeros((len(names), vectors.shape[1]))
    np.add.at(sums, index, vectors[rows])
    means = sums / np.bincount(index)[:, None]
    squares = np.einsum("ij,ij->i", means, means)
    apart = squares[:, None] + squares[None, :] - 2 * means @ means.T
    np.fill_diagonal(apart, np.inf)
    near = np.argsort(apart, axis=1, kind="stable")[:, : min(neighbors, len(names) - 1)]
    members = [rows[index == s] for s in range(len(names))]
    first, second = np.empty(count, int), np.empty(count, int)
    for k in range(count):
        a = int(rng.integers(len(names)))
        b = int(rng.choice(near[a]))
        first[k], second[k] = rng.choice(members[a]), rng.choice(members[b])
    weight = rng.random(count)
    made = vectors[first] + weight[:, None] * (vectors[second] - vectors[first])
    return Between(first, second, weight, made.astype(np.float32))
