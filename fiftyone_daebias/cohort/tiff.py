"""TIFF files as they are: pages, any depth, white stored as 0, orientation."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

#: TIFF tags
_PHOTOMETRIC, _BITS, _ORIENTATION = 262, 258, 274
#: what tifffile says of a page whose pixels it cannot find
_LOST = ("data offset", "ByteCounts", "StripOffsets", "TileOffsets")
#: so many bytes of pixels come out of a byte of file at most; more are claimed by damaged headers only
_MOST_PACKED = 2000
#: pages that are smaller copies of others (NewSubfileType bit 0)
_REDUCED = 1


class _Heard(logging.Handler):
    """What tifffile says of a damaged file while it reads on; it would go to the terminal otherwise."""

    def __enter__(self) -> _Heard:
        self.messages: list[str] = []
        self.logger = logging.getLogger("tifffile")
        self.before = self.logger.propagate
        self.logger.propagate = False
        self.logger.addHandler(self)
        return self

    def __exit__(self, *_) -> None:
        self.logger.removeHandler(self)
        self.logger.propagate = self.before

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def about(self, *words: str) -> str:
        return next((m for m in self.messages if any(w in m for w in words)), "")


class RefusedError(Exception):
    """What no other reader should try either: pixels that are not there, channels that are no colour."""


def read_tiff(path: Path) -> tuple[list[np.ndarray], list[str]]:
    """Pages as (H, W) or (H, W, channels).

    Pages of another size than the first (thumbnails, an overview) are left out and said.

    Raises:
        ValueError, OSError: it cannot be read
    """
    import tifffile

    try:
        with _Heard() as heard, tifffile.TiffFile(path) as file:
            pages = []
            for page in file.pages:  # one by one: behind a damaged page may come any number of what are none
                if lost := heard.about(*_LOST):
                    raise RefusedError(lost)
                if not int(getattr(page, "subfiletype", 0) or 0) & _REDUCED:
                    pages.append(page)
            _check_size(path, sum(int(p.nbytes) for p in pages), pages[0].shape if pages else ())
            arrays = [_page(p) for p in pages]
        if lost := heard.about(*_LOST):
            raise RefusedError(lost)  # pixels that are not there are read as 0
    except (ValueError, ImportError, NotImplementedError, tifffile.TiffFileError, KeyError):
        arrays = _by_pillow(path)  # compressions that tifffile needs a further package for
    if not arrays:
        raise ValueError("it has no pages")
    same = [a for a in arrays if a.shape == arrays[0].shape and a.dtype == arrays[0].dtype]
    notes = ["the file is damaged: further pages cannot be found"] if heard.about("page offset", "next page") else []
    if len(same) < len(arrays):
        notes.append(f"{len(arrays) - len(same)} of {len(arrays)} pages have another size and were left out")
    if len(same) > 1:
        notes.append(f"{len(same)} pages were read as slices")
    return same, notes


def _check_size(path: Path, n_bytes: int, shape: tuple[int, ...]) -> None:
    """Refuses pixels that a file of its size cannot hold, before memory is taken for them."""
    size = path.stat().st_size
    if n_bytes > max(_MOST_PACKED * size, 1 << 20):
        raise RefusedError(f"its header claims {' x '.join(map(str, shape))} pixels, its file has {size} bytes")


def _page(page) -> np.ndarray:
    pixels = page.asarray()
    if pixels.ndim == 3 and page.planarconfig == 2:
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = np.squeeze(pixels) if pixels.ndim > 3 else pixels
    if pixels.ndim not in (2, 3):
        raise ValueError(f"a page of {pixels.ndim} dimensions")
    tags = page.tags
    photometric = int(tags[_PHOTOMETRIC].value) if _PHOTOMETRIC in tags else 1
    if photometric == 0:
        bits = tags[_BITS].value if _BITS in tags else 1
        pixels = _mirrored(pixels, int(bits[0] if isinstance(bits, tuple) else bits))
    elif photometric == 3 and page.colormap is not None:
        pixels = page.colormap[:, pixels].transpose(1, 2, 0)
        pixels = (pixels >> 8).astype(np.uint8)  # colour maps hold 8 bits, in the upper byte or in both
    elif photometric == 5 or photometric == 6 and page.compression != 7:
        raise ValueError("CMYK or YCbCr")  # Pillow turns them into RGB
    if (
        pixels.ndim == 3
        and pixels.shape[2] in (2, 4)
        and photometric != 2
        and not {1, 2} & set(map(int, page.extrasamples or ()))
    ):
        raise RefusedError(f"it has {pixels.shape[2]} channels, none of them alpha; 1, 3 or 4 with alpha are read")
    return _turned(pixels, int(tags[_ORIENTATION].value) if _ORIENTATION in tags else 1)


def _mirrored(pixels: np.ndarray, bits: int) -> np.ndarray:
    """White stored as 0 (MinIsWhite) turned, so that bright is bright."""
    if pixels.dtype.kind == "b":
        return ~pixels
    if pixels.dtype.kind == "f":
        return -pixels
    high = 2**bits - 1 if pixels.dtype.kind == "u" else -1  # signed: −1 − v mirrors the whole range
    return (high - pixels.astype(np.int64)).astype(pixels.dtype)


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rows from the top and columns from the left (TIFF 6.0, tag Orientation)."""
    if orientation == 2:
        return pixels[:, ::-1]
    if orientation == 3:
        return pixels[::-1, ::-1]
    if orientation == 4:
        return pixels[::-1]
    turned = pixels.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else pixels
    if orientation == 6:
        return turned[:, ::-1]
    if orientation == 7:
        return turned[::-1, ::-1]
    if orientation == 8:
        return turned[::-1]
    return turned


def _by_pillow(path: Path) -> list[np.ndarray]:
    out = []
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            _check_size(path, frame.width * frame.height, frame.size)
            frame.load()  # turns it as the orientation says, and 1 and 8 bit with white as 0
            white = frame.mode.startswith("I;16") and frame.tag_v2.get(_PHOTOMETRIC) == 0
            if frame.mode in ("P", "PA", "CMYK", "YCbCr", "HSV", "LAB"):
                frame = frame.convert("RGBA" if "transparency" in frame.info else "RGB")
            elif frame.mode == "1":
                frame = frame.convert("L")
            pixels = np.array(frame)
            out.append(_mirrored(pixels, 16) if white else pixels)
    return out
