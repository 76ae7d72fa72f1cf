"""Which part of a slice a model sees: a square, as a share of its shorter side, or all of it."""

from __future__ import annotations

import numpy as np

#: value of ``crop`` that stands for the whole slice, made square with background
WHOLE = 0.0
#: slices in the middle of a volume that make its vector: Graf et al. 2024
CENTRE_SLICES = 12
#: background, in the units of ``SliceSource.read``
BACKGROUND = -1.0


def square_side(shape: tuple[int, int], crop: float) -> int:
    """Side of the square that a model sees of slices of (height, width), in pixels of the slice.

    It is ``crop`` of the shorter side, or for :data:`WHOLE` the longer side: then the square reaches beyond the slice.
    """
    return max(shape) if crop == WHOLE else max(1, round(min(shape) * crop))


def padded(slices: np.ndarray) -> np.ndarray:
    """Slices (S, H, W) in [-1, 1] in the middle of squares of background whose side is the longer one."""
    _, height, width = slices.shape
    if height == width:
        return slices
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    out = np.full((len(slices), side, side), BACKGROUND, np.float32)
    out[:, top : top + height, left : left + width] = slices
    return out
