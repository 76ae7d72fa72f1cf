"""Results of steps with the verdicts that panel and report give: over everything that was tested on the dataset.

A step that tests stores its p-values; what it hands back, and what terminal
and dialogs print, gets its q-values and verdicts here, from the one correction
of :mod:`~fiftyone_daebias.findings.multiplicity`.
"""

from __future__ import annotations

from dataclasses import replace

from ..analyses import ANALYSES, load
from .collect import settled_findings
from .finding import VERDICTS, Finding
from .multiplicity import PROVISIONAL

_NAN = float("nan")


def settle_result(samples, result):
    """The result of a step with verdicts over everything that was tested on the dataset.

    Args:
        samples: the dataset or view that it ran on
        result: what the step returned

    Returns:
        the same with verdicts, q-values and what they span; as it is where the step tests nothing
    """
    classes = [_path(c) for c in type(result).__mro__]
    table = next((a for a in ANALYSES if a.result == classes[0]), None)
    own = next((a.settles[c] for a in ANALYSES for c in classes if c in a.settles), "")
    if table is None and not own:
        return result
    rows, _, correction = settled_findings(samples)
    found, said = {f.key: f for f in rows}, f"{correction}; {PROVISIONAL}"
    if own:
        return load(own)(result, found, said)
    found = {id(r): found.get(table.key.format_map(r.__dict__)) for r in result.rows}
    rows = sorted(result.rows, key=lambda r: -_strength(found[id(r)]))
    settled = [_with_verdict(r, found[id(r)]) for r in rows]
    return replace(result, rows=tuple(sorted(settled, key=lambda r: place(r.verdict))), correction=said)


def _path(cls: type) -> str:
    """A class as the registry names it."""
    return f"{cls.__module__.partition('.')[2]}:{cls.__name__}"


def place(verdict: str) -> int:
    return VERDICTS.index(verdict) if verdict in VERDICTS else len(VERDICTS)


def _strength(finding: Finding | None) -> float:
    return finding.evidence.strength if finding is not None else 0.0


def verdict_of(finding: Finding | None) -> str:
    return finding.verdict if finding is not None else "not tested"


def _with_verdict(row, finding: Finding | None):
    if finding is None:
        return replace(row, verdict="not tested")
    changes = {"verdict": finding.verdict, "q": finding.evidence.q}
    if getattr(row, "p_within", _NAN) == getattr(row, "p_within", _NAN):
        changes["q_within"] = finding.evidence.q_within
    return replace(row, **{k: v for k, v in changes.items() if hasattr(row, k)})
