"""The steps of an audit: what each answers, how long it takes, whether it is done, and the next one as a button."""

from __future__ import annotations

from dataclasses import dataclass

import fiftyone.operators.types as types

from fiftyone_daebias import estimates, schema, store, verbs
from fiftyone_daebias.analyses import ANALYSES
from fiftyone_daebias.errors import DaebiasError
from fiftyone_daebias.reporting.audit_steps import LINE
from fiftyone_daebias.verbs import VERBS

from ..bars import bar_of, button
from .audit_state import AuditState

#: {step: (the step in words, the question it answers)}
STEPS = {
    "register": ("Register images and a table", "which images and people are there?"),
    "duplicates": ("Look for copies and leaks", "is a picture there twice, or a person on both sides of a split?"),
    "train": ("Train the diffusion autoencoder", "what do these images look like? (by far the longest step)"),
    "embed": ("Compute embeddings and the map", "which images look alike?"),
    "story": ("Put findings together by their causes", "what is one thing, and what might a model make of it?"),
    "report": ("Write the report", "what is handed to others?"),
    **{a.step.command: a.step.listed for a in ANALYSES if a.step and a.step.listed[0]},
}
#: {step: kind of the runs that it leaves}
_KINDS = {a.step.command: a.run_label for a in ANALYSES if a.step}


@dataclass(frozen=True)
class Stage:
    """A step of an audit.

    Attributes:
        name: its verb's command
        words: what it does
        answers: the question it answers
        done: whether it was done on this dataset
        takes: how long it takes, from earlier runs on this machine; "" where nothing like it has run
    """

    name: str
    words: str
    answers: str
    done: bool
    takes: str = ""


def stages(state: AuditState | None, registered: bool, dataset=None) -> list[Stage]:
    """The steps of an audit in their order, with what is done on a dataset."""
    kinds = {r.kind for r in state.runs} if state else set()
    done = {step for step, kind in _KINDS.items() if kind in kinds} | _recorded(dataset)
    done |= {"register"} if registered else set()
    done |= {"train"} if state and (state.trained or state.embedded) else set()
    done |= {"embed"} if state and state.embedded else set()
    known = {v.command: v for v in VERBS if v.in_app}
    return [
        Stage(name, *STEPS[name], name in done, "" if name in done else _takes(known[name], dataset))
        for name in ("register", *(s.name for s in LINE if s.name not in ("register", "sensitivity")))
        if name in known and name in STEPS
    ]


def _recorded(dataset) -> set[str]:
    """Steps that the last audit did, and "duplicates" where its field is there."""
    if dataset is None:
        return set()
    found = {"duplicates"} if store.has_field(dataset, schema.DUPLICATE_FIELD) else set()
    if store.list_runs(dataset, schema.AUDIT_RUN):
        _, results = store.load_run(dataset, schema.AUDIT_RUN)
        steps = results.get("steps") or ()
        found |= {s["name"] for s in steps if s.get("outcome") not in ("off", "failed", "not possible")}
    return found


def _takes(verb: verbs.Verb, dataset) -> str:
    if dataset is None or not verb.method:
        return ""
    try:
        found = estimates.estimate(verb, dataset, {})
    except DaebiasError:
        return ""
    return f"about {estimates.duration_words(found.seconds)}" if found else ""


def add_stages(panel: types.Object, state: AuditState | None, registered: bool, events, dataset=None) -> None:
    """Adds the steps as a line each, and buttons for what comes next.

    Args:
        panel: where to add them
        state: the audit
        registered: whether there are images
        events: the panel, for its events
        dataset: the dataset, for what was done on it and how long the rest takes
    """
    found = stages(state, registered, dataset)
    lines = [
        f"{'☑' if s.done else '☐'} {s.words}: *{s.answers}*" + (f" ({s.takes})" if s.takes else "") + "  "
        for s in found
    ]
    told = (
        "The steps of an audit"
        if state and state.audited
        else "**Nothing was audited here yet.** The steps of an audit"
    )
    if any(not s.done and not s.takes for s in found[1:]):
        told += " (a step that never ran on this machine has no time yet)"
    panel.md(f"{told}:\n\n" + "\n".join(lines), name="stages")
    todo = next((s for s in found if not s.done), None)
    row = bar_of(panel, "start_buttons")
    if registered and any(v.command == "audit" for v in VERBS):
        button(
            row,
            "start_audit",
            label="Run all open steps in one go",
            icon="fact_check",
            variant="contained",
            on_click=events.open_verb,
            params={"verb": "audit"},
        )
    if todo is not None:
        button(
            row,
            f"start_{todo.name.replace('-', '_')}",
            label=f"Only the next: {todo.words}" if registered else todo.words,
            icon="play_arrow",
            variant="outlined" if registered else "contained",
            on_click=events.open_verb,
            params={"verb": todo.name},
        )
    if registered:
        button(
            row,
            "start_other",
            label="Register another cohort",
            icon="add_photo_alternate",
            on_click=events.open_verb,
            params={"verb": "register"},
        )
        button(row, "start_refresh", label="Refresh", icon="refresh", on_click=events.refresh)
