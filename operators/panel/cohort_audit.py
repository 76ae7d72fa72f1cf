"""The panel: tabs, tables and plots over what the library stored, and the clicks on them."""

from __future__ import annotations

import hashlib

import fiftyone.operators as foo
import fiftyone.operators.types as types

from fiftyone_daebias import schema, store
from fiftyone_daebias.findings.collect import Finding
from fiftyone_daebias.findings.finding import Selector
from fiftyone_daebias.verbs import VERBS

from ..bars import bar_of, button
from ..next_steps import AUDIT_PANEL, uri
from ..stop import background_runs, stop_background
from ..targets import default_target
from . import tabs
from .audit_state import AuditState, is_read, read_state
from .start import add_stages
from .story_steps import show_story
from .wording import FILTERS

TABS = (
    ("story", "Story"),
    ("findings", "Findings"),
    ("probes", "Probes"),
    ("sites", "Sites"),
    ("clusters", "Clusters"),
    ("time", "Time"),
    ("explain", "Explained"),
    ("sensitivity", "Sensitivity"),
    ("runs", "Runs"),
)
#: seconds between two looks at what others did: while something runs in the background, and otherwise
EVERY, IDLE = 3, 6
#: events that have nothing to leave on the screen meanwhile; any other keeps what is shown, and the focus in it
FIRST = ("on_load", "on_change_dataset")
HELP = (
    "What the embeddings of this cohort know that they need not, ranked by evidence. A click on a row shows its "
    "samples in the grid and on the map; the arrow beside it goes on from there."
)


class CohortAudit(foo.Panel):
    """Findings, probes, clusters, changes over time, explanations, sensitivity and runs of a dataset."""

    @property
    def config(self):
        return foo.PanelConfig(
            name=schema.PANEL_NAME,
            label="Cohort audit",
            icon="fact_check",
            help_markdown=HELP,
            surfaces="grid",
            category=foo.Categories.ANALYZE,
        )

    # --- events -------------------------------------------------------------------------------------------

    def execute(self, ctx):
        """An event, then the layout anew; one that changes nothing leaves the layout, and what has the focus, alone."""
        event, value = ctx.params.get("__method__"), ctx.params.get("value")
        # a list that is shown for the first time tells its default as if somebody had chosen it
        idle = {"tick": lambda: not self._news(ctx), "on_filter": lambda: value == self.filter_of(ctx)}
        if event in idle and idle[event]():
            return None
        return super().execute(ctx)

    def on_load(self, ctx):
        """Only renders."""

    def on_change_dataset(self, ctx):
        ctx.panel.set_state("tab", None)
        ctx.panel.set_state("chosen", None)

    def refresh(self, ctx):
        """Only renders again."""

    def read(self, ctx):
        """Reads what was found, while the panel says so; then it is shown."""
        read_state(ctx.dataset)

    def tick(self, ctx):
        """There is news: a run was queued, went on or came to its end, here or elsewhere."""
        now = {r["id"] for r in background_runs(ctx.dataset)}
        before = {run[0] for run in (ctx.panel.get_state("seen") or {}).get("running", ())}
        if before - now:  # what it made is there to be seen
            ctx.ops.reload_dataset()

    def _news(self, ctx) -> bool:
        return ctx.panel.get_state("seen") != _seen(ctx.dataset)

    def on_tab(self, ctx):
        ctx.panel.set_state("tab", ctx.params.get("value"))
        ctx.panel.set_state("chosen", None)

    def on_filter(self, ctx):
        ctx.panel.set_state("filter", ctx.params.get("value"))
        ctx.panel.set_state("more", 0)

    def on_more(self, ctx):
        ctx.panel.set_state("more", int(ctx.panel.get_state("more", 0) or 0) + 1)

    def choose_row(self, ctx):
        """A click on a row: its finding opens, and its samples are selected."""
        finding = self._of_row(ctx)
        if finding is not None:
            self._choose(ctx, finding)

    def choose_point(self, ctx):
        """A click on a point of a plot."""
        finding = read_state(ctx.dataset).finding(str(ctx.params.get("id")))
        if finding is not None:
            self._choose(ctx, finding)

    def choose_explained(self, ctx):
        ctx.panel.set_state("chosen", ctx.params.get("value"))

    def select_chosen(self, ctx):
        finding = self._chosen(ctx)
        if finding is not None:
            self._select(ctx, finding)

    def show_all(self, ctx):
        """Back to the whole dataset."""
        ctx.ops.set_extended_selection(reset=True)
        ctx.ops.set_view(ctx.dataset.view())

    def select_opposite(self, ctx):
        """The samples that a probe puts on the other side of their own label."""
        chosen = self._chosen(ctx)
        other = read_state(ctx.dataset).finding(f"opposite:{chosen.field}") if chosen is not None else None
        if other is not None:
            self._select(ctx, other)

    def close_detail(self, ctx):
        ctx.panel.set_state("chosen", None)

    def open_map(self, ctx):
        """The Embeddings panel; it keeps to itself which map it shows and what colours it."""
        ctx.ops.open_panel("Embeddings", layout="horizontal", is_active=True)

    def next_of_row(self, ctx):
        finding = self._of_row(ctx)
        if finding is not None:
            self._next(ctx, finding)

    def next_of_chosen(self, ctx):
        finding = self._chosen(ctx)
        if finding is not None:
            self._next(ctx, finding)

    def review_row(self, ctx):
        finding = self._of_row(ctx)
        if finding is not None:
            self._open(ctx, "review", {"finding": finding.key})

    def review_chosen(self, ctx):
        finding = self._chosen(ctx)
        if finding is not None:
            self._open(ctx, "review", {"finding": finding.key})

    def open_verb(self, ctx):
        """Opens a verb's form, as the operator browser would."""
        self._open(ctx, ctx.params.get("verb"), dict(ctx.params.get("values") or {}))

    def cluster_step(self, ctx):
        """A step about one cluster: test it, explain it, look for similar cases, edit it."""
        finding = self._of_row(ctx)
        if finding is not None:
            name = finding.cluster
            steps = {
                "test": ("test-clusters", {"names": [name]}),
                "explain": ("explain", {"cluster": name}),
                "similar": ("similar", {"cluster": name}),
                "edit": ("clusters", {"cluster": name, "action": "rename"}),
            }
            if (step := steps.get(str(ctx.params.get("event")))) is not None:
                self._open(ctx, *step)

    def story_step(self, ctx):
        """A click on a story's card."""
        state, step = read_state(ctx.dataset), str(ctx.params.get("step"))
        story = state.stories.by_key(str(ctx.params.get("story"))) if state.stories is not None else None
        if story is None:
            ctx.ops.notify("this story is no longer there; refresh the panel", variant="warning")
            return
        if step == "map":
            self.open_map(ctx)
        elif step == "next" and story.next_step is not None:
            self._open(ctx, story.next_step.verb, dict(story.next_step.params))
        elif step == "review" and story.findings:
            self._open(ctx, "review", {"finding": story.findings[0]})
        elif step == "findings" and story.findings:
            ctx.panel.set_state("tab", "findings")
            ctx.panel.set_state("filter", "all")
            ctx.panel.set_state("chosen", story.findings[0])
        elif step in ("samples", "pairs", "opposite", "tag", "view"):
            show_story(ctx, story, step, state.stories.expected)

    def show_field(self, ctx):
        """The samples that have a value of a field that a shared story is of."""
        field = str(ctx.params.get("field"))
        ctx.ops.set_extended_selection(reset=True)
        ctx.ops.set_view(Selector("field", field).view(ctx.dataset).sort_by(field))

    def delete_run(self, ctx):
        state, row = read_state(ctx.dataset), ctx.params.get("row")
        if isinstance(row, int) and 0 <= row < len(state.runs):
            self._open(ctx, "runs", {"action": "delete", "names": [state.runs[row].key]})

    def stop_run(self, ctx):
        run = self._background(ctx)
        if run is not None and run["open"]:
            ctx.ops.notify(stop_background(run), variant="info")

    def show_log(self, ctx):
        """The end of what a background run wrote; a second click puts it away."""
        run = self._background(ctx)
        shown = ctx.panel.get_state("log")
        ctx.panel.set_state("log", None if run is None or run["id"] == shown else run["id"])

    def _background(self, ctx) -> dict | None:
        """The background run of the row that was clicked; the open ones come first in either table."""
        found, row = background_runs(ctx.dataset, every=True), ctx.params.get("row")
        return found[row] if isinstance(row, int) and 0 <= row < len(found) else None

    def _tab(self, ctx, state: AuditState) -> str:
        """The tab that somebody chose; else the stories, once they were told or came with a bundle."""
        chosen = ctx.panel.get_state("tab")
        return chosen or ("findings" if state.stories is None and not state.received else "story")

    # --- what the events share ----------------------------------------------------------------------------

    def _of_row(self, ctx) -> Finding | None:
        """The finding of the row that was clicked, in the table as it is now."""
        state = read_state(ctx.dataset)
        shown = tabs.shown(state, self._tab(ctx, state), ctx.panel.state)
        row = ctx.params.get("row")
        return shown[row] if isinstance(row, int) and 0 <= row < len(shown) else None

    def _chosen(self, ctx) -> Finding | None:
        return read_state(ctx.dataset).finding(str(ctx.panel.get_state("chosen")))

    def _choose(self, ctx, finding: Finding) -> None:
        ctx.panel.set_state("chosen", finding.key)
        self._select(ctx, finding)

    def _select(self, ctx, finding: Finding) -> None:
        """Its samples in the grid, and on the map that is open."""
        if not finding.selector.kind:
            return
        view = finding.selector.view(ctx.dataset)
        n = store.count(view)
        if not n:
            ctx.ops.notify("none of its samples is in this dataset any more", variant="warning")
            return
        ctx.ops.set_extended_selection(reset=True)
        ctx.ops.set_view(view if n < store.count(ctx.dataset) else ctx.dataset.view())

    def _next(self, ctx, finding: Finding) -> None:
        if finding.next_step is not None:
            self._open(ctx, finding.next_step.verb, dict(finding.next_step.params))

    def _open(self, ctx, command: str | None, values: dict) -> None:
        verb = next((v for v in VERBS if v.command == command and v.in_app), None)
        if verb is None:
            ctx.ops.notify(f"there is no step {command!r} in the App", variant="warning")
            return
        values = {"view_target": default_target(verb, ctx), **values} if verb.method else values
        values[AUDIT_PANEL] = {"panel_id": ctx.panel.id, "panel_state": dict(ctx.panel_state)}
        ctx.prompt(uri(verb.command), params=values)

    # --- layout -------------------------------------------------------------------------------------------

    def render(self, ctx):
        panel = types.Object()
        running = background_runs(ctx.dataset)
        ctx.panel.set_state("seen", _seen(ctx.dataset))
        panel.view("clock", types.TimerView(on_interval=self.tick, interval=1000 * (EVERY if running else IDLE)))
        if ctx.dataset is None or not store.count(ctx.dataset):
            add_stages(panel, None, False, self)
        elif not is_read(ctx.dataset) and ctx.params.get("__method__") in FIRST:
            panel.view("reading", types.LoadingView(text="Reading what was found …"))
            panel.view("then", types.TimerView(on_timeout=self.read, timeout=1))
        else:
            state = read_state(ctx.dataset)
            if state.audited:
                self._audited(panel, ctx, state)
            else:
                add_stages(panel, state, True, self, ctx.dataset)
                tabs.add_background(panel, background_runs(ctx.dataset), self)
        # a grid's columns grow with their contents unless told otherwise
        fit = {"grid": {"sx": {"gridTemplateColumns": "minmax(0, 1fr)", "padding": "12px"}}}
        return types.Property(panel, view=types.GridView(orientation="vertical", gap=1, componentsProps=fit))

    def _audited(self, panel: types.Object, ctx, state: AuditState) -> None:
        tab = self._tab(ctx, state)
        if tab != "runs":
            tabs.add_background(panel, background_runs(ctx.dataset), self)
        # buttons, not the App's tabs: those change at once, over the contents of the tab before
        bar = bar_of(panel, "tabs")
        for name, label in TABS:
            n = tabs.count(state, name)
            button(
                bar,
                f"tab_{name}",
                f"{label} ({n})" if n else label,
                None,
                self.on_tab,
                params={"value": name},
                variant="contained" if name == tab else "outlined",
            )
        chosen = self._chosen(ctx)
        if chosen is not None and tab not in ("story", "runs", "explain", "sensitivity"):
            tabs.add_detail(panel, state, chosen, ctx.dataset, self)
        if tab == "runs":  # what was not asked yet is seen beside what was
            add_stages(panel, state, True, self, ctx.dataset)
        tabs.ADD[tab if tab in tabs.ADD else "findings"](panel, state, ctx, self)

    def filter_of(self, ctx) -> str:
        """The chosen part of the list."""
        chosen = ctx.panel.get_state("filter")
        return chosen if chosen in FILTERS else "open"

    def has_verb(self, command: str) -> bool:
        """Whether the App has an operator for a verb."""
        return any(v.command == command and v.in_app for v in VERBS)


def _seen(dataset) -> dict:
    """What the panel looks for between two clicks; costs no look at samples."""
    if dataset is None:
        return {}
    running = [[r["id"], r["state"], r["progress"]] for r in background_runs(dataset)]
    stored = hashlib.sha256(repr(sorted(store.run_times(dataset).items())).encode()).hexdigest()[:16]
    return {"dataset": dataset.name, "stored": stored, "running": running}
