"""Findings as comma-separated values that a spreadsheet opens and does not run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from .finding import Findings

_COLUMNS = (
    "key",
    "kind",
    "title",
    "verdict",
    "field",
    "cluster",
    "measure",
    "value",
    "low",
    "high",
    "p",
    "q",
    "subjects",
    "samples",
    "review",
)


def findings_csv(findings: Findings) -> str:
    """Every finding as a line, the strongest first."""
    rows = []
    for f in findings.rows:
        e = f.evidence
        numbers = (e.value, *e.interval, e.p, e.q)
        rows.append(
            (
                f.key,
                f.kind,
                f.title,
                f.verdict,
                f.field,
                f.cluster,
                e.measure,
                *numbers,
                f.n_subjects,
                f.n_samples,
                f.status,
            )
        )
    return as_csv(_COLUMNS, rows)


def as_csv(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table as CSV; a text that a spreadsheet would read as a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(v) for v in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
