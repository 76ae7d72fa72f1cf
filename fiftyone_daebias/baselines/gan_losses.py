"""Objectives of StyleGAN2 (Karras et al., CVPR 2020) and of the e4e inversion (Tov et al., SIGGRAPH 2021)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Non-saturating: −log σ(real) − log(1 − σ(fake)), mean (Goodfellow et al., NIPS 2014)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """Non-saturating: −log σ(fake), mean."""
    return F.softplus(-fake).mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """R1 without its weight: ½·E‖∇ₓD(x)‖² on real images (Mescheder et al., ICML 2018, eq. 9)."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(dim=1).mean()


def path_lengths(images: Tensor, styles: Tensor, noise: Tensor) -> Tensor:
    """‖Jᵀy‖ for y = noise / √(pixels), the norm's square averaged over the layers' styles (Karras et al. 2020, eq. 4).

    Args:
        images: (B, C, H, W), computed from ``styles``
        styles: (B, n_styles, w_dim), with gradients
        noise: standard normal, shaped as ``images``

    Returns:
        (B,)
    """
    pixels = images.shape[2] * images.shape[3]
    (jacobian,) = torch.autograd.grad((images * noise).sum() / math.sqrt(pixels), styles, create_graph=True)
    return (jacobian.square().sum(dim=2).mean(dim=1) + 1e-12).sqrt()


def path_penalty(lengths: Tensor, mean: Tensor, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """(‖Jᵀy‖ − a)² with a the running mean of the lengths; returns the penalty and the new mean."""
    new = mean + decay * (lengths.detach().mean() - mean)
    return (lengths - new).square().mean(), new


def delta_loss(styles: Tensor) -> Tensor:
    """Σ over layers of ‖w_i − w_0‖₂, mean over images (Tov et al. 2021, eq. 4).

    Args:
        styles: (B, n_styles, w_dim), the first of which the others are offset from
    """
    deltas = styles[:, 1:] - styles[:, :1]
    return (deltas.square().sum(dim=2) + 1e-12).sqrt().sum(dim=1).mean()


def feature_distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Squared distance of channel-normalised features, summed over channels, mean over places, mean over layers.

    As LPIPS does with a classifier's features (Zhang et al., CVPR 2018), here of the frozen discriminator, which knows
    medical images.
    """
    total = a[0].new_zeros(())
    for one, two in zip(a, b, strict=True):
        one = one * torch.rsqrt(one.square().sum(dim=1, keepdim=True) + 1e-8)
        two = two * torch.rsqrt(two.square().sum(dim=1, keepdim=True) + 1e-8)
        total = total + (one - two).square().sum(dim=1).mean()
    return total / len(a)
