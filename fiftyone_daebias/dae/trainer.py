"""The training loop: resumable at any step, deterministic, one run a folder.

Run folder, version 1::

    run.json          settings, seed, data hash
    metrics.jsonl     one line an evaluation: images, loss, validation loss, images per second
    state.json        which state is current; written last, so a kill leaves the previous one
    state-N/          weights and optimiser after N steps (safetensors)
    model.safetensors, model.json   EMA weights: see checkpoint.py
    run.lock          held while a process trains here
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import CheckpointError, TrainingError
from ..progress import Progress, start
from .batches import TrainingBatches, fixed_crop
from .checkpoint import FACTS, WEIGHTS, file_hash, read_facts, save_model, write_json, write_tensors
from .config import ModelConfig, TrainConfig
from .model import build

RUN_VERSION = 1


@dataclass(frozen=True)
class TrainResult:
    """What a training left behind.

    Attributes:
        folder: the run folder; it is the checkpoint
        checkpoint_hash: sha256 of the EMA weights
        images: images seen in all
        loss: mean training loss since the last evaluation
        validation_loss: loss on the validation split (NaN without one)
        seconds: time spent training, this call only
        resumed_at: images already seen when this call began
    """

    folder: str
    checkpoint_hash: str
    images: int
    loss: float
    validation_loss: float
    seconds: float
    resumed_at: int

    def to_dict(self) -> dict:
        return dict(self.__dict__)

    def __str__(self) -> str:
        if self.resumed_at >= self.images:
            return f"already trained: {self.images:,} images; checkpoint {self.checkpoint_hash[:12]} in {self.folder}"
        rate = (self.images - self.resumed_at) / max(self.seconds, 1e-9)
        again = f" (went on from {self.resumed_at:,})" if self.resumed_at else ""
        return (
            f"trained on {self.images:,} images{again} in {self.seconds:.0f} s ({rate:.0f} images/s); "
            f"loss {self.loss:.4f}, validation {self.validation_loss:.4f}\n"
            f"checkpoint {self.checkpoint_hash[:12]} in {self.folder}"
        )


def train(
    source,
    folder: Path,
    model_config: ModelConfig,
    config: TrainConfig,
    *,
    seed: int = 51,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> TrainResult:
    """Trains until ``config.images`` images have been seen, going on from the folder's last state.

    Args:
        source: a ``SliceSource``; its ``train`` split trains, its ``val`` split validates
        folder: run folder
        model_config: the architecture
        config: the recipe
        seed: seed of weights, order, crops, noise and dropout
        device: where to train
        progress: where to report

    Raises:
        CheckpointError: the folder holds another run, a damaged one, or another process trains there
        TrainingError: the loss is not finite, or memory is out; the last good state is kept
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        run = _Run(source, folder, model_config, config, seed, torch.device(device))
        return run.go(progress)


class _Run:
    def __init__(self, source, folder, model_config, config, seed, device):
        self.source, self.folder, self.model_config = source, folder, model_config
        self.config, self.seed, self.device = config, seed, device
        self._check_folder()
        self.model = build(model_config, seed).to(device)
        self.ema = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.lr, weight_decay=config.weight_decay, betas=(0.9, 0.999)
        )
        self.step, self.losses, self.validation = 0, [], float("nan")
        self._load_state()

    def go(self, progress: Progress | None) -> TrainResult:
        total_steps = -(-self.config.images // self.config.batch_size)
        resumed_at = self.step * self.config.batch_size
        if self.step >= total_steps:
            return self._result(resumed_at, 0.0)
        train_rows = [i for i, s in enumerate(self.source.splits) if s == "train"] or list(range(len(self.source)))
        batches = TrainingBatches(
            self.source, train_rows, self.model_config.image_size, self.config.batch_size, self.config.crop, self.seed
        )
        save_steps = max(1, self.config.save_every // self.config.batch_size)
        began, loss_since = time.monotonic(), []
        try:
            with start(progress, "training", (total_steps - self.step) * self.config.batch_size, "images") as task:
                while self.step < total_steps:
                    loss = self._train_step(batches.batch(self.step))
                    loss_since.append(loss)
                    self.step += 1
                    if self.step % save_steps == 0 or self.step == total_steps:
                        self._save(loss_since, time.monotonic() - began)
                        loss_since = []
                    task.advance(self.config.batch_size, note=f"loss {np.mean(self.losses[-50:]):.4f}")
        except KeyboardInterrupt:
            self._save(loss_since, time.monotonic() - began)
            raise
        return self._result(resumed_at, time.monotonic() - began)

    def _train_step(self, batch: Tensor) -> float:
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * min(1.0, (self.step + 1) / max(1, config.warmup))
        rng = torch.Generator().manual_seed((self.seed * 1_000_003 + self.step) % 2**63)
        u = torch.rand(len(batch), generator=rng, dtype=torch.float64)
        steps = self.model_config.steps
        t = (steps * (1 - u**config.time_power)).long().clamp(0, steps - 1)
        noise = torch.randn(batch.shape, generator=rng)
        total = 0.0
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        try:
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                torch.manual_seed(self.seed * 7_919 + self.step)  # dropout, inside a fork: the global state is kept
                for part in torch.arange(len(batch)).chunk(config.accumulate):
                    x0, tt, eps = (a[part].to(self.device) for a in (batch, t, noise))
                    with self._autocast():
                        loss = self.model(x0, tt, eps) * (len(part) / len(batch))
                    loss.backward()
                    total += loss.item()
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"out of memory on {self.device} with batch_size={config.batch_size}, accumulate={config.accumulate}; "
                f"pass a larger accumulate (for example {config.accumulate * 2}) or a smaller batch_size"
            ) from error
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        if not np.isfinite(total) or not torch.isfinite(norm):
            raise TrainingError(
                f"the loss became {total} at step {self.step}; the last good state is kept in {self.folder}; "
                "lower lr, raise warmup, or check the images for constant or non-finite ones"
            )
        self.optimizer.step()
        self._update_ema()
        self.losses.append(total)
        return total

    def _autocast(self):
        fast = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=fast)

    @torch.no_grad()
    def _update_ema(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.ema[name].lerp_(value, 1 - decay)
            else:
                self.ema[name].copy_(value)

    @torch.no_grad()
    def _validate(self, limit: int = 256) -> float:
        rows = [i for i, s in enumerate(self.source.splits) if s == "val"][:limit]
        if not rows:
            return float("nan")
        model = build(self.model_config).to(self.device).eval()
        model.load_state_dict(self.ema)
        size, crop = self.model_config.image_size, self.config.crop
        images = [fixed_crop(self.source.read(i, [self.source.n_slices(i) // 2]), size, crop) for i in rows]
        rng = torch.Generator().manual_seed(self.seed)  # the same times and noise at every evaluation
        losses = []
        for part in torch.cat(images).split(32):
            t = torch.randint(self.model_config.steps, (len(part),), generator=rng)
            noise = torch.randn(part.shape, generator=rng)
            losses += [model(part.to(self.device), t.to(self.device), noise.to(self.device)).item()] * len(part)
        return float(np.mean(losses))

    def _save(self, losses: list[float], seconds: float) -> None:
        self.validation = self._validate()
        state = self.folder / f"state-{self.step}"
        state.mkdir(exist_ok=True)
        write_tensors(state / "weights.safetensors", self.model.state_dict())
        write_tensors(state / "ema.safetensors", self.ema)
        flat = {
            f"{k}.{name}": torch.as_tensor(value)
            for k, values in self.optimizer.state_dict()["state"].items()
            for name, value in values.items()
        }
        write_tensors(state / "optimizer.safetensors", flat)
        images = self.step * self.config.batch_size
        save_model(
            self.folder, self.ema, self.model_config, images=images, seed=self.seed, crop=self.config.crop,
            data_hash=self.source.data_hash,
        )
        loss = float(np.mean(losses)) if losses else float("nan")
        facts = {
            "version": RUN_VERSION, "step": self.step, "state": state.name, "loss": loss,
            "validation_loss": self.validation, "sha256": file_hash(self.folder / WEIGHTS),
        }
        line = {"images": images, "loss": loss, "validation_loss": self.validation, "seconds": round(seconds, 2)}
        with open(self.folder / "metrics.jsonl", "a") as stream:
            stream.write(json.dumps(line) + "\n")
        write_json(self.folder / "state.json", facts)
        for old in self.folder.glob("state-*"):
            if old != state:
                shutil.rmtree(old, ignore_errors=True)

    def _load_state(self) -> None:
        pointer = self.folder / "state.json"
        if not pointer.exists():
            return
        try:
            facts = json.loads(pointer.read_text())
            state = self.folder / facts["state"]
            self.model.load_state_dict(load_file(state / "weights.safetensors"))
            self.ema = {k: v.to(self.device) for k, v in load_file(state / "ema.safetensors").items()}
            flat = load_file(state / "optimizer.safetensors")
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"the state in {self.folder} is damaged ({error}); delete that folder to train anew"
            ) from error
        optimizer = self.optimizer.state_dict()
        for key, value in flat.items():
            index, _, name = key.partition(".")
            optimizer["state"].setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict(optimizer)
        self.step, self.losses = facts["step"], [facts["loss"]]
        self.validation = facts["validation_loss"]

    def _check_folder(self) -> None:
        settings = {
            "version": RUN_VERSION, "model": self.model_config.to_dict(), "train": self.config.to_dict(),
            "seed": self.seed, "data_hash": self.source.data_hash,
        }
        path = self.folder / "run.json"
        if path.exists():
            found = json.loads(path.read_text())
            different = sorted(k for k in settings if found.get(k) != settings[k])
            if different:
                raise CheckpointError(
                    f"{self.folder} holds a run with other {', '.join(different)}; choose another folder or delete it"
                )
        else:
            write_json(path, settings)

    def _result(self, resumed_at: int, seconds: float) -> TrainResult:
        facts = read_facts(self.folder)
        loss = float(np.mean(self.losses[-50:]))
        return TrainResult(
            str(self.folder), facts["sha256"], self.step * self.config.batch_size, loss, self.validation,
            round(seconds, 2), resumed_at,
        )


def is_complete(folder: Path, config: TrainConfig) -> bool:
    """Whether a run folder's training has seen all its images."""
    pointer = folder / "state.json"
    if not pointer.exists() or not (folder / FACTS).exists():
        return False
    return json.loads(pointer.read_text())["step"] * config.batch_size >= config.images


@contextmanager
def _locked(folder: Path):
    """Holds the run's lock; the system frees it when the process ends, however it ends."""
    with open(folder / "run.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CheckpointError(
                f"another process is training in {folder}; wait for it, or train with other settings"
            ) from None
        yield
