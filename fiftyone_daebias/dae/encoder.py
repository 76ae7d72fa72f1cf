"""What every encoder of images shares: a size, a device, a check of its input, and weights drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import InputError


class ImageEncoder(nn.Module):
    """Base of the autoencoder and of the baselines' networks.

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

    def check(self, x: Tensor) -> None:
        """Raises ``InputError`` unless images are (B, in_channels, image_size, image_size)."""
        expected = (self.config.in_channels, self.config.image_size, self.config.image_size)
        if x.ndim != 4 or tuple(x.shape[1:]) != expected:
            raise InputError(
                f"this checkpoint takes images of shape (n, {', '.join(map(str, expected))}); got {tuple(x.shape)}; "
                "train one that fits, or resize the images"
            )


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network with weights drawn from ``seed``; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
