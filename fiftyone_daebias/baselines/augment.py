"""Adaptive discriminator augmentation for grey-scale images, in plain operators (Karras et al., NeurIPS 2020).

Each transformation is applied to an image with probability p. They are
differentiable, so that the generator learns through them, and p follows how
sure the discriminator is of real images. Not leaking: with p < 0.8 the
generator does not learn to make augmented images.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

#: the probability is not raised beyond this, where augmentations begin to leak
MOST = 0.8


def augment(images: Tensor, p: float, rng: torch.Generator) -> Tensor:
    """Flips, quarter turns, shifts, scales, rotates, brightens and changes the contrast, each with probability p.

    Args:
        images: (B, C, H, W) in [-1, 1]
        p: probability in [0, 1]
        rng: CPU generator
    """
    if p <= 0:
        return images
    return intensities(geometry(images, affine_maps(len(images), p, rng)), p, rng)


def affine_maps(n: int, p: float, rng: torch.Generator) -> Tensor:
    """Random maps from output to input coordinates in [-1, 1], float32 (n, 2, 3)."""

    def on() -> Tensor:
        return torch.rand(n, generator=rng) < p

    def normal() -> Tensor:
        return torch.randn(n, generator=rng)

    eye = torch.eye(2).expand(n, 2, 2)
    maps = eye.clone()
    maps[:, 0, 0] = torch.where(on() & (torch.rand(n, generator=rng) < 0.5), -1.0, 1.0)
    turns = torch.where(on(), torch.randint(0, 4, (n,), generator=rng).float() * (math.pi / 2), torch.zeros(n))
    angles = turns + torch.where(on(), (torch.rand(n, generator=rng) * 2 - 1) * math.pi, torch.zeros(n))
    scale = torch.where(on(), 2 ** (0.2 * normal()), torch.ones(n))
    aspect = torch.where(on(), 2 ** (0.2 * normal()), torch.ones(n))
    cos, sin = angles.cos(), angles.sin()
    rotation = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    stretch = torch.diag_embed(torch.stack([scale * aspect, scale / aspect], 1))
    shift = torch.where(on()[:, None], 0.25 * torch.randn(n, 2, generator=rng), torch.zeros(n, 2))
    return torch.cat([maps @ rotation @ stretch, shift[:, :, None]], dim=2)


def geometry(images: Tensor, maps: Tensor) -> Tensor:
    """Images resampled through affine maps, reflected at the edges."""
    grid = F.affine_grid(maps.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def intensities(images: Tensor, p: float, rng: torch.Generator) -> Tensor:
    """Brightness (added) and contrast (multiplied), each with probability p."""
    n = len(images)
    bright = torch.where(torch.rand(n, generator=rng) < p, 0.2 * torch.randn(n, generator=rng), torch.zeros(n))
    contrast = torch.where(torch.rand(n, generator=rng) < p, 2 ** (0.5 * torch.randn(n, generator=rng)), torch.ones(n))
    bright, contrast = (a.to(images)[:, None, None, None] for a in (bright, contrast))
    return images * contrast + bright


def adapted(p: float, real_logits: Tensor, target: float, images: int) -> float:
    """The probability after a batch: up when the discriminator is surer of real images than the target, else down.

    Args:
        p: probability so far
        real_logits: (B,) the discriminator's output on (augmented) real images
        target: mean sign aimed at (the paper's 0.6)
        images: images over which p may move by 1
    """
    sure = float(real_logits.detach().sign().mean())
    step = len(real_logits) / images
    return float(min(MOST, max(0.0, p + (step if sure > target else -step))))
