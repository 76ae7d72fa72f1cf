"""Conditions that fail an audit: ``site.auc>0.6``. Read by a small grammar; nothing is evaluated as code."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import asdict, dataclass

from ..errors import InputError, alike, hint
from ..findings import formatting
from ..findings.finding import Finding, Findings

_OPERATORS = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
#: the metric is the word after the last dot before the sign, so that fields may hold dots, spaces and signs
_FORM = re.compile(
    r"""^\s*(?:"(?P<quoted>[^"]+)"|(?P<plain>.+?))\s*\.\s*(?P<metric>[A-Za-z_][A-Za-z0-9_]*)\s*
        (?P<sign>>=|<=|==|!=|>|<)\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*$""",
    re.VERBOSE,
)
#: what is counted and absent when there is none of it
_COUNTED = ("duplicates", "leak", "conflicts", "outliers", "unreadable", "few-slices", "missing-slices", "no-table-row")
#: what may be asked of all findings together
_TOTALS = ("found", "inseparable", "explained", "unconfirmed")
_NAN = float("nan")


@dataclass(frozen=True)
class Gate:
    """One condition.

    Attributes:
        text: as it was given
        subject: a field that was probed, the key of a finding, or "findings"
        metric: what of it
        sign: ">", ">=", "<", "<=", "==" or "!="
        number: what it is compared with
    """

    text: str
    subject: str
    metric: str
    sign: str
    number: float


@dataclass(frozen=True)
class GateResult:
    """What became of a condition; it ``failed`` the audit when it holds."""

    text: str
    value: float
    failed: bool

    def to_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        return f"{'FAILED' if self.failed else 'passed'}: {self.text} (it is {formatting.number(self.value, 4)})"


def parse_gates(texts) -> tuple[Gate, ...]:
    """Reads conditions.

    Raises:
        InputError: one that is no condition
    """
    out = []
    for text in texts or ():
        match = _FORM.match(str(text))
        if match is None:
            raise InputError(
                f"fail_on: {str(text)!r} is no condition; write FIELD.METRIC>NUMBER, as site.auc>0.6 or "
                "leak.subjects>0 (signs: " + " ".join(_OPERATORS) + ")"
            )
        subject = (match["quoted"] or match["plain"]).strip()
        out.append(Gate(str(text).strip(), subject, match["metric"].lower(), match["sign"], float(match["number"])))
    return tuple(out)


def check_subjects(gates: tuple[Gate, ...], fields) -> None:
    """Checks before a run that conditions speak of something an audit can know.

    Args:
        gates: the conditions
        fields: metadata fields of the dataset

    Raises:
        InputError: an unknown field, with those to choose from
    """
    for gate in gates:
        bare = gate.subject.split("@")[0]
        if bare in fields or bare in _COUNTED or bare == "findings" or ":" in bare:
            continue
        choices = [*fields, *_COUNTED, "findings"]
        said = "; ".join(filter(None, (hint(bare, choices), f"choices: {formatting.listed(choices, 40)}")))
        raise InputError(f"fail_on: {gate.text!r}: there is no field {bare!r}; {said}")


def judge_gates(gates: tuple[Gate, ...], findings: Findings) -> tuple[GateResult, ...]:
    """Judges the conditions.

    Raises:
        InputError: a field that was not probed, or a metric that it does not have; the message gives the choices
    """
    return tuple(_judge(gate, findings) for gate in gates)


def _judge(gate: Gate, findings: Findings) -> GateResult:
    values = _values(gate, findings)
    if gate.metric not in values:
        raise InputError(
            f"fail_on: {gate.text!r}: {gate.subject!r} has no metric {gate.metric!r}; metrics: {', '.join(values)}"
        )
    value = values[gate.metric]
    if not math.isfinite(value):
        raise InputError(f"fail_on: {gate.text!r}: {gate.subject!r} has no {gate.metric} here, so it cannot be judged")
    return GateResult(gate.text, value, bool(_OPERATORS[gate.sign](value, gate.number)))


def _values(gate: Gate, findings: Findings) -> dict[str, float]:
    if gate.subject == "findings":
        return {v: float(sum(f.verdict == v for f in findings.rows)) for v in _TOTALS}
    by_key = {f.key: f for f in findings.rows}
    finding = by_key.get(f"probe:{gate.subject}") or by_key.get(gate.subject)
    if finding is None and gate.subject in _COUNTED:
        return {"samples": 0.0, "subjects": 0.0, "found": 0.0}
    if finding is None:
        keys = [k.removeprefix("probe:") for k in by_key]
        near = alike(gate.subject, keys, 5, 0.3) or keys[:10]
        raise InputError(
            f"fail_on: {gate.text!r}: nothing is known of {gate.subject!r}; "
            + (f"choices: {', '.join(near)}" if near else "nothing was audited yet")
        )
    if finding.verdict == "not tested":
        raise InputError(f"fail_on: {gate.text!r} cannot be judged: {finding.sentence}")
    return metrics_of(finding)


def metrics_of(finding: Finding) -> dict[str, float]:
    """What may be asked of a finding: its measure by its own name, the interval's ends, p and q, and counts."""
    e = finding.evidence
    out: dict[str, float] = {}
    if e.measure in ("samples", "subjects"):
        return {"samples": float(finding.n_samples), "subjects": float(finding.n_subjects), "found": _found(finding)}
    if e.measure:
        name = {"Cramér's V": "v", "Cliff's delta": "delta"}.get(e.measure, e.measure.lower())
        out |= {name: e.value, "value": e.value, "low": e.interval[0], "high": e.interval[1], "chance": e.chance}
    out |= {"p": e.p, "q": e.q, "strength": e.strength, "found": _found(finding)}
    return {**out, "samples": float(finding.n_samples), "subjects": float(finding.n_subjects)}


def _found(finding: Finding) -> float:
    return float(finding.verdict == "found")
