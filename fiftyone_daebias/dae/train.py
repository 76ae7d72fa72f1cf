"""The verb ``train``: a diffusion autoencoder on the slices of a dataset."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ..errors import InputError
from ..parameters import Accumulate, BatchSize, Device, ImagesSeen, LearningRate, Patience, Preset, Seed
from ..progress import Progress
from .config import ModelConfig, TrainConfig, default_preset, load_preset
from .init import SCRATCH, fitting, read_start
from .samples import pick_device, run_folder, train_on_samples, trained_checkpoint
from .trainer import TrainResult

__all__ = ["pick_device", "run_folder", "settings", "train", "trained_checkpoint"]


def train(
    samples,
    *,
    preset: Preset | None = None,
    images: ImagesSeen | None = None,
    batch_size: BatchSize | None = None,
    accumulate: Accumulate | None = None,
    lr: LearningRate | None = None,
    patience: Patience | None = None,
    init: str | None = None,
    device: Device | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> TrainResult:
    """Trains a diffusion autoencoder on the slices of a cohort.

    Run again with the same settings it goes on where it was interrupted, or
    returns at once when it is complete. Under ``torchrun`` all processes train
    as one.

    Args:
        samples: a dataset or view of images or volumes
        preset: architecture and recipe: cpu-lite, workstation-128, gpu-256, official-64, official-128 or
            official-256; default: the one that fits the device
        images: images to see in all, instead of the preset's; training then does not stop before, unless patience is
            given too
        batch_size: images a step over all devices, instead of the preset's
        accumulate: forward passes a step; raise it when memory is short
        lr: learning rate, instead of the preset's
        patience: evaluations without a better reconstruction of held-out images after which training stops; 0
            never stops; default: the preset's
        init: folder of a checkpoint, or name of one that comes with the package, whose weights training starts from;
            it must be of the preset's architecture. "scratch" starts from random weights; default: one that comes with
            the package, where it fits and decodes held-out images better than random weights
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: seed of weights, order, crops and noise

    Returns:
        the run folder, the checkpoint's hash, losses and time

    Raises:
        InputError: no images here, or a setting out of its range
        CheckpointError: the run folder is damaged or in use
        TrainingError: the loss is not finite, memory is out or the device failed
    """
    from .learn_dae import DaeLearner

    model_config, config = settings(preset, images, batch_size, accumulate, lr, patience)
    start = None if init in (None, SCRATCH) else read_start(init, model_config)
    candidates = fitting(model_config) if init is None else ()
    make = partial(DaeLearner, start=start, candidates=candidates)
    mark = "".join(s.sha256 for s in candidates) if start is None else start.sha256
    return train_on_samples(
        samples, "dae", make, model_config, config, seed=seed, device=device, progress=progress, start=mark
    )


def settings(
    preset: str | None,
    images: int | None = None,
    batch_size: int | None = None,
    accumulate: int | None = None,
    lr: float | None = None,
    patience: int | None = None,
) -> tuple[ModelConfig, TrainConfig]:
    """Architecture and recipe of a preset with the user's changes.

    Raises:
        InputError: unknown preset, or a setting out of its range
    """
    chosen = load_preset(preset or default_preset())
    given = {"images": images, "batch_size": batch_size, "accumulate": accumulate, "lr": lr}
    changes: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    for name, value in changes.items():
        if value <= 0:
            raise InputError(f"{name} must be above 0; got {value}")
    if images is not None and patience is None:
        changes["patience"] = 0  # who says how long means it
    if patience is not None:
        if patience < 0:
            raise InputError(f"patience must be at least 0; got {patience}")
        changes["patience"] = patience
    return chosen.model, replace(chosen.train, **changes)
