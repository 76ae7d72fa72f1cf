"""The report as one page that needs no network: every text escaped, pictures inside, for screen and paper.

Texts and numbers are made here, one function a section; their places are in
``templates/``, one file a section.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..analyses import ANALYSES, Analysis, load
from ..findings.as_csv import findings_csv
from ..findings.finding import BUILT_IN, Finding
from ..findings.formatting import count, listed, number, p_value, percent, score
from ..probes.result import interval_text
from ..quantities import with_unit
from ..schema import field_stem
from ..stories.facts import Group
from ..stories.risk_wording import VERDICTS
from ..stories.wording import cohort_line, rest_line, tell
from .charts import bar_chart, probe_chart
from .cohort_facts import FieldFacts
from .datasheet import Datasheet
from .facts import Made, ReportFacts
from .glossary import GLOSSARY
from .map_pictures import RAMP, MapPicture
from .markup import Markup, seen

#: nothing may be fetched and no script may run, whatever a field value holds
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
#: maps on the first screen; the others stand in their own section
FIRST_MAPS = 4
#: kinds of findings that explain others
_EXPLAINING = ("explain", "counterfactual", "dynamics", "mitigation", "local", "sensitivity", "compare", "cluster")
#: filters of the table of all tests
_FILTERS = (
    ("all", "all", ()),
    ("found", "found", ("found",)),
    ("inseparable", "inseparable or explained", ("inseparable", "explained", "expected")),
    ("unconfirmed", "unconfirmed", ("unconfirmed",)),
    ("not-found", "not found", ("not found",)),
    ("rest", "shown or not testable", ("shown", BUILT_IN, "not tested", "older version")),
)


@dataclass(frozen=True)
class Section:
    """A section of the page: its anchor, its title and what is in it."""

    key: str
    title: str
    content: Markup


def page(facts: ReportFacts, sheet: Datasheet, maps: list[MapPicture], pictures: dict[str, str]) -> str:
    """The whole page.

    Args:
        facts: what it says
        sheet: the data sheet
        maps: the map coloured by fields
        pictures: ``{name of a figure: data URI}`` of the figures of findings and stories
    """
    sections = [a for a in ANALYSES if a.section]
    first = [m for m in maps if m.field != "clusters"][:FIRST_MAPS] if _told(facts) else []
    parts = [
        ("summary", "In short", "summary.html", _summary(facts, first)),
        ("not-found", "Looked for and not found", "not_found.html", _not_found(facts)),
        ("findings", "Findings", "findings.html", _findings(facts)),
        ("cohort", "The cohort", "cohort.html", _cohort(facts)),
        ("maps", "The map", "maps.html", {"maps": [m for m in maps if m not in first]}),
        ("probes", "What can be read from the images", "probes.html", _probes(facts)),
        *((a.name, a.section, "sentences.html", _sentences(facts, a.name)) for a in sections if not a.chart),
        ("clusters", "Groups on the map", "clusters.html", _clusters(facts)),
        *((a.name, a.section, "charted.html", _charted(facts, a)) for a in sections if a.chart),
        ("explanations", "Explanations", "explanations.html", _explanations(facts)),
        ("limits", "Limits", "limits.html", {"limits": (*facts.limits, *_not_done(facts))}),
        ("method", "Method and provenance", "method.html", _method(facts)),
        ("datasheet", "Data sheet", "datasheet.html", {"sheet": sheet}),
        ("glossary", "Glossary", "glossary.html", {"glossary": GLOSSARY}),
    ]
    always = {"facts": facts, "pictures": pictures, "stories": facts.stories, "ramp": ",".join(RAMP)}
    shown = []
    for key, title, template, values in parts:
        content = _environment().get_template(template).render({**always, **values}).strip()
        if content:
            shown.append(Section(key, title, Markup(content)))
    css = Markup(Path(__file__).with_name("page.css").read_text(encoding="utf-8"))
    layout = _environment().get_template("layout.html")
    return layout.render(facts=facts, sections=shown, css=css, policy=_POLICY, when=_when(facts)) + "\n"


@cache
def _environment() -> Environment:
    """Templates with autoescape on; what is undefined is an error, not an empty text."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=number,
        p_value=p_value,
        slug=_slug,
        anchor=anchor,
        anchor_of=lambda key: anchor_of(key, "s-"),
        effect=_effect,
        numbers=_numbers,
        value=_value,
        interval=_interval,
    )
    return made


def anchor(f: Finding) -> str:
    """Id of a finding's element."""
    return anchor_of(f.key, "f-")


def anchor_of(key: str, before: str) -> str:
    """A key as the id of an element."""
    return before + "".join(ch if ch.isascii() and ch.isalnum() else f"-{ord(ch):x}-" for ch in key)


def _slug(word: str) -> str:
    return str(word).replace(" ", "-")


def _value(f: Finding) -> str:
    return "" if f.evidence.value != f.evidence.value else f"{f.evidence.measure} {number(f.evidence.value)}"


def _interval(f: Finding) -> str:
    low, high = f.evidence.interval
    return "" if low != low else f"{number(low)} to {number(high)}"


def _effect(f: Finding) -> str:
    """Measure, interval and q in a few words."""
    e = f.evidence
    return f"{e.measure} {number(e.value)} ({number(e.interval[0])} to {number(e.interval[1])}), q {p_value(e.q)}"


def _numbers(f: Finding) -> list[tuple[str, str]]:
    """What is measured of a finding, as names and values."""
    e, out = f.evidence, []
    if e.measure not in ("", "samples") and e.value == e.value:
        out.append((e.measure, e.told(e.value)))
    if e.interval[0] == e.interval[0]:
        out.append(("95 % interval", _interval(f)))
    if e.chance == e.chance and e.measure != "samples":
        out.append(("if there were nothing", e.told(e.chance)))
    if e.p == e.p:
        out += [("p", p_value(e.p)), ("q over all tests", p_value(e.q))]
        if e.q_within == e.q_within and e.q_within != e.q:
            out.append(("q within strata", p_value(e.q_within)))
    out += [("subjects", f"{f.n_subjects:,}")] if f.n_subjects else []
    return out + ([("samples", f"{f.n_samples:,}")] if f.n_samples else [])


def _not_done(facts: ReportFacts) -> list[str]:
    return [f"Not done: {label}: {why}." for label, why in facts.not_done]


def _when(facts: ReportFacts) -> str:
    c = facts.cohort
    when = f"newest result of {facts.created[:10]}" if facts.created else "nothing computed yet"
    return (
        f"Dataset {c.name}: {count(c.n_samples, 'image or volume', 'images or volumes')} of "
        f"{count(c.n_subjects, 'subject')}; {when}."
    )


def _told(facts: ReportFacts) -> bool:
    return facts.stories is not None and bool(facts.stories.rows)


def _summary(facts: ReportFacts, first: list[MapPicture]) -> dict:
    reviewed = sum(bool(f.status) for f in facts.findings.rows)
    out = {
        "maps": first,
        "reviewed": count(reviewed, "finding") if reviewed else "",
        "cohort_line": "",
        "tellings": [],
        "behind": {},
        "rest": "",
        "verdicts": VERDICTS,
    }
    if facts.stories is None:
        return out
    by_key = {f.key: f for f in facts.findings.rows}
    rows = [replace(s, groups=_told_groups(s.groups, facts.cohort.k)) for s in facts.stories.rows]
    return {
        **out,
        "cohort_line": cohort_line(facts.stories) + ".",
        "tellings": [(s, tell(s, facts.stories.n_tests)) for s in rows],
        "behind": {s.key: [by_key[k] for k in s.findings if k in by_key] for s in rows},
        "rest": rest_line(facts.stories),
    }


def _told_groups(groups: tuple[Group, ...], k: int) -> tuple[Group, ...]:
    """Groups of at least so many subjects; where one alone is left out, so is the next, which totals would tell."""
    kept = sorted((g for g in groups if g.n_subjects >= k), key=lambda g: -g.n_subjects)
    return tuple(kept[:-1] if len(groups) - len(kept) == 1 else kept)


def _cohort(facts: ReportFacts) -> dict:
    c = facts.cohort
    said = [
        f"{c.n_samples:,} images or volumes of {count(c.n_subjects, 'subject')} (median {c.per_subject[0]} each, "
        f"at most {c.per_subject[1]}); {c.geometry}."
    ]
    if c.splits:
        said.append("Split by subject: " + ", ".join(f"{k} {n:,}" for k, n in c.splits.items()) + ".")
    if c.n_synthetic:
        said.append(f"{count(c.n_synthetic, 'generated image')} took part in nothing.")
    if not c.has_subjects:
        said.append("No field names the subject: every image is counted as a person of its own.")
    rows = [
        (
            f.name,
            f.kind,
            f"{f.n_missing:,}",
            percent(f.n_missing / max(c.n_samples, 1)),
            f"{f.n_values:,}",
            _values(f, c.k),
        )
        for f in c.fields
    ]
    years = c.dates[1]
    return {
        "said": said,
        "rows": rows,
        "years": bar_chart([(str(y), n) for y, n in years], "subjects", c.k) if years else None,
    }


def _values(f: FieldFacts, k: int) -> str:
    if not f.listed:
        return "nearly as many values as subjects: an id or free text, not listed"
    if f.quantiles:
        in_years = f.kind in ("date", "datetime") or f.name.endswith("_years")
        form = (lambda v: f"{v:.1f}") if in_years else (lambda v: number(v, 4))
        return " · ".join(form(q) for q in f.quantiles if q == q)
    told = ", ".join(f"{v}: {n:,}" for v, n in f.values)
    rest = f"{count(f.rest, 'further value')}" if f.rest else ""
    return "; ".join(t for t in (told, rest) if t) or ("" if not f.n_values else f"all held by fewer than {k} subjects")


def _findings(facts: ReportFacts) -> dict:
    told = ("found", "inseparable", "explained", "unconfirmed", "expected")
    rows = facts.findings.rows
    cards = [f for f in rows if f.verdict in told or f.kind in ("opposite", "outliers") or f.reviews]
    cards = [f for f in cards if f.kind not in _EXPLAINING]
    also: dict[str, list[Finding]] = {}
    first: dict[str, str] = {}
    for f in cards:
        if f.kind == "association" and first.setdefault(f.cluster, f.key) != f.key:
            also.setdefault(first[f.cluster], []).append(f)
    below = {f.key for rows in also.values() for f in rows}
    filters = [
        (slug, label, sum(not verdicts or f.verdict in verdicts for f in rows)) for slug, label, verdicts in _FILTERS
    ]
    return {
        "cards": [f for f in cards if f.key not in below],
        "also": also,
        "filters": filters,
        "csv": base64.b64encode(findings_csv(facts.findings).encode()).decode(),
    }


def _probes(facts: ReportFacts) -> dict:
    done = [r for r in facts.probes if not r.reason]
    form = {r: (number if r.metric == "MAE" else score) for r in done}
    rows = [
        (
            r.name,
            r.verdict,
            with_unit(f"{r.metric} {form[r](r.score)}", r.unit),
            interval_text(r),
            form[r](r.chance),
            p_value(r.p),
            p_value(r.q),
            form[r](r.detectable),
            f"{r.n_subjects:,}",
        )
        for r in done
    ]
    adjusted = [r for r in done if r.adjusted and not r.adjusted.reason]
    strata = [
        (
            r.name,
            r.adjusted.verdict,
            form[r](r.score),
            form[r](r.adjusted.score),
            interval_text(r, r.adjusted),
            p_value(r.adjusted.p),
            f"{r.adjusted.n_subjects:,}",
        )
        for r in adjusted
    ]
    given = ", ".join(adjusted[0].adjusted.fields) if adjusted else ""
    return {"rows": rows, "adjusted": strata, "given": given, "chart": probe_chart(done) if done else None}


def _clusters(facts: ReportFacts) -> dict:
    tests, untold = facts.findings.of("association"), ("not tested", "not found")
    return {
        "groups": [
            (f, [t for t in tests if t.cluster == f.cluster and t.verdict not in untold][:5])
            for f in facts.findings.of("cluster")
        ]
    }


def _sentences(facts: ReportFacts, kind: str) -> dict:
    return {"sentences": [f.sentence for f in facts.findings.of(kind) if f.verdict not in ("not found", "not tested")]}


def _charted(facts: ReportFacts, a: Analysis) -> dict:
    chart = load(a.chart)(facts.tables.get(a.name, ()), facts)
    return {"sentences": [f.sentence for f in facts.findings.of(a.name)], "chart": chart}


def _explanations(facts: ReportFacts) -> dict:
    return {
        "explained": [
            f for f in facts.findings.rows if f.kind in _EXPLAINING and f.kind not in ("cluster", "sensitivity")
        ]
    }


def _not_found(facts: ReportFacts) -> dict:
    cells = []
    for f in facts.of_verdict("not found"):
        if f.kind not in _EXPLAINING:
            e = f.evidence
            would = f"{e.measure} {number(e.detectable)}" if e.detectable == e.detectable else ""
            cells.append((f.title, _value(f), _interval(f), p_value(e.q), would, f"{f.n_subjects:,}"))
    counted = {
        "duplicates": "copies of images",
        "leak": "subjects on several sides of a split",
        "outliers": "images far enough from all others to be worth a look",
    }
    did = {s["name"] for s in facts.steps if s["outcome"] in ("done", "unchanged")}
    have = {f.kind for f in facts.findings.rows}
    absent = [
        words
        for kind, words in counted.items()
        if kind not in have and ("tag" if kind == "outliers" else "duplicates") in did
    ]
    return {
        "cells": cells,
        "absent": absent,
        "untested": facts.of_verdict("not tested"),
        "sensitivity": facts.findings.of("sensitivity"),
    }


def _method(facts: ReportFacts) -> dict:
    return {
        "model": [(k.replace("_", " "), v) for k, v in facts.checkpoint.items()],
        "runs": [
            (name, made.replace("T", " ")[:16], "; ".join(f"{k}: {v}" for k, v in how))
            for name, made, how in _alike(facts.made)
        ],
        "steps": [
            (s["label"], s["outcome"], s["summary"], f"{s['seconds']:.1f}" if s["outcome"] == "done" else "")
            for s in facts.steps
        ],
        "versions": ", ".join(f"{k} {v}" for k, v in facts.versions.items()),
    }


def _alike(runs: Iterable[Made]) -> list[tuple[str, str, tuple]]:
    """Runs of one kind with the same parameters but for the field, in one row."""
    groups: dict[tuple, list[Made]] = {}
    for run in runs:
        field = dict(run.parameters).get("field", "")
        stem = run.run.removesuffix(field_stem(field)) if field else run.run
        how = tuple((k, v) for k, v in run.parameters if k != "field")
        groups.setdefault((stem, how), []).append(run)
    out = []
    for (stem, how), mine in groups.items():
        fields = [dict(m.parameters).get("field", "") for m in mine]
        name = mine[0].run if len(mine) == 1 else f"{stem}… of {listed(fields, 60)}"
        out.append((name, max(m.created for m in mine), how))
    return out
