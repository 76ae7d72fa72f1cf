"""Saved views, saved workspaces and reviews on samples."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import fiftyone as fo

from .. import schema
from .fields import tag, untag
from .samples import count, dataset_of, flat, metadata_fields, real

#: ids that a view holds at most where it is shown or saved
MOST_LISTED = 1_000


def save_view(samples, name: str, view, description: str = "", color: str | None = None) -> None:
    """Saves a view under a name, replacing one of that name.

    Args:
        samples: a dataset or view
        name: name, as the App lists it
        view: a view of the same dataset
        description: shown beside the name
        color: a CSS colour
    """
    dataset_of(samples).save_view(name, view, description=description or None, color=color, overwrite=True)


def view_of_tag(samples, tag: str):
    """The samples of the whole dataset that carry a tag, including those tagged later."""
    return flat(samples).match_tags(tag)


def view_of_ids(samples, ids: Iterable[str], ordered: bool = False):
    """Exactly these samples of the whole dataset, in this order if asked for."""
    return flat(samples).select(list(ids), ordered=ordered)


def lasting_view(samples, ids: Iterable[str]):
    """Exactly these samples of the whole dataset, for a view that is shown, saved or named by a run.

    More than :data:`MOST_LISTED` get a tag of their own, which the view asks for: a list of ids would go with every
    request of the App and, of many, into no document. The same samples have the same tag.
    """
    ids = sorted(ids)
    if len(ids) <= MOST_LISTED:
        return view_of_ids(samples, ids)
    name = f"{schema.TAG_LISTED}{zlib.crc32(''.join(ids).encode()):08x}"
    if count(view_of_tag(samples, name)) != len(ids):
        untag(dataset_of(samples), name)
        tag(samples, ids, name)
    return view_of_tag(samples, name)


def view_of_all(samples):
    """The samples of the whole dataset, without synthetic ones, including those added later."""
    return real(flat(samples))


def view_of_values(samples, rows: list[dict]):
    """The samples of the whole dataset that have all values of one of the rows, ``{field: value}``."""
    labels = {name for name, kind in metadata_fields(samples).items() if kind == "classification"}
    wanted = [{f + ".label" if f in labels else f: v for f, v in row.items()} for row in rows]
    return view_of_all(samples).match({"$or": wanted})


def view_without(samples, ids: Iterable[str]):
    """The samples but these."""
    return samples.exclude(list(ids))


def view_of_field(samples, field: str):
    """The samples of the whole dataset that have a value in ``field``."""
    return flat(samples).exists(field)


def saved_views(samples) -> dict[str, dict]:
    """Saved views: ``{name: {"description": …, "color": …}}``."""
    dataset = dataset_of(samples)
    return {info["name"]: info for info in dataset.list_saved_views(info=True)}


def saved_view_ids(samples, name: str) -> list[str]:
    """Sample ids of a saved view."""
    return [str(i) for i in dataset_of(samples).load_saved_view(name).values("id")]


def save_workspace(
    samples,
    name: str,
    *,
    map_key: str = "",
    color_by: str = "",
    panel: str = "",
    description: str = "",
    color: str | None = None,
) -> None:
    """Saves a workspace with the grid on the left, and map and audit panel as tabs on the right.

    Args:
        samples: a dataset or view
        name: name, as the App lists it
        map_key: brain key of the map to open; no map if empty
        color_by: field that colours the map
        panel: name of a plugin's panel to open beside the map
        description: shown beside the name
        color: a CSS colour
    """
    right = []
    if map_key:
        state = {"brainResult": map_key}
        if color_by:
            state["colorByField"] = color_by
        right.append(fo.Panel(type="Embeddings", state=state, pinned=False))
    if panel:
        right.append(fo.Panel(type=panel, pinned=False))
    grid = fo.Space(children=[fo.Panel(type="Samples", pinned=True)], sizes=None)
    if not right:
        space = fo.Space(children=[fo.Panel(type="Samples", pinned=True)])
    else:
        space = fo.Space(
            children=[grid, fo.Space(children=right, active_child=right[0].component_id)], orientation="horizontal"
        )
    dataset_of(samples).save_workspace(name, space, description=description or None, color=color, overwrite=True)


def saved_workspaces(samples) -> dict[str, dict]:
    """Saved workspaces: ``{name: {"description": …, "color": …}}``."""
    return {info["name"]: info for info in dataset_of(samples).list_workspaces(info=True)}


def write_reviews(samples, field: str, ids: list[str], status: str, author: str, date: str, note: str) -> None:
    """Writes a person's review on samples, as a classification that the App can filter and colour by."""
    labels = {i: fo.Classification(label=status, author=author, date=date, note=note) for i in ids}
    dataset_of(samples).set_values(field, labels, key_field="id", dynamic=True)


def tags_by_sample(samples) -> dict[str, list[str]]:
    """``{sample id: its tags}`` for every sample of the whole dataset."""
    ids, tags = dataset_of(samples).values(["id", "tags"])
    return {str(i): list(t or ()) for i, t in zip(ids, tags, strict=True)}
