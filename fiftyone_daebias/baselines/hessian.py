"""The Hessian penalty: a generator whose latent dimensions do not act together (Peebles et al., ECCV 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def rademacher(shape: Sequence[int], rng: torch.Generator | None = None) -> Tensor:
    """Directions whose entries are −1 or 1 with equal chance, float32."""
    return torch.randint(0, 2, tuple(shape), generator=rng).float() * 2 - 1


def hessian_penalty(
    activations: Callable[[Tensor], Sequence[Tensor]], z: Tensor, directions: Tensor, epsilon: float = 0.1
) -> Tensor:
    """Σ over layers of the largest variance, over directions v, of vᵀHv (Peebles et al. 2020, eqs. 3 to 6).

    The variance of vᵀHv over Rademacher v is twice the sum of the squared off-diagonal entries of the Hessian H, which
    is what is to vanish. vᵀHv is the second central difference (G(z+εv) − 2G(z) + G(z−εv)) / ε².

    Args:
        activations: maps codes (n, d) to the outputs of one or several layers, each (n, …), sample by sample; it must
            be smooth, since the second derivative of a ReLU is 0, and without dropout
        z: codes (B, d)
        directions: (k, B, d), k ≥ 2
        epsilon: step of the difference

    Returns:
        the penalty, a scalar
    """
    k, batch, _ = directions.shape
    moved = epsilon * directions
    points = torch.cat([z[None], z[None] + moved, z[None] - moved]).flatten(0, 1)
    total = z.new_zeros(())
    for layer in activations(points):
        parts = layer.unflatten(0, (1 + 2 * k, batch))
        second = (parts[1 : 1 + k] - 2 * parts[:1] + parts[1 + k :]) / epsilon**2
        total = total + second.var(dim=0, unbiased=True).amax()
    return total
