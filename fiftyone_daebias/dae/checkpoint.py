"""Checkpoints: a folder of safetensors and JSON, written whole or not at all.

Layout, version 2 (1 where the architecture has no principal components, sketch or evening)::

    model.safetensors   averaged weights, the ones that embed
    model.json          {"format": "daebias-dae", "version": 2, "config": {…}, "images": …, "sha256": …}

Other models have the same layout with another "format".
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .. import atomic
from ..errors import CheckpointError, InputError
from .config import ModelConfig
from .hardware import memory_format
from .model import DiffusionAutoencoder, build

FORMAT, VERSION = "daebias-dae", 2
WEIGHTS, FACTS = "model.safetensors", "model.json"


def save_model(
    folder: Path, state: dict[str, torch.Tensor], config, *, format: str = FORMAT, version: int | None = None, **facts
) -> str:
    """Writes a checkpoint; until both files are complete under other names, the one before stays as it is.

    Args:
        folder: where to; created
        state: weights
        config: the architecture, with ``to_dict()``
        format: which model it is
        version: version of the layout of that format; default: the config's, or 1
        **facts: what else to note

    Returns:
        sha256 of the weights

    Raises:
        CheckpointError: the disk is full or not writable
    """
    folder = Path(folder)
    version = version or getattr(config, "version", 1)
    try:
        atomic.make_folder(folder)
        parts = [folder / (name + ".part") for name in (WEIGHTS, FACTS)]
        try:
            _save(parts[0], state)
            sha = file_hash(parts[0])
            described = {"format": format, "version": version, "config": config.to_dict(), "sha256": sha, **facts}
            parts[1].write_text(json.dumps(described, indent=2, default=str) + "\n")
            for part in parts:
                atomic.to_disk(part)
            # a kill between the two is mended on reading: the part that is left belongs to the new weights
            os.replace(parts[0], folder / WEIGHTS)
            os.replace(parts[1], folder / FACTS)
        except BaseException:
            for part in parts:
                part.unlink(missing_ok=True)
            raise
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"could not write {folder / WEIGHTS}: {error}; free disk space or set DAEBIAS_HOME"
        ) from error
    return sha


def load_model(folder: Path | str, device: str | torch.device = "cpu") -> DiffusionAutoencoder:
    """Loads a diffusion autoencoder for encoding and decoding (evaluation mode).

    Raises:
        CheckpointError: missing, damaged, of another model or a newer version
    """
    facts, weights = load_checkpoint(folder, FORMAT, VERSION)
    try:
        model = build(ModelConfig.from_dict(facts["config"]))
    except (InputError, TypeError, ValueError) as error:
        raise CheckpointError(f"{Path(folder) / FACTS} is damaged: {error}; copy the checkpoint again") from error
    fill(model, weights, folder)
    return model.to(device, memory_format=memory_format(torch.device(device))).eval()


def load_checkpoint(folder: Path | str, format: str, version: int) -> tuple[dict, dict[str, torch.Tensor]]:
    """Facts and weights of a checkpoint of one format, its content checked.

    Raises:
        CheckpointError: missing, damaged, of another model or a newer version
    """
    facts = read_facts(folder)
    path = Path(folder) / WEIGHTS
    if facts["format"] != format or facts["version"] > version:
        raise CheckpointError(
            f"{Path(folder) / FACTS} has format {facts['format']!r} version {facts['version']}; here {format!r} up to "
            f"version {version} is needed"
        )
    if not path.is_file() or file_hash(path) != facts["sha256"]:
        raise CheckpointError(
            f"{path} is missing or damaged (its content does not match {FACTS}); copy it again or train again"
        )
    try:
        return facts, load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}; copy it again or train again") from error


def fill(model: torch.nn.Module, weights: dict[str, torch.Tensor], folder: Path | str) -> None:
    """Gives a model the weights of a checkpoint.

    Raises:
        CheckpointError: they are of another architecture
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        first = [line.strip() for line in str(error).splitlines()[:3]]
        raise CheckpointError(
            f"{Path(folder) / WEIGHTS} does not hold the weights its {FACTS} describes: {' '.join(first)}"
        ) from error


def read_facts(folder: Path | str) -> dict:
    """What a checkpoint, of whichever model, says of itself.

    Raises:
        CheckpointError: there is none, or it is damaged
    """
    path = Path(folder) / FACTS
    _mend(Path(folder))
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint in {folder} (no {FACTS}); train one with 'daebias train'")
    try:
        facts = json.loads(path.read_text())
        facts["version"] = int(facts["version"])
        if not all(isinstance(facts[k], kind) for k, kind in (("format", str), ("config", dict), ("sha256", str))):
            raise ValueError("format, config or sha256 is of another type")
        if facts["format"] == FORMAT and facts["version"] <= VERSION:
            ModelConfig.from_dict(facts["config"])
    except (ValueError, KeyError, TypeError, InputError) as error:
        raise CheckpointError(f"{path} is damaged: {error}; copy the checkpoint again or train again") from error
    return facts


def _mend(folder: Path) -> None:
    """Completes a checkpoint whose writer was killed between its two files."""
    part = folder / (FACTS + ".part")
    if not part.exists() or (folder / (WEIGHTS + ".part")).exists() or not (folder / WEIGHTS).exists():
        return
    try:
        if json.loads(part.read_text())["sha256"] == file_hash(folder / WEIGHTS):
            os.replace(part, folder / FACTS)
    except (OSError, ValueError, KeyError, TypeError):
        return  # not ours to mend: reading goes on and says what is wrong


def checkpoint_hash(folder: Path | str) -> str:
    """sha256 of a checkpoint's weights, as its JSON states it."""
    return read_facts(folder)["sha256"]


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Writes safetensors under another name and moves it into place."""
    try:
        with atomic.replacing(path, error=CheckpointError) as part:
            _save(part, tensors)
    except SafetensorError as error:  # its way to say that the disk is full
        raise CheckpointError(f"{path} cannot be written: {error}; free disk space or set DAEBIAS_HOME") from error


def write_json(path: Path, value: dict) -> None:
    """Writes JSON under another name and moves it into place."""
    atomic.write_text(path, json.dumps(value, indent=2, default=str) + "\n", error=CheckpointError)


def _save(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, path)


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
