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
from .masked_views.masked_slices import MaskedSlices
from .masked_views.masks import open_masks, read_masks


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
        notes: what was left out
    """

    field: str
    model: str
    checkpoint: Path
    config: dict
    ids: list[str]
    vectors: np.ndarray
    source: SliceSource | MaskedSlices
    rows: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def n_slices(self) -> int:
        return int(self.config["n_slices"])

    @property
    def crop(self) -> float:
        return float(self.config["crop"])

    @property
    def pool(self) -> str:
        return self.config["pool"]

    @property
    def masked(self) -> bool:
        """Whether it shows what is inside a mask only."""
        return "mask" in self.config


def open_embedding(
    samples, vectors: str, *, subject_field: str | None = None, progress: Progress | None = None
) -> Embedded:
    """Reads an embedding that this package made, and opens the images behind it; masked, if it is of a local view.

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
    notes: list[str] = []
    if "mask" in config:
        masks = open_masks(samples, config["mask"], config["classes"])
        packed, notes = read_masks(source, masks.readers, [place[i] for i in ids], progress)
        kept = [k for k, i in enumerate(ids) if place[i] in packed]
        ids, matrix = [ids[k] for k in kept], matrix[kept]
        source = MaskedSlices(source, packed, "inside", int(config["n_slices"]))
    rows = np.array([place[i] for i in ids])
    return Embedded(
        vectors, config["model"], Path(config["checkpoint"]), config, ids, matrix, source, rows, tuple(notes)
    )
