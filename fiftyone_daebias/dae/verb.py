"""The verb ``train``: a diffusion autoencoder on the slices of a dataset."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from .. import paths, store
from ..cohort.slices import SliceSource, open_slices
from ..errors import CheckpointError, InputError
from ..progress import Progress, listening
from . import trainer
from .checkpoint import read_facts
from .config import ModelConfig, TrainConfig, default_preset, load_preset


def train_dae(
    samples,
    *,
    preset: str | None = None,
    images: int | None = None,
    batch_size: int | None = None,
    accumulate: int | None = None,
    lr: float | None = None,
    device: str | None = None,
    seed: int = 51,
    progress: Progress | None = None,
) -> trainer.TrainResult:
    """Trains a diffusion autoencoder on the slices of a cohort.

    Run again with the same settings it goes on where it was interrupted, or
    returns at once when it is complete.

    Args:
        samples: a dataset or view of images or volumes
        preset: architecture and recipe: cpu-lite, workstation-128, gpu-256, official-64, official-128 or
            official-256; default: the one that fits the device
        images: images to see in all, instead of the preset's
        batch_size: images a step, instead of the preset's
        accumulate: forward passes a step; raise it when memory is short
        lr: learning rate, instead of the preset's
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: seed of weights, order, crops and noise

    Returns:
        the run folder, the checkpoint's hash, losses and time

    Raises:
        InputError: no images here, or a setting out of its range
        CheckpointError: the run folder is damaged or in use
        TrainingError: the loss is not finite, or memory is out
    """
    store.ensure_samples(samples)
    model_config, config = settings(preset, images, batch_size, accumulate, lr)
    where = pick_device(device)
    source = open_slices(samples, progress=progress)
    folder = run_folder(samples, source, model_config, config, seed)
    listening(progress).say(f"training on {len(source):,} samples, device {where}, run folder {folder}")
    result = trainer.train(source, folder, model_config, config, seed=seed, device=where, progress=progress)
    store.write_info(samples, checkpoints={**store.read_info(samples).get("checkpoints", {}), "dae": str(folder)})
    return result


def settings(
    preset: str | None,
    images: int | None = None,
    batch_size: int | None = None,
    accumulate: int | None = None,
    lr: float | None = None,
) -> tuple[ModelConfig, TrainConfig]:
    """Architecture and recipe of a preset with the user's changes.

    Raises:
        InputError: unknown preset, or a setting out of its range
    """
    chosen = load_preset(preset or default_preset())
    changes = {"images": images, "batch_size": batch_size, "accumulate": accumulate, "lr": lr}
    changes = {k: v for k, v in changes.items() if v is not None}
    for name, value in changes.items():
        if value <= 0:
            raise InputError(f"{name} must be above 0; got {value}")
    return chosen.model, replace(chosen.train, **changes)


def run_folder(samples, source: SliceSource, model: ModelConfig, config: TrainConfig, seed: int) -> Path:
    """Folder of one run: the same data and settings give the same folder, others another one."""
    facts = [model.to_dict(), config.to_dict(), seed, source.data_hash]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    return paths.runs_dir(store.dataset_of(samples).name) / digest


def trained_checkpoint(samples) -> Path | None:
    """The checkpoint last trained on this dataset, or ``None``."""
    folder = store.read_info(samples).get("checkpoints", {}).get("dae")
    if folder is None:
        return None
    try:
        read_facts(folder)
    except CheckpointError:
        return None
    return Path(folder)


def pick_device(device: str | None = None):
    """The device to compute on.

    Raises:
        InputError: the device is not here
    """
    import torch

    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {device!r} cannot be used here ({reason}); pass device='cpu'") from error
    return chosen
