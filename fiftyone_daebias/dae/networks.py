"""The semantic encoders and the conditional U-Net."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import AttentionBlock, Block, ResBlock, group_norm, timestep_embedding, zeroed
from .components import HoldsComponents
from .config import ModelConfig
from .energy import LocalEnergy
from .norm import normalised


class SemanticEncoder(nn.Module):
    """Half a U-Net, average pooling and a linear map to z_sem (the authors' encoder)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        channels, size = config.channels, config.image_size
        width = channels * config.encoder_multipliers[0]
        self.input_blocks = nn.ModuleList([Block(nn.Conv2d(config.in_channels, width, 3, padding=1))])
        for level, multiplier in enumerate(config.encoder_multipliers):
            for _ in range(config.blocks):
                layers: list[nn.Module] = [ResBlock(width, channels * multiplier)]
                width = channels * multiplier
                if size in config.encoder_attention:
                    layers.append(AttentionBlock(width, config.heads))
                self.input_blocks.append(Block(*layers))
            if level < len(config.encoder_multipliers) - 1:
                size //= 2
                self.input_blocks.append(Block(ResBlock(width, width, resample="down")))
        self.middle_block = Block(ResBlock(width, width), AttentionBlock(width, config.heads), ResBlock(width, width))
        self.out = nn.Sequential(
            group_norm(width), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, config.z_dim, 1), nn.Flatten()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)

    def features(self, x: Tensor) -> Tensor:
        """What is computed image by image."""
        for block in self.input_blocks:
            x = block(x)
        return self.out[2:](normalised(self.out[0], self.middle_block(x)))

    def head(self, features: Tensor, x: Tensor) -> Tensor:
        """What is quicker over all images at once: nothing here."""
        return features


class LiteEncoder(HoldsComponents):
    """Strided convolutions and a linear map of the *flattened* last layer to z_sem.

    On small budgets this learns far more than average pooling, which throws
    away where things are. With ``config.components`` the first values of z_sem
    are principal components of the pixels, with ``config.energies`` the next
    ones those of their local energy (:meth:`set_components`), so that z_sem
    knows what they know from the start and the convolutions are asked for what
    is missing.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        layers: list[nn.Module] = []
        width, size = config.in_channels, config.image_size
        for channels in config.lite_encoder_channels:
            layers += [nn.Conv2d(width, channels, 3, stride=2, padding=1), group_norm(channels), nn.SiLU()]
            width, size = channels, size // 2
        self.convs = nn.Sequential(*layers)
        self.components, self.energies = config.components, config.energies
        if self.energies:
            self.energy = LocalEnergy(config.image_size, config.in_channels, self.energies)
        if self.components:
            self.hold_components(config.in_channels * config.image_size**2, self.components)
        self.out = nn.Linear(width * size * size, config.z_dim - self.components - self.energies)

    @property
    def spreads(self) -> list[Tensor]:
        """Standard deviations of the components that z_sem begins with, block by block: of pixels, of local energy."""
        return [self.spread] * bool(self.components) + ([self.energy.spread] if self.energies else [])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x), x)

    def features(self, x: Tensor) -> Tensor:
        """What is computed image by image: components of local energy, and the flattened last layer."""
        image = x
        for conv, norm in zip(self.convs[::3], self.convs[1::3], strict=True):
            x = normalised(norm, conv(x))
        flat = x.flatten(1)
        return torch.cat([self.energy(image).to(flat.dtype), flat], dim=1) if self.energies else flat

    def head(self, features: Tensor, x: Tensor) -> Tensor:
        """What is quicker over all images at once, as many weights are read once: principal components and the rest."""
        parts = [features[:, : self.energies], self.out(features[:, self.energies :])]
        if self.components:
            parts.insert(0, self.components_of(x.flatten(1)))
        return torch.cat(parts, dim=1)

    def sketch(self, z: Tensor) -> Tensor:
        """The picture that the principal components in z_sem draw, flat (B, pixels)."""
        return self.mean + (z[:, : self.components] * self.spread) @ self.axes


class ConditionalUNet(nn.Module):
    """U-Net whose residual blocks are modulated by the time step and by z_sem.

    ``forward(x_t, t, z)`` takes x_t of shape (B, C, H, W), time steps (B,) in
    [0, 1000) and z_sem (B, z_dim), and returns the prediction, shaped as x_t.
    With ``config.sketch`` it also takes a first picture of what is looked for,
    shaped as x_t.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        channels, dim = config.channels, config.embed_dim
        inner = config.in_channels * config.patch**2
        size = config.image_size // config.patch
        seen = 2 * inner if config.sketch else inner

        def res(width: int, out: int, resample: str | None = None) -> ResBlock:
            return ResBlock(width, out, config.dropout, dim, config.z_dim, resample)

        self.time_embed = nn.Sequential(nn.Linear(channels, dim), nn.SiLU(), nn.Linear(dim, dim))
        width = channels * config.multipliers[0]
        self.input_blocks = nn.ModuleList([Block(nn.Conv2d(seen, width, 3, padding=1))])
        skips = [width]
        for level, multiplier in enumerate(config.multipliers):
            for _ in range(config.blocks):
                layers: list[nn.Module] = [res(width, channels * multiplier)]
                width = channels * multiplier
                if size in config.attention:
                    layers.append(AttentionBlock(width, config.heads))
                self.input_blocks.append(Block(*layers))
                skips.append(width)
            if level < len(config.multipliers) - 1:
                size //= 2
                self.input_blocks.append(Block(res(width, width, "down")))
                skips.append(width)
        self.middle_block = Block(res(width, width), AttentionBlock(width, config.heads), res(width, width))
        self.output_blocks = nn.ModuleList()
        for level, multiplier in reversed(list(enumerate(config.multipliers))):
            for k in range(config.blocks + 1):
                layers = [res(width + skips.pop(), channels * multiplier)]
                width = channels * multiplier
                if size in config.attention:
                    layers.append(AttentionBlock(width, config.heads))
                if level and k == config.blocks:
                    size *= 2
                    layers.append(res(width, width, "up"))
                self.output_blocks.append(Block(*layers))
        self.out = nn.Sequential(group_norm(width), nn.SiLU(), zeroed(nn.Conv2d(width, inner, 3, padding=1)))

    def forward(self, x: Tensor, t: Tensor, z: Tensor, sketch: Tensor | None = None) -> Tensor:
        emb = self.time_embed(timestep_embedding(t, self.config.channels).to(z.dtype))
        if sketch is not None:
            x = torch.cat([x, sketch], dim=1)
        patch = self.config.patch
        h = F.pixel_unshuffle(x, patch) if patch > 1 else x
        skips = []
        for block in self.input_blocks:
            h = block(h, emb, z)
            skips.append(h)
        h = self.middle_block(h, emb, z)
        for block in self.output_blocks:
            h = block(torch.cat([h, skips.pop()], dim=1), emb, z)
        h = self.out[2](normalised(self.out[0], h))
        return F.pixel_shuffle(h, patch) if patch > 1 else h
