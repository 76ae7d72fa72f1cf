"""What clusters need of FiftyOne: lassos, lists of labels, colours, and samples by age or content."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import fiftyone as fo

from .. import schema
from .fields import clear_field, declare_fields
from .samples import dataset_of, real


@dataclass(frozen=True)
class Lasso:
    """A lasso drawn in the Embeddings panel.

    Attributes:
        map_key: brain key of the map, "" if the map is gone
        polygon: corners in map coordinates
    """

    map_key: str
    polygon: tuple[tuple[float, float], ...]


def lasso_of(samples) -> Lasso | None:
    """The lasso that a view ends in: the App hands one over as a ``$geoWithin`` condition on the map's points."""
    if not isinstance(samples, fo.DatasetView):
        return None
    found = None
    for stage in samples._serialize():
        for field, polygon in _polygons(stage):
            found = field, polygon
    if found is None:
        return None
    dataset = dataset_of(samples)
    for key in dataset.list_brain_runs(type="visualization"):
        if dataset.get_brain_info(key).config.points_field == found[0]:
            return Lasso(key, found[1])
    return Lasso("", found[1])


def _polygons(value, field: str = ""):
    """``(field, corners)`` of every polygon in nested filters."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$geoWithin" and isinstance(inner, dict):
                corners = inner.get("$polygon") or inner.get("$geometry", {}).get("coordinates", [[]])[0]
                yield field, tuple((float(x), float(y)) for x, y in corners)
            else:
                yield from _polygons(inner, field if key.startswith("$") else key)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _polygons(inner, field)


def write_names(samples, field: str, names: Mapping[str, list[str]]) -> None:
    """Sets lists of names on samples; an empty list clears them.

    Plain lists, not ``fo.Classifications``: FiftyOne 1.22 offers no label list under "Color by". A field of
    classifications, which older versions wrote, is replaced, so ``names`` has to hold every sample that has some.
    """
    dataset = dataset_of(samples)
    existing = dataset.get_field_schema().get(field)
    if isinstance(existing, fo.EmbeddedDocumentField) and issubclass(existing.document_type, fo.Classifications):
        clear_field(dataset, field)
    declare_fields(dataset, {field: "names"})
    here = {str(i) for i in dataset.values("id")}
    values = {i: list(mine) or None for i, mine in names.items() if i in here}
    if values:
        dataset.set_values(field, values, key_field="id")


def set_value_colors(samples, field: str, colors: Mapping[str, str]) -> None:
    """Colours of a field's values in the App; other fields' colours stay."""
    dataset = dataset_of(samples)
    scheme = dataset.app_config.color_scheme or fo.ColorScheme()
    fields = [f for f in scheme.fields or [] if f.get("path") != field]
    fields.append({"path": field, "valueColors": [{"value": n, "color": c} for n, c in colors.items()]})
    scheme.fields = fields
    dataset.app_config.color_scheme = scheme
    dataset.save()


def delete_view(samples, name: str) -> None:
    """Deletes a saved view if it exists."""
    dataset = dataset_of(samples)
    if dataset.has_saved_view(name):
        dataset.delete_saved_view(name)


def samples_since(samples, iso_time: str) -> list[str]:
    """Ids of samples added to the dataset after a time."""
    if not iso_time:
        return []
    since = datetime.datetime.fromisoformat(iso_time)
    ids, created = real(dataset_of(samples)).values(["id", "created_at"])
    return [
        str(i)
        for i, c in zip(ids, created, strict=True)
        if c is not None and (c if c.tzinfo else c.replace(tzinfo=datetime.timezone.utc)) > since
    ]


def content_keys(samples) -> list[str]:
    """What names each sample in another copy of the cohort: the hash of its content, else its file name."""
    samples = real(samples)
    names = [f"file:{Path(p).name}" for p in samples.values("filepath")]
    if not dataset_of(samples).has_field(schema.CACHE_FIELD):
        return names
    return [k or n for k, n in zip(samples.values(schema.CACHE_FIELD), names, strict=True)]


def sort_by_similarity(samples, ids: list[str], key: str, k: int | None):
    """A view of the samples by likeness to others, through one of FiftyOne's similarity indexes.

    Args:
        samples: a dataset or view
        ids: samples to compare with (the mean distance to them counts)
        key: brain key of the index
        k: how many to keep; ``None`` keeps all
    """
    return samples.sort_by_similarity(ids, k=k, brain_key=key)


def similarity_runs(samples) -> list[str]:
    """Brain keys of the dataset's similarity indexes."""
    return list(dataset_of(samples).list_brain_runs(type="similarity"))
