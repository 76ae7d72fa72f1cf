"""What the training loop asks of a model: the one interface of the autoencoder and of every baseline.

The loop (:mod:`.trainer`) owns the data order, saving and going on, the lock,
metrics, early stopping and failures. A learner owns its networks, optimisers
and averaged weights, and everything random in a step follows from the seed and
the step's number, so that a run that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Learner(Protocol):
    """A model in training.

    Attributes:
        format: checkpoint format, for example "daebias-dae"
        config: the architecture: a dataclass with ``image_size``, ``in_channels`` and ``to_dict()``
        device: where it computes
        criterion: the metric of :meth:`evaluate` that early stopping watches; lower is better
        begins_with_images: whether :meth:`begin` is to be called before the first step
        ends_with_images: whether :meth:`end` is to be called before weights are judged and saved
    """

    format: str
    config: Any
    device: torch.device
    criterion: str

    @property
    def begins_with_images(self) -> bool: ...

    @property
    def ends_with_images(self) -> bool: ...

    def begin(self, images: Tensor, held_out: Tensor | None) -> str:
        """Takes from training images what the model starts from; not called when a run goes on.

        Args:
            images: of the training split, (n, C, H, W)
            held_out: of the validation split, (m, C, H, W), or ``None``

        Returns:
            what the user should know of the start, in one line, or ""
        """

    def end(self, images: Tensor, places: Tensor) -> None:
        """Takes from training images what the checkpoint needs beside the weights that were learnt.

        Args:
            images: slices that vectors are made of, (n, C, H, W)
            places: how far each is from the middle of its volume, in slices, (n,)
        """

    def step(self, batch: Tensor, step: int) -> dict[str, float | Tensor]:
        """One full optimiser step, with as many optimisers as there are.

        Args:
            batch: images of this process, float32 (B, C, H, W) in [-1, 1], on the CPU
            step: number of the step, from 0

        Returns:
            metrics, among them "loss"; floats or tensors of one value. One that is not finite stops the training
        """

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on: weights, optimisers, averages, as flat tensors."""

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Takes up a state. Raises ``KeyError``, ``ValueError`` or ``RuntimeError`` when it does not fit."""

    def ema(self) -> dict[str, Tensor]:
        """The weights of the checkpoint: those that embed."""

    def evaluate(self, images: Tensor) -> dict[str, float]:
        """Metrics on held-out images (n, C, H, W), among them ``criterion``; must change nothing of the state."""

    def reconstruct(self, images: Tensor) -> Tensor:
        """Reconstructions of a few images with the checkpoint's weights, shaped as they are, in [-1, 1]."""


def optimizer_state(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """An optimiser's state as flat tensors, ``{prefix + "0.exp_avg": …}``."""
    return {
        f"{prefix}{k}.{name}": torch.as_tensor(value)
        for k, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], prefix: str) -> None:
    """Gives an optimiser the state that :func:`optimizer_state` has flattened."""
    state = optimizer.state_dict()
    for key, value in with_prefix(tensors, prefix).items():
        index, _, name = key.partition(".")
        state["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(state)
    # moments lie in memory as their weights do: in another order the last bits of a step come out otherwise
    for weight, values in optimizer.state.items():
        for name, value in values.items():
            if torch.is_tensor(value) and value.shape == weight.shape:
                values[name] = torch.empty_like(weight, dtype=value.dtype, requires_grad=False).copy_(value)


def with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


class LearnsByStepsOnly:
    """A learner that takes nothing from images but by its steps."""

    @property
    def begins_with_images(self) -> bool:
        return False

    @property
    def ends_with_images(self) -> bool:
        return False

    def begin(self, images: Tensor, held_out: Tensor | None) -> str:
        """Nothing."""
        return ""

    def end(self, images: Tensor, places: Tensor) -> None:
        """Nothing."""


class OneOptimizer(LearnsByStepsOnly):
    """State of a learner with a ``model``, its ``averaged`` copy and one ``optimizer``."""

    model: nn.Module
    averaged: nn.Module
    optimizer: torch.optim.Optimizer

    def state(self) -> dict[str, Tensor]:
        return {
            **{f"weights.{k}": v for k, v in self.model.state_dict().items()},
            **{f"ema.{k}": v for k, v in self.averaged.state_dict().items()},
            **optimizer_state(self.optimizer, "optimizer."),
        }

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        self.model.load_state_dict(with_prefix(tensors, "weights."))
        self.averaged.load_state_dict(with_prefix(tensors, "ema."))
        load_optimizer(self.optimizer, tensors, "optimizer.")

    def ema(self) -> dict[str, Tensor]:
        return self.averaged.state_dict()


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of a step: noise and times follow from the seed and the step alone."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)


@contextmanager
def step_random(seed: int, step: int, device: torch.device):
    """Inside, the global generators (dropout) follow from the seed and the step; afterwards they are as before."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed((seed * 7_919 + step) % 2**63)
        yield
