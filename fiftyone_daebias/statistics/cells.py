"""Counts of subjects behind a comparison, cell by cell, and which of them are too small to be told."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

#: ``{value: (subjects inside, subjects outside)}``; a subject with several values counts in each
Cells = dict[str, tuple[int, int]]


def count_cells(inside: np.ndarray, values: np.ndarray, classes: tuple[str, ...], subjects: np.ndarray) -> Cells:
    """Counts the subjects of each class inside and outside a group.

    Args:
        inside: whether each sample is in the group, bool (n,)
        values: class indices (n,); anything where there are no classes
        classes: names of the classes, none for numbers: then there is one cell pair, ``""``
        subjects: (n,)
    """
    inside, subjects = np.asarray(inside, bool), np.asarray(subjects)
    parts = {name: values == k for k, name in enumerate(classes)} if classes else {"": np.ones(len(inside), bool)}
    return {name: (len(set(subjects[m & inside])), len(set(subjects[m & ~inside]))) for name, m in parts.items()}


def split_cells(sides: Iterable[tuple[str, np.ndarray]], subjects: np.ndarray) -> Cells:
    """Counts the subjects on each side and on the other: ``sides`` are names with bool masks (n,) over samples."""
    return {name: count_cells(mask, mask, (), subjects)[""] for name, mask in sides}


def too_small(counts: Iterable[int], k: int) -> bool:
    """Whether some count is from 1 to k − 1. 0 is told: nobody is in an empty cell."""
    return any(0 < n < k for n in counts)


def tellable(cells: Cells | None, k: int) -> bool:
    """Whether what was computed from these counts may be told; unknown counts (``None``) may not.

    Every number of a comparison (effect, interval, p-value) is a function of its counts, so one small cell withholds
    them all; and a cell that is not named can be had by subtraction, so all cells are looked at.
    """
    return cells is not None and not too_small((n for pair in cells.values() for n in pair), k)


def read_cells(raw) -> Cells | None:
    """What was stored of them: a mapping or pairs; ``None`` where nothing was, or anything else."""
    try:
        return None if raw is None else {str(v): (int(n), int(m)) for v, (n, m) in dict(raw).items()}
    except (TypeError, ValueError):
        return None
