"""Between two images: z_sem on a straight line, x_T on the sphere (Preechakul et al. 2022, section 5.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from .model import DiffusionAutoencoder


def lerp(a: Tensor, b: Tensor, share: float) -> Tensor:
    """The point at ``share`` of the straight way from ``a`` to ``b``."""
    return a + share * (b - a)


def slerp(a: Tensor, b: Tensor, share: float) -> Tensor:
    """The point at ``share`` of the arc from ``a`` to ``b``, each image as one vector (Shoemake 1985).

    Noise stays noise on it: halfway on the straight line its variance would be half of what the decoder expects.

    Args:
        a: stochastic codes (B, C, H, W)
        b: of the same shape
        share: 0 gives ``a``, 1 gives ``b``
    """
    flat_a, flat_b = a.flatten(1).double(), b.flatten(1).double()
    cosine = (flat_a * flat_b).sum(1) / (flat_a.norm(dim=1) * flat_b.norm(dim=1)).clamp(min=1e-12)
    angle = torch.arccos(cosine.clamp(-1, 1))[:, None]
    sine = torch.sin(angle)
    straight = sine < 1e-4  # parallel, where the arc is the line, or opposite, where no arc is shortest
    safe = torch.where(straight, torch.ones_like(sine), sine)
    of_a = torch.where(straight, torch.full_like(sine, 1 - share), torch.sin((1 - share) * angle) / safe)
    of_b = torch.where(straight, torch.full_like(sine, share), torch.sin(share * angle) / safe)
    return (of_a * flat_a + of_b * flat_b).to(a.dtype).view_as(a)


@torch.no_grad()
def interpolate(
    model: DiffusionAutoencoder,
    first: Tensor,
    second: Tensor,
    *,
    count: int = 7,
    steps: int = 20,
    invert_steps: int = 100,
) -> Tensor:
    """Images on the way from one to another, both of them reconstructed at the ends.

    Args:
        model: a diffusion autoencoder
        first: images (B, C, H, W) in [-1, 1]
        second: of the same shape
        count: images on the way, with both ends; at least 2
        steps: DDIM steps to decode
        invert_steps: DDIM steps to invert

    Returns:
        tensor (B, count, C, H, W) in [-1, 1]

    Raises:
        InputError: ``count`` below 2, or images of another shape
    """
    if count < 2:
        raise InputError(f"count must be at least 2, for both ends; got {count}")
    both = torch.cat([first, second])
    z = model.encode(both)
    code = model.invert(both, z, invert_steps)
    (z_a, z_b), (x_a, x_b) = z.chunk(2), code.chunk(2)
    shares = [k / (count - 1) for k in range(count)]
    decoded = model.decode(
        torch.cat([lerp(z_a, z_b, s) for s in shares]), torch.cat([slerp(x_a, x_b, s) for s in shares]), steps
    )
    return decoded.view(count, len(first), *first.shape[1:]).transpose(0, 1)
