"""The report as one page that needs no network: every text escaped, pictures inside, for screen and paper."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..analyses import ANALYSES
from ..probes.result import interval_text
from ..schema import field_stem
from .cards import anchor, card, effect, finding_table, notes_of
from .charts import bar_chart, drift_chart, probe_chart
from .cohort_facts import FieldFacts
from .datasheet import Datasheet
from .facts import Made, ReportFacts
from .finding import Finding
from .formatting import count, listed, number, p_value, percent, score
from .glossary import GLOSSARY
from .map_pictures import RAMP, MapPicture
from .markup import Markup, el, join, table

_CSS = Path(__file__).with_name("page.css")
#: nothing may be fetched and no script may run, whatever a field value holds
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
#: findings shown in full; the rest stand in tables
MOST_CARDS = 40


def page(facts: ReportFacts, sheet: Datasheet, maps: list[MapPicture], pictures: dict[str, str]) -> str:
    """The whole page.

    Args:
        facts: what it says
        sheet: the data sheet
        maps: the map coloured by fields
        pictures: ``{name of a figure: data URI}`` of the findings' figures
    """
    sections = [
        ("summary", "In short", _summary(facts)),
        ("cohort", "The cohort", _cohort(facts)),
        ("findings", "Findings", _findings(facts, pictures)),
        ("maps", "The map", _maps(maps)),
        ("probes", "What can be read from the images", _probes(facts)),
        *((a.name, a.section, _sentences(facts, a.name)) for a in ANALYSES if a.section),
        ("clusters", "Groups on the map", _clusters(facts)),
        ("drift", "Changes over time", _drift(facts)),
        ("explanations", "Explanations", _explanations(facts, pictures)),
        ("not-found", "Looked for and not found", _not_found(facts, pictures)),
        ("limits", "Limits", el("ul", *(el("li", text) for text in (*facts.limits, *_not_done(facts))))),
        ("method", "Method and provenance", _method(facts)),
        ("datasheet", "Data sheet", _datasheet(sheet)),
        ("glossary", "Glossary", el("dl", *((el("dt", word), el("dd", said)) for word, said in GLOSSARY))),
    ]
    sections = [s for s in sections if s[2]]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", facts.title),
        el("style", Markup(_CSS.read_text(encoding="utf-8"))),
    )
    top = el(
        "header",
        el("h1", facts.title),
        el("p", _when(facts), cls="soft"),
        el("nav", el("ul", *(el("li", el("a", title, href=f"#{key}")) for key, title, _ in sections))),
        cls="top",
    )
    body = [el("section", el("h2", title), content, id=key) for key, title, content in sections]
    foot = el(
        "footer",
        "Made by fiftyone-daebias ",
        facts.versions.get("fiftyone-daebias", ""),
        ". This page holds no "
        "images of single persons and loads nothing from anywhere. It is no medical device and no certified "
        "de-identification.",
    )
    return "<!DOCTYPE html>\n" + el("html", head, el("body", top, el("main", *body), foot), lang="en") + "\n"


def _not_done(facts: ReportFacts) -> list[str]:
    return [f"Not done: {label}: {why}." for label, why in facts.not_done]


def _when(facts: ReportFacts) -> str:
    c = facts.cohort
    when = f"newest result of {facts.created[:10]}" if facts.created else "nothing computed yet"
    return (
        f"Dataset {c.name}: {count(c.n_samples, 'image or volume', 'images or volumes')} of "
        f"{count(c.n_subjects, 'subject')}; {when}."
    )


def _summary(facts: ReportFacts) -> Markup:
    rows = facts.findings.rows
    found = facts.of_verdict("found")
    numbers = [
        (len(found), "found"),
        (len(facts.of_verdict("explained")), "explained by expected fields"),
        (len(facts.of_verdict("inseparable")), "not to be told apart from expected fields"),
        (len(facts.of_verdict("unconfirmed")), "unconfirmed"),
        (len(facts.of_verdict("not found")), "not found"),
        (facts.findings.n_tests, "tests corrected together"),
    ]
    reviewed = sum(bool(f.status) for f in rows)
    one_a_group = {f.cluster or f.key: f for f in reversed(found)}.values()
    told = [f for f in found if f in one_a_group][:6]
    lead = el("ol", *(el("li", el("a", f.title, href=f"#{anchor(f)}"), ": ", f.sentence) for f in told))
    if not rows:
        lead = el("p", "Nothing has been computed on this dataset yet: run ", el("code", "daebias audit"), ".")
    elif not found:
        lead = el(
            "p",
            "Nothing was found that holds over everything that was tested. What could have been found is said ",
            el("a", "below", href="#not-found"),
            ".",
        )
    gates = [
        el(
            "p",
            el("span", "FAILED" if g["failed"] else "passed", cls="verdict " + ("FAILED" if g["failed"] else "passed")),
            g["text"],
            f" (it is {number(g['value'], 4)})",
        )
        for g in facts.gates
    ]
    return join(
        [
            el("div", *(el("div", el("b", f"{n:,}"), label) for n, label in numbers), cls="numbers"),
            lead,
            *gates,
            el("p", f"{count(reviewed, 'finding')} looked at by people.") if reviewed else None,
        ]
    )


def _cohort(facts: ReportFacts) -> Markup:
    c = facts.cohort
    said = [
        f"{c.n_samples:,} images or volumes of {count(c.n_subjects, 'subject')} (median {c.per_subject[0]} each, "
        "at most "
        f"{c.per_subject[1]}); {c.geometry}."
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
    field, years = c.dates
    return join(
        [
            el("p", " ".join(said)),
            el("h3", f"Subjects by year ({field})") if years else None,
            bar_chart([(str(y), n) for y, n in years], "subjects", c.k) if years else None,
            el("h3", "What is known of each, and what is missing"),
            table(
                ("field", "kind", "missing", "of all", "values", "subjects by value, or quantiles"),
                rows,
                numeric=(2, 3, 4),
            )
            if rows
            else el("p", "The dataset holds no metadata."),
            el(
                "p",
                f"Groups of fewer than {c.k} subjects are not told here. Quantiles are 5, 25, 50, 75 and 95 %, every "
                "subject "
                "counting once; ends that would stand for few subjects are left out.",
                cls="small-print",
            ),
        ]
    )


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


def _findings(facts: ReportFacts, pictures: dict[str, str]) -> Markup:
    told = ("found", "inseparable", "explained", "unconfirmed")
    cards = [f for f in facts.findings.rows if f.verdict in told or f.kind in ("opposite", "outliers") or f.reviews]
    cards = [f for f in cards if f.kind not in _EXPLAINING]
    also: dict[str, list[Finding]] = {}
    first: dict[str, str] = {}
    for f in cards:
        if f.kind == "association" and first.setdefault(f.cluster, f.key) != f.key:
            also.setdefault(first[f.cluster], []).append(f)
    below = {f.key for rows in also.values() for f in rows}
    cards = [f for f in cards if f.key not in below]
    rest = cards[MOST_CARDS:]
    more = None
    if rest:
        more = el("details", el("summary", f"{len(rest):,} more, weaker"), finding_table(rest))
    notes = [el("p", f"Note: {n}", cls="small-print") for n in facts.findings.notes]
    return (
        join(
            [
                *(card(f, pictures, also.get(f.key, ())) for f in cards[:MOST_CARDS]),
                more,
                el("p", facts.findings.correction, ".", cls="small-print"),
                *notes,
            ]
        )
        if cards
        else Markup("")
    )


def _maps(maps: list[MapPicture]) -> Markup:
    cards = []
    for m in maps:
        if m.legend:
            legend = el("div", *(el("span", _swatch(c), f"{name} ({n:,})") for c, name, n in m.legend), cls="legend")
        else:
            ramp = f"background:linear-gradient(90deg,{','.join(RAMP)})"
            legend = el(
                "div",
                el("div", "", cls="ramp", style=ramp),
                el("div", el("span", number(m.ends[0], 4)), el("span", number(m.ends[1], 4)), cls="ends"),
            )
        grey = f", {m.n_grey:,} without a value in grey" if m.n_grey else ""
        cards.append(
            el(
                "figure",
                el("h3", m.field),
                el("img", src=m.uri, alt=f"The map coloured by {m.field}"),
                legend,
                el(
                    "figcaption",
                    f"{m.n:,} samples{grey}; 2 to 98 % of the values" if not m.legend else f"{m.n:,} samples{grey}",
                ),
                cls="card",
            )
        )
    if not cards:
        return Markup("")
    return join(
        [
            el(
                "p",
                "Every dot is one image or volume; what looks alike lies close together. Distances between far "
                "islands mean "
                "nothing.",
            ),
            el("div", *cards, cls="cards"),
        ]
    )


def _swatch(color: str) -> Markup:
    return el("span", "", cls="swatch", style=f"background:{color}")


def _probes(facts: ReportFacts) -> Markup:
    done = [r for r in facts.probes if not r.reason]
    if not done:
        return Markup("")
    form = {r: (number if r.metric == "MAE" else score) for r in done}
    rows = [
        (
            r.name,
            r.verdict,
            f"{r.metric} {form[r](r.score)}",
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
    strata = (
        table(
            ("field", "answer", "raw", "given these", "95 % interval", "p", "subjects"),
            [
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
            ],
            numeric=(2, 3, 5, 6),
        )
        if adjusted
        else None
    )
    return join(
        [
            el(
                "p",
                "From the embedding alone, in subjects the probe has not seen. Dots on or left of the dashed line are "
                "no "
                "better than guessing; filled dots are found over everything that was tested.",
            ),
            probe_chart(done),
            table(
                ("field", "verdict", "score", "95 % interval", "guessing", "p", "q", "finds from", "subjects"),
                rows,
                numeric=(4, 5, 6, 7, 8),
            ),
            el("h3", f"Given {', '.join(adjusted[0].adjusted.fields)}") if adjusted else None,
            strata,
        ]
    )


def _clusters(facts: ReportFacts) -> Markup:
    cards = []
    tests = facts.findings.of("association")
    for f in facts.findings.of("cluster"):
        mine = [t for t in tests if t.cluster == f.cluster and t.verdict not in ("not tested", "not found")][:5]
        lines = [
            el("li", el("span", t.verdict, cls=f"verdict {t.verdict.replace(' ', '-')}"), f"{t.field}: ", effect(t))
            for t in mine
        ]
        cards.append(
            el(
                "div",
                el("h3", f.cluster),
                el("p", f.sentence),
                el("ul", *lines) if lines else el("p", "No field tested goes with it.", cls="soft"),
                notes_of(f),
                cls="card",
            )
        )
    return el("div", *cards, cls="cards") if cards else Markup("")


def _sentences(facts: ReportFacts, kind: str) -> Markup:
    rows = [f for f in facts.findings.of(kind) if f.verdict not in ("not found", "not tested")]
    return el("ul", *(el("li", f.sentence) for f in rows)) if rows else Markup("")


def _drift(facts: ReportFacts) -> Markup:
    rows = facts.findings.of("drift")
    if not rows:
        return Markup("")
    years = [y for y, _ in facts.cohort.dates[1]]
    field = facts.cohort.dates[0]
    over = [r for r in facts.drift if r["over"] in (field, f"{field}_years") or f"{r['over']}_years" == field]
    chart = drift_chart(over, (min(years), max(years) + 1)) if years else None
    return join([chart, el("ul", *(el("li", f.sentence) for f in rows))])


#: kinds of findings that explain others
_EXPLAINING = ("explain", "counterfactual", "dynamics", "mitigation", "local", "sensitivity", "compare", "cluster")


def _explanations(facts: ReportFacts, pictures: dict[str, str]) -> Markup:
    rows = [f for f in facts.findings.rows if f.kind in _EXPLAINING and f.kind not in ("cluster", "sensitivity")]
    return join([card(f, pictures) for f in rows])


def _not_found(facts: ReportFacts, pictures: dict[str, str]) -> Markup:
    rows = [f for f in facts.of_verdict("not found") if f.kind not in _EXPLAINING]
    untested = facts.of_verdict("not tested")
    cells = []
    for f in rows:
        e = f.evidence
        would = f"{e.measure} {number(e.detectable)}" if e.detectable == e.detectable else ""
        interval = "" if e.interval[0] != e.interval[0] else f"{number(e.interval[0])} to {number(e.interval[1])}"
        value = "" if e.value != e.value else f"{e.measure} {number(e.value)}"
        cells.append((f.title, value, interval, p_value(e.q), would, f"{f.n_subjects:,}"))
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
    parts: list = [card(f, pictures) for f in facts.findings.of("sensitivity")]
    if cells:
        parts += [
            el(
                "p",
                "Asked, and no sign seen. The column “would have been found” gives the smallest effect that "
                "so many "
                "subjects show in four of five cohorts.",
            ),
            _shut(("what", "effect", "95 % interval", "q", "would have been found", "subjects"), cells, (3, 5)),
        ]
    if absent:
        parts.append(el("p", "Looked for, and none are there: " + ", ".join(absent) + "."))
    if untested:
        parts.append(
            el(
                "details",
                el("summary", f"{count(len(untested), 'question')} could not be asked"),
                el("ul", *(el("li", f.sentence) for f in untested)),
            )
        )
    return join(parts)


def _shut(head: tuple[str, ...], rows: list[tuple], numeric: tuple[int, ...]) -> Markup:
    """A table whose later rows open on a click; on paper they are there."""
    rest = rows[MOST_CARDS:]
    return join(
        [
            table(head, rows[:MOST_CARDS], numeric=numeric),
            el("details", el("summary", f"{len(rest):,} more"), table(head, rest, numeric=numeric)) if rest else None,
        ]
    )


def _method(facts: ReportFacts) -> Markup:
    model = [(k.replace("_", " "), v) for k, v in facts.checkpoint.items()]
    runs = [
        (name, made.replace("T", " ")[:16], "; ".join(f"{k}: {v}" for k, v in how))
        for name, made, how in _alike(facts.made)
    ]
    steps = [
        (s["label"], s["outcome"], s["summary"], f"{s['seconds']:.1f}" if s["outcome"] == "done" else "")
        for s in facts.steps
    ]
    versions = ", ".join(f"{k} {v}" for k, v in facts.versions.items())
    return join(
        [
            el(
                "p",
                "Each image is summed up by a diffusion autoencoder that learnt without labels (Graf et al., iMIMIC at "
                "MICCAI 2024); its embedding is probed with support vector machines on subjects held out, mapped with "
                "t-SNE, "
                "searched for islands, and every cluster is tested on a half of the subjects that was put aside "
                "before the "
                "map was drawn. Subjects are the unit of every fold, interval and permutation.",
            ),
            el("p", "Expected differences that were adjusted for: ", ", ".join(facts.expected) or "none", "."),
            el("h3", "The model") if model else None,
            table(("fact", "value"), model) if model else None,
            el("h3", "The audit") if steps else None,
            table(("step", "outcome", "result", "seconds"), steps, numeric=(3,)) if steps else None,
            el("h3", "The runs") if runs else None,
            table(("run", "made", "parameters"), runs) if runs else None,
            el("p", f"Versions: {versions}.", cls="small-print") if versions else None,
        ]
    )


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


def _datasheet(sheet: Datasheet) -> Markup:
    parts = []
    for section in sheet.sections:
        answers = ((el("dt", question), el("dd", answer, cls="lines")) for question, answer in section.answers)
        parts += [el("h3", section.title), el("dl", *answers)]
    return join(parts)
