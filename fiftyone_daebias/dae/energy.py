"""Local energy of an image: how strong structure of each orientation and size is, place by place.

The first order of a wavelet scattering transform (Bruna & Mallat, IEEE TPAMI 35:1872, 2013): the modulus of complex
Gabor wavelets, averaged over places. It is not linear in the pixels, hardly moves when structure shifts within a place,
and keeps what an average of pixels loses: texture, sharpness, the thickness of edges. Of it, as of the pixels, the
principal components are taken.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .components import HoldsComponents

#: orientations of the wavelets, their wavelength and the spread of their Gaussian window in pixels of an octave
ORIENTATIONS, WAVELENGTH, WINDOW = 8, 4.0, 1.8
#: pixels to each side of a wavelet's centre
RADIUS = 4
#: places a side over which energy is averaged
PLACES = 8
#: side in pixels of the smallest octave
LEAST_SIDE = 16
#: energy is raised to this power, as its spread grows with its mean
ROOT = 0.5


def octaves_of(image_size: int) -> int:
    """How often an image is halved until it is :data:`LEAST_SIDE` pixels wide, itself counted."""
    return max(1, int(math.log2(max(1, image_size / LEAST_SIDE))) + 1)


class LocalEnergy(HoldsComponents):
    """Principal components of an image's local energy, each of unit spread once :meth:`set_components` has set them.

    Args:
        image_size: side of the square images, pixels
        in_channels: image channels
        n: components
    """

    def __init__(self, image_size: int, in_channels: int, n: int):
        super().__init__()
        self.octaves = octaves_of(image_size)
        sides = [min(PLACES, image_size >> k) for k in range(self.octaves)]
        values = in_channels * ORIENTATIONS * sum(side**2 for side in sides)
        # drawn from constants, so not part of a checkpoint
        self.register_buffer("wavelets", wavelets(), persistent=False)
        self.hold_components(values, n)

    def measure(self, x: Tensor) -> Tensor:
        """Root of the local energy of images (B, C, S, S), float32 (B, values)."""
        device = "cpu" if x.is_meta else x.device.type
        # of half precision, sums of squares keep too little
        with torch.autocast(device, enabled=False), torch.no_grad():
            x = x.float().flatten(0, 1)[:, None]
            parts = []
            for octave in range(self.octaves):
                x = F.avg_pool2d(x, 2) if octave else x
                padded = F.pad(x, (RADIUS,) * 4, mode="replicate")
                # one channel, said to lie last: CPUs then take a third of the time
                even, odd = F.conv2d(padded[:, 0, :, :, None].permute(0, 3, 1, 2), self.wavelets).square_().chunk(2, 1)
                energy = (even + odd).add_(1e-6).sqrt_()
                parts.append(F.adaptive_avg_pool2d(energy, min(PLACES, x.shape[-1])).flatten(1))
            channels = self.mean.numel() // sum(p.shape[1] for p in parts)
            return torch.cat(parts, dim=1).pow(ROOT).unflatten(0, (-1, channels)).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Components of images (B, C, S, S), float32 (B, n)."""
        return self.components_of(self.measure(x))


def wavelets() -> Tensor:
    """Gabor wavelets of mean 0 and unit sum of magnitudes, the even ones first, (2 · ORIENTATIONS, 1, side, side)."""
    side = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float32)
    y, x = torch.meshgrid(side, side, indexing="ij")
    window = torch.exp(-(x**2 + y**2) / (2 * WINDOW**2))
    found = []
    for wave in (torch.cos, torch.sin):
        for k in range(ORIENTATIONS):
            angle = math.pi * k / ORIENTATIONS
            one = window * wave(2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / WAVELENGTH)
            one = one - window * (one.sum() / window.sum())
            found.append(one / one.abs().sum())
    return torch.stack(found)[:, None]
