"""Numbers and verdicts of findings, as the panel's tables say them."""

from __future__ import annotations

from fiftyone_daebias.report.findings import Finding

SIGNS = {
    "found": "● found", "explained": "◐ explained", "unconfirmed": "○ unconfirmed", "not blind": "– not blind",
    "expected": "– expected", "not found": "· not found", "not tested": "· not tested", "shown": "■ shown",
}
SHORT = {"Cramér's V": "V", "Cliff's delta": "δ"}
#: what the list can be narrowed to
FILTERS = {
    "found": ("found",), "open": ("found", "explained", "unconfirmed", "not blind"),
    "shown": ("shown",), "negative": ("not found", "not tested", "expected"), "all": (),
}
FILTER_LABELS = {
    "found": "Found", "open": "Found, explained or unconfirmed", "shown": "Shown, not tested",
    "negative": "Not found or not tested", "all": "Everything",
}


def number(value: float) -> str:
    """A number with three digits that count; a dash for none."""
    return "–" if value is None or value != value else f"{value:.3g}"


def effect(finding: Finding) -> str:
    """Measure, value and interval, short enough for a column."""
    e = finding.evidence
    if e.value is None or e.value != e.value:
        return "–"
    text = f"{SHORT.get(e.measure, e.measure)} {number(e.value)}"
    low, high = e.interval
    return text + (f" [{number(low)}, {number(high)}]" if low == low and low is not None else "")


def p_value(value: float) -> str:
    if value is None or value != value:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def counts(finding: Finding) -> str:
    return f"{finding.n_subjects:,}" if finding.n_subjects else "–"


def review(finding: Finding) -> str:
    last = finding.reviews[-1] if finding.reviews else None
    return f"{last.status} by {last.author}" if last and last.author else last.status if last else ""


def matches(finding: Finding, chosen: str) -> bool:
    """Whether a finding is in the chosen part of the list."""
    wanted = FILTERS.get(chosen, ())
    return not wanted or finding.verdict in wanted
