"""The quality measures of a dataset's volumes, computed once and kept as sample fields."""

from __future__ import annotations

import numpy as np

from .. import schema, store, tidy
from ..cohort.slices import open_slices
from ..embeddings.encode import centre_indices
from ..progress import Progress, start
from .measures import MEASURES, volume_measures

#: centre slices that are measured: with all of them the number of slices would be measured too
SLICES = 12
_BATCH = 128


def read_measures(
    samples, *, subject_field: str | None = None, progress: Progress | None = None
) -> tuple[list[str], np.ndarray]:
    """Measures of every sample, computing those that are not stored for its present content.

    Stopped at any moment, what is done is kept.

    Args:
        samples: a dataset or view of images or volumes
        subject_field: field that names the subject
        progress: where to report

    Returns:
        sample ids, and float (n, 15) in the order of ``MEASURES``; NaN where a measure is not defined

    Raises:
        InputError: no images
        CohortError: an image that cannot be read
    """
    source = open_slices(samples, subject_field=subject_field, progress=progress)
    tidy.join_quality(samples)
    fields = [schema.QUALITY_PREFIX + m for m in MEASURES]
    out = np.full((len(source), len(MEASURES)), np.nan)
    known = [None] * len(source)
    if store.has_field(samples, schema.QUALITY_OF_FIELD):
        known = store.read_field(samples, schema.QUALITY_OF_FIELD)
        for k, field in enumerate(fields):
            values = store.read_field(samples, field)
            out[:, k] = [np.nan if v is None else v for v in values]
    missing = [i for i in range(len(source)) if known[i] != source.keys[i]]
    if missing:
        store.declare_document(samples, schema.QUALITY_FIELD, {**dict.fromkeys(MEASURES, "float"), "of": "string"})
    with start(progress, "measuring quality", len(missing), "samples") as task:
        for first in range(0, len(missing), _BATCH):
            part = missing[first : first + _BATCH]
            for i in part:
                array, entry = source.cache.read(source.keys[i])
                chosen = np.asarray(array[centre_indices(len(array), min(len(array), SLICES))], np.float32)
                out[i] = volume_measures(chosen - min(entry.low, 0.0))
                task.advance()
            measured = {}
            for i in part:
                values = [float(v) if np.isfinite(v) else None for v in out[i]]
                measured[source.sample_ids[i]] = {**dict(zip(MEASURES, values, strict=True)), "of": source.keys[i]}
            store.write_documents(samples, schema.QUALITY_FIELD, measured)
    return source.sample_ids, out
