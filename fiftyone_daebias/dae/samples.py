"""Training any model on the slices of a dataset: which folder, which device, which checkpoint."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from .. import paths, store
from ..cohort.slices import SliceSource, open_slices
from ..errors import CheckpointError, InputError
from ..progress import Progress, listening
from . import trainer
from .checkpoint import read_facts
from .config import RunConfig
from .distributed import launched, process_group
from .learner import Learner


def train_on_samples(
    samples,
    model: str,
    make_learner: Callable[..., Learner],
    model_config,
    config: RunConfig,
    *,
    seed: int = 51,
    device: str | None = None,
    progress: Progress | None = None,
    start: str = "",
) -> trainer.TrainResult:
    """Trains a model on a cohort's slices, and notes its checkpoint on the dataset.

    Args:
        samples: a dataset or view
        model: the model's name, as in :data:`fiftyone_daebias.schema`: "dae", "beta-vae" …
        make_learner: ``make_learner(model_config, config, seed=…, device=…)``
        model_config: the architecture, with ``image_size`` and ``to_dict()``
        config: the recipe
        seed: seed of everything random
        device: where to; default: the best there is
        progress: where to report
        start: what names the weights that training starts from; "" for random ones

    Raises:
        InputError: no images here, or the device is not here
        CheckpointError: the run folder is damaged or in use
        TrainingError: the loss is not finite, memory is out or the device failed
    """
    store.ensure_samples(samples)
    where = pick_device(device)
    source = open_together(samples, progress=progress)
    folder = run_folder(samples, source, model_config, config, seed, model, start)
    others = f" and {process_group().size - 1} more" if process_group().size > 1 else ""
    listening(progress).say(f"training on {len(source):,} samples, device {where}{others}, run folder {folder}")
    learner = make_learner(model_config, config, seed=seed, device=where)
    result = trainer.train(source, folder, learner, config, seed=seed, progress=progress)
    if process_group().is_main:
        store.write_info(samples, checkpoints={**store.read_info(samples).get("checkpoints", {}), model: str(folder)})
    process_group().barrier()
    return result


def open_together(samples, *, progress: Progress | None = None) -> SliceSource:
    """The slices of a cohort; the first process fills the cache before the others look."""
    if process_group().is_main:
        source = open_slices(samples, progress=progress)
        process_group().barrier()
        return source
    process_group().barrier()
    return open_slices(samples)


def run_folder(
    samples, source: SliceSource, model_config, config: RunConfig, seed: int, model: str = "dae", start: str = ""
) -> Path:
    """Folder of one run: the same data and settings give the same folder, others another one."""
    facts = [model_config.to_dict(), config.to_dict(), seed, source.data_hash, *([start] if start else [])]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    return paths.runs_dir(store.dataset_of(samples).name, model) / digest


def trained_checkpoint(samples, model: str = "dae") -> Path | None:
    """The checkpoint of a model last trained on this dataset, or ``None``."""
    folder = store.read_info(samples).get("checkpoints", {}).get(model)
    if folder is None:
        return None
    try:
        read_facts(folder)
    except CheckpointError:
        return None
    return Path(folder)


def pick_device(device: str | None = None):
    """The device to compute on; under ``torchrun`` every process of a node has a GPU of its own.

    Raises:
        InputError: the device is not here
    """
    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        if chosen.type == "cuda" and launched():
            chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {device!r} cannot be used here ({reason}); pass device='cpu'") from error
    return chosen
