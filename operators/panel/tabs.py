"""The panel's tabs: each adds its tables, plots and buttons."""

from __future__ import annotations

from collections.abc import Callable

import fiftyone.operators.types as types

from fiftyone_daebias import run_listing, schema, store
from fiftyone_daebias.analyses import kinds_of_tab, load, of_tab
from fiftyone_daebias.findings.collect import Finding
from fiftyone_daebias.findings.multiplicity import PROVISIONAL
from fiftyone_daebias.rendering import plain

from ..bars import NARROW, UNFOCUSED, bar_of, button
from . import plots, wording
from .audit_state import AuditState
from .figures import add_figures
from .story_tab import add_stories

#: rows shown before "more" is clicked
PAGE = 25
#: the App's tables are wider than half a screen unless told otherwise
_COMPACT = {
    "table": {"sx": {"minWidth": 0}},
    "tableHeadCell": {"sx": {"fontSize": "0.8rem", "padding": "4px 8px", "color": "text.secondary"}},
    "tableBodyCell": {"sx": {"fontSize": "0.85rem", "padding": "3px 8px", "cursor": "pointer"}},
}
#: verdicts of a difference that is there, whatever it is
_SEEN = ("found", "inseparable", "explained")
_KINDS = {tab: kinds_of_tab(tab) for tab in ("sites", "probes", "clusters", "time", "explain", "sensitivity")}


def count(state: AuditState, tab: str) -> int:
    """The number beside a tab's name."""
    if tab == "runs":
        return len(state.runs)
    if tab == "story":
        own = len(state.stories.rows) if state.stories is not None else 0
        return own + sum(len(r.stories) for r in state.received)
    if tab == "findings":
        return sum(f.verdict == "found" for f in state.findings.rows)
    return len(state.of(*_KINDS[tab]))


def shown(state: AuditState, tab: str, panel_state) -> list[Finding]:
    """Findings of a tab's table, in the order of its rows."""
    if tab == "findings":
        chosen = panel_state.filter if panel_state.filter in wording.FILTERS else "open"
        rows = [f for f in state.findings.rows if wording.matches(f, chosen)]
    else:
        rows = state.of(*_KINDS.get(tab, ()))
        if tab == "probes":
            rows = sorted(rows, key=lambda f: -_or_low(plots.over_chance(f)[0]))
    return rows[: PAGE * (1 + int(panel_state.more or 0))]


def _or_low(value: float) -> float:
    return value if value == value else -1e9


def _table(section: types.Object, name: str, columns: dict[str, str], rows: list[dict], actions=(), **view) -> None:
    """Adds a table; its actions are added before the property is, which keeps a copy of its view."""
    table = types.TableView(size="small", actions_label=" ", componentsProps=_COMPACT, **view)
    for key, label in columns.items():
        table.add_column(key, label=label)
    for action in actions:
        table.add_row_action(**action)
    section.list(name, types.Object(), default=rows, view=table)


def _row_actions(findings: list[Finding], panel) -> list[dict]:
    """Open, since a row is out of the keyboard's reach; the next step, where a finding has one; and the review."""
    actions = [{"name": "open", "on_click": panel.choose_row, "icon": "visibility", "tooltip": "Open this finding"}]
    steps = [f.next_step is not None for f in findings]
    if any(steps):
        actions.append(
            {
                "name": "next",
                "on_click": panel.next_of_row,
                "icon": "arrow_forward",
                "tooltip": "Next step",
                "rows": steps,
            }
        )
    if panel.has_verb("review"):
        actions.append(
            {"name": "review", "on_click": panel.review_row, "icon": "rate_review", "tooltip": "Review this finding"}
        )
    return actions


def add_findings(section: types.Object, state: AuditState, ctx, panel) -> None:
    """Everything that was asked, ranked by evidence."""
    chosen = panel.filter_of(ctx)
    every = [f for f in state.findings.rows if wording.matches(f, chosen)]
    view = types.DropdownView(componentsProps={**NARROW, **UNFOCUSED})
    for name, label in wording.FILTER_LABELS.items():
        n = sum(wording.matches(f, name) for f in state.findings.rows)
        view.add_choice(name, label=f"{label} ({n})")
    bar = bar_of(section, "bar")
    bar.enum("filter", list(wording.FILTERS), default=chosen, view=view, on_change=panel.on_filter)
    _bar_buttons(bar, state, panel)
    rows = shown(state, "findings", ctx.panel.state)
    if not rows:
        section.md("Nothing in this part of the list.", name="none")
        return
    _table(
        section,
        "findings_table",
        {
            "what": "Finding",
            "verdict": "Verdict",
            "effect": "Effect, 95 % interval",
            "q": "q",
            "subjects": "Subjects",
            "review": "Review",
        },
        [
            {
                "id": f.key,
                "what": f.title,
                "verdict": wording.SIGNS.get(f.verdict, f.verdict),
                "effect": wording.effect(f),
                "q": wording.p_value(f.evidence.q),
                "subjects": wording.counts(f),
                "review": wording.review(f),
            }
            for f in rows
        ],
        _row_actions(rows, panel),
        on_click_row=panel.choose_row,
        max_inline_actions=3,
    )
    _more(section, len(rows), len(every), panel)
    section.md(f"_{_correction(state, ctx)}_", name="correction")


def _correction(state: AuditState, ctx) -> str:
    """What the verdicts span, and whether they may still change."""
    from ..stop import background_runs

    text = state.findings.correction
    return f"{text}; {PROVISIONAL}: a run is under way" if background_runs(ctx.dataset) else text


def _bar_buttons(bar: types.Object, state: AuditState, panel) -> None:
    button(bar, "show_all", label="All samples", icon="apps", on_click=panel.show_all)
    if state.maps:
        button(bar, "open_map", label="Map", icon="scatter_plot", on_click=panel.open_map)
    if panel.has_verb("report"):
        button(bar, "report", label="Report", icon="description", on_click=panel.open_verb, params={"verb": "report"})
    button(bar, "refresh", label="Refresh", icon="refresh", on_click=panel.refresh)


def _more(section: types.Object, n: int, total: int, panel) -> None:
    if n < total:
        section.btn("more", label=f"{total - n} more", icon="expand_more", on_click=panel.on_more)


def add_probes(section: types.Object, state: AuditState, ctx, panel) -> None:
    """Scores against chance."""
    rows = state.of("probe")
    if not rows:
        _empty(section, "No field was probed yet.", "probe-all", "Probe every field", panel)
        return
    spec = plots.probe_plot(rows)
    section.plot(
        "probe_plot",
        data=spec["data"],
        layout=spec["layout"],
        on_click=panel.choose_point,
        config={"displayModeBar": False, "scrollZoom": False},
        height=f"{spec['layout']['height']}px",
    )
    listed = shown(state, "probes", ctx.panel.state)
    _table(
        section,
        "probes_table",
        {
            "what": "Field",
            "verdict": "Verdict",
            "effect": "Score (95 % interval)",
            "chance": "Chance",
            "q": "q",
            "finds": "Would find",
            "subjects": "Subjects",
        },
        [
            {
                "id": f.key,
                "what": wording.probe_name(f),
                "verdict": wording.SIGNS.get(f.verdict, f.verdict),
                "effect": wording.effect(f),
                "chance": wording.chance(f),
                "q": wording.p_value(f.evidence.q),
                "finds": wording.number(f.evidence.detectable),
                "subjects": wording.counts(f),
            }
            for f in listed
        ],
        _row_actions(listed, panel),
        on_click_row=panel.choose_row,
        max_inline_actions=3,
    )
    _more(section, len(listed), len(rows), panel)


def add_clusters(section: types.Object, state: AuditState, ctx, panel) -> None:
    """Clusters, each with what it has in common."""
    rows = shown(state, "clusters", ctx.panel.state)
    if not rows:
        _empty(
            section,
            "There are no clusters yet: draw a lasso in the Embeddings panel and run 'Name the lassoed cluster', or",
            "suggest-clusters",
            "Suggest clusters",
            panel,
        )
        return
    facts = {
        r.config.get("cluster", {}).get("name"): r.config["cluster"]
        for r in store.run_facts(ctx.dataset, schema.CLUSTER_RUN_PREFIX)
        if r.config.get("cluster")
    }
    _table(
        section,
        "clusters_table",
        {"what": "Cluster", "samples": "Samples", "subjects": "Subjects", "origin": "Drawn", "common": "In common"},
        [
            {
                "id": f.key,
                "what": f.cluster or f.title,
                "samples": f"{f.n_samples:,}",
                "subjects": f"{f.n_subjects:,}",
                "origin": _origin(facts.get(f.cluster, {})),
                "common": _in_common(state, f.cluster),
            }
            for f in rows
        ],
        _cluster_actions(panel),
        on_click_row=panel.choose_row,
        max_inline_actions=1,
    )
    _more(section, len(rows), len(state.of("cluster")), panel)
    bar = bar_of(section, "clusters_bar")
    button(
        bar,
        "test_all",
        label="Test all clusters",
        icon="biotech",
        on_click=panel.open_verb,
        params={"verb": "test-clusters"},
    )
    _bar_buttons(bar, state, panel)


def _cluster_actions(panel) -> list[dict]:
    steps = (
        ("test", "test-clusters", "biotech", "What is it? Test it"),
        ("explain", "explain", "image_search", "Where and what is the difference?"),
        ("similar", "similar", "travel_explore", "Similar cases"),
        ("edit", "clusters", "edit", "Rename, merge or delete"),
    )
    return [{"name": "open", "on_click": panel.choose_row, "icon": "visibility", "label": "Open"}] + [
        {"name": name, "on_click": panel.cluster_step, "icon": icon, "label": label}
        for name, command, icon, label in steps
        if panel.has_verb(command)
    ]


def _origin(facts: dict) -> str:
    words = facts.get("origin", "") + (" (proposed)" if facts.get("proposed") else "")
    stability = facts.get("stability")
    return words + (f", stability {stability:.2f}" if isinstance(stability, (int, float)) else "")


def _with_it(finding: Finding) -> str:
    size = wording.effect(finding).partition(" [")[0]
    return f"{finding.field} ({size}{'' if finding.verdict == 'found' else ', ' + finding.verdict})"


def _in_common(state: AuditState, cluster: str) -> str:
    found = [f for f in state.of("association") if f.cluster == cluster and f.verdict in _SEEN]
    if found:
        return "; ".join(_with_it(f) for f in found[:3])
    asked = any(f.cluster == cluster for f in state.of("association"))
    return "nothing found" if asked else "not tested yet"


def add_time(section: types.Object, state: AuditState, ctx, panel) -> None:
    """Changes over time and versions, and what neighbours tell."""
    by_key = {f.key: f for f in state.findings.rows}
    for a in (a for a in of_tab("time") if a.rows):
        spec = plots.time_plot(load(a.rows)(ctx.dataset, by_key), a.key)
        if spec is not None:
            section.plot(
                f"{a.name}_plot",
                data=spec["data"],
                layout=spec["layout"],
                on_click=panel.choose_point,
                config={"displayModeBar": False, "scrollZoom": False},
                height=f"{spec['layout']['height']}px",
            )
    rows = shown(state, "time", ctx.panel.state)
    if not rows:
        first = of_tab("time")[0].step
        _empty(section, "Changes over time were not looked for yet.", first.command, first.listed[0], panel)
        return
    _listed(section, rows, state, "time", panel)


def add_sites(section: types.Object, state: AuditState, ctx, panel) -> None:
    """What is asked of people and images without an embedding: do they differ between sites?"""
    rows = shown(state, "sites", ctx.panel.state)
    if not rows:
        first = of_tab("sites")[0].verbs[0]
        _empty(section, "Nothing was asked of people and images yet.", first["command"], first["label"], panel)
        return
    _listed(section, rows, state, "sites", panel)


def _listed(section: types.Object, rows: list[Finding], state: AuditState, tab: str, panel) -> None:
    """Findings as a plain table."""
    _table(
        section,
        f"{tab}_table",
        {"what": "Finding", "verdict": "Verdict", "effect": "Effect", "q": "q", "subjects": "Subjects"},
        [
            {
                "id": f.key,
                "what": f.title,
                "verdict": wording.SIGNS.get(f.verdict, f.verdict),
                "effect": wording.effect(f),
                "q": wording.p_value(f.evidence.q),
                "subjects": wording.counts(f),
            }
            for f in rows
        ],
        _row_actions(rows, panel),
        on_click_row=panel.choose_row,
        max_inline_actions=3,
    )
    _more(section, len(rows), len(state.of(*_KINDS[tab])), panel)


def add_explain(section: types.Object, state: AuditState, ctx, panel) -> None:
    """One explanation at a time, with its figures."""
    _figured(section, state, ctx, panel, "explain", "Nothing was explained yet.", "explain", "Explain a difference")


def add_sensitivity(section: types.Object, state: AuditState, ctx, panel) -> None:
    """What would have been found."""
    _figured(
        section,
        state,
        ctx,
        panel,
        "sensitivity",
        "It was not measured yet what would have been found.",
        "sensitivity",
        "Measure the sensitivity",
    )


def _figured(section, state, ctx, panel, tab: str, nothing: str, command: str, label: str) -> None:
    rows = state.of(*_KINDS[tab])
    if not rows:
        _empty(section, nothing, command, label, panel)
        return
    chosen = state.finding(str(ctx.panel.get_state("chosen")))
    if chosen is None or chosen.kind not in _KINDS[tab]:
        chosen = rows[0]
    if len(rows) > 1:
        view = types.DropdownView(componentsProps=UNFOCUSED)
        for f in rows:
            view.add_choice(f.key, label=f.title)
        section.enum(
            f"{tab}_which", [f.key for f in rows], default=chosen.key, view=view, on_change=panel.choose_explained
        )
    add_detail(section, state, chosen, ctx.dataset, panel)


def add_runs(section: types.Object, state: AuditState, ctx, panel) -> None:
    """What was computed, when, how large, and what goes with it."""
    from ..stop import background_runs

    add_background(section, background_runs(ctx.dataset, every=True)[:PAGE], panel, ctx.panel.get_state("log"))
    _table(
        section,
        "runs_table",
        {"kind": "What", "key": "Run", "created": "Made (UTC)", "size": "Size", "owns": "Goes with it"},
        [
            {
                "id": r.key,
                "kind": r.kind + (" (older version)" if r.outdated else ""),
                "key": r.key.removeprefix("daebias_"),
                "created": wording.when(r.created),
                "size": run_listing.size_words(r.size).replace(" ", "\u00a0"),
                "owns": _owned(r),
            }
            for r in state.runs
        ],
        [
            {
                "name": "delete",
                "on_click": panel.delete_run,
                "icon": "delete",
                "tooltip": "Delete with all that goes with it",
            }
        ],
        max_inline_actions=1,
        tooltips=[
            types.Tooltip(row=k, column=4, value=r.owned_artifacts)
            for k, r in enumerate(state.runs)
            if r.owned_artifacts
        ],
    )
    bar = bar_of(section, "runs_bar")
    button(bar, "refresh", label="Refresh", icon="refresh", on_click=panel.refresh)


def _owned(run: run_listing.StoredRun) -> str:
    """What goes with a run, counted; the names are in the tooltip."""
    parts = [
        f"{len(values)} {word if len(values) > 1 else word.rstrip('s')}"
        for word, values in (
            ("fields", run.fields),
            ("tags", run.tags),
            ("views", run.views),
            ("maps", run.brain_keys),
            ("evaluations", run.evaluations),
        )
        if values
    ]
    return ", ".join(parts) or "–"


def add_background(section: types.Object, found: list[dict], panel, log: str | None = None) -> None:
    """Runs in the background, each with its log and, while it waits or runs, a button that stops it.

    Args:
        section: where to add them
        found: the runs
        panel: the panel
        log: run whose log is shown
    """
    if not found:
        return
    section.md("**In the background**", name="background_title")
    _table(
        section,
        "background_table",
        {"label": "What", "state": "State", "progress": "Progress", "when": "Since (UTC)"},
        [
            {
                "id": r["id"],
                "label": r["label"].removeprefix("Cohort audit: "),
                "state": r["state"],
                "progress": (r["progress"] if r["open"] else r["error"]) or "–",
                "when": r["when"].strftime("%d %b %H:%M").replace(" ", "\u00a0"),
            }
            for r in found
        ],
        [
            {
                "name": "stop",
                "on_click": panel.stop_run,
                "icon": "stop_circle",
                "tooltip": "Stop",
                "rows": [r["open"] for r in found],
            },
            {"name": "log", "on_click": panel.show_log, "icon": "subject", "tooltip": "Show or hide its log"},
        ],
        max_inline_actions=2,
    )
    if run := next((r for r in found if r["id"] == log), None):
        from ..stop import log_of

        lines = [plain(line) for line in log_of(run).splitlines()]
        section.md(f"**Log of {plain(run['label'])}**\n\n" + "  \n".join(lines), name="background_log")


def add_detail(section: types.Object, state: AuditState, finding: Finding, dataset, panel) -> None:
    """A finding in words, with its figures and the way onward."""
    fit = {"grid": {"sx": {"gridTemplateColumns": "minmax(0, 1fr)", "padding": "8px 12px"}}}
    detail = section.v_stack("detail", gap=1, variant="outline", componentsProps=fit)
    lines = [f"**{finding.title}**", "", finding.sentence]
    e = finding.evidence
    if e.p == e.p and e.p is not None:
        lines.append(
            f"\np {wording.p_value(e.p)}, q {wording.p_value(e.q)} over {state.findings.n_tests:,} tests"
            + (
                f"; within expected differences q {wording.p_value(e.q_within)}"
                if e.q_within == e.q_within and e.q_within is not None and e.q_within != e.q
                else ""
            )
        )
    lines += [f"\n{note}" for note in finding.notes]
    lines += [
        f"\n{r.status} by {r.author or 'somebody'} on {r.date[:10]}" + (f": {r.note}" if r.note else "")
        for r in finding.reviews
    ]
    detail.md("\n".join(lines), name="detail_text")
    bar = bar_of(detail, "detail_bar")
    if finding.selector.kind:
        button(
            bar,
            "detail_select",
            label="Show its samples",
            icon="grid_view",
            variant="contained",
            on_click=panel.select_chosen,
        )
    opposite = state.finding(f"opposite:{finding.field}") if finding.kind == "probe" and finding.field else None
    if opposite is not None:
        button(
            bar,
            "detail_opposite",
            label=f"The {opposite.n_samples:,} on the other side",
            icon="flip",
            variant="outlined",
            on_click=panel.select_opposite,
        )
    if finding.next_step is not None:
        button(bar, "detail_next", label=finding.next_step.label, icon="arrow_forward", on_click=panel.next_of_chosen)
    if panel.has_verb("review"):
        button(bar, "detail_review", label="Review", icon="rate_review", on_click=panel.review_chosen)
    if state.maps:
        button(bar, "detail_map", label="Map", icon="scatter_plot", on_click=panel.open_map)
    if finding.kind not in (*_KINDS["explain"], *_KINDS["sensitivity"]):
        button(bar, "detail_close", label="Close", icon="close", on_click=panel.close_detail)
    add_figures(detail, dataset.name, finding.figures)


def _empty(section: types.Object, words: str, command: str, label: str, panel) -> None:
    section.md(words, name="empty")
    if panel.has_verb(command):
        section.btn(
            "empty_start",
            label=label,
            icon="play_arrow",
            variant="contained",
            on_click=panel.open_verb,
            params={"verb": command},
        )


#: what each tab adds
ADD: dict[str, Callable] = {
    "story": add_stories,
    "findings": add_findings,
    "probes": add_probes,
    "sites": add_sites,
    "clusters": add_clusters,
    "time": add_time,
    "explain": add_explain,
    "sensitivity": add_sensitivity,
    "runs": add_runs,
}
