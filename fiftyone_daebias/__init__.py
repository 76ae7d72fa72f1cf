"""Audit a medical image cohort before training on it.

Its verbs are functions here, ``fiftyone_daebias.probe(dataset, "sex")``, and
methods of ``dataset.daebias``, ``dataset.daebias.probe("sex")``, which every
``fo.Dataset`` and ``fo.DatasetView`` has once this package is imported,
whichever of the two packages comes first; ``dataset.compute_dae_embeddings()``
is one of its own. See :mod:`fiftyone_daebias.verbs` for all of them. Neither
FiftyOne nor torch is imported until a verb needs it.
"""

import os

from . import methods, verbs
from .errors import DaebiasError

# processes that only decode files do without FiftyOne, which takes seconds to import
if "DAEBIAS_WORKER" not in os.environ:
    methods.install()

__all__ = ["DaebiasError", *verbs.public_names()]


def __getattr__(name: str):
    return verbs.public(name)


def __dir__() -> list[str]:
    return sorted(__all__)
