"""The verb ``embed``: one vector a sample, a map, a similarity index and where they came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from .. import schema, store
from ..cohort.slices import open_slices
from ..dae.checkpoint import load_model, read_facts
from ..dae.verb import pick_device, settings, train_dae, trained_checkpoint
from ..errors import InputError
from ..progress import Progress, listening, start
from .encode import encode_volumes
from .map import fit_map

#: centre slices of a volume: Graf et al. 2024
N_SLICES = 12
WRITE_EVERY = 512


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


def compute_dae_embeddings(
    samples,
    *,
    checkpoint: Path | None = None,
    preset: str | None = None,
    n_slices: int | None = None,
    pool: Literal["concat", "mean"] = "concat",
    perplexity: float = 50.0,
    batch_size: int = 64,
    device: str | None = None,
    seed: int = 51,
    progress: Progress | None = None,
) -> EmbeddingResult:
    """Embeds every sample with a diffusion autoencoder and maps the embedding.

    Uses the checkpoint trained on this dataset; when there is none, trains one
    with the preset that fits the device, and says so.

    Args:
        samples: a dataset or view of images or volumes
        checkpoint: folder of another checkpoint to use
        preset: preset to train with when there is no checkpoint yet
        n_slices: centre slices a volume; default: 12, or 1 where every sample is a single image
        pool: "concat" joins the slices' codes, "mean" averages them
        perplexity: perplexity of the t-SNE map, lowered with a note when the cohort is small
        batch_size: slices a forward pass
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: seed of the map, and of a training

    Returns:
        names of everything stored, hashes and what was chosen

    Raises:
        InputError: no images, too few slices or samples, a perplexity out of range
        CheckpointError: the checkpoint is missing, damaged or does not fit
    """
    store.ensure_samples(samples)
    if len(samples) < 8:
        raise InputError(f"a map needs at least 8 samples; got {len(samples)}; add samples or use a wider view")
    if pool not in ("concat", "mean"):
        raise InputError(f"pool must be 'concat' or 'mean'; got {pool!r}")
    if perplexity < 2 or batch_size < 1:
        raise InputError(f"perplexity must be at least 2 and batch_size at least 1; got {perplexity} and {batch_size}")
    where = pick_device(device)
    told, notes = listening(progress), []
    if checkpoint is not None:
        read_facts(checkpoint)
        folder = Path(checkpoint)
    else:
        folder = trained_checkpoint(samples)
    source = open_slices(samples, progress=progress)
    n_slices = _slice_count(source, n_slices)
    if folder is None:
        model_config, config = settings(preset)
        size = f"{model_config.image_size} px, {config.images:,} images"
        notes.append(f"no checkpoint for this dataset yet: trained one ({size})")
        told.say(notes[-1].replace("trained", "training"))
        whole = store.dataset_of(samples)
        folder = Path(train_dae(whole, preset=preset, device=device, seed=seed, progress=progress).folder)
    facts = read_facts(folder)
    model = load_model(folder, where)
    if model.config.in_channels != 1:
        raise InputError(
            f"checkpoint {folder} takes {model.config.in_channels} channels, the slices have 1; train one on this "
            "dataset with 'daebias train'"
        )
    crop = float(facts.get("crop", 1.0))
    field = schema.embedding_field()
    config = {
        "model": "dae", "checkpoint": str(folder), "checkpoint_hash": facts["sha256"], "data_hash": source.data_hash,
        "n_slices": n_slices, "pool": pool, "crop": crop, "seed": seed,
    }
    vectors = _encode_all(samples, model, source, field, config, batch_size, progress)
    fitted = fit_map(vectors, perplexity=perplexity, seed=seed, progress=progress)
    notes += fitted.notes
    for note in fitted.notes:
        told.say(note)
    keys = schema.map_key(), schema.similarity_key(), schema.provenance_key()
    told.say("storing the map and the similarity index")
    store.save_map(samples, keys[0], source.sample_ids, fitted.points, schema.points_field())
    store.save_similarity(samples, keys[1], field)
    store.save_run(
        samples, keys[2],
        {**config, "perplexity": fitted.perplexity, "kl_divergence": fitted.kl_divergence, "n_pca": fitted.n_pca,
         "complete": True, "notes": list(notes)},
        {"sample_ids": source.sample_ids},
    )
    return EmbeddingResult(
        field, *keys, len(vectors), vectors.shape[1], str(folder), facts["sha256"], fitted.perplexity,
        fitted.kl_divergence, tuple(notes),
    )


def _slice_count(source, n_slices: int | None) -> int:
    counts = [source.n_slices(i) for i in range(len(source))]
    if n_slices is None:
        n_slices = 1 if max(counts) == 1 else N_SLICES
    if n_slices < 1:
        raise InputError(f"n_slices must be at least 1; got {n_slices}")
    short = [i for i, c in enumerate(counts) if c < n_slices]
    if short:
        raise InputError(
            f"{len(short)} samples have fewer than {n_slices} slices (first: {source.sample_ids[short[0]]} with "
            f"{counts[short[0]]}); pass n_slices={min(counts)}, or embed a view without them"
        )
    return n_slices


def _encode_all(samples, model, source, field, config, batch_size, progress) -> np.ndarray:
    """Vectors of all samples; what an interrupted call with the same settings had stored is not encoded again."""
    mark = hashlib.sha256(repr(sorted(config.items())).encode()).hexdigest()[:16]
    done: dict[str, np.ndarray] = {}
    if store.has_field(samples, field):
        if store.read_info(samples).get("embedding_mark") == mark:
            stored = zip(source.sample_ids, store.read_field(samples, field), strict=True)
            done = {i: v for i, v in stored if v is not None}
        else:
            store.clear_field(samples, field)
    store.write_info(samples, embedding_mark=mark)
    rows = [i for i, s in enumerate(source.sample_ids) if s not in done]
    fresh: dict[str, np.ndarray] = {}

    def flush() -> None:
        if fresh:
            store.write_vectors(samples, field, list(fresh), np.stack(list(fresh.values())))
            done.update(fresh)
            fresh.clear()

    with start(progress, "embedding", len(rows), "samples") as task:
        try:
            for i, vector in encode_volumes(
                model, source, rows, n_slices=config["n_slices"], crop=config["crop"], pool=config["pool"],
                batch_size=batch_size,
            ):
                fresh[source.sample_ids[i]] = vector
                if len(fresh) >= WRITE_EVERY:
                    flush()
                task.advance()
        finally:
            flush()
    return np.stack([np.asarray(done[i], dtype=np.float32) for i in source.sample_ids])
