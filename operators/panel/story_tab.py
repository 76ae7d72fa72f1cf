"""The panel's first screen: the stories as cards, with one click each for what a person does next."""

from __future__ import annotations

import fiftyone.operators.types as types

from fiftyone_daebias import store
from fiftyone_daebias.findings.formatting import count
from fiftyone_daebias.rendering import plain
from fiftyone_daebias.sharing.shared_stories import Received
from fiftyone_daebias.stories.facts import Story
from fiftyone_daebias.stories.risk_wording import VERDICTS
from fiftyone_daebias.stories.wording import cohort_line, rest_line, tell

from ..bars import bar_of, button
from .audit_state import AuditState
from .figures import add_figures

#: stories shown as cards; the others are one click away in the list of findings
MOST = 8
_FIT = {"grid": {"sx": {"gridTemplateColumns": "minmax(0, 1fr)", "padding": "8px 12px"}}}


def add_stories(section: types.Object, state: AuditState, ctx, panel) -> None:
    """The cohort in one line, then a card a story."""
    stories = state.stories
    for n, received in enumerate(state.received):
        _add_received(section, n, received, ctx.dataset, panel)
    if stories is None:
        if state.received and not state.findings.rows:
            return
        section.md(
            "The findings were not yet put together by their causes, or have changed since.", name="stories_none"
        )
        bar = bar_of(section, "stories_bar")
        if panel.has_verb("story"):
            button(bar, "tell_stories", "Tell the story", "auto_stories", panel.open_verb, params={"verb": "story"})
        button(bar, "refresh", label="Refresh", icon="refresh", on_click=panel.refresh)
        return
    section.md(f"**{plain(cohort_line(stories))}**", name="cohort_line")
    for k, story in enumerate(stories.rows[:MOST]):
        _card(section, k, story, stories.n_tests, ctx.dataset, state, panel)
    rest = rest_line(stories)
    more = len(stories.rows) - MOST
    told = count(more, "more story in the report", "more stories in the report") if more > 0 else ""
    text = "; ".join(t for t in (told, rest) if t)
    if text:
        section.md(plain(text), name="stories_rest")
    bar = bar_of(section, "stories_bar")
    button(bar, "show_all", label="All samples", icon="apps", on_click=panel.show_all)
    if panel.has_verb("report"):
        button(bar, "report", label="Report", icon="description", on_click=panel.open_verb, params={"verb": "report"})
    button(bar, "refresh", label="Refresh", icon="refresh", on_click=panel.refresh)


def _add_received(section, n: int, received: Received, dataset, panel) -> None:
    """What somebody else found in their copy of these images."""
    who = "somebody who did not sign it" if received.signer == "unsigned" else received.signer
    section.md(
        f"**Shared by {plain(who)}**, written {received.created[:10]} (bundle {received.bundle[:8]}); found in their "
        "copy of these images, not tested again here",
        name=f"received_{n}",
    )
    for k, story in enumerate(received.stories[:MOST]):
        card = section.v_stack(f"received_{n}_{k}", gap=1, variant="outline", componentsProps=_FIT)
        behind = [received.findings[key] for key in story.findings if key in received.findings]
        lines = [f"{f['verdict']}: {f['sentence']} ({f['n_subjects']:,} subjects)" for f in behind]
        text = "\n\n".join(plain(line) for line in lines)
        card.md(f"**{k + 1}. {plain(story.headline)}**\n\n{text}", name=f"received_text_{n}_{k}")
        if story.lead and store.has_field(dataset, story.lead):
            button(
                bar_of(card, f"received_bar_{n}_{k}"),
                f"received_samples_{n}_{k}",
                label=f"Samples with {story.lead}",
                icon="grid_view",
                on_click=panel.show_field,
                params={"field": story.lead},
            )


def _card(section, k: int, story: Story, n_tests: int, dataset, state: AuditState, panel) -> None:
    told = tell(story, n_tests)
    card = section.v_stack(f"story_{k}", gap=1, variant="outline", componentsProps=_FIT)
    lines = [told.much, told.who, told.sure, told.risk, f"Goes with: {told.near}." if told.near else ""]
    text = "\n\n".join(plain(t) for t in lines if t)
    verdict = f" ({VERDICTS[story.risk.verdict]})" if story.risk is not None else ""
    card.md(
        f"**{k + 1}. {plain(told.headline)}**{verdict}\n\n{text}\n\n**Next:** {plain(told.todo)}",
        name=f"story_text_{k}",
    )
    add_figures(card, dataset.name, story.figures)
    bar = bar_of(card, f"story_bar_{k}")
    for step, label, icon in _steps(story, state, panel):
        button(
            bar,
            f"story_{step}_{k}",
            label=label,
            icon=icon,
            on_click=panel.story_step,
            params={"story": story.key, "step": step},
        )


def _steps(story: Story, state: AuditState, panel) -> list[tuple[str, str, str]]:
    """What can be done from a card: its name, its label and its icon."""
    out = []
    if story.selector.kind:
        out.append(("samples", "Samples", "grid_view"))
    if story.kind == "field":
        out.append(("pairs", "Examples side by side", "compare"))
    if story.opposite:
        out.append(("opposite", "Looks like another", "swap_horiz"))
    if state.maps:
        out.append(("map", "Map", "scatter_plot"))
    if story.next_step is not None and panel.has_verb(story.next_step.verb):
        out.append(("next", story.next_step.label, "arrow_forward"))
    if story.selector.kind:
        if story.n_samples < state.n_samples:
            out.append(("tag", "Tag", "sell"))
        out.append(("view", "Shared view", "bookmark_add"))
    if story.findings:
        out.append(("findings", f"{len(story.findings)} behind it", "list"))
        if panel.has_verb("review"):
            out.append(("review", "Review", "rate_review"))
    return out
