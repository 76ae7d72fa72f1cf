"""Synthetic samples: tagged, kept out of every reader, and replaced by the run that made them."""

from __future__ import annotations

from dataclasses import dataclass

import fiftyone as fo
import numpy as np

from .. import schema
from .samples import dataset_of


@dataclass(frozen=True)
class Synthetic:
    """One synthetic sample to be.

    Attributes:
        filepath: picture the App shows
        montage: picture of all slices, or ``None``
        facts: how it was made, JSON-able
        vector: its embedding
    """

    filepath: str
    montage: str | None
    facts: dict
    vector: np.ndarray


def write_synthetic(samples, run: str, made: list[Synthetic]) -> list[str]:
    """Adds synthetic samples, removing those that the same run made before; returns their ids."""
    dataset = dataset_of(samples)
    delete_synthetic(samples, run)
    fresh = []
    for one in made:
        sample = fo.Sample(filepath=one.filepath, tags=[schema.TAG_SYNTHETIC])
        sample[schema.SYNTHETIC_FIELD] = {**one.facts, "run": run}
        sample[schema.SYNTHETIC_VECTORS] = np.asarray(one.vector, np.float32)
        if one.montage and dataset.has_field(schema.MONTAGE_FIELD):
            sample[schema.MONTAGE_FIELD] = one.montage
        fresh.append(sample)
    return [str(i) for i in dataset.add_samples(fresh, progress=False)] if fresh else []


def delete_synthetic(samples, run: str) -> None:
    """Deletes the synthetic samples that a run made."""
    dataset = dataset_of(samples)
    if dataset.has_field(schema.SYNTHETIC_FIELD):
        mine = dataset.match_tags(schema.TAG_SYNTHETIC).match(fo.ViewField(f"{schema.SYNTHETIC_FIELD}.run") == run)
        dataset.delete_samples(mine)
