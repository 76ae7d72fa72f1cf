"""Bodies, discs, canal, cord and the bones behind it, slice by slice.

Every function paints into one slice, in place: ``image`` float32 (H, W), ``f`` the plane, ``x`` the slice's place in mm
to the left of the middle of L3, ``thick`` the slice thickness in mm, ``signal`` that of every tissue, ``texture``
standard normal (H, W), fine. What is the same in all slices is computed once a volume (``f.once``).
"""

from __future__ import annotations

import numpy as np

from .frame import Frame, paint, soft
from .spine import AT, STEP


def draw_column(image: np.ndarray, f: Frame, x: float, thick: float, signal: dict, texture: np.ndarray) -> None:
    """Bodies and discs."""
    side = np.abs(x - f.look("x"))
    half = f.look("width") / 2
    lateral = soft(half - side, thick) * f.once("below the dens", lambda: _below(f, 4))
    if not lateral.any():
        return
    depth, wear = f.look("depth"), f.look("wear")
    above_sacrum = f.once("above the sacrum", lambda: _above(f, "S1"))
    r = side / half
    round_off = np.clip(r, 0, 1) ** 3
    front, back = -0.5 * depth * (1 - 0.75 * round_off), 0.5 * depth * (1 - 0.3 * round_off)
    # end plates are hollow towards the middle of the body
    across = f.once("hollow", lambda: 1.1 * np.clip(1 - (2 * f.d / depth) ** 2, 0, 1))
    plate = f.look("in_body") - np.where(above_sacrum > 0, across * np.clip(1 - r * r, 0, 1), np.float32(0.3))
    behind, before = back - f.d, f.d - front
    # discs reach a little beyond the bodies; worn ones bulge into the canal
    bulge = 0.4 + 2.4 * wear * np.clip(1 - r, 0, 1) * above_sacrum
    disc = np.minimum(np.minimum(behind + bulge, before + 0.8), 1.2 - plate)
    paint(image, soft(disc, f.pixel) * lateral, signal["annulus"])
    middle = f.once("nucleus", lambda: (f.d / (0.36 * depth)) ** 2)
    nucleus = soft((1 - np.sqrt(middle + np.clip(r / 0.72, 0, 2) ** 2)) * 0.36 * depth, 5.0) * soft(-0.7 - plate, 2.2)
    bright = signal["nucleus"] + wear * (signal["worn nucleus"] - signal["nucleus"])
    paint(image, nucleus * lateral * (0.3 + 0.7 * above_sacrum), bright)
    # cortex first, then marrow inside it; beside worn discs it is fatty
    body = np.minimum(np.minimum(behind, before), plate)
    paint(image, soft(body, f.pixel) * lateral, signal["bone"])
    fatty = f.once(
        "fatty end plates",
        lambda: 1 + 0.25 * np.clip(wear - 0.6, 0, 1) * np.exp(-np.clip(f.look("in_body"), 0, None) / 4),
    )
    paint(image, soft(body - 1.1, f.pixel) * lateral, signal["marrow"] * (1 + 0.07 * texture) * fatty)
    # the basivertebral vein: a bright slit behind the middle of the body
    if side.min() < 5 + thick:
        slit = f.once("vein", lambda: np.minimum(1.3 - np.abs(f.look("u")) * 12, f.d - 0.1 * depth))
        vein = soft(np.minimum(slit, behind), f.pixel) * soft(5 - side, thick)
        paint(image, 0.6 * vein * lateral * above_sacrum, signal["fat"])


def draw_canal(image: np.ndarray, f: Frame, x: float, thick: float, signal: dict, texture: np.ndarray) -> None:
    """Epidural fat, CSF, cord, and the roots below it."""
    side = np.abs(x - f.look("x"))
    half = f.look("canal_width") / 2
    lateral = soft(half - side, thick) * f.once("below the dens 6", lambda: _below(f, 6))
    if not lateral.any():
        return
    canal = f.look("canal")
    middle = f.once("middle of the canal", lambda: f.look("depth") / 2 + 0.8 + canal / 2)
    squeeze, fat, ends, at = f.once("in the canal", lambda: _canal(f, middle))
    tall = canal / 2 * np.sqrt(np.clip(1 - (side / half) ** 2, 0, 1))
    from_front, from_back = f.d - (middle - tall) - squeeze, middle + tall - f.d
    inside = np.minimum(from_front, from_back)
    paint(image, soft(inside + 1.6, f.pixel) * lateral, signal["ligament"])
    paint(image, soft(inside, f.pixel) * lateral, signal["fat"])
    sac = soft(np.minimum(from_front - 0.6, from_back - fat), f.pixel) * lateral
    paint(image, sac * ends, signal["csf"] * (1 - 0.06 * np.abs(texture)))
    wide = f.look("cord_width") / 2
    beside = soft(wide - side, thick)
    if beside.any():
        taper = f.once("taper", lambda: np.clip((f.s - f.spine.conus) / 30, 0, 1) ** 0.7)
        cord = f.look("cord") / 2 * np.sqrt(np.clip(1 - (side / wide) ** 2, 0, 1)) * taper - np.abs(f.d - at)
        paint(image, soft(cord, f.pixel) * beside * (taper > 0) * lateral, signal["cord"])
    # roots float in the rear half of the sac below the cord
    if f.s.min() < f.spine.conus:
        below = f.once("below the cord", lambda: soft(f.spine.conus + 8 - f.s, 14) * ends * soft(f.d - middle + 1, 4))
        strands = 0.5 + 0.5 * np.sin(1.9 * (f.d - middle) + 0.02 * f.s + 1.3 * x)
        paint(image, 0.55 * strands * below * soft(from_back - fat - 0.8, 1.5) * sac, signal["root"])


def draw_rear(image: np.ndarray, f: Frame, x: float, thick: float, signal: dict, texture: np.ndarray) -> None:
    """Spinous processes in the middle; pedicles, foramina and facets beside it."""
    side = np.abs(x - f.look("x"))
    depth = f.look("depth")
    start = f.once("laminae", lambda: depth / 2 + f.look("canal") + 1.6)
    up = f.once("below C2", lambda: (f.s < (len(f.spine.y) - 30) * STEP).astype(np.float32))
    behind = f.d - start
    middle = soft(4.2 - side, thick) * up
    if middle.any():
        length = f.look("spinous")
        bone = f.once("spinous processes", lambda: _processes(f, behind, length))
        # between the processes: ligament with fat
        gap = f.once("between processes", lambda: soft(np.minimum(behind + 0.5, length - behind), 2.0))
        paint(image, gap * middle, (0.62 + 0.1 * texture) * signal["fat"])
        paint(image, soft(2.4 - np.abs(behind - 1.0), 1.5) * middle, signal["ligament"])  # ligamentum flavum
        paint(image, soft(bone, f.pixel) * middle, signal["bone"])
        paint(image, soft(bone - 1.3, f.pixel) * middle, 0.95 * signal["marrow"] * (1 + 0.08 * texture))
    half = f.look("canal_width") / 2
    beside = soft(side - half + 1.0, thick) * soft(half + 11 - side, thick) * up
    if not beside.any():
        return
    above_sacrum = f.once("above the sacrum", lambda: _above(f, "S1"))
    marrow = signal["marrow"] * (1 + 0.07 * texture)
    gap, root, pedicle, facet = f.once("beside", lambda: _beside(f, start, behind))
    paint(image, soft(gap, 2.0) * beside, 0.9 * signal["fat"])
    beside_lumbar = beside * above_sacrum
    paint(image, soft(root, f.pixel) * beside_lumbar, signal["root"])
    paint(image, soft(pedicle, f.pixel) * beside_lumbar, signal["bone"])
    paint(image, soft(pedicle - 1.2, f.pixel) * beside_lumbar, marrow)
    paint(image, soft(facet, f.pixel) * beside, signal["bone"])
    paint(image, soft(facet - 1.4, f.pixel) * beside, 0.9 * marrow)


def _below(f: Frame, mm: float) -> np.ndarray:
    """1 up to so many mm above the tip of the dens."""
    return (f.s <= (len(f.spine.y) + mm / STEP) * STEP).astype(np.float32)


def _above(f: Frame, level: str) -> np.ndarray:
    return (f.k >= round(f.spine.centres[AT[level]] / STEP)).astype(np.float32)


def _canal(f: Frame, middle: np.ndarray) -> tuple[np.ndarray, ...]:
    """How far worn discs push the sac back, the fat behind it, where it ends, and where the cord lies in it."""
    u = np.abs(f.look("u"))
    squeeze = 2.0 * f.look("wear") * np.exp(-((np.clip(1 - u, 0, None) * 8) ** 2)) * _above(f, "S1")
    fat = 1.0 + 2.2 * np.exp(-(((f.s - f.spine.centres[AT["L4"]]) / 60) ** 2)) * np.clip(u, 0.2, 1)
    ends = soft(f.s - f.spine.centres[AT["S2"]], 8)
    return squeeze, fat, ends, middle - 0.4 + 0.06 * f.look("canal") * np.sin(f.s / 55)


def _processes(f: Frame, behind: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Distance to the edge of the nearest spinous process, mm, positive inside.

    A process hangs down: a point further behind belongs to a body higher up.
    """
    k = np.clip(f.k + ((f.look("slant") * np.clip(behind, 0, 60) + 3.5) / STEP).astype(np.int32), 0, len(f.spine.y) - 1)
    rise = np.abs(f.spine.from_centre.astype(np.float32)[k])
    high = f.look("spinous_half") * (0.75 + 0.25 * behind / length) - rise
    return np.minimum(np.minimum(high, behind), length - behind)


def _beside(f: Frame, start: np.ndarray, behind: np.ndarray) -> tuple[np.ndarray, ...]:
    """Foramina, roots, pedicles and facets: distances to their edges, mm, positive inside."""
    depth, own = f.look("depth"), f.look("from_centre")
    gap = np.minimum(f.d - depth * 0.42, start + 1 - f.d)
    root = 3.0 - np.hypot(f.d - (depth / 2 + 0.45 * f.look("canal")), own + 0.36 * depth)
    pedicle = np.minimum(0.16 * depth + 1.0 - np.abs(own - 0.10 * depth), f.d - depth * 0.2)
    pedicle = np.minimum(pedicle, start + 2 - f.d)
    # facets are oblique plates, each overlapping the next
    k = np.clip(f.k + ((0.7 * behind + 9) / STEP).astype(np.int32), 0, len(f.spine.y) - 1)
    plate = 0.32 * depth + 1 - np.abs(f.spine.from_centre.astype(np.float32)[k])
    return gap, root, pedicle, np.minimum(np.minimum(plate, behind + 3), 13 - behind)
