"""From an item's files to cached slices and previews; what a worker process runs, so it touches no database."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import CohortError, StoreError, WriteError
from . import nifti
from .dicom.mosaic import read_mosaic
from .dicom.pixels import read_stack
from .file_facts import file_facts
from .items import Item
from .left_out import n_labels, one_line
from .previews import write_previews, written
from .raster import READING, read_pages
from .slice_cache import SliceCache, file_key
from .volume import Slices, Volume, to_slices

#: part of the cache key of volumes: what is read differently than before has another one
VOLUMES = "-2"
#: what is told of an item beside its slices; a change of it, and all is read once more
TOLD = 1
#: longer side of cached slices, pixels; larger ones are low-pass filtered and scaled down
MAX_SIDE = 512
#: images with so few values are named
FEW_VALUES = 16


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
        error: why it could not be read or is no image to audit, "" when it is there
        is_labels: whether it was left out as a mask or label map
        pixels: hash of all grey values, "" where every pixel is the same, so that a copy says nothing of whose it is
        n_bytes: size of the files
        lacks_slices: whether slices are missing between others
        file: facts of its files, as ``schema.FILE_FACTS`` names them
    """

    name: str
    key: str = ""
    preview: str | None = None
    montage: str | None = None
    geometry: dict = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: str = ""
    n_bytes: int = 0
    is_labels: bool = False
    pixels: str = ""
    lacks_slices: bool = False
    file: dict = field(default_factory=dict)


def load_item(
    root: Path, item: Item, settings: Settings, cache_folder: Path, previews: Path, hide: bool = False
) -> Loaded:
    """Decodes one item, unless the cache has it, and writes slices and previews.

    Args:
        root: folder of the cohort
        item: what to read
        settings: how
        cache_folder: where the slice cache lies
        previews: where previews are written
        hide: whether the file's own path must not be stored, so that the App needs a picture of another name
    """
    paths = [root / f for f in item.files]
    size = 0
    try:
        size = sum(p.stat().st_size for p in paths)
        # a raster image has the same key here as in datasets that were not registered by this package
        key = file_key(paths, *how_read(item, settings))
        if (done := loaded_before(root, item, key, cache_folder, previews, hide)) is not None:
            return done
        slices = read_item(paths, item, settings)
        if not slices.array.size:
            raise CohortError(f"{item.name} has no pixels")
        facts, pictures = _facts(slices, file_facts(paths, item.kind, settings.to_grey)), None
        if not (facts["labels"] and item.label_word):
            _cache(cache_folder).add(key, shrink(slices.array, MAX_SIDE), facts)
            if not _serves(item, facts, hide):
                pictures = write_previews(slices, previews, key[:24])
    except CohortError as error:
        return Loaded(item.name, error=one_line(str(error)), n_bytes=size)
    except (StoreError, WriteError, KeyboardInterrupt):
        raise  # nothing is wrong with the file
    except Exception as error:  # a damaged file makes decoders raise nearly anything; it is named and left out
        return Loaded(item.name, error=one_line(f"{type(error).__name__}: {error}")[:220], n_bytes=size)
    return _loaded(item, key, facts, pictures or (None, None), size)


def how_read(item: Item, settings: Settings) -> tuple:
    """What the key of an item's content depends on besides."""
    if item.kind == "raster":
        return READING, settings.to_grey, MAX_SIDE
    which = "" if item.stack is None else [(p.file, p.frame) for p in item.stack.planes]
    return item.kind + VOLUMES, settings, MAX_SIDE, str(which)


def loaded_before(
    root: Path, item: Item, key: str, cache_folder: Path, previews: Path, hide: bool = False
) -> Loaded | None:
    """As :func:`load_item` gives it, where cache and previews hold all of it; else ``None``. Reads no image."""
    facts = _cache(cache_folder).facts(key)
    if facts is None or facts["told"] != TOLD:
        return None
    serves = _serves(item, facts, hide)
    pictures = (None, None) if serves else written(previews, key[:24], facts["slices"])
    if pictures is None:
        return None
    return _loaded(item, key, facts, pictures, sum((root / f).stat().st_size for f in item.files))


def _facts(slices: Slices, file: dict) -> dict:
    """All that is said of an item besides its slices, JSON-able, so that no file is read twice."""
    labels = n_labels(slices.array)
    return {
        "told": TOLD,
        "slices": len(slices.array),
        "bytes": slices.array.dtype == np.uint8,
        "labels": int(labels),
        "geometry": slices.geometry,
        "notes": list(slices.notes),
        "pixels": "" if labels == 1 else hash_of(slices),
        "lacks_slices": bool(slices.lacks_slices),
        "file": file,
    }


def _serves(item: Item, facts: dict, hide: bool) -> bool:
    """Whether the App can show the file itself."""
    return (
        item.kind == "raster"
        and not hide
        and facts["bytes"]
        and Path(item.files[0]).suffix.lower() in (".png", ".jpg", ".jpeg")
    )


def _loaded(item: Item, key: str, facts: dict, pictures: tuple[str | None, str | None], size: int) -> Loaded:
    labels, notes = facts["labels"], tuple(facts["notes"])
    if labels and item.label_word:
        text = (
            f"a mask or label map by its name ({item.label_word}) and its {labels} values; "
            f"include='*{item.label_word}*' takes it"
        )
        return Loaded(item.name, error=text, n_bytes=size, is_labels=True)
    if labels == 1:
        notes = (*notes, "every pixel has the same value")
    elif 0 < labels <= FEW_VALUES:
        notes = (*notes, f"it holds {labels} values only: a mask or label map?")
    is_picture = item.kind == "raster" and facts["slices"] == 1
    geometry = {} if is_picture else {**facts["geometry"], "slices": facts["slices"]}
    return Loaded(
        item.name,
        key,
        *pictures,
        geometry,
        notes,
        "",
        size,
        pixels=facts["pixels"],
        lacks_slices=facts["lacks_slices"],
        file=facts["file"],
    )


def read_item(paths: list[Path], item: Item, settings: Settings) -> Slices:
    """Slices of an item in the canonical orientation.

    Raises:
        CohortError: it cannot be read
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn of each odd value; what matters of them is a note
        if item.kind == "raster":
            pages, notes = read_pages(paths[0], settings.to_grey)
            volume = Volume(pages, notes=notes)
        elif item.kind == "nifti":
            volume = nifti.read_nifti(paths[0], settings.volume, settings.to_grey)
        elif item.mosaic:
            volume = read_mosaic(paths[0])
        else:
            volume = read_stack(item.stack, paths, settings.to_grey)
    return to_slices(volume, settings.plane, settings.spacing)


def hash_of(slices: Slices) -> str:
    """Hash of all grey values, by which copies with another header or of another file format are known."""
    head = repr((slices.array.shape, slices.array.dtype.str)).encode()
    return hashlib.blake2b(head + np.ascontiguousarray(slices.array).tobytes(), digest_size=16).hexdigest()


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
