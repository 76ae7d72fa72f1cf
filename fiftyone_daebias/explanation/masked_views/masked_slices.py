"""Slices of which only a mask, or everything but it, is left."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...cohort.slices import SliceSource

VIEWS = ("inside", "outside", "outline")
#: value of what is not shown
BACKGROUND = -1.0
#: space around the mask in its crop, share of its longer side
MARGIN = 0.05


@dataclass(frozen=True)
class MaskedSlices:
    """A ``SliceSource`` seen through masks.

    Grey values are scaled anew by the highest one that is left of the volume: scaled as they were, by the whole
    volume's highest, a bright spot outside the mask would show inside it.

    "inside" shows the mask only, cropped to it (square, one crop for all slices of a volume, and only the slices that
    hold the mask, or the ``least`` around its middle); "outline" shows the mask itself, white on black, in the same
    crop; "outside" shows everything but the mask, uncropped.

    Attributes:
        source: the slices
        masks: bool (S, H, W) of each sample, packed along the columns; ``None`` where there is none
        view: one of :data:`VIEWS`
        least: slices a sample must give
    """

    source: SliceSource
    masks: dict[int, tuple[tuple[int, int, int], np.ndarray]] = field(repr=False)
    view: str = "inside"
    least: int = 1

    def __len__(self) -> int:
        return len(self.source)

    @property
    def sample_ids(self) -> list[str]:
        return self.source.sample_ids

    @property
    def subjects(self) -> list[str]:
        return self.source.subjects

    @property
    def splits(self) -> list[str]:
        return self.source.splits

    @property
    def data_hash(self) -> str:
        digest = hashlib.sha256(self.source.data_hash.encode() + self.view.encode())
        for i in sorted(self.masks):
            digest.update(self.masks[i][1].tobytes())
        return digest.hexdigest()

    def mask(self, i: int) -> np.ndarray:
        """The mask of sample ``i``, bool (S, H, W)."""
        shape, packed = self.masks[i]
        return np.unpackbits(packed, axis=-1, count=shape[-1]).astype(bool)

    def slices_of(self, i: int) -> np.ndarray:
        """Which of the sample's slices are given, in order."""
        total = self.source.n_slices(i)
        if self.view == "outside":
            return np.arange(total)
        held = np.flatnonzero(self.mask(i).any(axis=(1, 2)))
        first, last = int(held[0]), int(held[-1])
        need = min(total, max(self.least, last - first + 1))
        start = int(np.clip(round((first + last + 1) / 2 - need / 2), 0, total - need))
        return np.arange(start, start + need)

    def n_slices(self, i: int) -> int:
        return len(self.slices_of(i))

    def read(self, i: int, which: Sequence[int] | None = None) -> np.ndarray:
        """Slices, float32 (S, H, W) in [-1, 1]; those of a crop are square."""
        mine = self.slices_of(i)
        mine = mine if which is None else mine[list(which)]
        mask = self.mask(i)
        if self.view == "outline":
            shown = np.where(mask[mine], np.float32(1.0), np.float32(BACKGROUND))
            return square_crop(shown, box_of(mask))
        left = ~mask if self.view == "outside" else mask
        volume = self.source.read(i)
        span = float(volume.max(where=left, initial=BACKGROUND)) - BACKGROUND
        scaled = (volume[mine] - BACKGROUND) * np.float32(2.0 / span if span > 0 else 0.0) + np.float32(BACKGROUND)
        shown = np.where(left[mine], scaled, np.float32(BACKGROUND))
        return shown if self.view == "outside" else square_crop(shown, box_of(mask))


def pack(mask: np.ndarray) -> tuple[tuple[int, int, int], np.ndarray]:
    """A mask in an eighth of its size."""
    return mask.shape, np.packbits(mask, axis=-1)


def box_of(mask: np.ndarray) -> tuple[int, int, int]:
    """Top, left and side of the square around a mask's rows and columns, with a margin."""
    rows, columns = (np.flatnonzero(mask.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    spans = [(int(v[0]), int(v[-1]) + 1) for v in (rows, columns)]
    longest = max(b - a for a, b in spans)
    side = max(4, round(longest * (1 + 2 * MARGIN)))
    top, left = (round((a + b - side) / 2) for a, b in spans)
    return top, left, side


def square_crop(slices: np.ndarray, box: tuple[int, int, int]) -> np.ndarray:
    """The square, with background where it sticks out of the picture; (S, side, side)."""
    top, left, side = box
    _, height, width = slices.shape
    out = np.full((len(slices), side, side), BACKGROUND, np.float32)
    a, b = max(0, top), min(height, top + side)
    c, d = max(0, left), min(width, left + side)
    out[:, a - top : b - top, c - left : d - left] = slices[:, a:b, c:d]
    return out
