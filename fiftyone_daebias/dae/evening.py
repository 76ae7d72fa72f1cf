"""Codes in which no few directions outweigh all others: a fixed, invertible, linear map behind the encoder.

Codes of an autoencoder, like principal components, vary a hundred times more in some directions than in others. As they
are, a distance sees little but those; fully whitened, noise counts as much as anatomy. Half-way (every principal
direction divided by the square root of its standard deviation) reads best: see docs/embedding.md. The directions are
then turned so that every value has about the same spread, so that who standardises values changes little.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: of its spread, what a direction is divided by: 0 leaves codes as they are, 1 whitens them
POWER = 0.5
#: directions with less than this share of the largest spread are not stretched further
LEAST = 1e-4


class Evening(nn.Module):
    """The map; it leaves codes as they are until :meth:`fit`.

    Args:
        z_dim: values of a code
    """

    def __init__(self, z_dim: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(z_dim))
        self.register_buffer("forth", torch.eye(z_dim))
        self.register_buffer("back", torch.eye(z_dim))

    @torch.no_grad()
    def fit(self, codes: Tensor) -> None:
        """Takes the map from codes (n, z_dim) of training images; their mean squared norm becomes z_dim."""
        x = codes.double().cpu()
        mean = x.mean(dim=0)
        covariance = (x - mean).T @ (x - mean) / len(x)
        values, axes = torch.linalg.eigh(covariance)
        spread = values.clamp_min(0).sqrt()
        if not spread[-1] > 0:
            return
        spread = spread.clamp_min(LEAST * spread[-1])
        stretch = spread**-POWER
        # the mean square of all values becomes 1
        stretch = stretch / (stretch**2 * spread**2).mean().sqrt()
        turn = even_turn(len(mean))
        self.mean.copy_(mean)
        self.forth.copy_((axes * stretch) @ turn)
        self.back.copy_(turn.T @ (axes / stretch).T)

    def forward(self, codes: Tensor) -> Tensor:
        """Evened codes (B, z_dim) of the encoder's."""
        return (codes - self.mean) @ self.forth

    def inverse(self, evened: Tensor) -> Tensor:
        """The encoder's codes (B, z_dim) of evened ones."""
        return evened @ self.back + self.mean


def even_turn(n: int) -> Tensor:
    """An orthogonal matrix (n, n), float64, whose entries are all about as large, so that it shares spread out evenly.

    For powers of two it is Hadamard's, by Sylvester's construction, and shares exactly; else it is drawn at random.
    """
    if n & (n - 1):
        generator = torch.Generator().manual_seed(0)
        return torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    turn = torch.ones(1, 1, dtype=torch.float64)
    while len(turn) < n:
        turn = torch.cat([torch.cat([turn, turn], 1), torch.cat([turn, -turn], 1)])
    return turn / n**0.5
