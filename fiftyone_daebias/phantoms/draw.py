"""One volume of the phantom: anatomy, then what the scanner makes of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .bones import draw_canal, draw_column, draw_rear
from .frame import REGIONS, Frame, Slab, make_frame
from .head import draw_head
from .spine import Spine
from .surroundings import draw_abdomen, draw_chest, draw_neck, draw_soft_tissue
from .tissue import signals

_ORGANS = {"neck": draw_neck, "chest": draw_chest, "lumbar": draw_abdomen}


class FieldOfView(NamedTuple):
    """What is imaged of a region.

    Attributes:
        shape: (rows, columns)
        spacing: (row, column) mm
        moved: (y, z) by which the field of view is off its usual place, mm
        thick: slice thickness, mm
    """

    shape: tuple[int, int]
    spacing: tuple[float, float]
    moved: tuple[float, float]
    thick: float


def draw_region(
    spine: Spine, region: str, *, view: FieldOfView, places: np.ndarray, te: float, rng: np.random.Generator
) -> np.ndarray:
    """Noise-free signal of one region.

    Args:
        spine: the person
        region: "neck", "chest" or "lumbar"
        view: what is imaged
        places: x of the slices, mm to the left (S,)
        te: effective echo time, ms
        rng: draws the tissues' texture

    Returns:
        float32 (S, H, W), CSF near 1; slices in the order of ``places``, rows down, columns to the back
    """
    import cv2

    level, _, behind = REGIONS[region]
    y, z = spine.at(level)
    frame = make_frame(spine, (y + behind + view.moved[0], z + view.moved[1]), view.spacing, view.shape)
    signal = signals(te, spine.build.age, spine.build.traits["marrow"])
    out = np.zeros((len(places), *view.shape), np.float32)
    # texture belongs to the body, not to the picture: it is drawn on a fixed grid of the region
    fine = _texture(rng, frame, len(places), 3.0)
    coarse = _texture(rng, frame, len(places), 13.0)
    near = np.flatnonzero((np.abs(frame.d) < 75).any(axis=0))
    around = slice(int(near[0]), int(near[-1]) + 1) if len(near) else slice(0, 1)
    column = frame.part(slice(None), around)
    for n, x in enumerate(places):
        image = out[n]
        slab = Slab(image, frame, float(x), view.thick, signal, fine[n], coarse[n])
        _ORGANS[region](slab, *draw_soft_tissue(slab, region))
        if region == "neck":
            draw_head(slab)
        window, grain = image[:, around], fine[n][:, around]
        for draw in (draw_rear, draw_canal, draw_column):
            draw(window, column, float(x), view.thick, signal, grain)
        out[n] = cv2.GaussianBlur(image, (3, 3), 0.45)
    return out


def _texture(rng: np.random.Generator, frame: Frame, n: int, grain: float) -> np.ndarray:
    """Smooth standard normal noise with structures of about ``grain`` mm, float32 (n, H, W), fixed to the body.

    A periodic grid of 400 mm, interpolated by cubic B-splines along rows and columns.
    """
    size = int(400 / grain)
    field = rng.standard_normal((n, size, size), dtype=np.float32)
    return _splined(_splined(field, frame.z[:, 0] / grain, 1), frame.y[0] / grain, 2)


def _splined(field: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    """A periodic grid at places given in grid steps along one axis; white noise of unit variance keeps it on average.

    Plain sums of four terms, not a matrix product, whose rounding depends on the machine.
    """
    base = np.floor(at).astype(int)
    t = at - base
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    weights = (weights / np.sqrt((weights**2).sum(axis=0).mean())).astype(np.float32)
    shape = [1, 1, 1]
    shape[axis] = len(at)
    out = np.take(field, (base - 1) % field.shape[axis], axis) * weights[0].reshape(shape)
    for step in (1, 2, 3):
        out += np.take(field, (base + step - 1) % field.shape[axis], axis) * weights[step].reshape(shape)
    return out
