"""The diffusion autoencoder in training."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import get_ema_multi_avg_fn

from . import hardware
from .components import principal_components
from .config import ModelConfig, TrainConfig
from .distributed import process_group
from .init import Start
from .learner import OneOptimizer, step_generator, step_random
from .model import build
from .ssim import mse, ssim

#: held-out images that are decoded at an evaluation, and DDIM steps for it
DECODED, DECODE_STEPS = 32, 10
#: share by which weights of other images have to decode held-out ones better than random weights do
WORTH = 0.02


class DaeLearner(OneOptimizer):
    """AdamW, warm-up, gradient clipping, accumulation and averaged weights around the autoencoder's loss.

    A :class:`~.learner.Learner`. Noise and times of the whole batch are drawn
    on every process and each takes its own part, so that the number of
    processes does not change what is learnt.

    Args:
        config: the architecture
        train: the recipe
        seed: seed of weights, noise, times and dropout
        device: where to compute
        compiled: whether to use ``torch.compile``; default: when it pays
        start: weights to start from; default: random ones. Principal components are the cohort's own all the same
        candidates: weights of which those are started from that decode held-out images best before any training, if
            better than random ones by :data:`WORTH`
    """

    format = "daebias-dae"
    criterion = "reconstruction_mse"

    def __init__(
        self,
        config: ModelConfig,
        train: TrainConfig,
        *,
        seed: int = 51,
        device: str | torch.device = "cpu",
        compiled: bool | None = None,
        start: Start | None = None,
        candidates: tuple[Start, ...] = (),
    ):
        self.config, self.train, self.seed, self.device = config, train, seed, torch.device(device)
        layout = hardware.memory_format(self.device)
        self.candidates = candidates
        network = build(config, seed)
        if start is not None:
            network.load_state_dict(start.weights)
        self.model = network.to(self.device, memory_format=layout)
        self.averaged = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=train.lr, weight_decay=train.weight_decay, betas=(0.9, 0.999), fused=True
        )
        self.group = process_group()
        if compiled is None:
            compiled = hardware.compiling_pays(self.device, train.images)
        self.run = torch.compile(self.model) if compiled else self.model
        if self.group.size > 1:
            places = [self.device.index] if self.device.type == "cuda" and self.device.index is not None else None
            self.run = DistributedDataParallel(self.run, device_ids=places)

    @property
    def begins_with_images(self) -> bool:
        return self.config.components + self.config.energies > 0

    @property
    def ends_with_images(self) -> bool:
        return self.config.evened

    @torch.no_grad()
    def begin(self, images: Tensor, held_out: Tensor | None) -> str:
        """Gives the encoder principal components of training images, and picks the weights to start from."""
        parts = self._components_of(images)
        self._set_components(parts)
        if held_out is None or not self.candidates:
            return ""
        random = {k: v.clone() for k, v in self.model.state_dict().items()}
        scratch = self.evaluate(held_out)[self.criterion]
        found = []
        for start in self.candidates:
            self._take(start.weights)
            self._set_components(parts)
            found.append((self.evaluate(held_out)[self.criterion], start))
        value, best = min(found, key=lambda f: f[0])
        told = f"{self.criterion.replace('_', ' ')} of held-out images {value:.4f} against {scratch:.4f}"
        if value > (1 - WORTH) * scratch:
            self._take(random)
            return f"started from scratch: no weights that come with the package decode better (best: {told})"
        self._take(best.weights)
        self._set_components(parts)
        return f"started from {best.name!r}, which comes with the package: {told} from scratch"

    def _take(self, weights: dict[str, Tensor]) -> None:
        for model in (self.model, self.averaged):
            model.load_state_dict(weights)

    def _components_of(self, images: Tensor) -> dict[str, list[Tensor]]:
        """Means, axes and spreads of the principal components of pixels and of local energy, as far as asked for."""
        encoder, found = self.averaged.encoder, {}
        if self.config.components:
            found["pixels"] = principal_components(images.flatten(1).numpy(), self.config.components, self.seed)
        if self.config.energies:
            measured = torch.cat([encoder.energy.measure(p.to(self.device)).cpu() for p in images.split(256)])
            found["energy"] = principal_components(measured.numpy(), self.config.energies, self.seed)
        return {k: [torch.from_numpy(p).to(self.device) for p in parts] for k, parts in found.items()}

    def _set_components(self, parts: dict[str, list[Tensor]]) -> None:
        for encoder in (self.model.encoder, self.averaged.encoder):
            for name, values in parts.items():
                (encoder if name == "pixels" else encoder.energy).set_components(*values)

    @torch.no_grad()
    def end(self, images: Tensor, places: Tensor) -> None:
        """Evens the codes of the averaged weights."""
        codes = torch.cat([self.averaged.raw_codes(part.to(self.device)).cpu() for part in images.split(256)])
        self.averaged.evening.fit(codes, getattr(self.averaged.encoder, "spreads", ()), places)

    def step(self, batch: Tensor, step: int) -> dict[str, Tensor]:
        train, config = self.train, self.config
        for group in self.optimizer.param_groups:
            group["lr"] = train.lr * min(1.0, (step + 1) / max(1, train.warmup))
        rng = step_generator(self.seed, step)
        whole, mine = len(batch) * self.group.size, self.group.shard(len(batch) * self.group.size)
        u = torch.rand(whole, generator=rng, dtype=torch.float64)[mine]
        t = (config.steps * (1 - u**train.time_power)).long().clamp(0, config.steps - 1)
        noise = torch.randn(whole, *batch.shape[1:], generator=rng)[mine]
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        parts = torch.arange(len(batch)).chunk(train.accumulate)
        with step_random(self.seed + self.group.rank, step, self.device):
            for k, part in enumerate(parts):
                x0, tt, eps = (a[part].to(self.device, non_blocking=True) for a in (batch, t, noise))
                # gradients are averaged over the processes once a step, with the last part
                alone = self.group.size > 1 and k < len(parts) - 1
                with self.run.no_sync() if alone else nullcontext():
                    with hardware.autocast(self.device):
                        loss = self.run(x0, tt, eps) * (len(part) / len(batch))
                    loss.backward()
                total += loss.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), train.clip)
        self.optimizer.step()
        self._average(step)
        return {"loss": total, "grad_norm": norm.detach()}

    @torch.no_grad()
    def _average(self, step: int) -> None:
        decay = min(self.train.ema, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(list(self.averaged.parameters()), list(self.model.parameters()), step)

    @torch.no_grad()
    def evaluate(self, images: Tensor) -> dict[str, float]:
        """The loss on held-out images, and how well the first of them are decoded from z_sem and seeded noise."""
        rng = torch.Generator().manual_seed(self.seed)  # the same times and noise at every evaluation
        losses = []
        for part in images.split(32):
            t = torch.randint(self.config.steps, (len(part),), generator=rng)
            noise = torch.randn(part.shape, generator=rng)
            loss = self.averaged(*(a.to(self.device) for a in (part, t, noise)))
            losses += [loss.item()] * len(part)
        few = images[:DECODED].to(self.device)
        decoded = self.averaged.reconstruct(few, DECODE_STEPS, stochastic=False)
        return {
            "validation_loss": sum(losses) / len(losses),
            "reconstruction_mse": mse(few, decoded).mean().item(),
            "reconstruction_ssim": ssim(few, decoded).mean().item(),
        }

    def reconstruct(self, images: Tensor) -> Tensor:
        return self.averaged.reconstruct(images.to(self.device), 20, stochastic=False)
