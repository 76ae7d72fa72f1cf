"""A report that may leave: without what rests on fewer than k subjects, or on nobody knows how many."""

from __future__ import annotations

from dataclasses import fields, replace

from ..analyses import analysis
from ..findings.finding import Finding
from ..findings.formatting import count
from ..probes.probe_findings import key_of
from ..statistics.cells import tellable, too_small
from .facts import ReportFacts


def may_leave(finding: Finding, k: int) -> bool:
    """Whether a finding rests on counts that are known and large enough to be told."""
    return tellable(finding.cells, k) and not too_small((finding.n_subjects,), k)


def without_small_counts(facts: ReportFacts, k: int) -> ReportFacts:
    """The facts of a report for others.

    Findings that rest on a few subjects are left out, with their rows and
    figures; so are what people wrote in reviews and notes, what the audit's
    steps and conditions say of their counts, and stories, which are made of
    several findings.
    """
    rows = tuple(replace(f, reviews=(), notes=()) for f in facts.findings.rows if may_leave(f, k))
    kept = {f.key for f in rows}
    left_out = len(facts.findings.rows) - len(rows)
    limits = facts.limits
    if left_out:
        said = f"{count(left_out, 'finding')} left out: fewer than {k} subjects are in something that was compared."
        limits = (*limits, said)
    changes = {
        "findings": replace(facts.findings, rows=rows, notes=()),
        "probes": tuple(r for r in facts.probes if key_of(r) in kept and not _few_wrong(r, k)),
        "tables": {
            name: tuple(r for r in rows if analysis(name).key.format_map(r) in kept)
            for name, rows in facts.tables.items()
        },
        "steps": tuple({**s, "summary": ""} for s in facts.steps),
        "gates": (),
        "limits": limits,
    }
    if "stories" in {f.name for f in fields(facts)}:
        changes["stories"] = None
    return replace(facts, **changes)


def _few_wrong(row, k: int) -> bool:
    """Whether a probe's accuracy says how few it misclassified."""
    right = row.n_subjects * row.accuracy if row.accuracy == row.accuracy else 0.0
    return 0 < row.n_opposite < k or 0 < right < k or 0 < row.n_subjects - right < k and right > 0
