"""Saved views and workspaces as things to hand on: their layout, their links, and what names a sample elsewhere."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import fiftyone as fo
import fiftyone.core.utils as fou

from .. import schema
from .samples import count, dataset_of, real


def slug_of(name: str) -> str:
    """The name as it stands in links; two saved views of a dataset may not share it. "" for a name without one."""
    try:
        return fou.to_slug(name)
    except ValueError:
        return ""


def app_link(samples, view: str = "", workspace: str = "", url: str = "http://localhost:5151") -> str:
    """Link that opens a dataset in the App, with a saved view and a saved workspace if named."""
    query = {k: slug_of(v) for k, v in (("view", view), ("workspace", workspace)) if v}
    link = f"{url.rstrip('/')}/datasets/{quote(dataset_of(samples).name, safe='')}"
    return link + ("?" + urlencode(query) if query else "")


def workspace_layouts(samples) -> list[dict]:
    """Map and colouring of every saved workspace: ``{"name", "description", "color", "map_key", "color_by"}``."""
    dataset = dataset_of(samples)
    out = []
    for info in dataset.list_workspaces(info=True):
        state = _embeddings_state(dataset.load_workspace(info["name"]))
        out.append(
            {
                "name": info["name"],
                "description": info.get("description") or "",
                "color": info.get("color") or "",
                "map_key": str(state.get("brainResult") or ""),
                "color_by": str(state.get("colorByField") or ""),
            }
        )
    return out


def _embeddings_state(space) -> dict:
    for child in space.children or ():
        if isinstance(child, fo.Space):
            found = _embeddings_state(child)
            if found:
                return found
        elif child.type == "Embeddings" and child.state:
            return dict(child.state)
    return {}


def delete_map(samples, key: str, points_field: str) -> None:
    """Deletes a map and its points if they exist."""
    dataset = dataset_of(samples)
    if dataset.has_brain_run(key):
        dataset.delete_brain_run(key)
    if dataset.has_field(points_field):
        dataset.delete_sample_field(points_field)


def stored_content(samples) -> list[str | None]:
    """Key of each sample's content as it was registered; ``None`` where it was not registered by this package."""
    samples = real(samples)
    if not dataset_of(samples).has_field(schema.CACHE_FIELD):
        return [None] * count(samples)
    return samples.values(schema.CACHE_FIELD)


def file_paths(samples) -> list[str]:
    """File of each sample: the registered one where there is one, else what the App shows."""
    samples = real(samples)
    shown = samples.values("filepath")
    if not dataset_of(samples).has_field(schema.SOURCE_FIELD):
        return shown
    return [s or f for s, f in zip(samples.values(schema.SOURCE_FIELD), shown, strict=True)]
