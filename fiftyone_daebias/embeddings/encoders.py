"""The models that embed: for each, its checkpoint's format, how to load it and how to train it.

A module is imported when its model is used. A model is added with one line in :data:`MODELS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import CheckpointError, InputError

if TYPE_CHECKING:  # forms read the names without waiting for torch
    import torch
    from torch import Tensor


class Encoder(Protocol):
    """What the embedding needs of a loaded model.

    Attributes:
        image_size: side of its input, pixels
        in_channels: channels of its input
        device: where it computes
    """

    image_size: int
    in_channels: int
    device: torch.device

    def encode(self, x: Tensor) -> Tensor:
        """Codes, float32 (B, z), of images (B, in_channels, image_size, image_size) in [-1, 1] on ``device``."""


@dataclass(frozen=True)
class EmbeddingModel:
    """One model that embeds.

    Attributes:
        name: its name: in ``model=…``, and what its fields and runs are called after (``schema.embedding_field``)
        format: "format" of its checkpoints
        loader: ``"package.module:function"`` inside this package: ``load(folder, device) -> Encoder``
        trainer: the same: ``train(samples, *, preset, device, seed, progress) -> TrainResult``; ``preset`` may be
            ``None``; it leaves its checkpoint in ``info["checkpoints"][name]`` (``train_on_samples`` does)
    """

    name: str
    format: str
    loader: str
    trainer: str

    def load(self, folder: Path | str, device: str | torch.device = "cpu") -> Encoder:
        """Loads a checkpoint for encoding."""
        return _resolve(self.loader)(folder, device)

    def train(self, samples, **settings):
        """Trains the model on a cohort."""
        return _resolve(self.trainer)(samples, **settings)


MODELS: tuple[EmbeddingModel, ...] = (
    EmbeddingModel("dae", "daebias-dae", "dae.checkpoint:load_model", "dae.train:train"),
    EmbeddingModel(
        "beta-vae",
        "daebias-beta-vae",
        "baselines.train_baseline:load_baseline",
        "baselines.train_baseline:train_beta_vae",
    ),
    EmbeddingModel(
        "stylegan2",
        "daebias-stylegan2",
        "baselines.train_baseline:load_baseline",
        "baselines.train_baseline:train_stylegan2",
    ),
    EmbeddingModel(
        "resnet10",
        "daebias-resnet10",
        "baselines.train_baseline:load_baseline",
        "baselines.train_baseline:train_resnet10",
    ),
    EmbeddingModel(
        "resnet34",
        "daebias-resnet34",
        "baselines.train_baseline:load_baseline",
        "baselines.train_baseline:train_resnet34",
    ),
    EmbeddingModel(
        "densenet121",
        "daebias-densenet121",
        "baselines.train_baseline:load_baseline",
        "baselines.train_baseline:train_densenet121",
    ),
    EmbeddingModel(
        "pixels", "daebias-pixels", "baselines.references:load_reference", "baselines.references:make_pixels"
    ),
    EmbeddingModel("pca", "daebias-pca", "baselines.references:load_reference", "baselines.references:make_pca"),
    EmbeddingModel(
        "random", "daebias-random", "baselines.references:load_reference", "baselines.references:make_random"
    ),
)


def model_names() -> list[str]:
    """Names of all models that embed."""
    return [m.name for m in MODELS]


def embedding_model(name: str) -> EmbeddingModel:
    """The model of a name.

    Raises:
        InputError: there is none
    """
    for model in MODELS:
        if model.name == name:
            return model
    if ":" in name:
        from ..baselines.user_models import named

        return named(name)
    raise InputError(f"there is no model {name!r}; models: {', '.join(model_names())}")


def model_of(folder: Path | str) -> EmbeddingModel:
    """The model whose checkpoint lies in a folder.

    Raises:
        CheckpointError: there is no checkpoint, or it is of a format that this version does not know
    """
    from ..dae.checkpoint import FACTS, read_facts

    found = read_facts(folder)["format"]
    for model in MODELS:
        if model.format == found:
            return model
    if found in ("daebias-zoo", "daebias-module"):
        from ..baselines.user_models import named

        return named(read_facts(folder)["config"].get("name", ""))
    known = ", ".join(m.format for m in MODELS)
    raise CheckpointError(f"{Path(folder) / FACTS} has format {found!r}; this package knows {known}; update it")


def load_encoder(folder: Path | str, device: str | torch.device = "cpu") -> Encoder:
    """Loads a checkpoint of any known model for encoding (evaluation mode).

    Raises:
        CheckpointError: missing, damaged, of an unknown format or a newer version
    """
    return model_of(folder).load(folder, device)


def _resolve(name: str) -> Callable:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"{__package__.rpartition('.')[0]}.{module}"), function)
