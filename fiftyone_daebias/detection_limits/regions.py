"""Would an altered copy have been tagged for something strange in one place?"""

from __future__ import annotations

import numpy as np

from ..clustering.local_outliers import NEAREST, RANK, LocalScale, strangeness_maps
from ..clustering.tag import picture_of, slabs_of
from ..embeddings.map import principal_components
from ..statistics.outliers import nearest_others
from .cohort import Cohort
from .perturbation import OUTLIER

#: copies that are looked at of each effect and strength: a share of them is all that is reported
COPIES = 60


class Places:
    """The cohort as "tag" sees it place by place, with which altered copies are compared.

    The similar samples of a copy are those that its altered vector has among the cohort's own; that some of them would
    be affected too is left out, so it holds for effects in few samples.

    Args:
        cohort: what is tested
        progress: a task that is told how many pictures were done, one a sample
    """

    def __init__(self, cohort: Cohort, task):
        self.cohort = cohort
        self.slabs = slabs_of(cohort.source, cohort.places)
        self.pictures = np.stack([picture_of(cohort.source, int(i), self.slabs) for i in cohort.places])
        self.k = min(NEAREST, len(cohort.subjects) - int(np.unique(cohort.subjects, return_counts=True)[1].max()))
        _, nearest = nearest_others(principal_components(cohort.vectors), cohort.subjects, self.k)
        self.scale = LocalScale.of(strangeness_maps(self.pictures, self.pictures, nearest, task.advance))

    @staticmethod
    def possible(cohort: Cohort) -> bool:
        """Whether there are enough samples of other subjects."""
        most = int(np.unique(cohort.subjects, return_counts=True)[1].max())
        return len(cohort.subjects) - most >= 2 * RANK

    def tagged(self, spiked, copies: np.ndarray) -> float:
        """Share of the first ``COPIES`` altered copies that would have been tagged.

        Args:
            spiked: reads the altered volumes
            copies: their vectors (m, d), in the order of the cohort's ``rows``
        """
        cohort, rows = self.cohort, self.cohort.rows[:COPIES]
        pictures = np.stack([picture_of(spiked, int(cohort.places[r]), self.slabs) for r in rows])
        # copies stand beside the cohort; each is of its own sample's subject, so that it is no neighbour of itself
        both = principal_components(np.concatenate([cohort.vectors, copies[: len(rows)]]))
        nearest = np.empty((len(rows), self.k), int)
        for n, r in enumerate(rows):
            distance = np.square(both[: len(cohort.vectors)] - both[len(cohort.vectors) + n]).sum(axis=1)
            distance[cohort.subjects == cohort.subjects[r]] = np.inf
            nearest[n] = np.argpartition(distance, self.k - 1)[: self.k]
        scores, _ = self.scale.scores(strangeness_maps(pictures, self.pictures, nearest))
        return float((scores >= OUTLIER).mean())
