"""Supervised networks in training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..dae import hardware
from ..dae.distributed import process_group
from ..dae.encoder import seeded
from ..dae.learner import OneOptimizer, step_random
from .averages import average, averaged_copy
from .learn_vae import PlainTrain
from .supervised import SupervisedConfig, SupervisedNetwork, supervised_loss


class SupervisedLearner(OneOptimizer):
    """AdamW on balanced cross-entropies and absolute errors. A :class:`~fiftyone_daebias.dae.learner.Learner`.

    Args:
        config: the network and its questions
        train: the recipe
        truth: answers of all samples (n, fields), see :func:`~fiftyone_daebias.baselines.targets.ask`
        weights: their weights (n, fields)
        rows_of: gives the positions of the samples in the batch of a step
        held_out: positions of the held-out samples, in the order in which they are evaluated
        seed: seed of weights and dropout
        device: where to compute
    """

    criterion = "validation_loss"

    def __init__(
        self,
        config: SupervisedConfig,
        train: PlainTrain,
        truth: np.ndarray,
        weights: np.ndarray,
        rows_of: Callable[[int], list[int]],
        held_out: list[int],
        *,
        seed: int = 51,
        device: str | torch.device = "cpu",
    ):
        self.format = f"daebias-{config.network}"
        self.config, self.train, self.seed, self.device = config, train, seed, torch.device(device)
        self.truth, self.weights = torch.from_numpy(truth), torch.from_numpy(weights)
        self.rows_of, self.held_out = rows_of, held_out
        self.model = seeded(lambda: SupervisedNetwork(config), seed).to(self.device)
        self.averaged = averaged_copy(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=train.lr, weight_decay=train.weight_decay)
        self.group = process_group()

    def step(self, batch: Tensor, step: int) -> dict[str, float | Tensor]:
        train = self.train
        total = max(1, -(-train.images // train.batch_size))
        warm = min(1.0, (step + 1) / max(1, train.warmup))
        for group in self.optimizer.param_groups:  # falls to nothing along half a cosine
            group["lr"] = train.lr * warm * 0.5 * (1 + np.cos(np.pi * min(1.0, step / total)))
        rows = self.rows_of(step)[self.group.shard(len(batch) * self.group.size)]
        x = batch.to(self.device, non_blocking=True)
        truth, weights = self.truth[rows].to(self.device), self.weights[rows].to(self.device)
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        with step_random(self.seed + self.group.rank, step, self.device), hardware.autocast(self.device):
            answers = self.model.answers(x)
        loss, _ = supervised_loss([a.float() for a in answers], truth, weights)
        if loss.requires_grad:  # not so where no image of the batch has any answer
            loss.backward()
            self.group.average_gradients(self.model.parameters())
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), train.clip)
            self.optimizer.step()
        average(self.averaged, self.model, train.ema, step)
        return {"loss": loss.detach()}

    @torch.no_grad()
    def evaluate(self, images: Tensor) -> dict[str, float]:
        truth = self.truth[self.held_out[: len(images)]].to(self.device)
        parts = [self.averaged.answers(x.to(self.device)) for x in images.split(64)]
        answers = [torch.cat(a) for a in zip(*parts, strict=True)]
        total, each = supervised_loss(answers, truth, torch.ones_like(truth))
        named = {f"{q['field']}_loss": v for q, v in zip(self.config.questions, each, strict=True) if np.isfinite(v)}
        return {"validation_loss": float(total), **named}

    def reconstruct(self, images: Tensor) -> Tensor:
        """There is nothing to reconstruct; shown instead is where the answers depend on the image (|∂/∂x|)."""
        x = images.to(self.device).detach().requires_grad_()
        answers = self.averaged.answers(x)
        (gradient,) = torch.autograd.grad(sum(a.abs().sum() for a in answers), x)
        strength = gradient.abs().amax(dim=1, keepdim=True).expand_as(x)
        return strength / strength.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12) * 2 - 1
