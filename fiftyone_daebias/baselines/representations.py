"""The embeddings that a comparison is about: trained where there is none, encoded, with what they cost."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .. import schema, store
from ..cohort.slices import SliceSource
from ..dae import trainer
from ..dae.checkpoint import read_facts
from ..dae.samples import pick_device, run_folder, trained_checkpoint
from ..dae.train import train as train_dae
from ..embeddings.embed import embed
from ..embeddings.encode import centre_indices, encode_volumes
from ..embeddings.encoders import embedding_model, load_encoder
from ..progress import Progress, listening, start
from ..statistics.targets import Target
from .presets import load_baseline_preset
from .references import REFERENCES
from .supervised import NETWORKS
from .train_baseline import load_baseline, supervised_learner, train_baseline


@dataclass(frozen=True)
class Representation:
    """Vectors of a cohort by one model and seed.

    Attributes:
        model: its name
        seed: seed of its training
        vectors: float32 (n, d), rows as in the source
        images: images its training saw
        train_seconds: seconds its training took
        checkpoint_hash: sha256 of its weights
    """

    model: str
    seed: int
    vectors: np.ndarray
    images: int
    train_seconds: float
    checkpoint_hash: str


@dataclass(frozen=True)
class Settings:
    """What a comparison asks of every model.

    Attributes:
        images: images to see in all; ``None`` for the checkpoint that is there, or the preset's
        preset: ``{model: preset}`` where not the default
        n_slices: centre slices a volume
        device: where to compute
    """

    images: int | None
    preset: dict[str, str]
    n_slices: int
    device: str | None


def represent(
    samples,
    source: SliceSource,
    model: str,
    seed: int,
    first: bool,
    settings: Settings,
    progress: Progress | None = None,
) -> Representation:
    """Trains a model (or takes the checkpoint there is), and encodes the cohort.

    With the first seed everything is stored as the verb ``embed`` does: vectors, map, index and provenance. Further
    seeds leave their checkpoints only.
    """
    folder = None
    if first and settings.images is None and model not in REFERENCES:
        folder = trained_checkpoint(samples, model)
    if folder is None:
        folder = _trained(samples, model, seed, settings, progress)
    facts = read_facts(folder)
    if first:
        embed(
            samples,
            model=model,
            checkpoint=folder,
            n_slices=settings.n_slices,
            device=settings.device,
            seed=seed,
            progress=progress,
        )
        ids, stored = store.read_vectors(samples, schema.embedding_field(model))
        row = {i: k for k, i in enumerate(ids)}
        vectors = stored[[row[i] for i in source.sample_ids]]
    else:
        encoder = load_encoder(folder, pick_device(settings.device))
        vectors = _encoded(encoder, source, settings.n_slices, float(facts.get("crop", 1.0)), progress)
    return Representation(
        model,
        seed,
        np.asarray(vectors, np.float32),
        int(facts.get("images", 0)),
        train_seconds(folder),
        facts["sha256"],
    )


def _trained(samples, model: str, seed: int, settings: Settings, progress) -> Path:
    whole = store.flat(samples)
    common = {"device": settings.device, "seed": seed, "progress": progress}
    preset = settings.preset.get(model)
    listening(progress).say(f"{model}, seed {seed}")
    if model == "dae":
        return Path(train_dae(whole, preset=preset, images=settings.images, **common).folder)
    if model in ("beta-vae", "stylegan2", *NETWORKS):
        return Path(train_baseline(whole, model, preset=preset, images=settings.images, **common).folder)
    return Path(embedding_model(model).train(whole, preset=preset, **common).folder)


def _encoded(encoder, source: SliceSource, n_slices: int, crop: float, progress) -> np.ndarray:
    out: list = [None] * len(source)
    with start(progress, "embedding", len(source), "samples") as task:
        for i, vector in encode_volumes(encoder, source, range(len(source)), n_slices=n_slices, crop=crop):
            out[i] = vector
            task.advance()
    return np.stack(out)


def train_seconds(folder: Path | str) -> float:
    """Seconds a run has trained, over all its calls: images between evaluations over their rate."""
    log = Path(folder) / "metrics.jsonl"
    if not log.is_file():
        return 0.0
    total, seen = 0.0, 0
    for line in log.read_text().splitlines():
        values = json.loads(line)
        total += (values["images"] - seen) / values["images_per_second"]
        seen = values["images"]
    return total


def supervised_answers(
    samples,
    source: SliceSource,
    model: str,
    seed: int,
    targets: list[Target],
    parts,
    settings: Settings,
    progress: Progress | None = None,
) -> tuple[list[np.ndarray], int, float, list[Path]]:
    """Out-of-fold answers of a supervised network, trained anew in every fold with one head a field.

    A tenth of each fold's training subjects is held out from the training to be watched.

    Returns:
        answers to each target (m,); images seen in each fold; seconds of all trainings; run folders
    """
    import torch

    where = pick_device(settings.device)
    preset = load_baseline_preset(model, settings.preset.get(model), where.type, images=settings.images)
    answers = [np.full(len(t.rows), np.nan) for t in targets]
    subjects = np.array(source.subjects)
    folders, seconds = [], 0.0
    for train, test in parts:
        names = np.unique(subjects[train])
        watched = np.random.default_rng([seed, len(test)]).choice(names, max(1, len(names) // 10), replace=False)
        splits = np.full(len(source), "test", dtype=object)
        splits[train] = np.where(np.isin(subjects[train], watched), "val", "train")
        part = replace(source, splits=list(splits))
        rows = [int(i) for i in np.flatnonzero(splits == "train")]
        config, make = supervised_learner(part, targets, rows, preset.config, preset.train, seed)
        folder = run_folder(samples, part, config, preset.train, seed, model)
        learner = make(config, preset.train, seed=seed, device=where)
        result = trainer.train(part, folder, learner, preset.train, seed=seed, progress=progress)
        seconds += train_seconds(folder)
        folders.append(folder)
        network = load_baseline(folder, where)
        size, crop = network.image_size, preset.train.view
        with torch.no_grad():
            for i in test:
                x = _centre(source, int(i), settings.n_slices, size, crop).to(where)
                for out, target, answer in zip(answers, targets, network.predict(x), strict=True):
                    at = np.searchsorted(target.rows, i)
                    if at < len(target.rows) and target.rows[at] == i:
                        mean = answer.mean(dim=0)
                        out[at] = int(mean.argmax()) if target.categorical else float(mean[0])
    return answers, result.images, seconds, folders


def _centre(source: SliceSource, i: int, n_slices: int, size: int, crop: float):
    from ..dae.batches import fixed_crop

    return fixed_crop(source.read(i, centre_indices(source.n_slices(i), n_slices)), size, crop)
