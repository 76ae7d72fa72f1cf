"""What every encoder of images offers: a size, a device and ``encode``."""

from __future__ import annotations

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


def count_parameters(module: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
