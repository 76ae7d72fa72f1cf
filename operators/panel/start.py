"""The panel on a dataset that was not audited yet: where it stands, and the next step as a button."""

from __future__ import annotations

from dataclasses import dataclass

import fiftyone.operators.types as types

from fiftyone_daebias.verbs import VERBS

from ..bars import bar_of, button
from .audit_state import AuditState


@dataclass(frozen=True)
class Stage:
    """A stage of an audit: what it is, the verb behind it, and whether it is done."""

    name: str
    words: str
    command: str
    done: bool


def stages(state: AuditState | None, registered: bool) -> list[Stage]:
    """The stages of an audit, with what is done on a dataset."""
    kinds = {r.kind for r in state.runs} if state else set()
    found = [
        Stage("register", "Register images and a table", "register", registered),
        Stage("train", "Train the diffusion autoencoder", "train", bool(state and (state.trained or state.embedded))),
        Stage("embed", "Compute embeddings and the map", "embed", bool(state and state.embedded)),
        Stage("probe", "Ask what the embeddings know", "probe-all", "probe" in kinds),
        Stage("clusters", "Look for groups", "suggest-clusters", "cluster" in kinds),
        Stage("test", "Ask what the groups are", "test-clusters", "cluster tests" in kinds),
    ]
    known = {v.command for v in VERBS if v.in_app}
    return [s for s in found if s.command in known]


def add_stages(panel: types.Object, state: AuditState | None, registered: bool, open_verb) -> None:
    """Adds the stages as a line each, and buttons for what comes next.

    Args:
        panel: where to add them
        state: the audit
        registered: whether there are images
        open_verb: event that opens a verb's form
    """
    found = stages(state, registered)
    lines = [f"{'☑' if s.done else '☐'} {s.words}  " for s in found]
    panel.md("**Nothing was audited here yet.** The steps of an audit:\n\n" + "\n".join(lines), name="stages")
    todo = next((s for s in found if not s.done), None)
    row = bar_of(panel, "start_buttons")
    if todo is not None:
        button(
            row,
            f"start_{todo.name}",
            label=todo.words,
            icon="play_arrow",
            variant="contained",
            on_click=open_verb,
            params={"verb": todo.command},
        )
    if registered and any(v.command == "audit" for v in VERBS):
        button(
            row,
            "start_audit",
            label="Audit everything in one go",
            icon="fact_check",
            on_click=open_verb,
            params={"verb": "audit"},
        )
    if todo is not None and todo.name != "register":
        button(
            row,
            "start_other",
            label="Register another cohort",
            icon="add_photo_alternate",
            on_click=open_verb,
            params={"verb": "register"},
        )
