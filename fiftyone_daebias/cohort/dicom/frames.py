"""The planes of DICOM files: classic single frames and enhanced multi-frame functional groups."""

from __future__ import annotations

import numpy as np
import pydicom

from .group import Plane

#: more frames than any file holds: a damaged number, for which nothing is laid out
MOST_FRAMES = 200_000


def planes_of(index: int, dataset: pydicom.Dataset) -> list[Plane]:
    """Every plane of a file, from its header alone.

    Args:
        index: number of the file, kept in the planes
        dataset: its header
    """
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if not 1 <= frames <= MOST_FRAMES:
        raise ValueError(f"NumberOfFrames is {frames}")
    if frames == 1 and "PerFrameFunctionalGroupsSequence" not in dataset:
        return [_classic(index, dataset)]
    if "PerFrameFunctionalGroupsSequence" in dataset:
        return _enhanced(index, dataset, frames)
    shape = int(dataset.Rows), int(dataset.Columns)
    spacing = _spacing(dataset)
    return [Plane(index, k, None, None, spacing, shape, k) for k in range(frames)]


def _classic(index: int, d: pydicom.Dataset) -> Plane:
    facts = {
        "EchoTime": _text(d.get("EchoTime")),
        "EchoNumbers": _text(d.get("EchoNumbers")),
        "TemporalPositionIdentifier": _text(d.get("TemporalPositionIdentifier")),
        "StackID": _text(d.get("StackID")),
        "ImageType": _text(d.get("ImageType")),
        "AcquisitionNumber": _text(d.get("AcquisitionNumber")),
        "DiffusionBValue": _text(d.get("DiffusionBValue")),
        "TriggerTime": _text(d.get("TriggerTime")),
        "InversionTime": _text(d.get("InversionTime")),
        "ContentTime": _text(d.get("ContentTime")),
        "AcquisitionTime": _text(d.get("AcquisitionTime")),
        "SliceThickness": _number(d.get("SliceThickness")),
    }
    return Plane(
        index,
        None,
        _numbers(d.get("ImagePositionPatient"), 3),
        _directions(d.get("ImageOrientationPatient")),
        _spacing(d),
        (int(d.Rows), int(d.Columns)),
        _whole(d.get("InstanceNumber")),
        facts,
    )


def _enhanced(index: int, d: pydicom.Dataset, frames: int) -> list[Plane]:
    shared = _first(d.get("SharedFunctionalGroupsSequence"))
    per_frame = list(d.PerFrameFunctionalGroupsSequence)
    along = _position_dimensions(d)
    out = []
    for k in range(min(frames, len(per_frame))):
        own = per_frame[k]

        def group(name, own=own):
            return _first(own.get(name)) or (_first(shared.get(name)) if shared is not None else None)

        position, orientation, measures = (
            group("PlanePositionSequence"),
            group("PlaneOrientationSequence"),
            group("PixelMeasuresSequence"),
        )
        content, echo, kind = group("FrameContentSequence"), group("MREchoSequence"), group("MRImageFrameTypeSequence")
        diffusion, timing = group("MRDiffusionSequence"), group("CardiacSynchronizationSequence")
        index_values = _get(content, "DimensionIndexValues")
        dimensions = [index_values] if isinstance(index_values, int) else list(index_values or [])
        others = tuple(v for n, v in enumerate(dimensions) if n not in along)
        facts = {
            "EchoTime": _text(_get(echo, "EffectiveEchoTime")),
            "EchoNumbers": "",
            "TemporalPositionIdentifier": _text(_get(content, "TemporalPositionIndex")),
            "StackID": _text(_get(content, "StackID")),
            "ImageType": _text(_get(kind, "FrameType")),
            "DiffusionBValue": _text(_get(diffusion, "DiffusionBValue")),
            "DiffusionDirection": _text(
                _get(_first(_get(diffusion, "DiffusionGradientDirectionSequence")), "DiffusionGradientOrientation")
            ),
            "TriggerTime": _text(_get(timing, "NominalCardiacTriggerDelayTime")),
            "Dimensions": _text(others) if others else "",
            "SliceThickness": _number(_get(measures, "SliceThickness")),
        }
        out.append(
            Plane(
                index,
                k,
                _numbers(_get(position, "ImagePositionPatient"), 3),
                _directions(_get(orientation, "ImageOrientationPatient")),
                _positive(_get(measures, "PixelSpacing")),
                (int(d.Rows), int(d.Columns)),
                k,
                facts,
            )
        )
    return out


def _position_dimensions(d: pydicom.Dataset) -> set[int]:
    """Dimensions of the frame index that say where a slice is: its position, or its number in the stack."""
    places = {0x00209057, 0x00200032, 0x00209056, 0x00209301}  # in-stack number, position, stack id, volume position
    sequence = d.get("DimensionIndexSequence") or []
    return {n for n, item in enumerate(sequence) if int(item.get("DimensionIndexPointer", 0) or 0) in places}


def _spacing(d: pydicom.Dataset) -> tuple[float, float] | None:
    """Pixel spacing, of radiographs at the detector if it is not given in the patient."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        values = _positive(d.get(keyword))
        if values is not None:
            return values
    return None


def _positive(value) -> tuple[float, ...] | None:
    values = _numbers(value, 2)
    return values if values is not None and min(values) > 0 else None


def _first(sequence):
    return sequence[0] if sequence is not None and len(sequence) else None


def _get(item, name: str):
    return None if item is None else item.get(name)


def _numbers(value, count: int) -> tuple[float, ...] | None:
    try:
        out = tuple(float(v) for v in value)
    except (TypeError, ValueError):
        return None
    return out if len(out) == count and all(abs(v) < 1e7 for v in out) else None


def _directions(value) -> tuple[float, ...] | None:
    """An orientation; ``None`` unless rows and columns run at right angles, within what rounding does."""
    out = _numbers(value, 6)
    if out is None:
        return None
    row, column = np.array(out[:3]), np.array(out[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not all(0.5 < length < 2 for length in lengths) or abs(row @ column) > 0.1 * lengths[0] * lengths[1]:
        return None
    return tuple(float(v) for v in (*(row / lengths[0]), *(column / lengths[1])))


def _number(value) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _whole(value) -> int:
    number = _number(value)
    return int(number) if number is not None and abs(number) < 2**53 else 0


def _text(value) -> str:
    if value is None:
        return ""
    if isinstance(value, (str, int, float)):
        return str(value)
    try:
        return "\\".join(str(v) for v in value)
    except TypeError:
        return str(value)
