"""Masks out of label fields: segmentations, and detections with or without instance masks."""

from __future__ import annotations

from collections.abc import Callable

import fiftyone as fo
import numpy as np

from ..errors import InputError
from .samples import dataset_of, real

_LABELS = (fo.Segmentation, fo.Detection, fo.Detections)


def is_mask_field(samples, field: str) -> bool:
    """Whether a field holds segmentations or detections."""
    found = dataset_of(samples).get_field(field)
    return isinstance(found, fo.EmbeddedDocumentField) and issubclass(found.document_type, _LABELS)


def mask_fields(samples) -> list[str]:
    """Fields that hold segmentations or detections."""
    return [f for f in dataset_of(samples).get_field_schema() if is_mask_field(samples, f)]


def mask_readers(samples, field: str, classes: list[str]) -> dict[str, Callable[[tuple[int, int]], np.ndarray]]:
    """For each sample with a label, a function of the picture's (rows, columns) that draws the mask, bool.

    Args:
        samples: a dataset or view
        field: a field of ``fo.Segmentation``, ``fo.Detection`` or ``fo.Detections``
        classes: pixel values (or their names in the dataset's mask targets), or labels of detections; empty: all

    Raises:
        InputError: pixel values that are neither numbers nor named
    """
    dataset = dataset_of(samples)
    targets = dataset.mask_targets.get(field) or dataset.default_mask_targets or {}
    named = {str(name): int(value) for value, name in targets.items() if str(value).lstrip("-").isdigit()}
    kind = dataset.get_field(field).document_type
    values = None
    if issubclass(kind, fo.Segmentation) and classes:
        values = []
        for c in classes:
            if c not in named and not str(c).lstrip("-").isdigit():
                raise InputError(
                    f"classes: {c!r} is no pixel value of {field!r}; named ones: {', '.join(named) or 'none'}"
                )
            values.append(named.get(c, int(c) if c not in named else named[c]))
    ids, labels = real(samples).values(["id", field])
    return {
        str(i): _reader(label, values, set(classes)) for i, label in zip(ids, labels, strict=True) if label is not None
    }


def _reader(label, values: list[int] | None, classes: set[str]) -> Callable[[tuple[int, int]], np.ndarray]:
    if isinstance(label, fo.Segmentation):
        return lambda shape: _segmentation(label, values, shape)
    many = label.detections if isinstance(label, fo.Detections) else [label]
    chosen = [d for d in many if not classes or d.label in classes]
    return lambda shape: _boxes(chosen, shape)


def _segmentation(label: fo.Segmentation, values: list[int] | None, shape) -> np.ndarray:
    try:
        mask = label.get_mask()
    except (OSError, ValueError) as error:
        raise InputError(f"mask {label.mask_path} cannot be read ({error}); restore it or clear its label") from error
    if mask is None:
        return np.zeros(shape, bool)
    mask = np.asarray(mask)
    mask = mask[..., 0] if mask.ndim == 3 else mask
    return resized(mask != 0 if values is None else np.isin(mask, values), shape)


def _boxes(detections: list[fo.Detection], shape) -> np.ndarray:
    out = np.zeros(shape, bool)
    height, width = shape
    for d in detections:
        x, y, w, h = d.bounding_box
        top, bottom = (int(np.clip(round(v * height), 0, height)) for v in (y, y + h))
        left, right = (int(np.clip(round(v * width), 0, width)) for v in (x, x + w))
        if bottom <= top or right <= left:
            continue
        mask = d.get_mask()
        part = True if mask is None else resized(np.asarray(mask) != 0, (bottom - top, right - left))
        out[top:bottom, left:right] |= part
    return out


def resized(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask brought to another number of rows and columns; a pixel is in when at least half of it is."""
    if mask.shape == tuple(shape):
        return mask
    import cv2

    smaller = shape[0] < mask.shape[0] or shape[1] < mask.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(mask.astype(np.float32), (shape[1], shape[0]), interpolation=method) >= 0.5
