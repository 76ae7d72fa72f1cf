"""PNG previews: the middle slice, and a montage of the 12 centre slices."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .. import atomic
from .volume import Slices

#: longer side of a preview, pixels
SIDE = 512
#: longer side of a tile of the montage, pixels
TILE = 192
N_TILES = 12


def write_previews(slices: Slices, folder: Path, name: str) -> tuple[str, str | None]:
    """Writes the previews of a volume; files that are there already are left alone.

    Grey values are windowed by the header's window, else by the 0.5th and 99.5th percentile of the volume, so that
    16-bit sources are not crushed; pixels are shown square in mm.

    Args:
        slices: the slices
        folder: where to write
        name: file name without ending; should say nothing of the person

    Returns:
        paths of the preview and of the montage (``None`` for a single image)
    """
    one, many = folder / f"{name}.png", folder / f"{name}_montage.png"
    low, high = limits(slices)
    n = len(slices.array)
    if not one.exists():
        _save(picture(slices.array[n // 2], slices.spacing, low, high, SIDE), one)
    if n == 1:
        return str(one), None
    if not many.exists():
        count = min(N_TILES, n)
        first = (n - count) // 2
        tiles = [picture(slices.array[first + k], slices.spacing, low, high, TILE) for k in range(count)]
        columns = min(4, count)
        rows = -(-count // columns)
        height, width = tiles[0].shape
        sheet = np.zeros((rows * height, columns * width), np.uint8)
        for k, tile in enumerate(tiles):
            r, c = divmod(k, columns)
            sheet[r * height : (r + 1) * height, c * width : (c + 1) * width] = tile
        _save(sheet, many)
    return str(one), str(many)


def written(folder: Path, name: str, n_slices: int) -> tuple[str, str | None] | None:
    """Paths of the previews of so many slices as :func:`write_previews` gives them, if they are there."""
    one, many = folder / f"{name}.png", folder / f"{name}_montage.png"
    if not one.exists() or n_slices > 1 and not many.exists():
        return None
    return str(one), str(many) if n_slices > 1 else None


def limits(slices: Slices) -> tuple[float, float]:
    """Grey values shown as black and white."""
    sample = slices.array[:: max(1, len(slices.array) // 24)]
    step = max(1, int((sample.size / 250_000) ** 0.5))
    sample = sample[:, ::step, ::step]
    low, high = (float(v) for v in np.percentile(sample, [0.5, 99.5]))
    if slices.window is not None:
        centre, width = slices.window
        a, b = centre - width / 2, centre + width / 2
        # a window that shows hardly any of the grey values is a leftover of another display
        if min(b, high) - max(a, low) > 0.1 * (high - low):
            low, high = a, b
    if high <= low:
        low, high = float(slices.array.min()), float(slices.array.max())
    return low, max(high, low + 1e-6)


def picture(image: np.ndarray, spacing, low: float, high: float, side: int) -> np.ndarray:
    """A slice as it is shown: windowed, with pixels square in mm, uint8.

    Args:
        image: (H, W)
        spacing: mm across slices, rows and columns; ``None`` where it is not known
        low: grey value shown as black
        high: grey value shown as white
        side: longer side of the outcome, pixels
    """
    scaled = np.clip((image.astype(np.float32) - low) * (255.0 / (high - low)), 0, 255)
    height, width = scaled.shape
    tall, wide = (height * spacing[1], width * spacing[2]) if spacing is not None else (height, width)
    factor = side / max(tall, wide)
    size = max(1, round(wide * factor)), max(1, round(tall * factor))
    smaller = size[0] < width and size[1] < height
    scaled = cv2.resize(scaled, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    return np.clip(scaled, 0, 255).round().astype(np.uint8)


def _save(pixels: np.ndarray, path: Path) -> None:
    with atomic.replacing(path) as part:
        Image.fromarray(pixels).save(part, format="PNG", compress_level=1)
