"""Reading raster images (PNG, JPEG, TIFF, BMP; 8 and 16 bit) as grey-value arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import CohortError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def read_raster(path: Path | str, to_grey: bool = False) -> np.ndarray:
    """Reads one image.

    Args:
        path: the file
        to_grey: reduce colour to grey (ITU-R 601 luma); otherwise colour is refused unless all channels are equal

    Returns:
        array (1, H, W) with the file's own values: uint8, uint16, int32 or float32

    Raises:
        CohortError: not an image, damaged, or in colour without ``to_grey``
    """
    try:
        with Image.open(path) as image:
            image.load()
            if image.mode in ("P", "LA", "PA", "CMYK", "YCbCr", "HSV", "LAB", "1"):
                image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
            pixels = np.asarray(image)
    except FileNotFoundError:
        raise CohortError(f"image {path} does not exist") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__
        raise CohortError(
            f"image {path} cannot be read ({reason}); mend or remove it, or pass skip_unreadable=True to leave it out"
        ) from error
    if pixels.ndim == 3:
        pixels = _grey(pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1], path, to_grey)
    if pixels.size == 0:
        raise CohortError(f"image {path} has no pixels; remove it, or pass skip_unreadable=True to leave it out")
    return pixels[None]


def _grey(pixels: np.ndarray, path, to_grey: bool) -> np.ndarray:
    first = pixels[..., 0]
    if all(np.array_equal(first, pixels[..., c]) for c in range(1, pixels.shape[2])):
        return first
    if not to_grey:
        raise CohortError(
            f"image {path} is in colour (its channels differ); pass to_grey=True to reduce colour to grey, "
            "or skip_unreadable=True to leave such images out"
        )
    return (pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)).round().astype(pixels.dtype)
