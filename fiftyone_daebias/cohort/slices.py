"""One reader of slices for every dataset, registered by this package or not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import schema, store
from ..errors import InputError
from ..progress import Progress, start
from .load import MAX_SIDE, shrink
from .raster import READING, read_raster
from .slice_cache import SliceCache, file_key
from .split import split_subjects
from .stamps import Stamps, stamp_of


@dataclass(frozen=True)
class SliceSource:
    """The slices of a dataset, in its order.

    Attributes:
        sample_ids: ids of the samples
        subjects: subject of each sample
        splits: "train", "val" or "test" for each sample
        spacing: in-plane spacing (row, column) in mm of each sample, or ``None``
        keys: key of each sample in the slice cache
        cache: the slice cache
        data_hash: hash of all keys, in order
    """

    sample_ids: list[str]
    subjects: list[str]
    splits: list[str]
    spacing: list[tuple[float, float] | None]
    keys: list[str]
    cache: SliceCache = field(repr=False)
    data_hash: str = ""

    def __len__(self) -> int:
        return len(self.sample_ids)

    def n_slices(self, i: int) -> int:
        """Number of slices of sample ``i``."""
        return self.cache.shape(self.keys[i])[0]

    def read(self, i: int, which: Sequence[int] | None = None) -> np.ndarray:
        """Slices of sample ``i``, scaled from [0, max of the volume] to [-1, 1].

        A volume with negative values is first raised so that its lowest value is 0.

        Args:
            i: position of the sample
            which: slices to read; ``None`` reads all

        Returns:
            float32 array (S, H, W) in [-1, 1]
        """
        array, entry = self.cache.read(self.keys[i])
        return to_unit(array if which is None else array[list(which)], entry.low, entry.high)


def to_unit(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values scaled from [0, ``high``] to [-1, 1]; with a negative ``low``, from [``low``, ``high``].

    Args:
        values: any array
        low: lowest value of the volume
        high: highest value of the volume

    Returns:
        float32 array of the same shape
    """
    chosen = np.asarray(values, dtype=np.float32)
    low = min(low, 0.0)
    span = high - low
    if span <= 0:
        return np.full(chosen.shape, -1.0, np.float32)
    return (chosen - np.float32(low)) * np.float32(2.0 / span) - np.float32(1.0)


def open_slices(samples, *, subject_field: str | None = None, progress: Progress | None = None) -> SliceSource:
    """Opens the slices of a dataset or view, filling the slice cache with what is not in it yet.

    Args:
        samples: a dataset or view of images
        subject_field: field that names the subject; default: as registered, else guessed by name, else every
            sample is a subject of its own
        progress: where to report

    Raises:
        InputError: no samples, or no images
        CohortError: an image that cannot be read
    """
    store.ensure_samples(samples)
    ids = store.sample_ids(samples)
    subjects = store.read_subjects(samples, subject_field)
    info = store.read_info(samples)
    to_grey = bool(info.get("to_grey", True))
    cached = store.read_field(samples, schema.CACHE_FIELD) if store.has_field(samples, schema.CACHE_FIELD) else None
    geometry = None
    if store.has_field(samples, schema.GEOMETRY_FIELD):
        geometry = store.read_field(samples, schema.GEOMETRY_FIELD)
    files = store.read_field(samples, schema.SOURCE_FIELD if cached else "filepath")
    cache = SliceCache()
    _check_files(files, cached, geometry, cache)
    stamps, keys = Stamps(cache.folder), []
    with start(progress, "reading images", len(ids), "images") as task:
        for k, path in enumerate(files):
            key = cached[k] if cached else None
            if key is None or key not in cache:
                if geometry and geometry[k]:
                    # the picture in the App is a preview, not the volume
                    raise InputError(
                        f"the slice cache does not hold the volume of sample {ids[k]} any more; run 'daebias register' "
                        "on its files again"
                    )
                if str(path).startswith("hidden:"):
                    raise InputError(
                        f"the slice cache does not hold sample {ids[k]} any more, and its path is not stored as it may "
                        "name a person; run 'daebias register' on its files again"
                    )
                key = cache_file(cache, path, to_grey, stamps)
            keys.append(key)
            task.advance()
    stamps.save()
    splits = store.read_field(samples, schema.SPLIT_FIELD) if store.has_field(samples, schema.SPLIT_FIELD) else None
    if splits is None or any(s not in schema.SPLITS for s in splits):
        # Split the whole dataset, so that a subject is on the same side in every view of it.
        whole = store.everyone(samples)
        sides = split_subjects(store.read_subjects(whole, subject_field))
        every = dict(zip(store.sample_ids(whole), sides, strict=True))
        splits = [every[i] for i in ids]
    digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()
    spacing = [None] * len(ids)
    if geometry:
        spacing = [_in_plane(g, cache.shape(k)) for g, k in zip(geometry, keys, strict=True)]
    return SliceSource(ids, subjects, list(splits), spacing, keys, cache, digest)


def _check_files(files: Sequence, cached: Sequence | None, geometry: Sequence | None, cache: SliceCache) -> None:
    """Says at once how many files are not where the dataset says, before hours are spent on the others."""
    needed = [
        f
        for k, f in enumerate(files)
        if not (geometry and geometry[k]) and (not cached or cached[k] is None or cached[k] not in cache)
    ]
    gone = [f for f in needed if f is None or not (str(f).startswith("hidden:") or Path(f).exists())]
    if gone:
        raise InputError(
            f"{len(gone)} of {len(files)} image files are not where this dataset says, and the slice cache has no copy "
            f"(first: image {gone[0]} of this dataset does not exist); move them back, or register the folder again"
        )


def _in_plane(geometry: dict | None, shape: tuple[int, ...]) -> tuple[float, float] | None:
    """Spacing of rows and columns in mm of slices as they lie in the cache, which holds large ones scaled down."""
    mm = (geometry or {}).get("spacing_mm")
    if not mm:
        return None
    matrix = geometry.get("matrix")
    if matrix is None:  # registered before the matrix was stored
        mm = geometry.get("resampled_mm") or mm
        return tuple(map(float, mm[-2:]))
    return tuple(float(v) * n / now for v, n, now in zip(mm[-2:], matrix, shape[-2:], strict=True))


def cache_file(cache: SliceCache, path: Path | str, to_grey: bool, stamps: Stamps) -> str:
    """Puts a raster image into the cache unless it is there; returns its key. An untouched file is not read again.

    Raises:
        CohortError: the image cannot be read
    """
    stamp = stamp_of([Path(path)], READING, to_grey, MAX_SIDE)
    if (known := stamps.get(stamp)) is not None and known in cache:
        return known
    try:
        key = file_key(path, READING, to_grey, MAX_SIDE)
    except FileNotFoundError:
        raise InputError(f"image {path} of this dataset does not exist; restore it or delete its sample") from None
    if key not in cache:
        cache.add(key, shrink(read_raster(path, to_grey), MAX_SIDE))
    stamps.put(stamp, key)
    return key
