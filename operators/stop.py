"""Stopping a run: from its own dialog, and one that runs in the background."""

from __future__ import annotations

import fiftyone.operators as foo
import fiftyone.operators.types as types
from fiftyone.operators.delegated import DelegatedOperationService

from fiftyone_daebias import run_queue
from fiftyone_daebias.plugin import PLUGIN_NAME
from fiftyone_daebias.verbs import VERBS

from .live import StopFlag

#: states of a background run that may still be stopped
_OPEN = ("scheduled", "queued", "running")


class StopRun(foo.Operator):
    """Asks an immediate run to stop; its button "Stop" calls it."""

    @property
    def config(self):
        return foo.OperatorConfig(name="stop_run", label="Cohort audit: Stop", unlisted=True)

    def execute(self, ctx):
        token = str(ctx.params.get("token") or "")
        if token:
            StopFlag(token).set()
            ctx.ops.notify("Stopping at the next step; what was finished is kept", variant="info")
        return {}


class StopBackgroundRun(foo.Operator):
    """Stops a run of this plugin that was sent to the background."""

    @property
    def config(self):
        return foo.OperatorConfig(
            name="stop_background_run",
            label="Cohort audit: Stop a background run",
            description="Asks a run in the background to stop at its next step; what it had finished is kept",
            icon="stop_circle",
            dynamic=True,
        )

    def resolve_input(self, ctx):
        inputs = types.Object()
        open_runs = background_runs(ctx.dataset)
        if not open_runs:
            inputs.view("none", types.Notice(label="Nothing of this plugin waits or runs in the background"))
            return types.Property(inputs, invalid=True, error_message="nothing runs in the background")
        view = types.AutocompleteView()
        for run in open_runs:
            view.add_choice(run["id"], label=f"{run['label']}: {run['state']} {run['progress']}".strip())
        inputs.enum(
            "run", [r["id"] for r in open_runs], required=True, label="Run", view=view, default=open_runs[0]["id"]
        )
        return types.Property(inputs, view=types.PromptView(label="Stop a background run", submit_button_label="Stop"))

    def execute(self, ctx):
        chosen = str(ctx.params.get("run") or "")
        run = next((r for r in background_runs(ctx.dataset) if r["id"] == chosen), None)
        if run is None:
            raise ValueError(f"there is no open background run {chosen!r}; it may be done already")
        return {"run": chosen, "how": stop_background(run)}

    def resolve_output(self, ctx):
        outputs = types.Object()
        outputs.str("how", label="Stop a background run")
        return types.Property(outputs)


def background_runs(dataset, every: bool = False) -> list[dict]:
    """Runs of this plugin on a dataset that wait or run in the background, newest first; ``every``: also past ones."""
    if dataset is None:
        return []
    found = DelegatedOperationService().list_operations(dataset_name=dataset.name)
    out = []
    for operation in found:
        if operation.operator.startswith(PLUGIN_NAME + "/") and (every or operation.run_state in _OPEN):
            status = operation.status
            error = getattr(operation.result, "error", None)
            out.append(
                {
                    "id": str(operation.id),
                    "label": _label(operation),
                    "state": operation.run_state,
                    "progress": (status.label or "") if status else "",
                    "share": status.progress if status else None,
                    "open": operation.run_state in _OPEN,
                    "when": operation.completed_at
                    or operation.failed_at
                    or operation.started_at
                    or operation.queued_at,
                    "error": (str(error).strip().splitlines() or [""])[-1].rpartition("Reason: ")[2] if error else "",
                }
            )
    return sorted(out, key=lambda r: (r["open"], r["when"]), reverse=True)


def _label(operation) -> str:
    """What a run does, as the App calls it."""
    name = operation.operator.rpartition("/")[2]
    return next((v.label for v in VERBS if v.command.replace("-", "_") == name), operation.label or name)


def log_of(run: dict) -> str:
    """What a background run wrote, the end of it."""
    return run_queue.log_tail(run["id"]) or run["error"] or "it has written nothing yet"


def stop_background(run: dict) -> str:
    """Stops a background run; one that has not begun is taken out of the queue."""
    if run["state"] == "running":
        StopFlag(run["id"]).set()
        return "asked to stop; it will at its next step"
    from bson import ObjectId

    DelegatedOperationService().delete_operation(ObjectId(run["id"]))
    return "taken out of the queue"
