"""Weights that a training starts from: a checkpoint of the same architecture, one's own or one of the package's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from ..errors import InputError
from ..plugin import plugin_dir
from .checkpoint import FACTS, FORMAT, VERSION, load_checkpoint
from .config import ModelConfig

#: value of ``init`` that stands for random weights
SCRATCH = "scratch"


@dataclass(frozen=True)
class Start:
    """Weights to start from.

    Attributes:
        name: as the user named them
        sha256: of the weights
        images: images that they have seen
        weights: by name
    """

    name: str
    sha256: str
    images: int
    weights: dict[str, Tensor] = field(repr=False)


def packaged() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(p.parent.name for p in (plugin_dir() / "models").glob(f"*/{FACTS}"))


def fitting(config: ModelConfig) -> tuple[Start, ...]:
    """The packaged checkpoints with principal components that are of an architecture."""
    found = []
    for name in packaged() if config.components or config.energies else ():
        try:
            found.append(read_start(name, config))
        except InputError:
            continue
    return tuple(found)


def read_start(name: str, config: ModelConfig) -> Start:
    """Weights of a checkpoint that fit an architecture.

    Args:
        name: folder of a checkpoint, or one of :func:`packaged`
        config: the architecture that is to be trained

    Raises:
        InputError: there is no such checkpoint, or it is of another architecture
        CheckpointError: it is damaged or of another model
    """
    folder = plugin_dir() / "models" / name if name in packaged() else Path(name).expanduser()
    if not (folder / FACTS).is_file():
        raise InputError(
            f"init: there is no checkpoint {name!r}; pass a folder with a {FACTS}, {SCRATCH!r}, or one of "
            + ", ".join(packaged())
        )
    facts, weights = load_checkpoint(folder, FORMAT, VERSION)
    theirs, ours = ModelConfig.from_dict(facts["config"]), config
    apart = [k for k in ModelConfig.__dataclass_fields__ if getattr(theirs, k) != getattr(ours, k) and k != "dropout"]
    if apart:
        told = ", ".join(f"{k} {getattr(theirs, k)} instead of {getattr(ours, k)}" for k in apart[:4])
        raise InputError(
            f"init: checkpoint {name!r} has another architecture than the preset ({told}); pass the preset that it was "
            "trained with, or leave init out"
        )
    return Start(name, facts["sha256"], int(facts.get("images", 0)), {k: v.float() for k, v in weights.items()})
