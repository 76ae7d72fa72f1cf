"""Who answers from whose labels: the same subjects are held out for every row of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import schema
from ..errors import InputError
from ..probes.svm import subject_folds


@dataclass(frozen=True)
class Plan:
    """Training and test subjects of a comparison, by sample.

    Attributes:
        folds: fold in which each sample is held out, −1 for never, (n,)
        by_split: whether the stored split decided, and not folds drawn here
    """

    folds: np.ndarray
    by_split: bool

    def parts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(training rows, test rows) of each fold."""
        return [
            (np.flatnonzero(self.folds != f), np.flatnonzero(self.folds == f)) for f in range(int(self.folds.max()) + 1)
        ]

    def __str__(self) -> str:
        if self.by_split:
            return "labels of the stored split's train and val subjects, scored on its test subjects"
        return f"{int(self.folds.max()) + 1} folds by subject, each scored from the labels of the others"


def make_plan(splits: list[str], subjects: np.ndarray, folds: int, seed: int) -> Plan:
    """The stored split (``folds`` 0), or folds by subject.

    Raises:
        InputError: one fold, more folds than subjects, or too few test subjects
    """
    n_subjects = len(set(subjects))
    if folds == 0:
        held = np.array([s == schema.SPLITS[2] for s in splits])
        tested = len(set(subjects[held]))
        if tested < 5:
            raise InputError(f"the stored split has {tested} test subjects, too few to score on; pass folds=5")
        return Plan(np.where(held, 0, -1), True)
    if folds == 1 or folds < 0 or folds > n_subjects // 2:
        raise InputError(f"folds must be 0 (the stored split) or 2 to {n_subjects // 2}; got {folds}")
    return Plan(subject_folds(subjects, None, folds, np.random.default_rng([seed, 7])), False)
