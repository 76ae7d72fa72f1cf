"""Fields as questions for a supervised network: classes or numbers, with balancing weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..probes.machine import range_weights
from ..statistics.scores import subject_weights
from ..statistics.targets import Target


@dataclass(frozen=True)
class Question:
    """A field for one head.

    Attributes:
        field: its name
        classes: class names; empty for a number
        centre: mean of the training subjects' values
        spread: their standard deviation
    """

    field: str
    classes: tuple[str, ...] = ()
    centre: float = 0.0
    spread: float = 1.0

    def to_dict(self) -> dict:
        return {"field": self.field, "classes": list(self.classes), "centre": self.centre, "spread": self.spread}


def ask(
    targets: list[Target], subjects: np.ndarray, train: np.ndarray
) -> tuple[tuple[Question, ...], np.ndarray, np.ndarray]:
    """Questions, standardised answers and weights of all samples; scales come from the training rows only.

    Every subject has the same weight, then every class, or every tenth of the value range (Graf et al. 2024).

    Args:
        targets: fields
        subjects: subject of every sample (n,)
        train: positions of the training samples

    Returns:
        questions; float32 (n, fields) class indices or standardised values, NaN where there is none; float32 weights
        (n, fields), 0 outside ``train``
    """
    n = len(subjects)
    truth, weights = np.full((n, len(targets)), np.nan, np.float32), np.zeros((n, len(targets)), np.float32)
    questions = []
    in_train = np.zeros(n, bool)
    in_train[train] = True
    for k, target in enumerate(targets):
        mine = in_train[target.rows]
        values, rows = target.values[mine].astype(float), target.rows[mine]
        each = subject_weights(subjects[rows])
        if target.categorical:
            questions.append(Question(target.name, target.classes))
            truth[target.rows, k] = target.values
            for c in np.unique(values):
                each[values == c] /= each[values == c].sum()
        else:
            centre, spread = float(np.average(values, weights=each)), float(max(np.std(values), 1e-12))
            questions.append(Question(target.name, (), centre, spread))
            truth[target.rows, k] = (target.values - centre) / spread
            each = range_weights(values, each)
        weights[rows, k] = each / each.mean()
    return tuple(questions), truth, weights
