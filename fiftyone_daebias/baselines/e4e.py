"""An encoder that inverts StyleGAN2: one style, and an offset of it for every further layer (Tov et al., 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..dae.blocks import group_norm
from .encoder import Encoder
from .gan_layers import EqualLinear, lrelu
from .stylegan2 import Discriminator, Generator, Mapping, StyleGanConfig


class PyramidEncoder(nn.Module):
    """Images to styles, coarse ones from the top of a feature pyramid and fine ones from below.

    ``forward(x, unlocked)`` gives (B, n_styles, w_dim): style i is the first one plus an offset for i ≤ unlocked.
    """

    def __init__(self, config: StyleGanConfig):
        super().__init__()
        self.levels = nn.ModuleList()
        width, side = config.in_channels, config.image_size
        sides = []
        for channels in config.encoder_channels:
            self.levels.append(_Level(width, channels))
            width, side = channels, side // 2
            sides.append(side)
        top = config.encoder_channels[-1]
        self.lateral = nn.ModuleList([nn.Conv2d(c, top, 1) for c in config.encoder_channels[-3:-1]])
        # an image has n styles: the first third is read from the top, the last from the finest of three levels
        heads, n = [], config.n_styles
        self.level_of = [min(2, 3 * i // n) for i in range(n)]
        for level in self.level_of:
            heads.append(_StyleHead(top, sides[-1 - level] if level < len(sides) else sides[0], config.w_dim))
        self.heads = nn.ModuleList(heads)
        self.register_buffer("start", torch.zeros(config.w_dim))  # mean of w

    def forward(self, x: Tensor, unlocked: int | None = None) -> Tensor:
        found = []
        for level in self.levels:
            x = level(x)
            found.append(x)
        pyramid = [found[-1]]
        for lateral, features in zip(reversed(self.lateral), reversed(found[-3:-1]), strict=True):
            pyramid.append(
                lateral(features)
                + F.interpolate(pyramid[-1], size=features.shape[2:], mode="bilinear", align_corners=False)
            )
        first = self.start + self.heads[0](pyramid[0])
        styles = [first]
        for i, head in enumerate(self.heads[1:], start=1):
            open_ = unlocked is None or i <= unlocked
            styles.append(first + head(pyramid[self.level_of[i]]) if open_ else first)
        return torch.stack(styles, dim=1)


class _Level(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.one = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.norm = group_norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.norm(self.one(x)))


class _StyleHead(nn.Module):
    """Strided convolutions down to 4 pixels, then a linear map of all of them: where things are is kept."""

    def __init__(self, channels: int, side: int, w_dim: int, hidden: int = 32):
        super().__init__()
        layers: list[nn.Module] = []
        width = channels
        while side > 4:
            layers += [nn.Conv2d(width, hidden, 3, stride=2, padding=1), nn.SiLU()]
            width, side = hidden, -(-side // 2)
        self.convs = nn.Sequential(*layers)
        self.out = nn.Linear(width * side * side, w_dim)
        nn.init.normal_(self.out.weight, std=0.1 / self.out.in_features**0.5)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.convs(x).flatten(1))


class LatentDiscriminator(nn.Module):
    """Tells styles of the mapping network from those of the encoder, (B, w_dim) → (B,)."""

    def __init__(self, w_dim: int, hidden: int = 256, layers: int = 4):
        super().__init__()
        sizes = [w_dim] + [hidden] * (layers - 1)
        self.layers = nn.ModuleList([EqualLinear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)])
        self.out = EqualLinear(sizes[-1], 1)

    def forward(self, w: Tensor) -> Tensor:
        for layer in self.layers:
            w = lrelu(layer(w))
        return self.out(w)[:, 0]


class StyleGan(Encoder):
    """StyleGAN2 with its inversion; the inverted code is the embedding.

    Args:
        config: the architecture
    """

    def __init__(self, config: StyleGanConfig):
        super().__init__(config)
        self.mapping, self.generator = Mapping(config), Generator(config)
        self.discriminator = Discriminator(config)
        self.encoder = PyramidEncoder(config)
        self.latent_discriminator = LatentDiscriminator(config.w_dim)
        self.register_buffer("ada_p", torch.zeros(()))
        self.register_buffer("path_mean", torch.zeros(()))

    def code(self, x: Tensor) -> Tensor:
        styles = self.encoder(x)
        return styles.mean(dim=1) if self.config.code == "w" else styles.flatten(1)

    @torch.no_grad()
    def decode(self, code: Tensor) -> Tensor:
        """Images in [-1, 1] of embeddings."""
        n = self.config.n_styles
        styles = code[:, None].expand(-1, n, -1) if self.config.code == "w" else code.unflatten(1, (n, -1))
        return self.generator(styles).clamp(-1, 1)

    @torch.no_grad()
    def generate(self, n: int, seed: int = 51, truncation: float = 1.0) -> Tensor:
        """``n`` images of the prior; ``truncation`` below 1 draws styles towards their mean."""
        rng = torch.Generator().manual_seed(seed)
        w = self.mapping(torch.randn(n, self.config.z_dim, generator=rng).to(self.device))
        w = self.mapping.mean + truncation * (w - self.mapping.mean)
        return self.generator(w[:, None].expand(-1, self.config.n_styles, -1)).clamp(-1, 1)
