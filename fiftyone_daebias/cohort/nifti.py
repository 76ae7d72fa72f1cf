"""Reading NIfTI volumes and their BIDS sidecars."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..errors import CohortError
from .bounds import check_growth
from .dicom.padding import filled
from .pseudonyms import looks_identifying
from .volume import Volume

SUFFIXES = (".nii", ".nii.gz")
#: sizes in mm of voxels that no image has, so the header's unit is wrong
SMALLEST_VOXEL, LARGEST_VOXEL = 1e-5, 100.0
#: what is typed in and may name a person
_TYPED_IN = ("protocol", "series_description", "body_part", "station", "coil")
#: sidecar keys that become fields: {BIDS key: (field, factor)}
_SIDECAR = {
    "Modality": ("modality", None),
    "Manufacturer": ("manufacturer", None),
    "ManufacturersModelName": ("model", None),
    "MagneticFieldStrength": ("field_strength", 1),
    "SoftwareVersions": ("software", None),
    "StationName": ("station", None),
    "InstitutionName": ("institution", None),
    "BodyPartExamined": ("body_part", None),
    "ProtocolName": ("protocol", None),
    "SeriesDescription": ("series_description", None),
    "EchoTime": ("echo_time", 1000),
    "RepetitionTime": ("repetition_time", 1000),
    "InversionTime": ("inversion_time", 1000),
    "FlipAngle": ("flip_angle", 1),
    "EchoTrainLength": ("echo_train", 1),
    "PixelBandwidth": ("bandwidth", 1),
    "ReceiveCoilName": ("coil", None),
    "PatientPosition": ("position", None),
    "SliceThickness": ("thickness", 1),
}


def read_nifti(path: Path | str, volume: int = 0, to_grey: bool = False) -> Volume:
    """Reads one volume with scl_slope and scl_inter applied.

    Args:
        path: ``.nii`` or ``.nii.gz``
        volume: which volume of a 4-D file
        to_grey: reduce RGB voxels to grey

    Returns:
        the volume, in mm whatever unit the header states; a file without orientation (qform and sform 0) is taken as
        RAS+ with a note, one whose qform and sform contradict one another as its sform says, with a note

    Raises:
        CohortError: damaged, not NIfTI, or in colour without ``to_grey``
    """
    import nibabel as nib

    try:
        image = nib.load(path)
        if len(image.shape) > 4 and np.prod(image.shape[4:]) > 1:
            raise CohortError(f"{path} has {len(image.shape)} dimensions {image.shape}; 3 or 4 are read")
        if len(image.shape) >= 4 and not 0 <= volume < image.shape[3]:
            raise CohortError(f"{path} has {image.shape[3]} volumes, so there is no volume {volume}")
        one = np.prod([int(n) for n in image.shape[:3]], dtype=float) * image.get_data_dtype().itemsize
        if str(path).lower().endswith(".gz"):
            check_growth(path, int(one))
        notes = []
        if image.get_data_dtype().fields:
            array = _grey(np.asanyarray(image.dataobj), path, to_grey)
        elif len(image.shape) >= 4:
            array = np.asanyarray(
                image.dataobj[..., volume] if len(image.shape) == 4 else image.dataobj[..., volume, 0]
            )
        else:
            array = np.asanyarray(image.dataobj)
        if len(image.shape) >= 4 and image.shape[3] > 1:
            notes.append(f"volume {volume} of {image.shape[3]} was taken")
    except CohortError:
        raise
    except Exception as error:  # nibabel, gzip and zlib each raise their own
        raise CohortError(f"{path} cannot be read as NIfTI ({' '.join(str(error).split())[:150]})") from error
    while array.ndim > 3:
        array = array[..., 0]
    while array.ndim < 3:
        array = array[..., None]
    if not np.isrealobj(array):
        array, notes = np.abs(array), [*notes, "complex values: the magnitude was taken"]
    if array.dtype.kind == "f":
        try:
            array, said = filled(array, None)
        except ValueError:
            raise CohortError(f"{path} holds no finite value") from None
        array, notes = array.astype(np.float32), [*notes, *said]
    affine, said = _affine(image, path)
    return Volume(array, affine, notes=(*notes, *said))


def _affine(image, path) -> tuple[np.ndarray, list[str]]:
    """Voxel indices to mm, RAS+, and what is odd about it."""
    header, notes = image.header, []
    affine = np.asarray(image.affine, float) if image.affine is not None else np.zeros((4, 4))
    if "qform_code" in header:
        codes = int(header["qform_code"]), int(header["sform_code"])
        if not any(codes):
            notes.append(
                "no orientation in the header (qform and sform 0): RAS+ was assumed, left and right are unknown"
            )
        elif all(codes):
            affine, more = _agreed(header, affine)
            notes += more
    if not _usable(affine):
        raise CohortError(f"{path} has an affine that cannot be inverted; mend its qform or sform")
    factor, note = _millimetres(header, np.linalg.norm(affine[:3, :3], axis=0))
    if factor != 1:
        affine = np.diag([factor, factor, factor, 1.0]) @ affine
    return affine, [*notes, *([note] if note else [])]


def _agreed(header, affine: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The sform, unless it cannot be used; and whether the qform says something else."""
    import nibabel as nib

    try:
        qform = np.asarray(header.get_qform(), float)
    except (ValueError, ArithmeticError, nib.spatialimages.HeaderDataError):
        return affine, []
    if not _usable(qform):
        return affine, []
    if not _usable(affine):
        return qform, ["its sform cannot be inverted: the qform is used"]
    first, second = ("".join(nib.aff2axcodes(a)) for a in (qform, affine))
    if first != second:
        doubt = (
            "left and right are in doubt"
            if np.linalg.det(qform[:3, :3]) * np.linalg.det(affine[:3, :3]) < 0 or (("R" in first) != ("R" in second))
            else "its axes are in doubt"
        )
        return affine, [f"qform ({first}) and sform ({second}) contradict one another: {doubt}; the sform is used"]
    sizes = np.linalg.norm(qform[:3, :3], axis=0), np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(sizes[0] / sizes[1] - 1).max() > 0.02:
        texts = [" x ".join(f"{v:.3g}" for v in s) for s in sizes]
        return affine, [f"qform ({texts[0]} mm) and sform ({texts[1]} mm) state other voxel sizes; the sform is used"]
    return affine, []


def _usable(affine: np.ndarray) -> bool:
    return bool(np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-12)


def _millimetres(header, sizes: np.ndarray) -> tuple[float, str]:
    """Millimetres in the header's unit of length, and a note where that is not 1."""
    try:
        unit = header.get_xyzt_units()[0]
    except (AttributeError, KeyError, ValueError):
        return 1.0, ""
    factor = {"micron": 1e-3, "meter": 1e3}.get(unit, 1.0)
    if factor == 1:
        return 1.0, ""
    became = sizes * factor
    if became.max() > LARGEST_VOXEL or became.max() < SMALLEST_VOXEL:
        return 1.0, (
            f"the header says {unit}, which would make voxels of {became.max():.3g} mm: its numbers were taken as mm"
        )
    return factor, f"lengths are in {unit} and were turned into mm"


def read_sidecar(path: Path | str) -> tuple[dict, dict[str, str]]:
    """Typed fields of the BIDS sidecar beside a NIfTI file; empty if there is none or it is damaged.

    Returns:
        the fields, and ``{field: reason}`` of what was not taken
    """
    name = str(path)
    stem = name[: -len(".nii.gz")] if name.lower().endswith(".nii.gz") else name[: -len(".nii")]
    try:
        raw = json.loads(Path(stem + ".json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}, {}
    out, unusable = {}, {}
    for key, (field, factor) in _SIDECAR.items() if isinstance(raw, dict) else ():
        value = raw.get(key)
        if isinstance(value, list):
            value = value[0] if value else None
        if value is None or value == "" or isinstance(value, (bool, dict, list)):
            continue
        if factor is None:
            text = "".join(c for c in str(value) if c.isprintable()).strip()[:64]
            if field in _TYPED_IN and (reason := looks_identifying(text)):
                unusable[field] = f"not stored: {reason}"
            elif text:
                out[field] = text
        elif isinstance(value, (int, float)) and abs(value) < 1e12:
            out[field] = float(value) * factor
    return out, unusable


def _grey(voxels: np.ndarray, path, to_grey: bool) -> np.ndarray:
    channels = [voxels[n].astype(np.float32) for n in ("R", "G", "B")]
    if all(np.array_equal(channels[0], c) for c in channels[1:]):
        return channels[0].astype(np.uint8)
    if not to_grey:
        raise CohortError(f"{path} is in colour (its channels differ); pass to_grey=True, or leave it out")
    return 0.299 * channels[0] + 0.587 * channels[1] + 0.114 * channels[2]
