"""One volume of the phantom: anatomy, then what the scanner makes of it."""

from __future__ import annotations

import numpy as np

from .bones import draw_canal, draw_column, draw_rear
from .frame import REGIONS, make_frame
from .head import draw_head
from .spine import Spine
from .surroundings import draw_abdomen, draw_chest, draw_neck, draw_soft_tissue
from .tissue import signals

_ORGANS = {"neck": draw_neck, "chest": draw_chest, "lumbar": draw_abdomen}


def draw_region(
    spine: Spine,
    region: str,
    *,
    places: np.ndarray,
    shape: tuple[int, int],
    spacing: tuple[float, float],
    moved: tuple[float, float],
    thick: float,
    te: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Noise-free signal of one region.

    Args:
        spine: the person
        region: "neck", "chest" or "lumbar"
        places: x of the slices, mm to the left (S,)
        shape: (rows, columns)
        spacing: (row, column) mm
        moved: (y, z) by which the field of view is off its usual place, mm
        thick: slice thickness, mm
        te: effective echo time, ms
        rng: draws the tissues' texture

    Returns:
        float32 (S, H, W), CSF near 1; slices in the order of ``places``, rows down, columns to the back
    """
    import cv2

    level, _, behind = REGIONS[region]
    y, z = spine.at(level)
    frame = make_frame(spine, (y + behind + moved[0], z + moved[1]), spacing, shape)
    signal = signals(te, spine.build.age, spine.build.traits["marrow"])
    out = np.zeros((len(places), *shape), np.float32)
    # texture belongs to the body, not to the picture: it is drawn on a fixed grid of the region
    fine = _texture(rng, frame, len(places), 3.0)
    coarse = _texture(rng, frame, len(places), 13.0)
    near = np.flatnonzero((np.abs(frame.d) < 75).any(axis=0))
    around = slice(int(near[0]), int(near[-1]) + 1) if len(near) else slice(0, 1)
    column = frame.part(slice(None), around)
    for n, x in enumerate(places):
        image = out[n]
        parts = (frame, float(x), thick, signal)
        body = draw_soft_tissue(image, frame, float(x), region, thick, signal, fine[n], coarse[n])
        _ORGANS[region](image, *parts, fine[n], coarse[n], body)
        if region == "neck":
            draw_head(image, *parts, fine[n], coarse[n])
        window, grain = image[:, around], fine[n][:, around]
        for draw in (draw_rear, draw_canal, draw_column):
            draw(window, column, float(x), thick, signal, grain)
        out[n] = cv2.GaussianBlur(image, (3, 3), 0.45)
    return out


def _texture(rng: np.random.Generator, frame, n: int, grain: float) -> np.ndarray:
    """Smooth standard normal noise with structures of about ``grain`` mm, float32 (n, H, W), fixed to the body."""
    import cv2

    reach = 520.0  # mm around the origin in z, and in y
    size = int(reach / grain)
    field = rng.standard_normal((n, size, size), dtype=np.float32)
    z, y = frame.z, frame.y
    map_y = ((y + reach / 2 - float(frame.middle.mean())) / grain).astype(np.float32)
    centre = round(float(z.mean()) / 100) * 100.0
    map_z = ((z - centre + reach / 2) / grain).astype(np.float32)
    field /= np.float32(0.72)  # what cubic interpolation leaves of the grid's spread
    return np.stack([cv2.remap(s, map_y, map_z, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP) for s in field])
