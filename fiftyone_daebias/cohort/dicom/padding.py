"""Pixels that are no measurement: padding around the field of view, NaN, infinite, and overlays in unused bits."""

from __future__ import annotations

import numpy as np
import pydicom


def stored_range(dataset: pydicom.Dataset) -> tuple[int, int]:
    """Lowest and highest value that integer pixels can have, from BitsStored and PixelRepresentation."""
    bits = min(max(int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 16), 1), 64)
    if int(dataset.get("PixelRepresentation", 0) or 0):
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1


def padding(frame: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray | None:
    """Which stored values are padding (DICOM PS3.3 C.7.5.1.1.2): PixelPaddingValue, or from it to its range limit.

    Args:
        frame: stored values, before rescaling
        dataset: the header

    Returns:
        bool of the frame's shape, or ``None`` when nothing is padding
    """
    ends = []
    for name in ("FloatPixelPadding", "DoubleFloatPixelPadding") if frame.dtype.kind == "f" else ("PixelPadding",):
        value, limit = dataset.get(f"{name}Value"), dataset.get(f"{name}RangeLimit")
        if value is None or value == "":
            continue
        ends = [_number(value, frame.dtype), _number(limit if limit not in (None, "") else value, frame.dtype)]
    if not ends or None in ends:
        return None
    mask = (frame >= min(ends)) & (frame <= max(ends))
    return mask if mask.any() else None


def filled(array: np.ndarray, outside: np.ndarray | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Sets padding and values that are not finite to the lowest value of the others.

    Args:
        array: grey values of the volume, after rescaling
        outside: which of them are padding, or ``None``

    Returns:
        the values, and what was done in words

    Raises:
        ValueError: no value is finite
    """
    notes = []
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array)
        if outside is not None:
            bad &= ~outside
        n_bad = int(bad.sum())
        if bad.all():
            raise ValueError("it holds no finite value")
        if n_bad:
            notes.append(f"{n_bad} values that are not finite were set to the lowest")
            outside = bad if outside is None else outside | bad
    else:
        n_bad = 0
    if outside is not None:
        n_padded = int(outside.sum()) - n_bad
        if outside.all():
            if array.dtype.kind == "f":
                array = np.where(np.isfinite(array), array, np.float32(0)).astype(array.dtype)
            return array, (*notes, "every pixel is padding by the header's PixelPaddingValue")
        array = np.where(outside, array[~outside].min(), array)
        if n_padded:
            notes.append(f"{n_padded} padding pixels were set to the lowest of the others")
    return array, tuple(notes)


def without_overlays(pixels: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Stored values without overlays that old files keep in the bits above those of the image."""
    if pixels.dtype.kind not in "iu":
        return pixels
    low, high = stored_range(dataset)
    embedded = any(
        (position := dataset.get((0x6000 + 2 * n, 0x0102))) is not None
        and int(position.value or 0) > 0
        and (0x6000 + 2 * n, 0x3000) not in dataset
        for n in range(16)
    )
    if not embedded or not pixels.size or low <= int(pixels.min()) and int(pixels.max()) <= high:
        return pixels
    span = high - low + 1
    return ((pixels.astype(np.int64) - low) % span + low).astype(pixels.dtype)


def _number(value, kind: np.dtype):
    """A padding value as the pixels hold it; one written with the other sign is turned."""
    if isinstance(value, (list, tuple, pydicom.multival.MultiValue)):
        value = value[0] if len(value) else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if kind.kind == "f":
        return number
    info = np.iinfo(kind)
    if number > info.max and number - 2**info.bits >= info.min:
        number -= 2**info.bits
    elif number < info.min and number + 2**info.bits <= info.max:
        number += 2**info.bits
    return number
