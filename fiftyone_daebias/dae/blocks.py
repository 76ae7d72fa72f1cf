"""Building blocks of the diffusion autoencoder's networks.

Names of sub-modules follow the authors' published code, so that their
checkpoints load key by key (Preechakul et al., "Diffusion Autoencoders",
CVPR 2022).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .norm import normalised


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm with 32 groups, or as many as divide ``channels`` (48 channels: 16 groups)."""
    return nn.GroupNorm(math.gcd(32, channels), channels)


def zeroed(module: nn.Module) -> nn.Module:
    """Sets a module's parameters to zero, so that a residual branch starts as nothing."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def timestep_embedding(t: Tensor, dim: int, max_period: float = 10_000.0) -> Tensor:
    """Sinusoidal embedding of time steps, cosines first.

    Args:
        t: time steps, shape (B,)
        dim: size of the embedding
        max_period: longest period, in steps

    Returns:
        float32 tensor of shape (B, dim)
    """
    half = dim // 2
    frequencies = torch.exp(-math.log(max_period) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angles = t[:, None].float() * frequencies[None]
    embedding = torch.cat([angles.cos(), angles.sin()], dim=-1)
    return F.pad(embedding, (0, dim - 2 * half))


class ResBlock(nn.Module):
    """Residual block, modulated by time and by z_sem when both sizes are given.

    ``GN → h·(1 + t_s) + t_b → h·(1 + z_s) → SiLU → dropout → conv`` on the
    second half (Preechakul et al. 2022, eq. 7). Without conditions only the
    first half exists, as in the authors' semantic encoder.

    Args:
        channels: input channels
        out_channels: output channels
        dropout: dropout before the last convolution, in [0, 1)
        time_dim: size of the time embedding; ``None`` for an unconditional block
        cond_dim: size of z_sem; ``None`` for an unconditional block
        resample: "up", "down" or ``None``, inside the block
    """

    def __init__(self, channels, out_channels, dropout=0.0, time_dim=None, cond_dim=None, resample=None):
        super().__init__()
        self.resample = resample
        self.in_layers = nn.Sequential(group_norm(channels), nn.SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1))
        if time_dim is not None:
            self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, 2 * out_channels))
            self.cond_emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(cond_dim, out_channels))
            self.out_layers = nn.Sequential(
                group_norm(out_channels),
                nn.SiLU(),
                nn.Dropout(dropout),
                zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1)),
            )
        else:
            self.emb_layers = self.cond_emb_layers = self.out_layers = None
        self.skip_connection = nn.Identity() if channels == out_channels else nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor, emb: Tensor | None = None, cond: Tensor | None = None) -> Tensor:
        h = normalised(self.in_layers[0], x)
        if self.resample == "up":
            h, x = (F.interpolate(a, scale_factor=2, mode="nearest") for a in (h, x))
        elif self.resample == "down":
            h, x = (F.avg_pool2d(a, 2) for a in (h, x))
        h = self.in_layers[-1](h)
        if self.out_layers is not None:
            scale, shift = self.emb_layers(emb).chunk(2, dim=1)
            outer = 1 + self.cond_emb_layers(cond)
            h = normalised(self.out_layers[0], h, (1 + scale) * outer, shift * outer)
            h = self.out_layers[2:](h)
        return self.skip_connection(x) + h


class AttentionBlock(nn.Module):
    """Self-attention over all positions, with a residual connection."""

    def __init__(self, channels: int, heads: int = 1):
        super().__init__()
        self.heads = heads
        self.norm = group_norm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zeroed(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor, emb: Tensor | None = None, cond: Tensor | None = None) -> Tensor:
        batch, channels, *space = x.shape
        # positions before channels: as channels last is, and a linear map is four times as quick as its convolution
        flat = normalised(self.norm, x, silu=False).flatten(2).transpose(1, 2)
        # (B, N, heads, 3, C/heads): the authors' "legacy" order, head outermost
        qkv = _pointwise(self.qkv, flat).reshape(batch, -1, self.heads, 3, channels // self.heads)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(3))
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, -1, channels)
        return x + _pointwise(self.proj_out, h).transpose(1, 2).reshape(batch, channels, *space)


def _pointwise(conv: nn.Conv1d, rows: Tensor) -> Tensor:
    """A convolution of kernel 1 on rows (B, N, C)."""
    return F.linear(rows, conv.weight[:, :, 0], conv.bias)


class Block(nn.Sequential):
    """A sequence whose members may take the time embedding and z_sem."""

    def forward(self, x: Tensor, emb: Tensor | None = None, cond: Tensor | None = None) -> Tensor:
        for layer in self:
            x = layer(x, emb, cond) if isinstance(layer, (ResBlock, AttentionBlock)) else layer(x)
        return x
