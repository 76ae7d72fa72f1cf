"""Anybody's model as an embedding: FiftyOne's zoo by name, or a torch module by its class and safetensors.

* ``model="zoo:NAME"`` takes a model of FiftyOne's model zoo that gives embeddings.
* ``model="module:PACKAGE.MODULE:CLASS"`` takes a module of a class that can be imported, whose weights and arguments
  :func:`save_module` has written. Nothing is pickled, and only classes of torch modules are called.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .. import paths, store
from ..dae.checkpoint import fill, load_checkpoint, save_model
from ..dae.encoder import seeded
from ..dae.trainer import TrainResult
from ..embeddings.encoders import EmbeddingModel
from ..errors import CheckpointError, InputError, alike
from .encoder import Encoder, from_dict

VERSION = 1
#: centre crop, as the presets' training crops
CROP = 0.9


@dataclass(frozen=True)
class UserConfig:
    """Somebody's model.

    Attributes:
        name: "zoo:NAME" or "module:PACKAGE.MODULE:CLASS"
        image_size: side that slices are brought to, pixels; zoo models scale them further
        in_channels: image channels
        arguments: keyword arguments of the class
    """

    name: str
    image_size: int = 224
    in_channels: int = 1
    arguments: dict = field(default_factory=dict)

    def to_dict(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class UserModel(EmbeddingModel):
    """A model that is known by its name alone."""

    def train(self, samples, **settings) -> TrainResult:
        """Nothing is trained: a zoo model is noted on the dataset; a module must come with its checkpoint."""
        if not self.name.startswith("zoo:"):
            raise InputError(
                f"model {self.name!r} needs its weights: write them with fiftyone_daebias.baselines.user_models."
                "save_module and pass checkpoint=FOLDER"
            )
        _zoo_model(self.name)
        folder = paths.runs_dir(store.dataset_of(samples).name, self.name) / "zoo"
        # the weights are the zoo's; what identifies them is their name
        mark = torch.tensor(list(self.name.encode()), dtype=torch.uint8)
        sha = save_model(
            folder, {"name": mark}, UserConfig(self.name), format=self.format, version=VERSION, images=0, crop=CROP
        )
        store.write_info(
            samples, checkpoints={**store.read_info(samples).get("checkpoints", {}), self.name: str(folder)}
        )
        nan = float("nan")
        return TrainResult(str(folder), sha, 0, nan, nan, 0.0, 0, {})


def named(name: str) -> UserModel:
    """The model of a name with a colon.

    Raises:
        InputError: it is neither "zoo:NAME" nor "module:PACKAGE.MODULE:CLASS"
    """
    kind, _, rest = name.partition(":")
    if kind == "zoo" and rest:
        return UserModel(name, "daebias-zoo", "baselines.user_models:load_zoo", "")
    if kind == "module" and rest.count(":") == 1:
        return UserModel(name, "daebias-module", "baselines.user_models:load_module", "")
    raise InputError(f"model {name!r} is neither zoo:NAME nor module:PACKAGE.MODULE:CLASS")


class ZooEncoder:
    """A zoo model, given slices as grey RGB pictures; it scales and normalises them itself.

    Args:
        config: its name
        device: where to compute
    """

    def __init__(self, config: UserConfig, device: str | torch.device = "cpu"):
        self.config, self.image_size, self.in_channels = config, config.image_size, config.in_channels
        self.device, self.model = torch.device(device), _zoo_model(config.name, device)

    def encode(self, x: Tensor) -> Tensor:
        """Embeddings, float32 (B, d), of images (B, 1, image_size, image_size) in [-1, 1]."""
        grey = ((x[:, 0].clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()
        with self.model:
            found = self.model.embed_all([np.repeat(image[..., None], 3, axis=2) for image in grey])
        return torch.from_numpy(np.stack([np.asarray(v, np.float32).ravel() for v in found]))


def _zoo_model(name: str, device: str | torch.device = "cpu"):
    import fiftyone.zoo as foz

    name = name.removeprefix("zoo:")
    try:
        model = foz.load_zoo_model(name, device=str(device))
    except Exception as error:  # a zoo of many libraries fails in many ways
        if isinstance(error, ValueError) and "not found in the zoo" in str(error):
            known = alike(name, foz.list_zoo_models(), 5)
            hint = f"; alike: {', '.join(known)}" if known else ""
            raise InputError(f"FiftyOne's zoo has no model {name!r}{hint}") from error
        raise InputError(
            f"zoo model {name!r} could not be loaded ({type(error).__name__}: {str(error)[:200]}); download it where "
            "there is a network, with 'fiftyone zoo models download', and copy its file to "
            "FIFTYONE_MODEL_ZOO_DIR"
        ) from error
    if not getattr(model, "has_embeddings", False):
        raise InputError(f"zoo model {name!r} gives no embeddings; choose one tagged 'embeddings'")
    return model


def load_zoo(folder: Path | str, device: str | torch.device = "cpu") -> ZooEncoder:
    """Loads the zoo model that a checkpoint names."""
    facts, _ = load_checkpoint(folder, "daebias-zoo", VERSION)
    return ZooEncoder(from_dict(UserConfig, facts["config"]), device)


class ModuleEncoder(Encoder):
    """Somebody's torch module; what it returns is flattened.

    Args:
        config: its class, size and arguments

    Raises:
        CheckpointError: the class cannot be imported, is none of a torch module, or does not take the arguments
    """

    def __init__(self, config: UserConfig):
        super().__init__(config)
        _, module, name = config.name.split(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise CheckpointError(f"{config.name!r} cannot be imported ({error}); install what defines it") from error
        if not (isinstance(found, type) and issubclass(found, nn.Module)):
            raise CheckpointError(f"{config.name!r} is not a class of torch modules")
        try:
            self.network = found(**config.arguments)
        except TypeError as error:
            raise CheckpointError(f"{config.name!r} does not take {config.arguments}: {error}") from error

    def code(self, x: Tensor) -> Tensor:
        return self.network(x).flatten(1)


def save_module(
    folder: Path | str,
    module: nn.Module,
    *,
    image_size: int,
    in_channels: int = 1,
    arguments: dict | None = None,
    crop: float = CROP,
) -> str:
    """Writes a torch module as a checkpoint that :func:`fiftyone_daebias.compute_dae_embeddings` takes.

    Args:
        folder: where to
        module: maps (B, in_channels, image_size, image_size) in [-1, 1] to (B, …)
        image_size: side of its input, pixels
        in_channels: channels of its input
        arguments: JSON-able keyword arguments that make the same architecture from its class
        crop: side of the centre crop as a share of a slice's shorter side

    Returns:
        the name to pass as ``model=``

    Raises:
        InputError: the class cannot be imported by name, does not give this architecture, or the arguments are not
            JSON
    """
    kind = type(module)
    name = f"module:{kind.__module__}:{kind.__qualname__}"
    config = UserConfig(name, image_size, in_channels, dict(arguments or {}))
    try:
        json.dumps(config.arguments)
        again = seeded(lambda: ModuleEncoder(config), 0)
        again.network.load_state_dict(module.state_dict())
        with torch.no_grad():
            codes = again.eval().code(torch.zeros(2, in_channels, image_size, image_size))
    except (CheckpointError, RuntimeError, TypeError) as error:
        raise InputError(f"{name!r} made from {config.arguments} is not this module: {error}") from error
    if codes.ndim != 2 or len(codes) != 2:
        raise InputError(f"{name!r} maps 2 images to {tuple(codes.shape)}; expected (2, d)")
    state = {f"network.{k}": v for k, v in module.state_dict().items()}
    save_model(folder, state, config, format="daebias-module", version=VERSION, images=0, crop=crop)
    return name


def load_module(folder: Path | str, device: str | torch.device = "cpu") -> ModuleEncoder:
    """Loads a module that :func:`save_module` has written.

    Raises:
        CheckpointError: missing, damaged, or its class is not here
    """
    facts, weights = load_checkpoint(folder, "daebias-module", VERSION)
    model = seeded(lambda: ModuleEncoder(from_dict(UserConfig, facts["config"])), 0)
    fill(model, weights, folder)
    return model.to(device).eval()
