"""Form fields for the parameters of verbs, with choices drawn from the dataset."""

from __future__ import annotations

from pathlib import Path

import fiftyone.operators.types as types

from fiftyone_daebias import store
from fiftyone_daebias.clusters.named import BLIND, UNKNOWN, read_clusters
from fiftyone_daebias.verbs import Parameter

#: parameters that name something on the dataset, and where their choices come from
_METADATA = {"field", "fields", "expected", "adjust_for", "stratify_by", "label_field", "date_field", "by", "versions"}
_VECTORS = {"vectors", "embedding_field", "vector_field", "embeddings"}
_MAPS = {"map_key", "brain_key"}
_INDEXES = {"index"}
_CLUSTERS = {"cluster", "names", "other"}
_SUBJECT = {"subject_field"}


def add_parameter(inputs: types.Object, parameter: Parameter, ctx) -> None:
    """Adds one form field; required, typed, and with the dataset's own names as choices where they apply."""
    label = parameter.name.replace("_", " ")
    label = label[0].upper() + label[1:]
    common = {"label": label, "description": parameter.help, "required": parameter.required}
    default = None if parameter.required else parameter.default
    if parameter.name == "to" and ctx.selected:
        default = list(ctx.selected)
    choices = parameter.choices or _choices(parameter.name, ctx)
    if parameter.kind is bool:
        inputs.bool(parameter.name, default=bool(default), **common)
    elif parameter.kind is list:
        _add_list(inputs, parameter, choices, default, common)
    elif choices:
        view = types.AutocompleteView(allow_user_input=parameter.choices is None)
        for choice in choices:
            view.add_choice(choice, label=str(choice))
        inputs.enum(parameter.name, [str(c) for c in choices], default=default, view=view, **common)
    elif parameter.kind is int:
        inputs.int(parameter.name, default=default, **common)
    elif parameter.kind is float:
        inputs.float(parameter.name, default=default, **common)
    elif parameter.kind is Path and parameter.name in ("images", "table", "out"):
        inputs.str(parameter.name, default=default, **common)
    else:
        inputs.str(parameter.name, default=None if default is None else str(default), **common)


def _add_list(inputs, parameter, choices, default, common) -> None:
    view = types.AutocompleteView(allow_user_input=True, multiple=True)
    for choice in choices or ():
        view.add_choice(choice, label=str(choice))
    element = {int: types.Number(int=True), float: types.Number(float=True)}.get(parameter.item, types.String())
    inputs.list(parameter.name, element, default=list(default) if default else None, view=view, **common)


def _choices(name: str, ctx) -> list[str] | None:
    if ctx.dataset is None:
        return None
    if name in _METADATA:
        return sorted(store.metadata_fields(ctx.dataset)) or None
    if name in _VECTORS:
        return store.vector_fields(ctx.dataset) or None
    if name in _MAPS:
        return store.map_runs(ctx.dataset) or None
    if name in _INDEXES:
        return store.similarity_runs(ctx.dataset) or None
    if name in _CLUSTERS:
        return list(read_clusters(ctx.dataset)) or None
    if name == "coloured_by":
        return [BLIND, UNKNOWN, *sorted(store.metadata_fields(ctx.dataset))]
    if name in _SUBJECT:
        return sorted(ctx.dataset.get_field_schema()) or None
    return None


def read_values(params: dict, parameters: tuple[Parameter, ...]) -> dict:
    """Values of a submitted form; a field left empty takes the library's default."""
    values = {}
    for parameter in parameters:
        value = params.get(parameter.name)
        if value is None or value == "" or value == []:
            continue
        if parameter.kind is Path:
            value = Path(str(value)).expanduser()
        elif parameter.kind is list:
            value = [parameter.item(v) for v in (value if isinstance(value, (list, tuple)) else [value])]
        elif parameter.kind in (int, float, str):
            value = parameter.kind(value)
        values[parameter.name] = value
    return values


def target_size(target, dataset) -> str:
    """How much the operator will act on, in words."""
    n, total = len(target), len(dataset)
    return f"Acts on all {total:,} samples." if n == total else f"Acts on {n:,} of {total:,} samples."
