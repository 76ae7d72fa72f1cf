"""The verb ``train-baseline``, and how the embedding loads and trains each baseline."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from .. import store
from ..cohort.slices import SliceSource, open_slices
from ..dae.batches import TrainingBatches
from ..dae.checkpoint import fill, load_checkpoint, read_facts
from ..dae.samples import pick_device, train_on_samples
from ..dae.trainer import TrainResult
from ..errors import CheckpointError, InputError
from ..parameters import BatchSize, Device, ImagesSeen, LearningRate, Patience, Preset, ProbedFields, Seed
from ..progress import Progress
from ..statistics.targets import Target, make_target
from .e4e import StyleGan
from .encoder import Encoder, from_dict
from .learn_gan import StyleGanLearner
from .learn_supervised import SupervisedLearner
from .learn_vae import BetaVaeLearner
from .presets import family, load_baseline_preset
from .stylegan2 import StyleGanConfig
from .supervised import NETWORKS, SupervisedConfig, SupervisedNetwork
from .targets import ask
from .vae import BetaVae, BetaVaeConfig

#: the columns of Graf et al. (2024), Table 1, and what they may be called
PAPER_FIELDS = (("region", "body_part"), ("sex",), ("weight",), ("height",), ("age",))
VERSION = 1


def train_baseline(
    samples,
    model: Literal["beta-vae", "stylegan2", "resnet10", "resnet34", "densenet121"],
    *,
    preset: Preset | None = None,
    fields: ProbedFields | None = None,
    images: ImagesSeen | None = None,
    batch_size: BatchSize | None = None,
    lr: LearningRate | None = None,
    patience: Patience | None = None,
    device: Device | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> TrainResult:
    """Trains a baseline to compare the diffusion autoencoder with, on the same slices and in the same way.

    beta-vae is a β-VAE with the Hessian penalty; stylegan2 trains StyleGAN2, then its inversion by e4e; resnet10,
    resnet34 and densenet121 learn fields from the training subjects' labels. Run again with the same settings it goes
    on where it was interrupted.

    Args:
        samples: a dataset or view of images or volumes
        model: which baseline
        preset: architecture and recipe, for example beta-vae-128; default: the one that fits the device
        fields: fields that a supervised network learns; default: of region, sex, weight, height and age those that are
            there, else all metadata fields that can be asked
        images: images to see in all, instead of the preset's
        batch_size: images a step, instead of the preset's
        lr: learning rate, instead of the preset's
        patience: evaluations without a better one on held-out images after which training stops; 0 never stops
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: seed of everything random

    Returns:
        the run folder, the checkpoint's hash, losses and time

    Raises:
        InputError: no images, no such baseline or preset, or a field that cannot be learnt
        CheckpointError: the run folder is damaged or in use
        TrainingError: the loss is not finite or memory is out
    """
    store.ensure_samples(samples)
    chosen = load_baseline_preset(
        model, preset, pick_device(device).type, images=images, batch_size=batch_size, lr=lr, patience=patience
    )
    config, train = chosen.config, chosen.train
    if family(model) != "supervised":
        if fields:
            raise InputError(f"fields: {model} learns from images alone; fields are for {', '.join(NETWORKS)}")
        make = BetaVaeLearner if model == "beta-vae" else StyleGanLearner
        return train_on_samples(samples, model, make, config, train, seed=seed, device=device, progress=progress)
    source = open_slices(samples, progress=progress)
    targets = label_targets(samples, source, fields)
    rows = [i for i, s in enumerate(source.splits) if s == "train"]
    config, make = supervised_learner(source, targets, rows, config, train, seed)
    return train_on_samples(samples, model, make, config, train, seed=seed, device=device, progress=progress)


def supervised_learner(
    source: SliceSource, targets: list[Target], train_rows: list[int], config: SupervisedConfig, train, seed: int
):
    """The network's config with its questions, and what makes its learner.

    Args:
        source: slices, whose split "train" is ``train_rows``
        targets: fields
        train_rows: positions of the training samples
        config: the network
        train: the recipe
        seed: seed of the order

    Raises:
        InputError: no training subject has a label
    """
    questions, truth, weights = ask(targets, np.array(source.subjects), np.array(train_rows, int))
    for q, column in zip(questions, weights.T, strict=True):
        if not column.any():
            raise InputError(f"fields: no training subject has a value in {q.field!r}; leave it out")
    answers = hashlib.sha256(truth.tobytes() + weights.tobytes()).hexdigest()[:16]
    config = replace(config, questions=tuple(q.to_dict() for q in questions), answers=answers)
    order = TrainingBatches(source, train_rows, config.image_size, train.batch_size, train.crop, seed)

    def rows_of(step: int) -> list[int]:
        first = step * train.batch_size
        return [order._volume(k) for k in range(first, first + train.batch_size)]

    held_out = [i for i, s in enumerate(source.splits) if s == "val"]
    return config, partial(SupervisedLearner, truth=truth, weights=weights, rows_of=rows_of, held_out=held_out)


def label_targets(samples, source: SliceSource, fields: list[str] | None) -> list[Target]:
    """Fields as targets over the rows of ``source``; without ``fields``, those that can be asked.

    Raises:
        InputError: a named field cannot be asked, or none can
    """
    names = list(fields) if fields else default_fields(samples)
    table = store.read_table(samples, names).reindex(source.sample_ids)
    out, reasons = [], []
    for name in names:
        values = [None if v is None or v != v else v for v in table[name].tolist()]
        try:
            out.append(make_target(name, values, source.subjects))
        except InputError as error:
            if fields:
                raise
            reasons.append(str(error))
    if not out:
        raise InputError(f"fields: nothing here can be learnt ({'; '.join(reasons[:3]) or 'no metadata fields'})")
    return out


def default_fields(samples) -> list[str]:
    """The paper's columns that the dataset has, else all its metadata fields."""
    known = list(store.metadata_fields(samples))
    found = [next((n for n in names if n in known), None) for names in PAPER_FIELDS]
    return [n for n in found if n] or known


def load_baseline(folder: Path | str, device: str | torch.device = "cpu") -> Encoder:
    """Loads a baseline's checkpoint (evaluation mode).

    Raises:
        CheckpointError: missing, damaged, of another model or a newer version
    """
    name = read_facts(folder)["format"].removeprefix("daebias-")
    facts, weights = load_checkpoint(folder, f"daebias-{name}", VERSION)
    kinds = {"beta-vae": (BetaVae, BetaVaeConfig), "stylegan2": (StyleGan, StyleGanConfig)}
    kinds |= dict.fromkeys(NETWORKS, (SupervisedNetwork, SupervisedConfig))
    try:
        network, config = kinds[name]
        with torch.random.fork_rng(devices=[]):
            model = network(from_dict(config, facts["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the checkpoint in {folder} is damaged: {error}; train again") from error
    fill(model, weights, folder)
    return model.to(device).eval()


def _trainer(model: str):
    def train(samples, *, preset=None, device=None, seed=51, progress=None) -> TrainResult:
        return train_baseline(samples, model, preset=preset, device=device, seed=seed, progress=progress)

    train.__doc__ = f"Trains {model} with a preset, for the embedding."
    return train


train_beta_vae, train_stylegan2 = _trainer("beta-vae"), _trainer("stylegan2")
train_resnet10, train_resnet34, train_densenet121 = map(_trainer, NETWORKS)
