"""The verb ``embed``: one vector a sample, a map, a similarity index and where they came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from .. import schema, store
from ..dae.checkpoint import read_facts
from ..dae.distributed import process_group
from ..dae.samples import open_together, pick_device, trained_checkpoint
from ..dae.view import CENTRE_SLICES, square_side
from ..errors import InputError
from ..parameters import (
    Advanced,
    BatchSize,
    CheckpointFolder,
    Device,
    Encoder,
    Label,
    Perplexity,
    Preset,
    Seed,
    SlicesAVolume,
)
from ..progress import Progress, listening
from .encoders import embedding_model, model_of
from .guard import guarded
from .map import TsneMap, fit_map, place, rebuild_map
from .samples import encode_samples, stored_content


@dataclass(frozen=True)
class EmbeddingResult:
    """What was stored.

    Attributes:
        field: sample field of the vectors
        map_key: brain key of the t-SNE map
        similarity_key: brain key of the similarity index
        provenance_key: custom run with config, seed, hashes and versions
        samples: samples embedded
        dimensions: values a vector
        checkpoint: folder of the checkpoint
        checkpoint_hash: sha256 of its weights
        perplexity: perplexity of the map
        kl_divergence: what t-SNE reached
        notes: what was chosen or lowered
    """

    field: str
    map_key: str
    similarity_key: str
    provenance_key: str
    samples: int
    dimensions: int
    checkpoint: str
    checkpoint_hash: str
    perplexity: float
    kl_divergence: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}

    def __str__(self) -> str:
        lines = [
            f"{self.samples:,} vectors of {self.dimensions} values in {self.field!r}; "
            f"checkpoint {self.checkpoint_hash[:12]}",
            f"t-SNE map {self.map_key!r} (perplexity {self.perplexity:g}, KL {self.kl_divergence:.3f}); "
            f"similarity index {self.similarity_key!r}; provenance {self.provenance_key!r}",
        ]
        return "\n".join([*lines, *(f"note: {n}" for n in self.notes)])


def embed(
    samples,
    *,
    model: Encoder = "dae",
    checkpoint: CheckpointFolder | None = None,
    preset: Preset | None = None,
    n_slices: SlicesAVolume | None = None,
    pool: Annotated[Literal["concat", "mean"], Label("Slices are"), Advanced] = "concat",
    perplexity: Perplexity = 50.0,
    batch_size: BatchSize = 64,
    extend: Annotated[bool, Label("Keep the map, place new samples on it")] = False,
    device: Device | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> EmbeddingResult:
    """Embeds every sample with a diffusion autoencoder, or another model, and maps the embedding.

    Uses the checkpoint trained on this dataset; when there is none, trains one
    with the preset that fits the device, and says so. Run again, only samples
    that are new or changed are encoded. Volumes with too few slices are left
    out and named. The autoencoder is compared with principal components on
    fields of this cohort; where it loses, their vectors are stored as well.
    Under ``torchrun`` every process encodes a part.

    Args:
        samples: a dataset or view of images or volumes
        model: "dae", or the name of a baseline that it is compared with; fields and runs are named after it
        checkpoint: folder of another checkpoint to use
        preset: preset to train with when there is no checkpoint yet
        n_slices: centre slices a volume; default: 12, or 1 where every sample is a single image
        pool: "concat" joins the slices' codes, "mean" averages them
        perplexity: perplexity of the t-SNE map, lowered with a note when the cohort is small
        batch_size: slices a forward pass
        extend: keep the map as it is and place samples added since on it, without moving the others
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: seed of the map, and of a training

    Returns:
        names of everything stored, hashes and what was chosen

    Raises:
        InputError: no images, too few slices or samples, a perplexity out of range
        CheckpointError: the checkpoint is missing, damaged or does not fit
    """
    store.ensure_samples(samples)
    kind = embedding_model(model)
    if store.count(samples) < 8:
        raise InputError(f"a map needs at least 8 samples; got {store.count(samples)}; add samples or use a wider view")
    if pool not in ("concat", "mean"):
        raise InputError(f"pool must be 'concat' or 'mean'; got {pool!r}")
    if perplexity < 2 or batch_size < 1:
        raise InputError(f"perplexity must be at least 2 and batch_size at least 1; got {perplexity} and {batch_size}")
    where, group = pick_device(device), process_group()
    told, notes = listening(progress), []
    if checkpoint is not None:
        folder = Path(checkpoint)
        if model_of(folder) != kind:
            found = model_of(folder).name
            raise InputError(f"checkpoint {folder} is one of the model {found!r}, not {model!r}; pass model={found!r}")
    else:
        folder = group.broadcast(trained_checkpoint(samples, model))
    source = open_together(samples, progress=progress)
    n_slices, short = _slice_count(source, n_slices)
    if short:
        notes.append(f"{len(short)} samples have fewer than {n_slices} slices and were left out (first: {short[0]})")
        told.say(notes[-1])
        samples = store.view_without(samples, short)
        source = open_together(samples, progress=progress)
    if folder is None:
        notes.append("no checkpoint for this dataset yet: trained one")
        told.say(notes[-1].replace("trained", "training"))
        whole = store.flat(samples)
        trained = kind.train(whole, preset=preset, device=device, seed=seed, progress=progress)
        notes[-1] += f" ({trained.images:,} images)"
        folder = Path(trained.folder)
    facts = read_facts(folder)
    encoder = kind.load(folder, where)
    if encoder.in_channels != 1:
        raise InputError(
            f"checkpoint {folder} takes {encoder.in_channels} channels, the slices have 1; train one on this "
            "dataset with 'daebias train'"
        )
    small = _enlarged(source, facts, encoder.image_size)
    if small:
        notes.append(small)
        told.say(small)
    config = {
        "model": model,
        "checkpoint": str(folder),
        "checkpoint_hash": facts["sha256"],
        "data_hash": source.data_hash,
        "n_slices": n_slices,
        "pool": pool,
        "crop": float(facts.get("crop", 1.0)),
        "seed": seed,
    }
    if extend and group.is_main:
        _check_extension(samples, config)  # before any vector is replaced
    vectors, shares = encode_samples(samples, encoder, source, config, batch_size=batch_size, progress=progress)
    result = None
    if group.is_main:
        if extend:
            fitted = _extended(samples, source.sample_ids, vectors, config, told)
        else:
            fitted = fit_map(vectors, perplexity=perplexity, seed=seed, progress=progress)
        notes += fitted.notes
        for note in fitted.notes:
            told.say(note)
        facts = {**config, "encoded": shares}
        if model == "dae" and group.size == 1:
            told.say("comparing with principal components")
            guard = guarded(samples, source, vectors, config, progress)
            facts["guard"] = guard.to_dict()
            notes.append(str(guard))
            told.say(notes[-1])
        result = _stored(samples, source, vectors, fitted, facts, notes, told)
    return group.broadcast(result)


def _stored(
    samples, source, vectors: np.ndarray, fitted: TsneMap, config: dict, notes: list[str], told: Progress
) -> EmbeddingResult:
    """Stores the map, the similarity index and where they came from."""
    model = config["model"]
    field = schema.embedding_field(model)
    keys = schema.map_key(model), schema.similarity_key(model), schema.provenance_key(model)
    told.say("storing the map and the similarity index")
    store.save_map(samples, keys[0], source.sample_ids, fitted.points, schema.points_field(model))
    store.save_similarity(samples, keys[1], field)
    store.save_run(
        samples,
        keys[2],
        {
            **config,
            "perplexity": fitted.perplexity,
            "kl_divergence": fitted.kl_divergence,
            "n_pca": fitted.n_pca,
            "complete": True,
            "notes": list(notes),
        },
        {"sample_ids": source.sample_ids, "content": source.keys},
    )
    store.end_vectors(samples, field)
    return EmbeddingResult(
        field,
        *keys,
        len(vectors),
        vectors.shape[1],
        config["checkpoint"],
        config["checkpoint_hash"],
        fitted.perplexity,
        fitted.kl_divergence,
        tuple(notes),
    )


def _enlarged(source, facts: dict, size: int) -> str:
    """What to say of images with fewer pixels under the crop than the model takes; "" when there are none."""
    crop = float(facts.get("crop", 1.0))
    sides = [square_side(source.cache.shape(k)[1:], crop) for k in source.keys]
    small = [i for i, side in enumerate(sides) if 2 * side < size]
    if not small:
        return ""
    first = small[0]
    return (
        f"{len(small)} samples have less than half the {size} pixels that the model takes and were enlarged (first: "
        f"{source.sample_ids[first]} with {sides[first]} under the crop); their vectors may set them apart"
    )


def _slice_count(source, n_slices: int | None) -> tuple[int, list[str]]:
    """Slices a volume, and the samples that have fewer."""
    counts = [source.n_slices(i) for i in range(len(source))]
    if n_slices is None:
        n_slices = 1 if max(counts) == 1 else CENTRE_SLICES
    if n_slices < 1:
        raise InputError(f"n_slices must be at least 1; got {n_slices}")
    short = [i for i, c in enumerate(counts) if c < n_slices]
    if len(short) > len(counts) / 2:
        raise InputError(
            f"{len(short)} of {len(counts)} samples have fewer than {n_slices} slices (first: "
            f"{source.sample_ids[short[0]]} with {counts[short[0]]}); pass n_slices={min(counts)}, or another plane "
            "when registering"
        )
    return n_slices, [source.sample_ids[i] for i in short]


def _check_extension(samples, config: dict) -> None:
    """Raises unless there is a map whose vectors were made in the same way.

    Raises:
        InputError: there is no map, or its vectors were made in another way
    """
    if not stored_content(samples, config) or schema.map_key(config["model"]) not in store.map_runs(samples):
        raise InputError(
            "extend: there is no map made with this checkpoint and these settings; embed once without extend first"
        )


def _extended(samples, ids: list[str], vectors: np.ndarray, config: dict, told: Progress) -> TsneMap:
    """The map there is, with the samples that it lacks placed on it."""
    key = schema.map_key(config["model"])
    old_ids, points = store.load_map(samples, key)
    row = {i: k for k, i in enumerate(ids)}
    old = [(row[i], k) for k, i in enumerate(old_ids) if i in row]
    rows = [r for r, _ in old]
    facts, _ = store.load_run(samples, schema.provenance_key(config["model"]))
    fitted = rebuild_map(vectors[rows], points[[k for _, k in old]], facts)
    new = sorted(set(range(len(ids))) - set(rows))
    every = np.empty((len(ids), 2), np.float32)
    every[rows] = fitted.points
    if new:
        told.say(f"placing {len(new)} new samples on the map of {len(rows)}")
        every[new] = place(fitted, vectors[rows], vectors[new])
    return replace(fitted, points=every, notes=(f"{len(new)} samples placed on the map; {len(rows)} kept their place",))
