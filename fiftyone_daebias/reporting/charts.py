"""Charts as inline SVG in the page's own colours: light, dark and on paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..findings.formatting import number, score
from ..probes.result import ProbeResult
from ..quantities import with_unit
from ..statistics.dates import iso_date
from .facts import ReportFacts
from .markup import Markup, el

ROW = 26


def probe_chart(rows: list[ProbeResult]) -> Markup | None:
    """A dot and its interval a field, from guessing (0) to always right (1); scores of all kinds on one scale."""
    rows = [r for r in rows if not r.reason and math.isfinite(_skill(r, r.score))]
    if not rows:
        return None
    label, plot, value = 230, 420, 250
    top, low = 34, min(-0.25, *(max(-1.0, _ends(r)[0]) for r in rows))
    height = top + ROW * len(rows) + 14

    def x(skill: float) -> float:
        return label + plot * (max(low, min(1.0, skill)) - low) / (1 - low)

    parts = [el("title", "Probes against guessing")]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(
            el(
                "line",
                x1=_f(x(tick)),
                x2=_f(x(tick)),
                y1=top - 8,
                y2=height - 12,
                cls="chance" if tick == 0 else "grid",
            )
        )
        name = {0.0: "guessing", 1.0: "always right"}.get(tick, f"{tick:g}")
        parts.append(el("text", name, x=_f(x(tick)), y=top - 16, text_anchor="middle", cls="small"))
    for k, r in enumerate(rows):
        y = top + ROW * k + ROW / 2
        a, b = _ends(r)
        cls = "on" if r.verdict == "found" else "off"
        parts += [
            el("text", _short(r.name, 29), el("title", r.name), x=label - 12, y=_f(y + 4), text_anchor="end"),
            el("line", x1=_f(x(a)), x2=_f(x(b)), y1=_f(y), y2=_f(y), cls=f"interval {cls}"),
            el("circle", cx=_f(x(_skill(r, r.score))), cy=_f(y), r=5, cls=f"dot {cls}"),
            el("text", _numbers(r), x=label + plot + 14, y=_f(y + 4), cls="small"),
        ]
    return el(
        "svg",
        *parts,
        viewBox=f"0 0 {label + plot + value} {height}",
        role="img",
        cls="chart",
        aria_label="Score of each field with its interval, against guessing",
    )


def time_chart(rows: Sequence[dict], facts: ReportFacts) -> Markup | None:
    """When the images change: a line a group, a mark a change with its interval; of the cohort's own dates."""
    field, years = facts.cohort.dates[0], [y for y, _ in facts.cohort.dates[1]]
    rows = [r for r in rows if r["verdict"] not in ("not tested", "older version")]
    rows = [r for r in rows if r["over"] in (field, f"{field}_years") or f"{r['over']}_years" == field]
    first, last = (min(years), max(years) + 1) if years else (0, 0)
    if not rows or not last > first:
        return None
    label, plot = 230, 620
    top, height = 30, 30 + ROW * len(rows) + 10

    def x(year: float) -> float:
        return label + plot * (max(first, min(last, year)) - first) / (last - first)

    parts = [el("title", "Changes over time")]
    step = max(1, math.ceil((last - first) / 10))
    for year in range(math.ceil(first), math.floor(last) + 1, step):
        parts += [
            el("line", x1=_f(x(year)), x2=_f(x(year)), y1=top - 6, y2=height - 8, cls="grid"),
            el("text", str(year), x=_f(x(year)), y=top - 14, text_anchor="middle", cls="small"),
        ]
    for k, r in enumerate(rows):
        y = top + ROW * k + ROW / 2
        parts += [
            el("text", _short(r["group"] or "all samples", 29), x=label - 12, y=_f(y + 4), text_anchor="end"),
            el("line", x1=label, x2=label + plot, y1=_f(y), y2=_f(y), cls="track"),
        ]
        for c in r["changes"]:
            low, high = (v if v is not None else c["when"] for v in c["interval"])
            parts += [
                el("rect", x=_f(x(low)), y=_f(y - 7), width=_f(max(2.0, x(high) - x(low))), height=14, cls="band"),
                el(
                    "circle",
                    el("title", f"{iso_date(c['when'])}, {number(c['size'], 2)} SD"),
                    cx=_f(x(c["when"])),
                    cy=_f(y),
                    r=5,
                    cls="dot on",
                ),
            ]
        if not r["changes"]:
            parts.append(el("text", "no change found", x=label + plot - 4, y=_f(y - 4), text_anchor="end", cls="small"))
    return el(
        "svg",
        *parts,
        viewBox=f"0 0 {label + plot + 20} {height}",
        role="img",
        cls="chart",
        aria_label="When the images of each group change",
    )


def bar_chart(bars: list[tuple[str, int | None]], unit: str, k: int) -> Markup | None:
    """Counts as bars; a count that is not told is a dot on the ground line."""
    if not bars:
        return None
    width, height, ground = 880, 150, 118
    most = max([n or 0 for _, n in bars] + [1])
    step = (width - 20) / len(bars)
    every = max(1, math.ceil(len(bars) / 22))
    parts = [el("title", f"{unit} over time"), el("line", x1=10, x2=width - 10, y1=ground, y2=ground, cls="track")]
    for i, (name, n) in enumerate(bars):
        x = 10 + step * i
        tall = 0 if n is None else 88 * n / most
        told = f"fewer than {k}" if n is None else f"{n:,}"
        parts.append(
            el(
                "circle",
                el("title", f"{name}: {told} {unit}"),
                cx=_f(x + step / 2),
                cy=ground - 4,
                r=2.5,
                cls="dot off",
            )
            if n is None
            else el(
                "rect",
                el("title", f"{name}: {told} {unit}"),
                x=_f(x + step * 0.12),
                y=_f(ground - tall),
                width=_f(step * 0.76),
                height=_f(tall),
                cls="bar",
            )
        )
        if i % every == 0:
            parts.append(el("text", name, x=_f(x + step / 2), y=ground + 18, text_anchor="middle", cls="small"))
            if n and len(bars) <= 22:
                parts.append(
                    el("text", f"{n:,}", x=_f(x + step / 2), y=_f(ground - tall - 6), text_anchor="middle", cls="small")
                )
    return el("svg", *parts, viewBox=f"0 0 {width} {height}", role="img", cls="chart", aria_label=f"{unit} over time")


def _skill(r: ProbeResult, value: float) -> float:
    """0 for guessing, 1 for always right."""
    if r.metric in ("AUC", "C"):
        return 2 * value - 1
    return 1 - value / r.chance if r.chance else float("nan")


def _ends(r: ProbeResult) -> tuple[float, float]:
    a, b = (_skill(r, v) for v in r.interval)
    return min(a, b), max(a, b)


def _numbers(r: ProbeResult) -> str:
    if r.metric == "MAE":
        off = f"{number(r.score)} ({number(r.interval[0])}–{number(r.interval[1])}; guess {number(r.chance)})"
        return with_unit(f"MAE {off}", r.unit)
    return f"{r.metric} {score(r.score)} ({score(r.interval[0])}–{score(r.interval[1])})"


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _f(value: float) -> str:
    return f"{value:.1f}"
