"""What to do after a verb is done: buttons below its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import fiftyone.operators.types as types

from fiftyone_daebias import schema
from fiftyone_daebias.analyses import ANALYSES
from fiftyone_daebias.plugin import PLUGIN_NAME
from fiftyone_daebias.verbs import VERBS

from .bars import bar_of, button

#: verbs that make sense after a verb, the likeliest first
AFTER = {
    "duplicates": ("train",),
    "train": ("embed", "reconstruction"),
    "import-checkpoint": ("embed",),
    "reconstruction": ("embed",),
    "embed": ("probe-all", "suggest-clusters", "tag"),
    "audit": ("report", "share"),
    "story": ("report", "share"),
    "report": ("share",),
    "review": ("report",),
    **{verb: then for a in ANALYSES for verb, then in a.next.items()},
}
#: parameter that names the audit panel a form was opened from, so that it is drawn again when the verb is done
AUDIT_PANEL = "audit_panel"
#: parameters that a result hands to the next form
_CARRIED = ("field", "cluster", "vectors")


@dataclass(frozen=True)
class Step:
    """A button.

    Attributes:
        name: its name in the form
        label: its label
        icon: a Material icon
        operator: URI of the operator that it opens or runs
        prompt: whether the operator's form opens
        params: the operator's parameters
    """

    name: str
    label: str
    icon: str
    operator: str
    prompt: bool = True
    params: dict = field(default_factory=dict)


#: keys of results that hold paths of files written for people
_FILES = ("files", "bundle", "report", "written", "file")


def files_of(result: dict) -> list[str]:
    """Files that a result names and that are there."""
    found = []
    for key in _FILES:
        value = result.get(key)
        values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        found += [str(v) for v in values if isinstance(v, (str, Path)) and v and Path(v).is_file()]
    return list(dict.fromkeys(found))


def add_files(outputs: types.Object, files: list[str]) -> None:
    """Adds a button a file: the App serves it from the machine it runs on."""
    if not files:
        return
    row = bar_of(outputs, "files")
    for k, file in enumerate(files):
        opens = Path(file).suffix in (".html", ".pdf", ".png")
        button(
            row,
            f"file_{k}",
            f"{'Open' if opens else 'Download'} {Path(file).name}",
            "open_in_new" if opens else "download",
            None,
            variant="contained" if k == 0 else "outlined",
            href=f"/media?filepath={quote(file)}",
        )


def uri(command: str) -> str:
    """URI of a verb's operator."""
    return f"{PLUGIN_NAME}/{command.replace('-', '_')}"


def steps_after(command: str, values: dict, extra: dict) -> list[Step]:
    """Buttons after a verb.

    Args:
        command: the verb
        values: the parameters it ran with
        extra: parameters that every form gets
    """
    known = {v.command: v for v in VERBS if v.in_app}
    if command == "register":
        # the other steps act on the dataset that is open, which is not this one yet
        opened = {"dataset": values["name"]}
        return [Step("open_dataset", "Open the dataset", "folder_open", "open_dataset", False, opened)]
    steps = []
    carried = {k: values[k] for k in _CARRIED if k in values}
    if command == "name-cluster":
        carried = {"names": [values.get("name")], "cluster": values.get("name")}
    for other in AFTER.get(command, ()):
        if other in known:
            steps.append(
                Step(f"next_{other}", known[other].label, known[other].icon, uri(other), True, {**carried, **extra})
            )
    if not any(v.command == command and v.method for v in VERBS):
        return steps
    panel = {"name": schema.PANEL_NAME, "isActive": True, "layout": "horizontal"}
    steps.append(Step("open_panel", "Open the audit panel", "fact_check", "open_panel", False, panel))
    return steps


def tab_of(command: str) -> str:
    """Label of the audit panel's tab with what a verb found."""
    if command in ("story", "audit"):
        return "Story"
    analysis = next((a for a in ANALYSES if any(v["command"] == command for v in a.verbs)), None)
    tab = analysis.tab if analysis is not None else ""
    return {"explain": "Explained"}.get(tab, tab.capitalize()) or "Findings"


def add_steps(outputs: types.Object, steps: list[Step]) -> None:
    """Adds the buttons side by side."""
    if not steps:
        return
    row = bar_of(outputs, "next")
    for step in steps:
        button(row, step.name, step.label, step.icon, step.operator, prompt=step.prompt, params=step.params)
