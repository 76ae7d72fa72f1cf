"""The verb ``embed``: one vector a sample, a map, a similarity index and where they came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from .. import schema, store
from ..cohort.halves import lock_halves
from ..cohort.slices import open_slices
from ..dae.checkpoint import load_model, read_facts
from ..dae.verb import pick_device, settings, train_dae, trained_checkpoint
from ..errors import InputError
from ..progress import Progress, listening, start
from .encode import encode_volumes
from .map import TsneMap, fit_map, place, rebuild_map

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
    extend: bool = False,
    device: str | None = None,
    seed: int = 51,
    progress: Progress | None = None,
) -> EmbeddingResult:
    """Embeds every sample with a diffusion autoencoder and maps the embedding.

    Uses the checkpoint trained on this dataset; when there is none, trains one
    with the preset that fits the device, and says so. Run again, only samples
    that are new or changed are encoded. Volumes with too few slices are left
    out and named.

    Args:
        samples: a dataset or view of images or volumes
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
    n_slices, short = _slice_count(source, n_slices)
    if short:
        notes.append(f"{len(short)} samples have fewer than {n_slices} slices and were left out (first: {short[0]})")
        told.say(notes[-1])
        samples = store.view_without(samples, short)
        source = open_slices(samples, progress=progress)
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
    lock_halves(samples)
    vectors = _encode_all(samples, model, source, field, config, batch_size, progress)
    if extend:
        fitted = _extended(samples, source.sample_ids, vectors, config, told)
    else:
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
        {"sample_ids": source.sample_ids, "content": source.keys},
    )
    return EmbeddingResult(
        field, *keys, len(vectors), vectors.shape[1], str(folder), facts["sha256"], fitted.perplexity,
        fitted.kl_divergence, tuple(notes),
    )


def _slice_count(source, n_slices: int | None) -> tuple[int, list[str]]:
    """Slices a volume, and the samples that have fewer."""
    counts = [source.n_slices(i) for i in range(len(source))]
    if n_slices is None:
        n_slices = 1 if max(counts) == 1 else N_SLICES
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


#: of an embedding's config, what a vector depends on
_DECIDING = ("model", "checkpoint_hash", "n_slices", "pool", "crop")


def _stored_content(samples, config: dict) -> dict[str, str]:
    """``{sample id: content}`` of the samples embedded before with the same model and settings."""
    key = schema.provenance_key()
    if key not in store.list_runs(samples, key):
        return {}
    old, results = store.load_run(samples, key)
    if any(old.get(k) != config[k] for k in _DECIDING):
        return {}
    return dict(zip(results["sample_ids"], results.get("content", ()), strict=False))


def _extended(samples, ids: list[str], vectors: np.ndarray, config: dict, told: Progress) -> TsneMap:
    """The map there is, with the samples that it lacks placed on it.

    Raises:
        InputError: there is no map, or its vectors were made in another way
    """
    known = _stored_content(samples, config)
    if not known or schema.map_key() not in store.map_runs(samples):
        raise InputError(
            "extend: there is no map made with this checkpoint and these settings; embed once without extend first"
        )
    old_ids, points = store.load_map(samples, schema.map_key())
    row = {i: k for k, i in enumerate(ids)}
    old = [(row[i], k) for k, i in enumerate(old_ids) if i in row]
    rows = [r for r, _ in old]
    facts, _ = store.load_run(samples, schema.provenance_key())
    fitted = rebuild_map(vectors[rows], points[[k for _, k in old]], facts)
    new = [r for r in range(len(ids)) if r not in set(rows)]
    every = np.empty((len(ids), 2), np.float32)
    every[rows] = fitted.points
    if new:
        told.say(f"placing {len(new)} new samples on the map of {len(rows)}")
        every[new] = place(fitted, vectors[rows], vectors[new])
    return replace(fitted, points=every, notes=(f"{len(new)} samples placed on the map; {len(rows)} kept their place",))


def _encode_all(samples, model, source, field, config, batch_size, progress) -> np.ndarray:
    """Vectors of all samples; what is stored for the same image, model and settings is not encoded again."""
    mark = hashlib.sha256(repr(sorted(config.items())).encode()).hexdigest()[:16]
    done: dict[str, np.ndarray] = {}
    if store.has_field(samples, field):
        stored = zip(source.sample_ids, source.keys, store.read_field(samples, field), strict=True)
        if store.read_info(samples).get("embedding_mark") == mark:
            done = {i: v for i, _, v in stored if v is not None}
        else:
            before = _stored_content(samples, config)
            done = {i: v for i, key, v in stored if v is not None and before.get(i) == key}
            if len(done) < store.count_values(samples, field):
                # nothing of another model or image may stay beside the new vectors
                store.clear_field(samples, field)
                store.write_vectors(samples, field, list(done), np.array(list(done.values()), np.float32))
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
