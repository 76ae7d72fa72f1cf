"""Configuration of model and training, and the presets in ``models/presets``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..errors import InputError
from ..plugin import plugin_dir
from .view import WHOLE


def without_defaults(values: dict, kind: Any, names: tuple[str, ...]) -> dict:
    """The values without those of ``names`` that are the dataclass's default."""
    return {k: v for k, v in values.items() if k not in names or v != kind.__dataclass_fields__[k].default}


@dataclass(frozen=True)
class ModelConfig:
    """Architecture of a diffusion autoencoder.

    Attributes:
        image_size: side of the square input, pixels
        in_channels: image channels
        patch: pixel-unshuffle factor before the U-Net; 1 for none
        channels: base width of the U-Net
        multipliers: width of each level in multiples of ``channels``
        blocks: residual blocks a level
        attention: sides (pixels after ``patch``) at which there is self-attention
        heads: attention heads
        dropout: dropout in the U-Net's blocks
        embed_dim: size of the time embedding
        z_dim: size of z_sem
        encoder: "half-unet" (the authors') or "lite" (strided convolutions, flattened)
        encoder_multipliers: levels of the half U-Net
        encoder_attention: sides at which the half U-Net has self-attention
        lite_encoder_channels: widths of the lite encoder
        components: values of z_sem that are principal components of the pixels, each of unit spread; the lite encoder's
            convolutions give the others. 0 for none
        energies: values of z_sem, after these, that are principal components of local energy
            (:class:`~.energy.LocalEnergy`), each of unit spread; for the lite encoder. 0 for none
        sketch: whether the U-Net starts from the picture that the principal components draw
        evened: whether codes are turned and stretched so that no few directions outweigh all others
            (:class:`~.evening.Evening`)
        prediction: what the network predicts: "epsilon", "v" or "x0"
        steps: length of the noise schedule
        beta_start: first variance
        beta_end: last variance
    """

    image_size: int = 64
    in_channels: int = 1
    patch: int = 1
    channels: int = 64
    multipliers: tuple[int, ...] = (1, 2, 4, 8)
    blocks: int = 2
    attention: tuple[int, ...] = (16,)
    heads: int = 1
    dropout: float = 0.1
    embed_dim: int = 512
    z_dim: int = 512
    encoder: str = "half-unet"
    encoder_multipliers: tuple[int, ...] = (1, 2, 4, 8, 8)
    encoder_attention: tuple[int, ...] = ()
    lite_encoder_channels: tuple[int, ...] = (64, 128, 128)
    components: int = 0
    energies: int = 0
    sketch: bool = False
    evened: bool = False
    prediction: str = "epsilon"
    steps: int = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02

    @property
    def version(self) -> int:
        """Version of the checkpoints' layout that this architecture needs."""
        return 2 if self.components or self.energies or self.sketch or self.evened else 1

    def to_dict(self) -> dict:
        """All settings; those that came later are left out at their defaults, so that older runs stay the same."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return without_defaults(values, ModelConfig, ("components", "energies", "sketch", "evened"))

    @classmethod
    def from_dict(cls, values: dict) -> ModelConfig:
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(f"model config has unknown keys {unknown}; known: {sorted(known)}")
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)


@dataclass(frozen=True)
class RunConfig:
    """What the training loop itself needs to know of a recipe; the recipe of each model adds to it.

    Attributes:
        images: images to see in all
        batch_size: images a step (over all devices)
        crop: side of a random training crop as a share of the slice's shorter side, in (0, 1]
        whole: whether the whole slice, made square with background, is embedded; training then sees squares whose
            sides are drawn between ``crop`` and 1 of it
        save_every: images between two evaluations and states
        patience: evaluations without a better held-out criterion after which training stops; the best weights are
            kept. 0 never stops
        least_gain: share by which the criterion has to be better than when it last counted as better, in [0, 1)
    """

    images: int = 1_000_000
    batch_size: int = 128
    crop: float = 0.9
    save_every: int = 50_000
    patience: int = 0
    whole: bool = False
    least_gain: float = 0.0

    @property
    def view(self) -> float:
        """What :func:`~.batches.fixed_crop` takes as ``crop`` to embed with this model."""
        return WHOLE if self.whole else self.crop

    def to_dict(self) -> dict:
        """All settings; one that came later is left out at its default, so that older runs have the same settings."""
        return without_defaults(asdict(self), RunConfig, ("patience", "whole", "least_gain"))


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """How a diffusion autoencoder is trained.

    Attributes:
        accumulate: forward passes a step
        lr: AdamW's learning rate
        weight_decay: AdamW's weight decay
        warmup: steps over which the learning rate rises
        clip: gradient norm limit
        ema: decay of the averaged weights; rises as min(ema, (1 + s)/(10 + s))
        time_power: time steps are drawn as 1000·(1 − u^p); 1 is uniform, 3 favours high noise
    """

    accumulate: int = 1
    lr: float = 1e-4
    weight_decay: float = 0.0
    warmup: int = 0
    clip: float = 1.0
    ema: float = 0.9999
    time_power: float = 1.0


@dataclass(frozen=True)
class Preset:
    """A named pair of configurations, with what it costs."""

    name: str
    description: str
    model: ModelConfig
    train: TrainConfig
    cost: dict = field(default_factory=dict)


def presets() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted(p.stem for p in (plugin_dir() / "models" / "presets").glob("*.json"))


def load_preset(name: str) -> Preset:
    """Loads a preset.

    Raises:
        InputError: there is no preset of that name
    """
    path = plugin_dir() / "models" / "presets" / f"{name}.json"
    if name not in presets():
        raise InputError(f"there is no preset {name!r}; presets: {', '.join(presets())}")
    raw = json.loads(path.read_text())
    return Preset(
        name, raw["description"], ModelConfig.from_dict(raw["model"]), TrainConfig(**raw["train"]), raw.get("cost", {})
    )


def default_preset() -> str:
    """The preset that fits this machine's device: the cheap 256 px one on a GPU, the lite one on a CPU."""
    import torch

    return "gpu-256" if torch.cuda.is_available() else "cpu-lite"
