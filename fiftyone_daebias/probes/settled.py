"""Probes and lists of labels with the verdicts that panel and report give."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..findings.finding import Finding
from ..findings.verdicts import place, verdict_of
from ..rendering import Table
from .disagreements import Disagreements
from .probe_findings import key_of
from .result import ProbeResult, ProbeTable


@dataclass(frozen=True)
class SettledProbe(ProbeResult):
    """A probe with the verdict over everything that was tested on the dataset."""

    settled: str = ""
    correction: str = ""

    @property
    def verdict(self) -> str:
        return self.settled

    def parts(self) -> list[str | Table]:
        return SettledProbes((self,), self.correction).parts()


@dataclass(frozen=True)
class SettledProbes(ProbeTable):
    """Probes with verdicts over everything that was tested on the dataset."""

    correction: str = ""

    def to_dict(self) -> dict:
        return {**super().to_dict(), "correction": self.correction}

    def parts(self) -> list[str | Table]:
        return [*super().parts(), self.correction]


@dataclass(frozen=True)
class SettledDisagreements(Disagreements):
    """Labels that images contradict, with the verdict of the test over everything that was tested on the dataset."""

    settled: str = ""
    correction: str = ""

    def to_dict(self) -> dict:
        return {**super().to_dict(), "settled": self.settled, "correction": self.correction}

    def __str__(self) -> str:
        return f"{super().__str__()}\nthe test of the list over everything tested: {self.settled}\n{self.correction}"


def settle(result: ProbeResult | ProbeTable | Disagreements, found: dict[str, Finding], said: str):
    """The result with verdicts: see :func:`~fiftyone_daebias.findings.verdicts.settle_result`."""
    if isinstance(result, ProbeResult):
        return settle_probe(result, found.get(key_of(result)), said)
    if isinstance(result, ProbeTable):
        probes = [settle_probe(r, found.get(key_of(r)), said) for r in result.rows]
        return SettledProbes(tuple(sorted(probes, key=lambda r: (place(r.verdict), -np.nan_to_num(r.effect)))), said)
    values = {name: getattr(result, name) for name in Disagreements.__dataclass_fields__}
    finding = found.get(f"disagreements:{result.field}:label-error")
    return SettledDisagreements(**values, settled=verdict_of(finding), correction=said)


def settle_probe(row: ProbeResult, finding: Finding | None, correction: str = "") -> SettledProbe:
    """A probe with the q-values and the verdict of its finding."""
    values = {name: getattr(row, name) for name in ProbeResult.__dataclass_fields__}
    if finding is not None:
        values["q"], values["detectable"] = finding.evidence.q, finding.evidence.detectable
        if row.adjusted is not None and row.adjusted.p == row.adjusted.p:
            values["adjusted"] = replace(row.adjusted, q=finding.evidence.q_within)
    return SettledProbe(**values, settled=verdict_of(finding), correction=correction)
