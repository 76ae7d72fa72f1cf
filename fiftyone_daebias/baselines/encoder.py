"""What every encoder of images offers: a size, a device and ``encode``."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor, nn

from ..dae.encoder import ImageEncoder
from ..errors import InputError


class Encoder(ImageEncoder):
    """Base of the baselines' networks: gives codes without gradients.

    Args:
        config: has ``image_size`` and ``in_channels``
    """

    def code(self, x: Tensor) -> Tensor:
        """The embedding of images, with gradients, (B, d)."""
        raise NotImplementedError

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The embedding of images (B, in_channels, image_size, image_size) in [-1, 1], float32 (B, d).

        Raises:
            InputError: images of another size
        """
        self.check(x)
        return self.code(x).float()


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
