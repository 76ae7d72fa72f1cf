"""Reading raster images (PNG, JPEG, TIFF, BMP; any depth; pages of a TIFF are slices) as grey-value arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import CohortError
from .dicom.padding import filled

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
#: part of the cache key: what is read differently than before has another one
READING = "raster-2"
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


def read_raster(path: Path | str, to_grey: bool = False) -> np.ndarray:
    """The grey values of :func:`read_pages`."""
    return read_pages(path, to_grey)[0]


def read_pages(path: Path | str, to_grey: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reads one image, or the pages of a TIFF file.

    Turned as its EXIF orientation says; inverted where white is stored as 0; black where it is transparent; values
    that are not finite become the lowest of the others.

    Args:
        path: the file
        to_grey: reduce colour to grey (ITU-R 601 luma); otherwise colour is refused unless all channels are equal

    Returns:
        array (pages, H, W) with the file's own values: uint8, uint16, int16, int32 or float32; and what is odd

    Raises:
        CohortError: not an image, damaged, or in colour without ``to_grey``
    """
    try:
        pages, notes = _read(Path(path))
    except FileNotFoundError:
        raise CohortError(f"image {path} does not exist") from None
    except Exception as error:  # decoders of damaged files raise nearly anything
        reason = (
            "not an image"
            if isinstance(error, UnidentifiedImageError)
            else (" ".join(str(error).split())[:160] or type(error).__name__)
        )
        raise CohortError(
            f"image {path} cannot be read ({reason}); mend or remove it, or pass skip_unreadable=True to leave it out"
        ) from error
    pages = [_grey(p, path, to_grey) if p.ndim == 3 else p for p in pages]
    if not pages or pages[0].size == 0:
        raise CohortError(f"image {path} has no pixels; remove it, or pass skip_unreadable=True to leave it out")
    array = np.stack(pages)
    if array.dtype.kind == "f":
        try:
            array, more = filled(array, None)
        except ValueError as error:
            raise CohortError(
                f"image {path}: {error}; remove it, or pass skip_unreadable=True to leave it out"
            ) from error
        notes = [*notes, *more]
    return array, tuple(notes)


def _read(path: Path) -> tuple[list[np.ndarray], list[str]]:
    """Pages as (H, W) or (H, W, channels), transparency applied, and notes."""
    if path.suffix.lower() in (".tif", ".tiff"):
        from .tiff import read_tiff

        pages, notes = read_tiff(path)
    else:
        pages, notes = [_picture(path)], []
    out = []
    for page in pages:
        if page.ndim == 3 and page.shape[2] in (2, 4):
            page, hidden = _opaque(page)
            notes = [*notes, *hidden]
        out.append(_narrow(page))
    return out, list(dict.fromkeys(notes))


def _picture(path: Path) -> np.ndarray:
    deep = _deep_png(path)
    if deep is not None:
        return deep
    with Image.open(path) as image:
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode in ("P", "PA") or "transparency" in image.info and image.mode in ("L", "RGB", "1"):
            image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
        elif image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
            image = image.convert("RGB")
        elif image.mode == "1":
            image = image.convert("L")
        return np.asarray(image)


def _deep_png(path: Path) -> np.ndarray | None:
    """A PNG of 16 bits a channel with colour or alpha, which Pillow reads with 8; ``None`` for all others."""
    with open(path, "rb") as stream:
        head = stream.read(26)
    if head[:8] != b"\x89PNG\r\n\x1a\n" or len(head) < 26 or head[24] != 16 or head[25] not in (2, 4, 6):
        return None
    import cv2

    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("the PNG is damaged")
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    return pixels


def _opaque(pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Colour or grey without its alpha channel: what is transparent is black."""
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    if (alpha == top).all():
        return colour, []
    if not alpha.any():
        return colour, ["its alpha channel is 0 everywhere and was ignored"]
    mixed = colour.astype(np.float64) * (alpha / top)
    mixed = mixed.round().astype(pixels.dtype) if pixels.dtype.kind in "ui" else mixed.astype(np.float32)
    return mixed, ["transparent pixels were set to black"]


def _narrow(pixels: np.ndarray) -> np.ndarray:
    """Values in a type that later steps read: no booleans, no 64 bits."""
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8) * 255
    if pixels.dtype.kind == "c":
        return np.abs(pixels).astype(np.float32)
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32)
    if pixels.dtype.itemsize >= 4 and pixels.size:
        low, high = int(pixels.min()), int(pixels.max())
        return pixels.astype(np.int32 if -(2**31) <= low and high < 2**31 else np.float32)
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _grey(pixels: np.ndarray, path, to_grey: bool) -> np.ndarray:
    first = pixels[..., 0]
    if pixels.shape[2] not in (1, 3):
        raise CohortError(f"image {path} has {pixels.shape[2]} channels; 1, 3 or 4 are read")
    has_nan = pixels.dtype.kind == "f"
    if all(np.array_equal(first, pixels[..., c], equal_nan=has_nan) for c in range(1, pixels.shape[2])):
        return first
    if not to_grey:
        raise CohortError(
            f"image {path} is in colour (its channels differ); pass to_grey=True to reduce colour to grey, "
            "or skip_unreadable=True to leave such images out"
        )
    grey = pixels.astype(np.float32) @ _WEIGHTS
    return grey.round().astype(pixels.dtype) if pixels.dtype.kind in "ui" else grey
