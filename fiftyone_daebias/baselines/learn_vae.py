"""The β-VAE in training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..dae import hardware
from ..dae.config import RunConfig
from ..dae.distributed import process_group
from ..dae.encoder import seeded
from ..dae.learner import OneOptimizer, step_generator
from ..dae.ssim import mse, ssim
from .averages import average, averaged_copy
from .hessian import hessian_penalty, rademacher
from .vae import BetaVae, BetaVaeConfig, kl_divergence, reconstruction_loss


@dataclass(frozen=True)
class PlainTrain(RunConfig):
    """The recipe of a model with one optimiser.

    Attributes:
        lr: AdamW's learning rate
        weight_decay: AdamW's weight decay
        warmup: steps over which the learning rate rises
        clip: gradient norm limit
        ema: decay of the averaged weights
    """

    lr: float = 1e-3
    weight_decay: float = 0.0
    warmup: int = 0
    clip: float = 1.0
    ema: float = 0.999


class BetaVaeLearner(OneOptimizer):
    """AdamW on (reconstruction + β·KL) / pixels + λ·Hessian penalty. A :class:`~fiftyone_daebias.dae.learner.Learner`.

    The penalty acts on the decoder only: the codes it is computed at are taken
    as given.

    Args:
        config: the architecture and the objective
        train: the recipe
        seed: seed of weights, codes and directions
        device: where to compute
    """

    format = "daebias-beta-vae"
    criterion = "reconstruction_mse"

    def __init__(self, config: BetaVaeConfig, train: PlainTrain, *, seed: int = 51, device: str | torch.device = "cpu"):
        self.config, self.train, self.seed, self.device = config, train, seed, torch.device(device)
        self.model = seeded(lambda: BetaVae(config), seed).to(self.device)
        self.averaged = averaged_copy(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=train.lr, weight_decay=train.weight_decay)
        self.group = process_group()

    def beta(self, step: int) -> float:
        """β at a step: rises linearly from 0 over ``kl_warmup`` images."""
        seen = step * self.train.batch_size
        return self.config.beta * min(1.0, seen / self.config.kl_warmup) if self.config.kl_warmup else self.config.beta

    def step(self, batch: Tensor, step: int) -> dict[str, Tensor]:
        config, train = self.config, self.train
        for group in self.optimizer.param_groups:
            group["lr"] = train.lr * min(1.0, (step + 1) / max(1, train.warmup))
        rng = step_generator(self.seed, step)
        whole, mine = len(batch) * self.group.size, self.group.shard(len(batch) * self.group.size)
        noise = torch.randn(whole, config.z_dim, generator=rng)[mine].to(self.device)
        few = min(config.hessian_images, len(batch)) if config.hessian > 0 else 0
        directions = rademacher((max(2, config.hessian_directions), few, config.z_dim), rng).to(self.device)
        x = batch.to(self.device, non_blocking=True)
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        with hardware.autocast(self.device):
            mean, log_variance = self.model.posterior(x)
            z = mean + (0.5 * log_variance).exp() * noise
            reconstruction = reconstruction_loss(x, self.model.decoder(z), config.sigma)
            kl = kl_divergence(mean, log_variance)
        loss = (reconstruction + self.beta(step) * kl) / x[0].numel()
        # a second difference at a step of 0.1 needs full precision
        penalty = z.new_zeros(())
        if few:
            penalty = hessian_penalty(
                self.model.decoder.activations, z[:few].detach().float(), directions, config.hessian_epsilon
            )
            loss = loss + config.hessian * penalty
        loss.backward()
        self.group.average_gradients(self.model.parameters())
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), train.clip)
        self.optimizer.step()
        average(self.averaged, self.model, train.ema, step)
        return {
            "loss": loss.detach(),
            "reconstruction": reconstruction.detach(),
            "kl": kl.detach(),
            "hessian_penalty": penalty.detach(),
            "grad_norm": norm.detach(),
        }

    @torch.no_grad()
    def evaluate(self, images: Tensor) -> dict[str, float]:
        losses, again = [], []
        for part in images.split(64):
            x = part.to(self.device)
            mean, log_variance = self.averaged.posterior(x)
            decoded = self.averaged.decoder(mean)
            nats = reconstruction_loss(x, decoded, self.config.sigma) + self.config.beta * kl_divergence(
                mean, log_variance
            )
            losses += [nats.item() / x[0].numel()] * len(part)
            again.append(decoded.clamp(-1, 1).cpu())
        decoded = torch.cat(again)
        return {
            "validation_loss": sum(losses) / len(losses),
            "reconstruction_mse": mse(images, decoded).mean().item(),
            "reconstruction_ssim": ssim(images, decoded).mean().item(),
        }

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        return self.averaged.decode(self.averaged.code(images.to(self.device)))
