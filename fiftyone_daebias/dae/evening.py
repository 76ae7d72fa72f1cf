"""Codes in which no few directions outweigh all others: a fixed, invertible, linear map behind the encoder.

Codes of an autoencoder, like principal components, vary a hundred times more in some directions than in others. As they
are, a distance sees little but those; fully whitened, noise counts as much as anatomy. Half-way (every principal
direction divided by the square root of its standard deviation) reads best: see docs/embedding.md. The directions are
then turned so that every value has about the same spread, so that who standardises values changes little.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: of its spread, what a direction is divided by: 0 leaves codes as they are, 1 whitens them
POWER = 0.5
#: directions with less than this share of the largest spread are not stretched further
LEAST = 1e-4
#: share of the mean square that learnt values get beside principal components (of pixels and of local energy, which
#: share the rest evenly). Learnt in minutes, they repeat what the components say, less well; a tenth keeps what is new
#: in them and costs less than a hundredth of any score
LEARNT = 0.1


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
    def fit(self, codes: Tensor, spreads: Sequence[Tensor] = (), places: Tensor | None = None) -> None:
        """Takes the map from codes of training images; their mean square about their place's mean becomes 1.

        Where a slice lies in its volume is the same for every subject, and in some planes varies more than anything
        that subjects differ in. So directions are judged by how codes of one place vary.

        Args:
            codes: the encoder's codes (n, z_dim)
            spreads: standard deviations of the principal components that the codes begin with, block by block
            places: place of each slice in its volume, (n,); default: all the same
        """
        x = codes.double().cpu()
        mean = x.mean(dim=0)
        x = _about_place(x, torch.zeros(len(x), dtype=torch.long) if places is None else places.cpu())
        forth, back = torch.zeros(2, x.shape[1], x.shape[1], dtype=torch.float64)
        for part, share, units in _blocks(x.shape[1], spreads):
            one, two = _evened(x[:, part], units)
            scale = (share * x.shape[1] / one.shape[1]) ** 0.5
            forth[part, part], back[part, part] = one * scale, two / scale
        turn = even_turn(len(mean))
        self.mean.copy_(mean)
        self.forth.copy_(forth @ turn)
        self.back.copy_(turn.T @ back)

    def forward(self, codes: Tensor) -> Tensor:
        """Evened codes (B, z_dim) of the encoder's."""
        return (codes - self.mean) @ self.forth

    def inverse(self, evened: Tensor) -> Tensor:
        """The encoder's codes (B, z_dim) of evened ones."""
        return evened @ self.back + self.mean


def _blocks(n: int, spreads: Sequence[Tensor]) -> list[tuple[slice, float, Tensor | None]]:
    """Parts of a code of n values, the share of the mean square that each gets, and the units of its values."""
    found: list[tuple[slice, float, Tensor | None]] = []
    first = 0
    learnt = LEARNT if spreads and sum(map(len, spreads)) < n else 0.0
    for spread in spreads:
        part = slice(first, first + len(spread))
        found.append((part, (1 - learnt) / len(spreads), spread.double().cpu()))
        first = part.stop
    if first < n:
        found.append((slice(first, n), learnt or 1.0, None))
    return found


def _about_place(x: Tensor, places: Tensor) -> Tensor:
    """Codes minus the mean of their place; a place that a single slice has tells nothing and is left out."""
    _, index, counts = places.unique(return_inverse=True, return_counts=True)
    means = torch.zeros(len(counts), x.shape[1], dtype=x.dtype).index_add_(0, index, x) / counts[:, None]
    kept = counts[index] > 1
    return (x - means[index])[kept] if kept.any() else x - x.mean(dim=0)


def _evened(x: Tensor, units: Tensor | None) -> tuple[Tensor, Tensor]:
    """The map that evens centred codes (n, z) to a mean square of 1, and its inverse, float64 (z, z).

    Args:
        x: the codes
        units: what each value is to be multiplied with first, as its spread says nothing; ``None`` for nothing
    """
    scaled = x if units is None else x * units
    values, axes = torch.linalg.eigh(scaled.T @ scaled / len(x))
    spread = values.clamp_min(0).sqrt()
    if not spread[-1] > 0:  # all codes are equal
        return torch.eye(x.shape[1], dtype=torch.float64), torch.eye(x.shape[1], dtype=torch.float64)
    spread = spread.clamp_min(LEAST * spread[-1])
    stretch = spread**-POWER
    stretch = stretch / (stretch**2 * values.clamp_min(0)).mean().sqrt()
    forth, back = axes * stretch, (axes / stretch).T
    return (forth, back) if units is None else (units[:, None] * forth, back / units)


def even_turn(n: int) -> Tensor:
    """An orthogonal matrix (n, n), float64, whose entries are all about as large, so that it shares spread out evenly.

    Where Sylvester's or Paley's construction gives a Hadamard matrix (powers of two, 12, 20, 80, 320, ...) it is that,
    and shares exactly; else it is drawn at random.
    """
    turn, rest = torch.ones(1, 1, dtype=torch.float64), n
    while rest > 1 and not _paley_order(rest):
        if rest % 2:
            generator = torch.Generator().manual_seed(0)
            return torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
        turn = torch.cat([torch.cat([turn, turn], 1), torch.cat([turn, -turn], 1)])
        rest //= 2
    if rest > 1:
        turn = torch.kron(_paley(rest), turn)
    return turn / n**0.5


def _paley_order(n: int) -> bool:
    """Whether n − 1 is a prime that leaves 3 when divided by 4, and n no power of two, for which Sylvester's serves."""
    return n % 4 == 0 and bool(n & (n - 1)) and all((n - 1) % k for k in range(3, int((n - 1) ** 0.5) + 1, 2))


def _paley(n: int) -> Tensor:
    """Hadamard matrix of order n by Paley's first construction (J. Math. Phys. 12:311, 1933)."""
    q = n - 1
    residues = {k * k % q for k in range(1, q)}
    character = torch.tensor([0.0, *(1.0 if k in residues else -1.0 for k in range(1, q))], dtype=torch.float64)
    places = torch.arange(q)
    skew = torch.zeros(n, n, dtype=torch.float64)
    skew[0, 1:], skew[1:, 0] = 1.0, -1.0
    skew[1:, 1:] = character[(places[:, None] - places) % q]
    return skew + torch.eye(n, dtype=torch.float64)
