"""The baselines' presets in ``models/presets/baselines``."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from ..dae.config import RunConfig
from ..errors import InputError
from ..plugin import plugin_dir
from .encoder import from_dict
from .learn_gan import GanTrain
from .learn_vae import PlainTrain
from .stylegan2 import StyleGanConfig
from .supervised import NETWORKS, SupervisedConfig
from .vae import BetaVaeConfig

#: models that are trained here
TRAINED = ("beta-vae", "stylegan2", *NETWORKS)


@dataclass(frozen=True)
class BaselinePreset:
    """A named architecture and recipe.

    Attributes:
        name: its name
        model: "beta-vae", "stylegan2" or "supervised"
        description: what it is meant for
        config: the architecture
        train: the recipe
    """

    name: str
    model: str
    description: str
    config: object
    train: RunConfig


def family(model: str) -> str:
    """Whose presets a model takes.

    Raises:
        InputError: there is no such baseline
    """
    if model not in TRAINED:
        raise InputError(f"there is no baseline {model!r}; baselines: {', '.join(TRAINED)}")
    return "supervised" if model in NETWORKS else model


def baseline_presets() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted(p.stem for p in (plugin_dir() / "models" / "presets" / "baselines").glob("*.json"))


def load_baseline_preset(model: str, name: str | None = None, device_type: str = "cpu", **changes) -> BaselinePreset:
    """The preset of a model with a user's changes to its recipe.

    Args:
        model: a baseline
        name: preset; default: the 64 px one on a CPU, the 128 px one elsewhere
        device_type: "cpu", "cuda" …
        **changes: fields of the recipe; ``None`` keeps the preset's

    Raises:
        InputError: no such preset, one of another model, or a change out of its range
    """
    group = family(model)
    name = name or (group if device_type == "cpu" else f"{group}-128")
    if name not in baseline_presets():
        mine = [p for p in baseline_presets() if p.startswith(group)]
        raise InputError(f"there is no preset {name!r} for {model}; presets: {', '.join(mine)}")
    raw = json.loads((plugin_dir() / "models" / "presets" / "baselines" / f"{name}.json").read_text())
    if raw["model"] != group:
        raise InputError(f"preset {name!r} is for {raw['model']}, not for {model}")
    config_class, train_class = {
        "beta-vae": (BetaVaeConfig, PlainTrain),
        "stylegan2": (StyleGanConfig, GanTrain),
        "supervised": (SupervisedConfig, PlainTrain),
    }[group]
    given = {k: v for k, v in changes.items() if v is not None}
    for key, value in given.items():
        if value < 0 or value == 0 and key != "patience":
            raise InputError(f"{key} must be above 0; got {value}")
    train = replace(from_dict(train_class, raw["train"]), **given)
    if "images" in given and "save_every" not in given:
        train = replace(train, save_every=min(train.save_every, max(train.batch_size, train.images)))
    config = from_dict(config_class, raw["config"])
    if group == "supervised":
        config = replace(config, network=model)
    return BaselinePreset(name, group, raw["description"], config, train)
