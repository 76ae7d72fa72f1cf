"""A volume with its geometry, and the one orientation every volume is brought to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import CohortError

#: axis codes (toward which side each axis grows) of slices, rows and columns: rows run down the page; sagittal slices
#: show anterior on the left, coronal and axial ones the patient's right on the left
_AXES = {"sagittal": ("L", "I", "P"), "coronal": ("P", "I", "L"), "axial": ("S", "P", "L")}


@dataclass(frozen=True)
class Volume:
    """Grey values as a reader found them, after rescaling.

    Attributes:
        array: (i, j, k), in the reader's axis order; a single image without geometry is (1, H, W)
        affine: float (4, 4), voxel indices to mm, RAS+ (as in NIfTI); ``None`` for images without position
        spacing: (row, column) spacing in mm of an image without position, if the header states one
        window: (centre, width) in grey values from the header, or ``None``
        inverted: whether the grey values were inverted (MONOCHROME1), so that bright means dense
        notes: what is odd about it, in words: missing slices, uneven spacing
        lacks_slices: whether slices are missing between others
    """

    array: np.ndarray
    affine: np.ndarray | None = None
    spacing: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    inverted: bool = False
    notes: tuple[str, ...] = field(default=())
    lacks_slices: bool = False


@dataclass(frozen=True)
class Slices:
    """Slices in the canonical orientation.

    Attributes:
        array: (S, H, W)
        spacing: (slice, row, column) spacing in mm; slice spacing NaN for a single image; ``None`` if unknown
        geometry: what was done, JSON-able; stored with the sample
        window: as in :class:`Volume`
        notes, lacks_slices: as in :class:`Volume`
    """

    array: np.ndarray
    spacing: tuple[float, float, float] | None
    geometry: dict
    window: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    lacks_slices: bool = False


def to_slices(volume: Volume, plane: str = "auto", spacing: float | None = None) -> Slices:
    """Brings a volume to slices of one plane in the canonical orientation, by flips and axis swaps only.

    Sagittal slices run from right to left, coronal ones from anterior to posterior, axial ones from inferior to
    superior. In-plane resampling happens only when a spacing is asked for.

    Args:
        volume: the volume
        plane: "sagittal", "coronal", "axial", or "auto": the plane in which it was acquired
        spacing: in-plane spacing in mm to resample to; ``None`` keeps the own one

    Returns:
        the slices, their spacing and what was done

    Raises:
        CohortError: an in-plane spacing is asked of an image that states none
    """
    if volume.affine is None:
        shape = list(map(int, volume.array.shape))
        flat = Slices(
            volume.array,
            None,
            {"plane": "image", "shape": shape, "matrix": shape[-2:]},
            volume.window,
            volume.notes,
            volume.lacks_slices,
        )
        if volume.spacing is not None:
            mm = (float("nan"), *map(float, volume.spacing))
            flat = replace(flat, spacing=mm, geometry={**flat.geometry, "spacing_mm": list(volume.spacing)})
        return _resample(flat, spacing)
    import nibabel as nib

    sizes = np.linalg.norm(volume.affine[:3, :3], axis=0)
    codes = nib.aff2axcodes(volume.affine)
    chosen = acquired_plane(codes, sizes, volume.array.shape) if plane == "auto" else plane
    start = nib.io_orientation(volume.affine)
    goal = nib.orientations.axcodes2ornt(_AXES[chosen])
    moves = nib.orientations.ornt_transform(start, goal)
    array = nib.orientations.apply_orientation(volume.array, moves)
    order = [int(np.flatnonzero(moves[:, 0] == axis)[0]) for axis in range(3)]
    mm = tuple(float(sizes[a]) for a in order)
    rotation = volume.affine[:3, :3] / np.maximum(sizes, 1e-12)
    tilt = float(np.degrees(np.arccos(np.clip(np.abs(rotation[:, order[0]]).max(), 0, 1))))
    geometry = {
        "plane": chosen,
        "shape": list(map(int, volume.array.shape)),
        "axes": "".join(codes),
        "axes_now": "".join(_AXES[chosen]),
        "spacing_mm": [round(v, 6) for v in mm],
        "tilt_degrees": round(tilt, 2),
        "matrix": list(map(int, array.shape[-2:])),
        "inverted": volume.inverted,
        "centre_mm": [round(float(v), 2) for v in volume.affine @ [*((n - 1) / 2 for n in volume.array.shape), 1]][:3],
    }
    return _resample(Slices(array, mm, geometry, volume.window, volume.notes, volume.lacks_slices), spacing)


def acquired_plane(codes, sizes, shape) -> str:
    """The plane of the file's own slices (its last axis), unless another axis is clearly thicker and shorter."""
    normal = {"R": "sagittal", "L": "sagittal", "A": "coronal", "P": "coronal", "S": "axial", "I": "axial"}
    axis = int(np.argmax(sizes))
    if sizes[axis] < 1.2 * sizes[2] or shape[axis] >= shape[2]:
        axis = 2
    return normal[codes[axis]]


def _resample(slices: Slices, spacing: float | None) -> Slices:
    if spacing is None:
        return slices
    if slices.spacing is None:
        raise CohortError("it states no pixel spacing, so it cannot be resampled; register it without spacing")
    import cv2

    _, row, column = slices.spacing
    _, height, width = slices.array.shape
    size = max(1, round(width * column / spacing)), max(1, round(height * row / spacing))
    if size == (width, height):
        return slices
    shrinks = size[0] < width or size[1] < height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    array = np.stack([cv2.resize(s.astype(np.float32), size, interpolation=method) for s in slices.array])
    # the size is a whole number of pixels, so the spacing is what it became, not what was asked for
    mm = (slices.spacing[0], height * row / size[1], width * column / size[0])
    geometry = {**slices.geometry, "resampled_mm": [round(v, 6) for v in mm[1:]]}
    return replace(slices, array=array, spacing=mm, geometry=geometry)
