"""Entry of the FiftyOne plugin: registers one operator a verb, and those that only make sense in the App."""

import sys
from importlib.util import find_spec
from pathlib import Path

# A copied or downloaded plugin folder works without being installed; an installed package wins.
if find_spec("fiftyone_daebias") is None:
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from fiftyone_daebias.verbs import VERBS  # noqa: E402

from .lasso import TagLasso  # noqa: E402
from .panel import CohortAudit, OpenAudit  # noqa: E402
from .slices import Slices  # noqa: E402
from .stop import StopBackgroundRun, StopRun  # noqa: E402
from .verb_operator import operator_class  # noqa: E402


def register(plugin):
    for verb in VERBS:
        if verb.in_app:
            plugin.register(operator_class(verb))
    for extra in (OpenAudit, TagLasso, StopRun, StopBackgroundRun, CohortAudit, Slices):
        plugin.register(extra)
