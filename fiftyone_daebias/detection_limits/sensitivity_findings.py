"""The finding of a sensitivity analysis: what would have been found."""

from __future__ import annotations

from .. import schema
from ..findings.from_runs import everybody, of_runs

sensitivities = of_runs(
    schema.SENSITIVITY_RUN, "sensitivity", "what would have been found", lambda f: (f["sentence"], True), everybody
)
