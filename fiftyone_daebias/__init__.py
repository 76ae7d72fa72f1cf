"""Audit a medical image cohort before training on it.

Importing this package adds its verbs (``compute_dae_embeddings()``, ``probe()``
…) to every ``fo.Dataset`` and ``fo.DatasetView``, whichever of the two packages
is imported first; see :mod:`fiftyone_daebias.verbs` for all of them. Neither
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
