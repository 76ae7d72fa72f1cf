"""A convolutional β-VAE (Higgins et al., ICLR 2017)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..dae.blocks import group_norm
from .encoder import Encoder


@dataclass(frozen=True)
class BetaVaeConfig:
    """Architecture and objective of a β-VAE.

    Attributes:
        image_size: side of the square input, pixels
        in_channels: image channels
        patch: the decoder ends in pixel-shuffling by this factor; 1 for none
        channels: width of each strided convolution of the encoder
        decoder_channels: width of each level of the decoder, coarsest first
        z_dim: size of the code
        beta: weight of the Kullback-Leibler divergence
        sigma: standard deviation of the decoder's Gaussian, in units of the image's [-1, 1]
        kl_warmup: images over which beta rises from 0
        hessian: weight λ of the Hessian penalty on the decoder; 0 for none
        hessian_epsilon: its step
        hessian_directions: its directions
        hessian_images: images of a batch that it is computed on
    """

    image_size: int = 64
    in_channels: int = 1
    patch: int = 1
    channels: tuple[int, ...] = (64, 128, 128)
    decoder_channels: tuple[int, ...] = (128, 128)
    z_dim: int = 128
    beta: float = 4.0
    sigma: float = 0.1
    kl_warmup: int = 4_000
    hessian: float = 0.1
    hessian_epsilon: float = 0.1
    hessian_directions: int = 2
    hessian_images: int = 4

    def to_dict(self) -> dict:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


class VaeDecoder(nn.Module):
    """Codes to images; GroupNorm and SiLU, so that its second derivatives are not zero.

    ``forward(z)`` gives images (B, in_channels, image_size, image_size), not squashed; ``activations(z)`` the outputs
    of all normalisations and the image, which the Hessian penalty is computed on.
    """

    def __init__(self, config: BetaVaeConfig):
        super().__init__()
        widths = config.decoder_channels
        self.patch = config.patch
        self.side = config.image_size // config.patch >> (len(widths) - 1)
        self.width = widths[0]
        self.inner = nn.Linear(config.z_dim, self.width * self.side**2)
        self.norms = nn.ModuleList([group_norm(widths[0])])
        self.convs = nn.ModuleList()
        for a, b in zip(widths, widths[1:], strict=False):
            self.convs.append(nn.Conv2d(a, b, 3, padding=1))
            self.norms.append(group_norm(b))
        self.out = nn.Conv2d(widths[-1], config.in_channels * config.patch**2, 3, padding=1)

    def activations(self, z: Tensor) -> list[Tensor]:
        h = self.inner(z).view(-1, self.width, self.side, self.side)
        taps = [self.norms[0](h)]
        for conv, norm in zip(self.convs, self.norms[1:], strict=True):
            h = F.interpolate(F.silu(taps[-1]), scale_factor=2, mode="nearest")
            taps.append(norm(conv(h)))
        image = self.out(F.silu(taps[-1]))
        return [*taps, F.pixel_shuffle(image, self.patch) if self.patch > 1 else image]

    def forward(self, z: Tensor) -> Tensor:
        return self.activations(z)[-1]


class BetaVae(Encoder):
    """Encoder and decoder; the posterior's mean is the embedding.

    Args:
        config: the architecture
    """

    def __init__(self, config: BetaVaeConfig):
        super().__init__(config)
        layers: list[nn.Module] = []
        width, size = config.in_channels, config.image_size
        for channels in config.channels:
            layers += [nn.Conv2d(width, channels, 3, stride=2, padding=1), group_norm(channels), nn.SiLU()]
            width, size = channels, -(-size // 2)
        self.convs = nn.Sequential(*layers)
        self.moments = nn.Linear(width * size * size, 2 * config.z_dim)
        self.decoder = VaeDecoder(config)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the posterior, each (B, z_dim)."""
        mean, log_variance = self.moments(self.convs(x).flatten(1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 8.0)

    def code(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Images in [-1, 1] of codes."""
        return self.decoder(z).clamp(-1, 1)


def reconstruction_loss(x: Tensor, again: Tensor, sigma: float) -> Tensor:
    """−log N(x; again, σ²) without its constant: Σ over pixels of (x − again)² / 2σ², mean over images (nats)."""
    return (x - again).square().flatten(1).sum(dim=1).mean() / (2 * sigma**2)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) ‖ N(0, 1)), summed over the code, mean over images (nats)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
