"""Masks aligned with the slices of samples: from label fields, or from NIfTI label maps beside the volumes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ... import schema, store
from ...cohort.nifti import SUFFIXES, read_nifti
from ...cohort.volume import Volume, to_slices
from ...errors import CohortError, InputError
from ...progress import Progress, start
from ...store.masks import is_mask_field, mask_fields, mask_readers, resized
from .masked_slices import pack

#: in-plane extents of a label map and its volume may differ by this share
TOLERANCE = 0.02


@dataclass(frozen=True)
class Masks:
    """Where the masks of samples come from.

    Attributes:
        name: the field or folder, in words
        stem: the same as part of names
        readers: ``{sample id: draw(shape) -> bool array of that shape (S, H, W)}``
        notes: what was left out
    """

    name: str
    stem: str
    readers: dict[str, Callable[[tuple[int, int, int]], np.ndarray]] = field(repr=False)
    notes: tuple[str, ...] = ()


def open_masks(samples, mask: str, classes: list[str] | None = None) -> Masks:
    """Finds the masks of the samples.

    Args:
        samples: a dataset or view
        mask: a field of segmentations or detections (pictures), a text field with paths of NIfTI label maps, or a
            folder of NIfTI label maps, named like the volumes (``NAME.nii.gz``, ``NAME_seg.nii.gz``, or in a folder
            ``NAME/``), or after the subject
        classes: values of the label map (or names of a field's classes) that make the mask; default: all but 0

    Raises:
        InputError: no such field or folder, or no sample has a mask there
    """
    classes = [str(c) for c in classes or ()]
    if store.has_field(samples, mask):
        if is_mask_field(samples, mask):
            flat = mask_readers(samples, mask, classes)
            readers = {i: _flat(draw, i) for i, draw in flat.items()}
            return _checked(samples, Masks(f"field {mask}", schema.field_stem(mask), readers))
        paths = dict(zip(store.sample_ids(samples), store.read_field(samples, mask), strict=True))
        if not all(v is None or isinstance(v, str) for v in paths.values()):
            raise InputError(
                f"field {mask!r} holds neither segmentations, detections nor paths of label maps, so it is no mask"
            )
        found = {i: Path(p).expanduser() for i, p in paths.items() if p}
        return _checked(samples, _label_maps(samples, f"field {mask}", schema.field_stem(mask), found, classes))
    folder = Path(mask).expanduser()
    if not folder.is_dir():
        known = ", ".join(mask_fields(samples)) or "none"
        raise InputError(f"mask {mask!r} is neither a field nor a folder; fields with masks: {known}")
    found, notes = match_files(samples, folder)
    masks = _label_maps(samples, f"label maps in {folder.name}", schema.field_stem(folder.name), found, classes)
    return _checked(samples, Masks(masks.name, masks.stem, masks.readers, notes))


def match_files(samples, folder: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The label map of each sample: by the name of its file, else by its subject where that is unambiguous.

    Raises:
        InputError: no NIfTI file there
    """
    files = sorted(f for f in folder.rglob("*") if f.name.endswith(SUFFIXES))
    if not files:
        raise InputError(f"folder {folder} holds no NIfTI files (.nii, .nii.gz)")
    names = {f: _stem(f.name) for f in files}
    whole = {f: str(f.relative_to(folder)) for f in files}
    ids = store.sample_ids(samples)
    source = schema.SOURCE_FIELD if store.has_field(samples, schema.SOURCE_FIELD) else "filepath"
    sources = store.read_field(samples, source)
    subjects = store.read_subjects(samples)
    found, unclear = {}, []
    for i, path, subject in zip(ids, sources, subjects, strict=True):
        stem = _stem(Path(str(path)).name)
        for fits in (
            [f for f in files if names[f] == stem],
            [f for f in files if re.match(rf"{re.escape(stem)}[._-]", names[f]) or stem in f.relative_to(folder).parts],
            [f for f in files if re.search(rf"(?<![A-Za-z0-9]){re.escape(subject)}(?![A-Za-z0-9])", whole[f])],
        ):
            if len(fits) == 1:
                found[i] = fits[0]
            elif fits:
                unclear.append(f"{stem}: {', '.join(f.name for f in fits[:3])}")
            if fits:
                break
    notes = ()
    if unclear:
        notes = (f"{len(unclear)} samples have several label maps that fit and were left out (first: {unclear[0]})",)
    return found, notes


def read_masks(
    source, readers: dict[str, Callable], rows, progress: Progress | None = None
) -> tuple[dict[int, tuple], list[str]]:
    """Packed masks by position in the source, of the samples that have a mask that is not empty, and what was left out.

    Args:
        source: a ``SliceSource``
        readers: see :class:`Masks`
        rows: positions of the samples
        progress: where to report

    Raises:
        InputError: all masks are empty
    """
    packed, missing, empty = {}, 0, 0
    with start(progress, "reading masks", len(rows), "samples") as task:
        for row in map(int, rows):
            i = source.sample_ids[row]
            if i not in readers:
                missing += 1
            else:
                mask = readers[i](source.cache.shape(source.keys[row]))
                if mask.any():
                    packed[row] = pack(mask)
                else:
                    empty += 1
            task.advance()
    notes = []
    if missing:
        notes.append(f"{missing} samples without a mask were left out")
    if empty:
        notes.append(f"{empty} samples whose mask is empty (or has none of the classes) were left out")
    if not packed:
        raise InputError("no mask here has a pixel in it; check classes")
    return packed, notes


def _label_maps(samples, name: str, stem: str, found: dict[str, Path], classes: list[str]) -> Masks:
    try:
        values = [int(c) for c in classes]
    except ValueError:
        raise InputError(f"classes: label maps have whole numbers; got {', '.join(classes)}") from None
    geometry = {}
    if store.has_field(samples, schema.GEOMETRY_FIELD):
        geometry = dict(zip(store.sample_ids(samples), store.read_field(samples, schema.GEOMETRY_FIELD), strict=True))
    source = store.has_field(samples, schema.SOURCE_FIELD)
    paths = (
        dict(zip(store.sample_ids(samples), store.read_field(samples, schema.SOURCE_FIELD), strict=True))
        if source
        else {}
    )
    readers = {
        i: (lambda shape, p=path, i=i: aligned_map(p, geometry.get(i), shape, values, paths.get(i)))
        for i, path in found.items()
    }
    return Masks(name, stem, readers)


def aligned_map(
    path: Path, geometry: dict | None, shape: tuple[int, int, int], values: list[int], volume: str | None = None
) -> np.ndarray:
    """A NIfTI label map brought through the same orientation and in-plane sampling as its volume.

    Args:
        path: the label map
        geometry: the volume's geometry, as registered
        shape: shape of the volume's slices in the cache
        values: values that make the mask; empty: all but 0
        volume: path of the volume's own file; where it is NIfTI and its grid differs, the map is resampled onto it

    Returns:
        bool of ``shape``

    Raises:
        InputError: it cannot be read, or does not lie on the volume
    """
    try:
        labels = read_nifti(path)
    except (CohortError, FileNotFoundError) as error:
        raise InputError(f"label map {path}: {error}") from error
    if not geometry or geometry.get("plane") in (None, "image"):
        raise InputError(f"label map {path} is a volume, but its sample is a single picture; give a field of masks")
    array = np.isin(labels.array, values) if values else labels.array != 0
    affine = labels.affine
    if volume and str(volume).endswith(SUFFIXES) and Path(volume).is_file():
        array, affine = _onto(array, affine, Path(volume))
    slices = to_slices(Volume(array.astype(np.uint8), affine), geometry["plane"])
    own = [float(v) for v in geometry["spacing_mm"]]
    full = _full_shape(geometry)
    extents = np.array(slices.array.shape) * np.array(slices.spacing), np.array(full) * np.array(own)
    if slices.array.shape[0] != shape[0] or np.abs(extents[0] / extents[1] - 1).max() > TOLERANCE:
        here, there = (" × ".join(f"{v:.0f}" for v in e) for e in extents)
        raise InputError(
            f"label map {path} does not lie on its volume: {slices.array.shape[0]} slices and {here} mm against "
            f"{shape[0]} and {there} mm; segment the registered volume itself, or resample the map onto it"
        )
    return np.stack([resized(s > 0, shape[1:]) for s in slices.array])


def _onto(array: np.ndarray, affine: np.ndarray, volume: Path) -> tuple[np.ndarray, np.ndarray]:
    """The mask on the grid of the volume's file, nearest voxel, where the two grids differ."""
    import nibabel as nib
    from nibabel.processing import resample_from_to

    image = nib.load(volume)
    shape, goal = image.shape[:3], image.affine
    if array.shape == tuple(shape) and np.allclose(affine, goal, atol=1e-3):
        return array, affine
    if len(shape) < 3:
        return array, affine
    placed = resample_from_to(nib.Nifti1Image(array.astype(np.uint8), affine), (shape, goal), order=0)
    return np.asarray(placed.dataobj) > 0, goal


def _full_shape(geometry: dict) -> tuple[int, int, int]:
    """Slices, rows and columns before the cache scaled them, from the file's axes."""
    pairs = ("SI", "AP", "LR")
    places = {
        next(k for k, p in enumerate(pairs) if c in p): n
        for c, n in zip(geometry["axes"], geometry["shape"], strict=True)
    }
    return tuple(places[next(k for k, p in enumerate(pairs) if c in p)] for c in geometry["axes_now"])


def _flat(draw, sample: str):
    def read(shape):
        if shape[0] != 1:
            raise InputError(
                f"sample {sample} is a volume of {shape[0]} slices, but its mask is that of a picture (its preview); "
                "give a folder of NIfTI label maps"
            )
        return draw(shape[1:])[None]

    return read


def _checked(samples, masks: Masks) -> Masks:
    if not masks.readers:
        raise InputError(f"no sample here has a mask in {masks.name}")
    return masks


def _stem(name: str) -> str:
    for suffix in (".nii.gz", ".nii"):
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name.rpartition(".")[0] or name
