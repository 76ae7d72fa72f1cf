"""Form fields for the parameters of verbs, and the values of a submitted form."""

from __future__ import annotations

from pathlib import Path

import fiftyone.operators.types as types

from fiftyone_daebias.verbs import Parameter

from .choices import choice_labels, choices_for, last_colour, not_offered, value_if_empty

#: where folded parameters lie in a form's values
ADVANCED = "advanced"
#: what is there from the start: a form begins with the first of them
_OF_THE_DATASET = ("vectors", "map", "index")


def add_parameters(inputs: types.Object, parameters: tuple[Parameter, ...], ctx) -> None:
    """Adds one form field a parameter; those that most people never touch lie in a section that opens on click."""
    given = given_values(ctx.params, parameters)
    folded = [p for p in parameters if p.advanced]
    for parameter in parameters:
        if parameter not in folded:
            _add(inputs, parameter, given, ctx)
    if folded:
        section = types.Object()
        for parameter in folded:
            _add(section, parameter, given, ctx)
        inputs.define_property(
            ADVANCED, section, view=types.ObjectView(label="Advanced", collapsible=True, default_expanded=False)
        )


def given_values(params: dict, parameters: tuple[Parameter, ...]) -> dict:
    """What is given, folded away or not; what the form's folded section says wins over what the caller gave."""
    folded = params.get(ADVANCED)
    both = {**params, **(folded if isinstance(folded, dict) else {})}
    return {p.name: both[p.name] for p in parameters if both.get(p.name) is not None}


def _add(inputs: types.Object, parameter: Parameter, given: dict, ctx) -> None:
    name = parameter.name
    empty = value_if_empty(name, ctx.dataset) if parameter.default is None else ""
    empty = f"Left empty: {empty}" if empty else ""
    text = ". ".join(filter(None, (sentence(parameter.help), empty, not_offered(parameter, ctx.dataset))))
    common = {"label": parameter.label, "description": text, "required": parameter.required}
    default = given.get(name, None if parameter.required else parameter.default)
    if parameter.names == "samples" and ctx.selected and not default:
        default = list(ctx.selected)
    choices = parameter.choices
    if choices is None:
        choices = choices_for(parameter, ctx.dataset, given)
    labels = choice_labels(parameter, ctx.dataset)
    if parameter.names in _OF_THE_DATASET and choices and name not in given:
        default = default if default in choices else choices[0]
    if parameter.names == "field or none" and name not in given and choices:
        seen = last_colour(ctx.dataset)
        default = seen if seen in choices else default
    if parameter.kind is bool:
        inputs.bool(name, default=bool(default), **common)
    elif parameter.kind is list:
        _add_list(inputs, parameter, choices, labels, default, common)
    elif choices:
        if default is None and parameter.required and len(choices) == 1:
            default = choices[0]
        view = types.AutocompleteView()
        for choice in choices:
            view.add_choice(str(choice), label=labels.get(choice, str(choice)))
        inputs.enum(
            name, [str(c) for c in choices], default=None if default is None else str(default), view=view, **common
        )
    elif parameter.kind is int:
        inputs.int(name, default=default, **common)
    elif parameter.kind is float:
        inputs.float(name, default=default, **common)
    elif parameter.picks and not isinstance(given.get(name), (str, Path)):
        view = types.FileExplorerView(
            choose_dir=parameter.picks == "folder", button_label=f"Choose a {parameter.picks} …"
        )
        inputs.file(name, view=view, **common)
    else:
        inputs.str(name, default=None if default is None else str(default), **common)


def _add_list(inputs, parameter, choices, labels, default, common) -> None:
    view = types.AutocompleteView(allow_user_input=not choices, multiple=True)
    for choice in choices or ():
        view.add_choice(str(choice), label=labels.get(choice, str(choice)))
    element = {int: types.Number(int=True), float: types.Number(float=True)}.get(parameter.item, types.String())
    if isinstance(default, str):
        default = [default]
    inputs.list(parameter.name, element, default=list(default) if default else None, view=view, **common)


def read_values(params: dict, parameters: tuple[Parameter, ...]) -> dict:
    """Values of a submitted form; a field left empty, or at its default, takes the library's default."""
    values = {}
    given = given_values(params, parameters)
    for parameter in parameters:
        value = given.get(parameter.name)
        if isinstance(value, dict):  # a file explorer's choice
            value = value.get("absolute_path") or ""
        if value is None or value == "" or value == []:
            continue
        if parameter.kind is Path:
            value = Path(str(value)).expanduser()
        elif parameter.kind is list:
            value = [parameter.item(v) for v in (value if isinstance(value, (list, tuple)) else [value])]
        elif parameter.kind in (int, float, str):
            value = parameter.kind(value)
        default = parameter.default
        if parameter.required or value != default and value != [default]:
            values[parameter.name] = value
    return values


def sentence(text: str) -> str:
    """A help text with a capital and without quotes that only make sense in code."""
    text = text.strip().replace("``", "'").replace("*", "\\*")
    return text[:1].upper() + text[1:]
