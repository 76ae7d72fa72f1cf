"""The panel "Cohort audit": findings with everything behind them, each one click away from its samples."""

from .cohort_audit import CohortAudit
from .open_audit import OpenAudit

__all__ = ["CohortAudit", "OpenAudit"]
