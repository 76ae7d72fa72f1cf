"""One finding as a card: its sentence, numbers, figures, what people said, and others of the same group."""

from __future__ import annotations

from collections.abc import Iterable

from .finding import Finding
from .formatting import number, p_value
from .markup import Markup, el, join, table


def anchor(f: Finding) -> str:
    """Id of a finding's element."""
    return "f-" + "".join(ch if ch.isascii() and ch.isalnum() else f"-{ord(ch):x}-" for ch in f.key)


def card(f: Finding, pictures: dict[str, str], also: Iterable[Finding] = ()) -> Markup:
    """A finding in full, with others of the same group below it."""
    e = f.evidence
    numbers = []
    if e.measure not in ("", "samples") and e.value == e.value:
        numbers.append((e.measure, number(e.value)))
    if e.interval[0] == e.interval[0]:
        numbers.append(("95 % interval", f"{number(e.interval[0])} to {number(e.interval[1])}"))
    if e.chance == e.chance and e.measure not in ("samples",):
        numbers.append(("if there were nothing", number(e.chance)))
    if e.p == e.p:
        numbers += [("p", p_value(e.p)), ("q over all tests", p_value(e.q))]
        if e.q_within == e.q_within and e.q_within != e.q:
            numbers.append(("q within strata", p_value(e.q_within)))
    numbers += [("subjects", f"{f.n_subjects:,}")] if f.n_subjects else []
    numbers += [("samples", f"{f.n_samples:,}")] if f.n_samples else []
    step = f"Next: {f.next_step.label} (daebias {f.next_step.verb}) · " if f.next_step else ""
    return el(
        "article",
        el("h3", el("span", f.verdict, cls=f"verdict {f.verdict.replace(' ', '-')}"), f.title),
        el("p", f.sentence),
        el("div", *(el("span", f"{k} ", el("b", v)) for k, v in numbers), cls="facts"),
        notes_of(f),
        [_figure(g, pictures) for g in f.figures],
        *(_review(r) for r in f.reviews),
        _also(also),
        el("p", step, el("span", f.key, cls="key"), cls="small-print"),
        cls=f"finding {f.verdict.replace(' ', '-')}",
        id=anchor(f),
    )


def _also(rows: Iterable[Finding]) -> Markup | None:
    said = [
        el("li", f"{f.field}: ", effect(f), f"; {f.verdict}", *(_review(r) for r in f.reviews), id=anchor(f))
        for f in rows
    ]
    return (
        join([el("p", "The same group also differs in:", cls="small-print"), el("ul", *said, cls="small-print")])
        if said
        else None
    )


def effect(f: Finding) -> str:
    """Measure, interval and q in a few words."""
    e = f.evidence
    return f"{e.measure} {number(e.value)} ({number(e.interval[0])} to {number(e.interval[1])}), q {p_value(e.q)}"


def notes_of(f: Finding) -> Markup | None:
    """What to bear in mind of a finding."""
    return el("p", "Note: " + "; ".join(f.notes[:6]) + ".", cls="small-print") if f.notes else None


def _review(r) -> Markup:
    who = f" by {r.author}" if r.author else ""
    return el("div", el("b", r.status), f"{who}, {r.date[:10]}" + (f": {r.note}" if r.note else ""), cls="review")


def _figure(described: dict, pictures: dict[str, str]) -> Markup:
    uri = pictures.get(described.get("name"))
    shown = (
        el("img", src=uri, alt=described.get("title", ""))
        if uri
        else el("p", "(the picture is gone)", cls="small-print")
    )
    caption = join([el("b", described.get("title", "")), " ", described.get("caption", "")])
    return el("figure", shown, el("figcaption", caption), cls="paper")


def finding_table(rows: Iterable[Finding]) -> Markup:
    """Findings as rows."""
    cells = []
    for f in rows:
        e = f.evidence
        interval = "" if e.interval[0] != e.interval[0] else f"{number(e.interval[0])} to {number(e.interval[1])}"
        value = "" if e.value != e.value else f"{e.measure} {number(e.value)}"
        cells.append((f.title, f.verdict, value, interval, p_value(e.q), f"{f.n_subjects:,}", f.status))
    head = ("what", "verdict", "effect", "95 % interval", "q", "subjects", "review")
    return table(head, cells, numeric=(4, 5))
