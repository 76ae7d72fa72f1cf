"""What every encoder of images offers: a size, a device and ``encode``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import torch
from torch import Tensor, nn

from ..errors import InputError


class Encoder(nn.Module):
    """Base of the baselines' networks: checks its input and gives codes without gradients.

    Args:
        config: has ``image_size`` and ``in_channels``
    """

    def __init__(self, config):
        super().__init__()
        self.config = config

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def image_size(self) -> int:
        return self.config.image_size

    @property
    def in_channels(self) -> int:
        return self.config.in_channels

    def code(self, x: Tensor) -> Tensor:
        """The embedding of images, with gradients, (B, d)."""
        raise NotImplementedError

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The embedding of images (B, in_channels, image_size, image_size) in [-1, 1], float32 (B, d).

        Raises:
            InputError: images of another size
        """
        expected = (self.config.in_channels, self.config.image_size, self.config.image_size)
        if x.ndim != 4 or tuple(x.shape[1:]) != expected:
            raise InputError(
                f"this checkpoint takes images of shape (n, {', '.join(map(str, expected))}); got {tuple(x.shape)}; "
                "train one that fits, or resize the images"
            )
        return self.code(x).float()


def build(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network with weights drawn from ``seed``; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def from_dict(config_class, values: dict):
    """A configuration from its JSON form.

    Raises:
        InputError: unknown keys
    """
    known = {f.name for f in fields(config_class)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"{config_class.__name__} has unknown keys {unknown}; known: {sorted(known)}")
    return config_class(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def count_parameters(module: nn.Module) -> int:
    """Number of values that are trained, whether or not they are frozen at the moment."""
    return sum(p.numel() for p in module.parameters())
