"""A run's folder: settings, metrics, the state to go on from, and the checkpoint.

Layout, version 2::

    run.json          version, checkpoint format, settings, seed, data hash
    metrics.jsonl     one line an evaluation: images, losses, held-out metrics, seconds, images per second
    state.json        which state is current; written last, so a kill leaves the previous one
    state-N/learner.safetensors     weights, averages and optimisers after N steps
    grids/IMAGES.png  held-out images above their reconstructions
    model.safetensors, model.json   the weights that embed: see checkpoint.py
    run.lock          held while a process trains here

Version 1 had weights, averages and optimiser in three files; it is read.
"""

from __future__ import annotations

import json
import math
import shutil
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .. import atomic
from ..errors import CheckpointError
from ..processes import lock_file
from ..serialize import finite
from .checkpoint import FACTS, write_json, write_tensors

VERSION = 2
SETTINGS, POINTER, METRICS, STATE = "run.json", "state.json", "metrics.jsonl", "learner.safetensors"


class RunFolder:
    """One run on disk.

    Args:
        path: the folder; created when it is locked
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)

    @contextmanager
    def lock(self):
        """Holds the run's lock; the system frees it when the process ends, however it ends.

        Raises:
            CheckpointError: another process trains here, or the folder cannot be written
        """
        try:
            atomic.make_folder(self.path)
            lock = open(self.path / "run.lock", "w")  # noqa: SIM115  closed below
        except OSError as error:
            raise CheckpointError(
                f"could not write to {self.path}: {error.strerror}; free disk space or set DAEBIAS_HOME"
            ) from error
        with lock:
            try:
                lock_file(lock, wait=False)
            except OSError:
                raise CheckpointError(
                    f"another process is training in {self.path}; wait for it, or train with other settings"
                ) from None
            yield

    def claim(self, settings: dict) -> None:
        """Writes down the settings of a new run, or checks that an old run has the same.

        Raises:
            CheckpointError: the folder holds a run with other settings, of a newer version, or a damaged one
        """
        path = self.path / SETTINGS
        if not path.exists():
            write_json(path, {"version": VERSION, **settings})
            return
        found = _read(path)
        if found.get("version", 1) > VERSION:
            raise CheckpointError(
                f"{self.path} was written by a newer version ({found['version']}; this package reads up to {VERSION}); "
                "update fiftyone-daebias"
            )
        found.setdefault("format", "daebias-dae")  # version 1 had no other
        different = sorted(k for k in settings if found.get(k) != settings[k])
        if different:
            raise CheckpointError(
                f"{self.path} holds a run with other {', '.join(different)}; choose another folder or delete it"
            )

    def load(self) -> tuple[dict, dict[str, Tensor]] | None:
        """Facts and tensors of the current state; ``None`` when there is none yet.

        Raises:
            CheckpointError: the state is damaged
        """
        if not (self.path / POINTER).exists():
            return None
        facts = _read(self.path / POINTER)
        try:
            state = self.path / facts["state"]
            if facts["version"] == 1:
                tensors = {
                    f"{name}.{k}": v
                    for name in ("weights", "ema", "optimizer")
                    for k, v in load_file(state / f"{name}.safetensors").items()
                }
            else:
                tensors = load_file(state / STATE)
            return facts, tensors
        except (OSError, SafetensorError, KeyError) as error:
            raise self.damaged(error) from error

    def damaged(self, error: BaseException) -> CheckpointError:
        """The error for a state that cannot be taken up."""
        why = " ".join(str(error).split())[:200]
        return CheckpointError(f"the state in {self.path} is damaged ({why}); delete that folder to train anew")

    def save(self, step: int, tensors: dict[str, Tensor], facts: dict) -> None:
        """Makes a state the current one and drops those before it.

        Raises:
            CheckpointError: the disk is full or not writable; the state before is still the current one
        """
        state = self.path / f"state-{step}"
        try:
            state.mkdir(exist_ok=True)
            write_tensors(state / STATE, tensors)
            write_json(self.path / POINTER, {"version": VERSION, "step": step, "state": state.name, **facts})
        except (OSError, CheckpointError) as error:
            current = _read(self.path / POINTER).get("state") if (self.path / POINTER).exists() else None
            if current != state.name:
                shutil.rmtree(state, ignore_errors=True)
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"could not write {state}: {error.strerror}; free disk space") from error
        for old in self.path.glob("state-*"):
            if old != state:
                shutil.rmtree(old, ignore_errors=True)

    def forget_metrics_after(self, images: int) -> None:
        """Drops the metrics of what is about to be trained again."""
        path = self.path / METRICS
        if path.exists():
            lines = path.read_text().splitlines()
            kept = [line for line in lines if _images(line) <= images]
            if len(kept) < len(lines):
                atomic.write_text(path, "".join(line + "\n" for line in kept), error=CheckpointError)

    def log(self, metrics: dict) -> None:
        """Appends one line of metrics; what is not finite becomes null.

        Raises:
            CheckpointError: the disk is full
        """
        try:
            with open(self.path / METRICS, "a") as stream:
                stream.write(json.dumps(finite(metrics)) + "\n")
        except OSError as error:
            raise CheckpointError(
                f"could not write {self.path / METRICS}: {error.strerror}; free disk space or set DAEBIAS_HOME"
            ) from error


def is_complete(folder: Path, config) -> bool:
    """Whether a run's training has seen all its images, or has stopped early."""
    pointer = Path(folder) / POINTER
    if not pointer.exists() or not (Path(folder) / FACTS).exists():
        return False
    facts = _read(pointer)
    return facts["step"] * config.batch_size >= config.images or bool(facts.get("stopped"))


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); delete that folder to train anew") from error


def _images(line: str) -> float:
    try:
        return json.loads(line)["images"]
    except (ValueError, KeyError, TypeError):
        return math.inf  # half a line of a killed process
