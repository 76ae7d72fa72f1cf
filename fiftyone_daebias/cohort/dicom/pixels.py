"""Grey values of DICOM images, right to the last one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut

from ...errors import CohortError
from ..volume import Volume
from .group import Stack
from .padding import filled, padding, without_overlays
from .padding import stored_range as _stored_range


def read_stack(stack: Stack, files: list[Path], to_grey: bool = False) -> Volume:
    """Decodes the planes of a volume.

    Modality LUT or rescale slope and intercept are applied (per frame where the
    file states them per frame); signed pixels keep their sign; MONOCHROME1 is
    inverted within its stored range, so that bright is bright in every image.
    Padding (PixelPaddingValue and its range) and values that are no numbers
    become the lowest of the others, and that is said.

    Args:
        stack: the planes, in order
        files: the series' files, as the planes count them
        to_grey: reduce colour to grey

    Returns:
        a volume with axes (column, row, slice) if it has a geometry, else (slice, row, column)

    Raises:
        CohortError: pixels that cannot be decoded, or in colour without ``to_grey``
    """
    slices, outside, window, inverted = [], [], None, False
    decoded: tuple[int, pydicom.Dataset, np.ndarray] | None = None
    for plane in stack.planes:
        if decoded is None or decoded[0] != plane.file:
            decoded = (plane.file, *_decode(files[plane.file], to_grey))
        _, dataset, pixels = decoded
        frame = pixels if plane.frame is None else pixels[plane.frame]
        if frame.shape != plane.shape:
            raise CohortError(f"{files[plane.file].name}: pixels of shape {frame.shape}, not {plane.shape} as it says")
        outside.append(padding(frame, dataset))
        values, inverted = _values(frame, dataset, plane.frame)
        slices.append(values)
        if window is None:
            window = _window(dataset, plane.frame)
    common = np.result_type(*{s.dtype for s in slices})
    array = np.stack([s.astype(common, copy=False) for s in slices])
    array, notes = filled(
        array,
        None
        if all(o is None for o in outside)
        else np.stack([np.zeros(s.shape, bool) if o is None else o for o, s in zip(outside, slices, strict=True)]),
    )
    notes = (*stack.notes, *notes)
    if inverted and window is not None:
        # the window was meant for the values before the inversion, which mirrors about the middle of their range
        window = None
    if stack.affine is None:
        first = stack.planes[0]
        return Volume(array, None, first.spacing, window, inverted, notes, stack.lacks_slices)
    return Volume(array.transpose(2, 1, 0), stack.affine, None, window, inverted, notes, stack.lacks_slices)


def _decode(path: Path, to_grey: bool) -> tuple[pydicom.Dataset, np.ndarray]:
    try:
        dataset = pydicom.dcmread(path, force=True)
        if not getattr(dataset, "file_meta", None) or "TransferSyntaxUID" not in dataset.file_meta:
            # a file without preamble: pydicom found the syntax while reading, but the decoder wants it stated
            dataset.file_meta = getattr(dataset, "file_meta", None) or pydicom.dataset.FileMetaDataset()
            little, implicit = dataset.original_encoding[1], dataset.original_encoding[0]
            dataset.file_meta.TransferSyntaxUID = (
                pydicom.uid.ImplicitVRLittleEndian
                if implicit
                else pydicom.uid.ExplicitVRLittleEndian
                if little
                else pydicom.uid.ExplicitVRBigEndian
            )
        pixels = dataset.pixel_array
    except BaseException as error:  # each decoder raises its own, those in Rust what is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit, TimeoutError)):
            raise
        raise CohortError(
            f"{path.name}: pixels cannot be decoded ({type(error).__name__}: {' '.join(str(error).split())[:160]})"
        ) from error
    if "PerFrameFunctionalGroupsSequence" in dataset and int(dataset.get("NumberOfFrames", 1) or 1) == 1:
        pixels = pixels[None]
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        pixels = apply_color_lut(pixels, dataset)
        top = float(np.iinfo(pixels.dtype).max)
        return dataset, _grey(pixels, path, to_grey, top)
    if int(dataset.get("SamplesPerPixel", 1) or 1) > 1:
        return dataset, _grey(pixels, path, to_grey, 255.0)
    return dataset, without_overlays(pixels, dataset)


def _grey(pixels: np.ndarray, path: Path, to_grey: bool, top: float) -> np.ndarray:
    first = pixels[..., 0]
    if all(np.array_equal(first, pixels[..., c]) for c in range(1, pixels.shape[-1])):
        return first
    if not to_grey:
        raise CohortError(f"{path.name} is in colour (its channels differ); pass to_grey=True to reduce it to grey")
    grey = pixels[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return grey.round().astype(pixels.dtype) if top <= 65535 else grey


def _values(frame: np.ndarray, dataset: pydicom.Dataset, number: int | None) -> tuple[np.ndarray, bool]:
    inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
    if "ModalityLUTSequence" in dataset and dataset.ModalityLUTSequence:
        values = np.asarray(apply_modality_lut(frame, dataset))
        # the table is looked up with what is stored; only what comes out of it is mirrored
        return (_mirrored(values, 0, 2 ** (8 * values.dtype.itemsize) - 1) if inverted else values), inverted
    slope, intercept = _rescale(dataset, number)
    if inverted:
        frame = _mirrored(frame, *_stored_range(dataset))
    if slope == 1 and intercept == 0:
        return frame, inverted
    values = frame.astype(np.float64) * slope + intercept
    finite = values if frame.dtype.kind != "f" else values[np.isfinite(values)]
    if (
        float(slope).is_integer()
        and float(intercept).is_integer()
        and frame.dtype.kind != "f"
        and (np.abs(finite).max(initial=0) < 2**24)
    ):
        small = np.int16 if -32768 <= values.min() and values.max() <= 32767 else np.int32
        return values.astype(small), inverted
    with np.errstate(over="ignore"):
        return values.astype(np.float32), inverted


def _mirrored(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """Values mirrored within their range, so that bright is dense; float values have no range and change their sign."""
    if values.dtype.kind == "f":
        return -values
    # high + low − v stays in the range, so the type holds it; bits above those stored are clipped first
    return (low + high - np.clip(values.astype(np.int64), low, high)).astype(values.dtype)


def _rescale(dataset: pydicom.Dataset, number: int | None) -> tuple[float, float]:
    where = dataset
    if number is not None:
        where = _frame_group(dataset, number, "PixelValueTransformationSequence") or dataset
    slope, intercept = where.get("RescaleSlope"), where.get("RescaleIntercept")
    slope = 1.0 if slope in (None, "") else float(slope)
    intercept = 0.0 if intercept in (None, "") else float(intercept)
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise CohortError(f"RescaleSlope {slope} and RescaleIntercept {intercept} are no numbers to rescale with")
    # a slope of 0 would make every pixel the same; scanners that write it mean "none"
    return (slope or 1.0), intercept


def _window(dataset: pydicom.Dataset, number: int | None) -> tuple[float, float] | None:
    where = dataset
    if number is not None:
        where = _frame_group(dataset, number, "FrameVOILUTSequence") or dataset
    out = []
    for name in ("WindowCenter", "WindowWidth"):
        value = where.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, pydicom.multival.MultiValue):
            value = value[0]
        try:
            out.append(float(value))
        except (TypeError, ValueError):
            return None
    return (out[0], out[1]) if out[1] > 0 else None


def _frame_group(dataset: pydicom.Dataset, number: int, name: str):
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    own = per_frame[number].get(name) if per_frame is not None and number < len(per_frame) else None
    if not own:
        shared = dataset.get("SharedFunctionalGroupsSequence")
        own = shared[0].get(name) if shared else None
    return own[0] if own else None
