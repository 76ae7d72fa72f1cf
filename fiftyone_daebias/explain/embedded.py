"""The stored embedding that an explanation stands on: its vectors, how they were made, and the model behind them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import schema, store
from ..cohort.slices import SliceSource, open_slices
from ..dae.checkpoint import checkpoint_hash
from ..errors import InputError
from ..progress import Progress


@dataclass(frozen=True)
class Embedded:
    """An embedding with its slices.

    Attributes:
        field: vector field
        model: name of the model that embeds
        checkpoint: folder of its checkpoint
        config: config of the provenance run: "n_slices", "pool", "crop", "checkpoint_hash" …
        ids: samples with a vector
        vectors: float32 (n, d)
        source: slices of all samples
        rows: position of each vector's sample in ``source``, int (n,)
    """

    field: str
    model: str
    checkpoint: Path
    config: dict
    ids: list[str]
    vectors: np.ndarray
    source: SliceSource
    rows: np.ndarray

    @property
    def n_slices(self) -> int:
        return int(self.config["n_slices"])

    @property
    def crop(self) -> float:
        return float(self.config["crop"])

    @property
    def pool(self) -> str:
        return self.config["pool"]


def open_embedding(
    samples, vectors: str, *, subject_field: str | None = None, progress: Progress | None = None
) -> Embedded:
    """Reads an embedding that this package made, and opens the images behind it.

    Raises:
        InputError: the field does not exist, was not made by this package, or its checkpoint has changed since
        CheckpointError: its checkpoint is gone
    """
    store.ensure_samples(samples)
    ids, matrix = store.read_vectors(samples, vectors)
    run = vectors.removesuffix(schema.EMBEDDING_SUFFIX) + schema.PROVENANCE_SUFFIX
    if not vectors.endswith(schema.EMBEDDING_SUFFIX) or run not in store.list_runs(samples, run):
        raise InputError(
            f"vectors {vectors!r} were not made by 'daebias embed' on this dataset, so there is no model to go with "
            "them; embed first"
        )
    config, _ = store.load_run(samples, run)
    if checkpoint_hash(config["checkpoint"]) != config["checkpoint_hash"]:
        raise InputError(
            f"checkpoint {config['checkpoint']} has changed since {vectors!r} was made with it; embed again"
        )
    source = open_slices(samples, subject_field=subject_field, progress=progress)
    place = {i: k for k, i in enumerate(source.sample_ids)}
    rows = np.array([place[i] for i in ids])
    return Embedded(vectors, config["model"], Path(config["checkpoint"]), config, ids, matrix, source, rows)
