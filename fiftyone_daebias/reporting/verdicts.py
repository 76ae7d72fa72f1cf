"""Results of steps with the verdicts that panel and report give: over everything that was tested on the dataset.

A step that tests stores its p-values; what it hands back, and what terminal
and dialogs print, gets its q-values and verdicts here, from the one correction
of :mod:`~fiftyone_daebias.reporting.multiplicity`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..analyses import ANALYSES
from ..clustering.reidentify import Reidentification
from ..probes.disagreements import Disagreements
from ..probes.result import ProbeResult, ProbeTable
from .finding import VERDICTS, Finding
from .findings import settled_findings
from .from_probes import key_of
from .multiplicity import PROVISIONAL

_NAN = float("nan")


@dataclass(frozen=True)
class SettledProbe(ProbeResult):
    """A probe with the verdict over everything that was tested on the dataset."""

    settled: str = ""
    correction: str = ""

    @property
    def verdict(self) -> str:
        return self.settled

    def __str__(self) -> str:
        return str(SettledProbes((self,), self.correction))


@dataclass(frozen=True)
class SettledProbes(ProbeTable):
    """Probes with verdicts over everything that was tested on the dataset."""

    correction: str = ""

    def to_dict(self) -> dict:
        return {**super().to_dict(), "correction": self.correction}

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.correction}".strip()


@dataclass(frozen=True)
class SettledDisagreements(Disagreements):
    """Labels that images contradict, with the verdict of the test over everything that was tested on the dataset."""

    settled: str = ""
    correction: str = ""

    def to_dict(self) -> dict:
        return {**super().to_dict(), "settled": self.settled, "correction": self.correction}

    def __str__(self) -> str:
        return f"{super().__str__()}\nthe test of the list over everything tested: {self.settled}\n{self.correction}"


def settle_result(samples, result):
    """The result of a step with verdicts over everything that was tested on the dataset.

    Args:
        samples: the dataset or view that it ran on
        result: what the step returned

    Returns:
        the same with verdicts, q-values and what they span; as it is where the step tests nothing
    """
    table = next((a for a in ANALYSES if a.result == _path(type(result))), None)
    if table is None and not isinstance(result, (ProbeResult, ProbeTable, Reidentification, Disagreements)):
        return result
    rows, _, correction = settled_findings(samples)
    found, said = {f.key: f for f in rows}, f"{correction}; {PROVISIONAL}"
    if isinstance(result, ProbeResult):
        return settle_probe(result, found.get(key_of(result)), said)
    if isinstance(result, ProbeTable):
        probes = [settle_probe(r, found.get(key_of(r)), said) for r in result.rows]
        return SettledProbes(tuple(sorted(probes, key=lambda r: (_place(r.verdict), -np.nan_to_num(r.effect)))), said)
    if isinstance(result, Disagreements):
        values = {name: getattr(result, name) for name in Disagreements.__dataclass_fields__}
        finding = found.get(f"disagreements:{result.field}:label-error")
        return SettledDisagreements(**values, settled=_verdict(finding), correction=said)
    if isinstance(result, Reidentification):
        return replace(
            result, correction=said, verdicts={what: _verdict(found.get(f"reidentify:{what}")) for what in result.rows}
        )
    found = {id(r): found.get(table.key.format_map(r.__dict__)) for r in result.rows}
    rows = sorted(result.rows, key=lambda r: -_strength(found[id(r)]))
    settled = [_with_verdict(r, found[id(r)]) for r in rows]
    return replace(result, rows=tuple(sorted(settled, key=lambda r: _place(r.verdict))), correction=said)


def _path(cls: type) -> str:
    """A class as the registry names it."""
    return f"{cls.__module__.partition('.')[2]}:{cls.__name__}"


def _place(verdict: str) -> int:
    return VERDICTS.index(verdict) if verdict in VERDICTS else len(VERDICTS)


def _strength(finding: Finding | None) -> float:
    return finding.evidence.strength if finding is not None else 0.0


def _verdict(finding: Finding | None) -> str:
    return finding.verdict if finding is not None else "not tested"


def _with_verdict(row, finding: Finding | None):
    if finding is None:
        return replace(row, verdict="not tested")
    changes = {"verdict": finding.verdict, "q": finding.evidence.q}
    if getattr(row, "p_within", _NAN) == getattr(row, "p_within", _NAN):
        changes["q_within"] = finding.evidence.q_within
    return replace(row, **{k: v for k, v in changes.items() if hasattr(row, k)})


def settle_probe(row: ProbeResult, finding: Finding | None, correction: str = "") -> SettledProbe:
    """A probe with the q-values and the verdict of its finding."""
    values = {name: getattr(row, name) for name in ProbeResult.__dataclass_fields__}
    if finding is not None:
        values["q"], values["detectable"] = finding.evidence.q, finding.evidence.detectable
        if row.adjusted is not None and row.adjusted.p == row.adjusted.p:
            values["adjusted"] = replace(row.adjusted, q=finding.evidence.q_within)
    return SettledProbe(**values, settled=_verdict(finding), correction=correction)


def settle_drift(rows, found: dict[str, Finding]) -> tuple[dict, ...]:
    """Stored rows of a drift table with their verdicts; changes are left only where one was found."""
    out = []
    for row in rows:
        verdict = _verdict(found.get(f"drift:{row['group']}:{row['over']}"))
        out.append({**row, "verdict": verdict, "changes": row["changes"] if verdict == "found" else []})
    return tuple(out)
