"""Checkpoints: a folder of safetensors and JSON, written whole or not at all.

Layout, version 1::

    model.safetensors   EMA weights, the ones that embed
    model.json          {"format": "daebias-dae", "version": 1, "config": {…}, "images": …, "sha256": …}
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..errors import CheckpointError, InputError
from .config import ModelConfig
from .model import DiffusionAutoencoder, build

FORMAT, VERSION = "daebias-dae", 1
WEIGHTS, FACTS = "model.safetensors", "model.json"


def save_model(folder: Path, state: dict[str, torch.Tensor], config: ModelConfig, **facts) -> str:
    """Writes a checkpoint; the JSON with the weights' hash comes last, so a torn write is found on loading.

    Returns:
        sha256 of the weights
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / WEIGHTS, state)
    sha = file_hash(folder / WEIGHTS)
    described = {"format": FORMAT, "version": VERSION, "config": config.to_dict(), "sha256": sha, **facts}
    write_json(folder / FACTS, described)
    return sha


def load_model(folder: Path | str, device: str | torch.device = "cpu") -> DiffusionAutoencoder:
    """Loads a checkpoint for encoding and decoding (evaluation mode).

    Raises:
        CheckpointError: missing, damaged, of another format or a newer version
    """
    facts = read_facts(folder)
    path = Path(folder) / WEIGHTS
    if not path.is_file() or file_hash(path) != facts["sha256"]:
        raise CheckpointError(
            f"{path} is missing or damaged (its content does not match {FACTS}); copy it again or train again"
        )
    model = build(ModelConfig.from_dict(facts["config"]))
    try:
        model.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        first = str(error).splitlines()[:2]
        raise CheckpointError(f"{path} does not hold the weights its {FACTS} describes: {' '.join(first)}") from error
    return model.to(device).eval()


def read_facts(folder: Path | str) -> dict:
    """What a checkpoint says of itself.

    Raises:
        CheckpointError: there is none, or it cannot be read by this version
    """
    path = Path(folder) / FACTS
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint in {folder} (no {FACTS}); train one with 'daebias train'")
    try:
        facts = json.loads(path.read_text())
        found = (facts["format"], int(facts["version"]))
        ModelConfig.from_dict(facts["config"])
        facts["sha256"]  # noqa: B018
    except (ValueError, KeyError, TypeError, InputError) as error:
        raise CheckpointError(f"{path} is damaged: {error}; copy the checkpoint again or train again") from error
    if found[0] != FORMAT or found[1] > VERSION:
        raise CheckpointError(
            f"{path} has format {found[0]!r} version {found[1]}; this package reads {FORMAT!r} up to {VERSION}"
        )
    return facts


def checkpoint_hash(folder: Path | str) -> str:
    """sha256 of a checkpoint's weights, as its JSON states it."""
    return read_facts(folder)["sha256"]


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Writes safetensors under another name and moves it into place."""
    part = path.with_name(path.name + ".part")
    try:
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, part)
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise CheckpointError(f"could not write {path}: {error}; free disk space or set DAEBIAS_HOME") from error


def write_json(path: Path, value: dict) -> None:
    """Writes JSON under another name and moves it into place."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(value, indent=2, default=str) + "\n")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CheckpointError(f"could not write {path}: {error}; free disk space or set DAEBIAS_HOME") from error


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
