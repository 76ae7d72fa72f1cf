"""Reading NIfTI volumes and their BIDS sidecars."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..errors import CohortError
from .volume import Volume

SUFFIXES = (".nii", ".nii.gz")
#: sidecar keys that become fields: {BIDS key: (field, factor)}
_SIDECAR = {
    "Modality": ("modality", None), "Manufacturer": ("manufacturer", None),
    "ManufacturersModelName": ("model", None), "MagneticFieldStrength": ("field_strength", 1),
    "SoftwareVersions": ("software", None), "StationName": ("station", None),
    "InstitutionName": ("institution", None), "BodyPartExamined": ("body_part", None),
    "ProtocolName": ("protocol", None), "SeriesDescription": ("series_description", None),
    "EchoTime": ("echo_time", 1000), "RepetitionTime": ("repetition_time", 1000),
    "InversionTime": ("inversion_time", 1000), "FlipAngle": ("flip_angle", 1),
    "EchoTrainLength": ("echo_train", 1), "PixelBandwidth": ("bandwidth", 1),
    "ReceiveCoilName": ("coil", None), "PatientPosition": ("position", None), "SliceThickness": ("thickness", 1),
}


def read_nifti(path: Path | str, volume: int = 0, to_grey: bool = False) -> Volume:
    """Reads one volume with scl_slope and scl_inter applied.

    Args:
        path: ``.nii`` or ``.nii.gz``
        volume: which volume of a 4-D file
        to_grey: reduce RGB voxels to grey

    Returns:
        the volume; a file without orientation (qform and sform 0) is taken as RAS+ with a note

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
        notes = []
        if image.get_data_dtype().fields:
            array = _grey(np.asanyarray(image.dataobj), path, to_grey)
        elif len(image.shape) >= 4:
            array = np.asanyarray(image.dataobj[..., volume] if len(image.shape) == 4
                                  else image.dataobj[..., volume, 0])
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
        bad = ~np.isfinite(array)
        if bad.all():
            raise CohortError(f"{path} holds no finite value")
        if bad.any():
            array = np.where(bad, array[~bad].min(), array)
            notes.append(f"{int(bad.sum())} values that are not finite were set to the lowest")
        array = array.astype(np.float32)
    affine = image.affine
    if affine is None or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise CohortError(f"{path} has an affine that cannot be inverted; mend its qform or sform")
    header = image.header
    if "qform_code" in header and not int(header["qform_code"]) and not int(header["sform_code"]):
        notes.append("no orientation in the header (qform and sform 0): RAS+ was assumed, left and right are unknown")
    return Volume(array, np.asarray(affine, float), notes=tuple(notes))


def read_sidecar(path: Path | str) -> dict:
    """Typed fields of the BIDS sidecar beside a NIfTI file; empty if there is none or it is damaged."""
    name = str(path)
    stem = name[: -len(".nii.gz")] if name.endswith(".nii.gz") else name[: -len(".nii")]
    try:
        raw = json.loads(Path(stem + ".json").read_text())
    except (OSError, ValueError):
        return {}
    out = {}
    for key, (field, factor) in _SIDECAR.items():
        value = raw.get(key)
        if isinstance(value, list):
            value = value[0] if value else None
        if value is None or value == "":
            continue
        if factor is None:
            out[field] = str(value).strip()[:64]
        elif isinstance(value, (int, float)):
            out[field] = float(value) * factor
    return out


def _grey(voxels: np.ndarray, path, to_grey: bool) -> np.ndarray:
    channels = [voxels[n].astype(np.float32) for n in ("R", "G", "B")]
    if all(np.array_equal(channels[0], c) for c in channels[1:]):
        return channels[0].astype(np.uint8)
    if not to_grey:
        raise CohortError(f"{path} is in colour (its channels differ); pass to_grey=True, or leave it out")
    return 0.299 * channels[0] + 0.587 * channels[1] + 0.114 * channels[2]
