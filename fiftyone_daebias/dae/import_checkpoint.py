"""Checkpoints of the authors' own code (github.com/phizaz/diffae) taken over into this package's format.

Their file holds a ``state_dict`` whose ``ema_model.…`` entries are the
averaged weights; images have three channels. Sub-modules have the names of
this package's networks, except for the time embedding and for the U-Net's
missing prefix.
"""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from .. import paths
from ..errors import CheckpointError
from ..parameters import PickedFile
from ..progress import Progress, listening
from .checkpoint import save_model
from .config import ModelConfig, load_preset
from .model import DiffusionAutoencoder

PREFIX = "ema_model."
#: what is no part of the autoencoder: networks of the authors' second stage
LEFT_OUT = ("latent_net.", "noise_net.")
#: presets whose architecture is the authors', smallest first
OFFICIAL = ("official-64", "official-128", "official-256")


@dataclass(frozen=True)
class ImportedCheckpoint:
    """A checkpoint that was taken over.

    Attributes:
        folder: where this package's checkpoint lies
        checkpoint_hash: sha256 of its weights
        preset: the architecture that it fits
        channels: image channels it takes
    """

    folder: str
    checkpoint_hash: str
    preset: str
    channels: int

    def to_dict(self) -> dict:
        return dict(self.__dict__)

    def __str__(self) -> str:
        return (
            f"checkpoint {self.checkpoint_hash[:12]} in {self.folder}: architecture {self.preset}, "
            f"images of {self.channels} channel{'s' if self.channels > 1 else ''}"
        )


def import_checkpoint(
    file: PickedFile,
    *,
    folder: Path | None = None,
    preset: Literal["official-64", "official-128", "official-256"] | None = None,
    progress: Progress | None = None,
) -> ImportedCheckpoint:
    """Takes over a checkpoint of the diffusion autoencoder's authors (phizaz/diffae); nothing in it is executed.

    Args:
        file: their ``last.ckpt``
        folder: where to write this package's checkpoint; default: beside the run folders, named after the file
        preset: architecture; default: the official one whose weights have these shapes

    Returns:
        the folder to pass as ``checkpoint``, and what it holds

    Raises:
        CheckpointError: the file is missing, damaged or unsafe, or fits no official architecture
    """
    told = listening(progress)
    told.say(f"reading {file}")
    weights = read_published(file)
    config, fits = _fitting(weights, file, preset)
    folder = Path(folder) if folder else paths.home() / "imported" / paths.safe_name(Path(file).resolve().stem)
    told.say(f"writing {folder}")
    sha = save_model(folder, weights, config, source=Path(file).name, crop=1.0)
    return ImportedCheckpoint(str(folder), sha, fits, config.in_channels)


class _Inert(dict):
    """What stands for whatever else a file names: it takes anything and does nothing."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        super().__init__()

    def __setstate__(self, state) -> None:
        pass


def read_published(path: Path | str) -> dict[str, Tensor]:
    """The averaged weights of such a file under this package's names.

    Classes that the file names, as those of the training framework, are replaced by ones that do nothing.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe or has no ``ema_model.`` entries
    """
    if not Path(path).is_file():
        raise CheckpointError(f"there is no file {path}")
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        with torch.serialization.safe_globals([(_Inert, name) for name in named]):
            raw = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is damaged, or does more than hold tensors and plain values, and is not loaded "
            f"({str(error).splitlines()[0][:200]}); get it again from where it was published"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        reason = (str(error).splitlines() or ["it ends too early"])[0][:200]
        raise CheckpointError(f"{path} is damaged: {reason}; get it again from where it was published") from error
    state = raw.get("state_dict", raw) if isinstance(raw, dict) else {}
    found = {
        k[len(PREFIX) :]: v
        for k, v in state.items()
        if isinstance(k, str) and k.startswith(PREFIX) and isinstance(v, Tensor)
    }
    if not found:
        raise CheckpointError(f"{path} has no '{PREFIX}…' weights, so it is not a checkpoint of phizaz/diffae")
    return {our_name(k): v.float() for k, v in found.items() if not k.startswith(LEFT_OUT)}


def our_name(name: str) -> str:
    """This package's name of one of the authors' weights (without ``ema_model.``)."""
    part = "encoder." if name.startswith("encoder.") else "unet."
    name = name.removeprefix("encoder.")
    name = re.sub(r"^time_embed\.time_embed\.", "time_embed.", name)
    return part + name


def _fitting(weights: dict[str, Tensor], path: Path | str, preset: str | None) -> tuple[ModelConfig, str]:
    """The architecture whose weights have these names and shapes, and its preset."""
    shapes = {k: tuple(v.shape) for k, v in weights.items()}
    channels = (*shapes.get("unet.input_blocks.0.0.weight", ()), 3, 3)[1]
    reasons = []
    for name in (preset,) if preset else OFFICIAL:
        config = replace(load_preset(name).model, in_channels=channels)
        with torch.device("meta"):
            wanted = {k: tuple(v.shape) for k, v in DiffusionAutoencoder(config).state_dict().items()}
        if wanted == shapes:
            return config, name
        other = sorted(k for k in wanted.keys() | shapes.keys() if wanted.get(k) != shapes.get(k))
        first = other[0]
        reasons.append(
            f"{name} differs in {len(other)} weights, first {first}: {shapes.get(first)}, not {wanted.get(first)}"
        )
    raise CheckpointError(f"{path} is of another architecture ({'; '.join(reasons)})")
