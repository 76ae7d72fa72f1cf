"""What any learnt embedding has to beat: raw pixels, their principal components, and an encoder nobody trained."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import paths, store
from ..cohort.slices import SliceSource
from ..dae.batches import fixed_crop
from ..dae.checkpoint import fill, load_checkpoint, read_facts, save_model
from ..dae.components import principal_components
from ..dae.encoder import seeded
from ..dae.samples import open_together
from ..dae.trainer import TrainResult
from ..dae.view import WHOLE
from ..errors import CheckpointError, InputError
from ..progress import Progress, start
from .encoder import Encoder, from_dict

REFERENCES = ("pixels", "pca", "random")
VERSION = 1
#: the whole slice, as the presets' models see it
CROP = WHOLE
#: slices that principal components are fitted on
MOST_FITTED = 4_000


@dataclass(frozen=True)
class ReferenceConfig:
    """An untrained embedding.

    Attributes:
        image_size: side of the square input, pixels
        in_channels: image channels
        dimensions: values a slice: principal components, or the random encoder's code
        channels: widths of the random encoder (those of the preset cpu-lite)
    """

    image_size: int = 64
    in_channels: int = 1
    dimensions: int = 128
    channels: tuple[int, ...] = (64, 128, 128)

    def to_dict(self) -> dict:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


class Pixels(Encoder):
    """The pixels of half the side, as they are."""

    def __init__(self, config: ReferenceConfig):
        super().__init__(config)
        self.register_buffer("nothing", torch.zeros(1))

    @property
    def device(self) -> torch.device:
        return self.nothing.device

    def code(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2).flatten(1)


class Components(Encoder):
    """Principal components of the training subjects' pixels."""

    def __init__(self, config: ReferenceConfig):
        super().__init__(config)
        values = config.in_channels * config.image_size**2
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("axes", torch.zeros(config.dimensions, values))

    @property
    def device(self) -> torch.device:
        return self.mean.device

    def code(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ self.axes.T


class RandomEncoder(Encoder):
    """The autoencoder's lite encoder, with the weights that training would have begun with."""

    def __init__(self, config: ReferenceConfig):
        super().__init__(config)
        from ..dae.config import ModelConfig
        from ..dae.networks import LiteEncoder

        self.network: nn.Module = LiteEncoder(
            ModelConfig(
                image_size=config.image_size,
                in_channels=config.in_channels,
                z_dim=config.dimensions,
                encoder="lite",
                lite_encoder_channels=config.channels,
            )
        )

    def code(self, x: Tensor) -> Tensor:
        return self.network(x)


_CLASSES = {"pixels": Pixels, "pca": Components, "random": RandomEncoder}


def make_reference(
    samples, model: str, *, seed: int = 51, progress: Progress | None = None, config: ReferenceConfig | None = None
) -> TrainResult:
    """Makes an untrained embedding's checkpoint for a dataset; principal components see the training subjects only.

    Args:
        samples: a dataset or view
        model: "pixels", "pca" or "random"
        seed: seed of random weights, and of which slices are fitted
        progress: where to report
        config: sizes

    Raises:
        InputError: there is no such model
    """
    if model not in REFERENCES:
        raise InputError(f"there is no reference {model!r}; references: {', '.join(REFERENCES)}")
    config = config or ReferenceConfig()
    source = open_together(samples, progress=progress)
    facts = [model, config.to_dict(), seed if model != "pixels" else 0, source.data_hash]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    folder = paths.runs_dir(store.dataset_of(samples).name, model) / digest
    began = time.monotonic()
    images = 0
    if model == "pca":
        state, images, config = fit_components(source, config, seed, progress)
    else:
        state = seeded(lambda: _CLASSES[model](config), seed).state_dict()
    sha = save_model(
        folder,
        state,
        config,
        format=f"daebias-{model}",
        version=VERSION,
        images=images,
        seed=seed,
        crop=CROP,
        data_hash=source.data_hash,
    )
    store.write_info(samples, checkpoints={**store.read_info(samples).get("checkpoints", {}), model: str(folder)})
    nan = float("nan")
    return TrainResult(str(folder), sha, images, nan, nan, round(time.monotonic() - began, 2), 0, {})


def fit_components(
    source: SliceSource, config: ReferenceConfig, seed: int, progress: Progress | None
) -> tuple[dict[str, Tensor], int, ReferenceConfig]:
    """Principal components of slices of the training subjects: the state, slices used, and the config that fits."""
    rng = np.random.default_rng(seed)
    rows = [i for i, s in enumerate(source.splits) if s == "train"] or list(range(len(source)))
    places = [(i, k) for i in rows for k in range(source.n_slices(i))]
    if len(places) > MOST_FITTED:
        places = [places[j] for j in np.sort(rng.choice(len(places), MOST_FITTED, replace=False))]
    pixels = np.empty((len(places), config.in_channels * config.image_size**2), np.float32)
    with start(progress, "principal components", len(places), "slices") as task:
        for j, (i, k) in enumerate(places):
            pixels[j] = fixed_crop(source.read(i, [k]), config.image_size, CROP).flatten().numpy()
            task.advance()
    mean, axes, _ = principal_components(pixels, config.dimensions, seed)
    config = ReferenceConfig(config.image_size, config.in_channels, len(axes), config.channels)
    return {"mean": torch.from_numpy(mean), "axes": torch.from_numpy(axes)}, len(places), config


def load_reference(folder: Path | str, device: str | torch.device = "cpu") -> Encoder:
    """Loads an untrained embedding.

    Raises:
        CheckpointError: missing, damaged or of another format
    """
    name = read_facts(folder)["format"].removeprefix("daebias-")
    facts, weights = load_checkpoint(folder, f"daebias-{name}", VERSION)
    try:
        model = seeded(lambda: _CLASSES[name](from_dict(ReferenceConfig, facts["config"])), 0)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the checkpoint in {folder} is damaged: {error}; embed again without it") from error
    fill(model, weights, folder)
    return model.to(device).eval()


def _maker(model: str):
    def make(samples, *, preset=None, device=None, seed=51, progress=None) -> TrainResult:
        return make_reference(samples, model, seed=seed, progress=progress)

    make.__doc__ = f"Makes {model}'s checkpoint, for the embedding."
    return make


make_pixels, make_pca, make_random = map(_maker, REFERENCES)
