"""From an item's files to cached slices and previews; what a worker process runs, so it touches no database."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import CohortError
from . import nifti
from .cache import SliceCache, file_key
from .dicom.mosaic import read_mosaic
from .dicom.pixels import read_stack
from .items import Item
from .previews import write_previews
from .raster import read_raster
from .volume import Slices, Volume, to_slices

#: longer side of cached slices, pixels; larger ones are low-pass filtered and scaled down
MAX_SIDE = 512


@dataclass(frozen=True)
class Settings:
    """How files become slices; part of the cache key.

    Attributes:
        plane: as in :func:`to_slices`
        spacing: as in :func:`to_slices`
        volume: which volume of a 4-D NIfTI file
        to_grey: reduce colour to grey
    """

    plane: str = "auto"
    spacing: float | None = None
    volume: int = 0
    to_grey: bool = False


@dataclass(frozen=True)
class Loaded:
    """What became of an item.

    Attributes:
        name: the item
        key: key in the slice cache, "" when it failed
        preview: PNG for the App; ``None`` when the source itself serves
        montage: PNG of the 12 centre slices, or ``None``
        geometry: what was done to it
        notes: what is odd about it
        error: why it could not be read, "" when it could
        n_bytes: size of the files
    """

    name: str
    key: str = ""
    preview: str | None = None
    montage: str | None = None
    geometry: dict = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: str = ""
    n_bytes: int = 0


def load_item(root: Path, item: Item, settings: Settings, cache_folder: Path, previews: Path) -> Loaded:
    """Decodes one item, unless the cache has it, and writes slices and previews."""
    cache = _cache(cache_folder)
    paths = [root / f for f in item.files]
    size = sum(p.stat().st_size for p in paths)
    try:
        # a raster image has the same key here as in datasets that were not registered by this package
        if item.kind == "raster":
            key = file_key(paths[0], "raster", settings.to_grey, MAX_SIDE)
        else:
            which = "" if item.stack is None else [(p.file, p.frame) for p in item.stack.planes]
            key = file_key(paths, item.kind, settings, MAX_SIDE, str(which))
        slices = read_item(paths, item, settings)
        if not slices.array.size:
            raise CohortError(f"{item.name} has no pixels")
        if key not in cache:
            cache.add(key, shrink(slices.array, MAX_SIDE))
        if item.kind == "raster" and slices.array.dtype == np.uint8 and paths[0].suffix.lower() in (
            ".png", ".jpg", ".jpeg"
        ):
            preview = montage = None
        else:
            preview, montage = write_previews(slices, previews, key[:24])
    except CohortError as error:
        return Loaded(item.name, error=str(error), n_bytes=size)
    except (OSError, MemoryError, ValueError, ArithmeticError) as error:
        return Loaded(item.name, error=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", n_bytes=size)
    geometry = {} if item.kind == "raster" else {**slices.geometry, "slices": int(len(slices.array))}
    return Loaded(item.name, key, preview, montage, geometry, slices.notes, "", size)


def read_item(paths: list[Path], item: Item, settings: Settings) -> Slices:
    """Slices of an item in the canonical orientation.

    Raises:
        CohortError: it cannot be read
    """
    if item.kind == "raster":
        volume = Volume(read_raster(paths[0], settings.to_grey))
    elif item.kind == "nifti":
        volume = nifti.read_nifti(paths[0], settings.volume, settings.to_grey)
    elif item.mosaic:
        volume = read_mosaic(paths[0])
    else:
        volume = read_stack(item.stack, paths, settings.to_grey)
    return to_slices(volume, settings.plane, settings.spacing)


def shrink(slices: np.ndarray, max_side: int) -> np.ndarray:
    """Scales (S, H, W) down so that its longer side is at most ``max_side``, averaging areas; float32 if it did."""
    height, width = slices.shape[1:]
    if max(height, width) <= max_side:
        return slices
    import cv2

    factor = max_side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.stack([cv2.resize(s.astype(np.float32), size, interpolation=cv2.INTER_AREA) for s in slices])


_open: dict[Path, SliceCache] = {}


def _cache(folder: Path) -> SliceCache:
    """One open cache a process."""
    if folder not in _open:
        _open[folder] = SliceCache(folder)
    _open[folder].refresh()
    return _open[folder]
