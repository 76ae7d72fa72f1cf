"""Numbers and verdicts of findings, as the panel's tables say them."""

from __future__ import annotations

import datetime

from fiftyone_daebias.findings.collect import Finding
from fiftyone_daebias.findings.finding import BUILT_IN
from fiftyone_daebias.quantities import number

SIGNS = {
    "found": "●\u00a0found",
    "inseparable": "◑\u00a0inseparable",
    "explained": "◐\u00a0explained",
    "unconfirmed": "○\u00a0unconfirmed",
    BUILT_IN: "–\u00a0built\u00a0in",
    "expected": "–\u00a0expected",
    "not found": "·\u00a0not\u00a0found",
    "not tested": "·\u00a0not\u00a0tested",
    "shown": "■\u00a0shown",
    "older version": "–\u00a0older\u00a0version",
}
SHORT = {"Cramér's V": "V", "Cliff's delta": "δ"}
#: what the list can be narrowed to
FILTERS = {
    "found": ("found",),
    "open": ("found", "inseparable", "explained", "unconfirmed", BUILT_IN),
    "shown": ("shown",),
    "negative": ("not found", "not tested", "expected"),
    "older": ("older version",),
    "all": (),
}
FILTER_LABELS = {
    "found": "Found",
    "open": "Found, inseparable, explained or unconfirmed",
    "shown": "Shown, not tested",
    "negative": "Not found or not tested",
    "older": "Made by an older version, not counted",
    "all": "Everything",
}


def effect(finding: Finding) -> str:
    """Measure, value and interval, short enough for a column."""
    e = finding.evidence
    if e.value is None or e.value != e.value:
        return "–"
    text = f"{SHORT.get(e.measure, e.measure)}\u00a0{_told(finding, e.value)}"
    low, high = e.interval
    return text + (f" [{number(low)},\u00a0{number(high)}]" if low == low and low is not None else "")


def chance(finding: Finding) -> str:
    """What it would be if there were nothing."""
    return _told(finding, finding.evidence.chance)


def _told(finding: Finding, value: float) -> str:
    return finding.evidence.told(value).replace(" ", "\u00a0")


def probe_name(finding: Finding) -> str:
    """What a probe asked, and in which group."""
    return finding.key.removeprefix("probe:").replace("@", " in ") if finding.kind == "probe" else finding.title


def p_value(value: float) -> str:
    if value is None or value != value:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def when(iso: str) -> str:
    """A time to the minute, on one line."""
    if not iso:
        return ""
    return datetime.datetime.fromisoformat(iso).strftime("%d %b %H:%M").replace(" ", "\u00a0")


def counts(finding: Finding) -> str:
    return f"{finding.n_subjects:,}" if finding.n_subjects else "–"


def review(finding: Finding) -> str:
    last = finding.reviews[-1] if finding.reviews else None
    return f"{last.status} by {last.author}" if last and last.author else last.status if last else ""


def matches(finding: Finding, chosen: str) -> bool:
    """Whether a finding is in the chosen part of the list."""
    wanted = FILTERS.get(chosen, ())
    return not wanted or finding.verdict in wanted
