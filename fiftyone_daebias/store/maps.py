"""Maps and similarity indexes as FiftyOne brain runs.

The Embeddings panel lists only runs whose config class is FiftyOne's own, so
a map goes in through ``compute_visualization(points=…)`` and its provenance
into a custom run beside it.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError, StoreError
from .runs import save_brain_run
from .samples import count, dataset_of, flat
from .views import lasting_view


def save_map(samples, key: str, ids: list[str], points: np.ndarray, points_field: str) -> None:
    """Stores a 2-D map so that the Embeddings panel lists it.

    Args:
        samples: a dataset or view
        key: brain key
        ids: sample ids, one a point
        points: float array of shape (n, 2)
        points_field: sample field for the points; with it a lasso reaches operators as one ``$geoWithin`` stage
    """
    import fiftyone.brain as fob

    points = np.asarray(points, dtype=np.float64)
    if points.shape != (len(ids), 2) or not np.isfinite(points).all():
        raise InputError(f"map {key!r} needs {len(ids)} finite points of 2 coordinates; got shape {points.shape}")
    dataset = dataset_of(samples)
    whole = flat(dataset)
    # With every sample mapped, the run belongs to the dataset, and the panel offers it without a view.
    target = whole if sorted(ids) == sorted(str(i) for i in whole.values("id")) else lasting_view(whole, ids)
    order = {i: row for row, i in enumerate(ids)}
    rows = [order[str(i)] for i in target.values("id")]
    made = fob.compute_visualization(
        target, points=points[rows], brain_key=None, create_index=False, verbose=False, progress=False
    )
    # The old map goes when the new one is whole. The field is named by the new map only once all its values are
    # there: until then a lasso reaches operators as the list of what it encloses, never as a region of another map.
    save_brain_run(target, key, made)
    if dataset.has_field(points_field):
        dataset.delete_sample_field(points_field)
    dataset.load_brain_results(key).index_points(
        points_field,
        create_index=bool(np.ptp(points, axis=0).min() > 0),  # MongoDB refuses to index a region without an area
        progress=False,
    )


def load_map(samples, key: str) -> tuple[list[str], np.ndarray]:
    """Sample ids and points (n, 2) of a map.

    Raises:
        StoreError: the dataset has no such map
    """
    dataset = dataset_of(samples)
    if not dataset.has_brain_run(key):
        known = ", ".join(map_runs(samples)) or "none; run 'daebias embed' first"
        raise StoreError(f"dataset {dataset.name!r} has no map {key!r}; maps: {known}")
    results = dataset.load_brain_results(key)
    return [str(i) for i in results.sample_ids], np.asarray(results.points)


def map_runs(samples) -> list[str]:
    """Brain keys of the dataset's maps."""
    return list(dataset_of(samples).list_brain_runs(type="visualization"))


def save_similarity(samples, key: str, field: str) -> None:
    """Indexes a vector field for look-up of similar samples (exact, cosine), replacing an index of that key."""
    import fiftyone.brain as fob

    whole = flat(dataset_of(samples))
    has = whole.exists(field)
    target = whole if count(has) == count(whole) else has
    save_brain_run(
        target, key, fob.compute_similarity(target, embeddings=field, brain_key=None, backend="sklearn", progress=False)
    )
