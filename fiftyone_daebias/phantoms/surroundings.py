"""What lies around the spine: skin, fat, muscle, and the organs of neck, chest and abdomen; slice by slice."""

from __future__ import annotations

import math

import numpy as np

from .frame import Frame, Slab, ellipse, paint, soft
from .spine import AT


def outlines(f: Frame, x: float, region: str) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the skin in front and behind, mm, positive inside (H, W); the trunk is round from side to side."""
    build = f.spine.build
    back, front = f.rows("back"), f.rows("front")
    fat = _fat(f)
    if region == "lumbar":
        front = front + build.belly * np.exp(-(((f.z[:, :1] + 10) / 75) ** 2))
    roundness = {"neck": 110.0, "chest": 420.0, "lumbar": 420.0}[region]
    behind = f.middle + back + fat - x * x / roundness - f.y
    before = f.y - (f.middle - front) - x * x / (2 * roundness)
    return before, behind


def _fat(f: Frame) -> np.ndarray:
    """Subcutaneous fat of the back by height, mm (H, 1)."""
    low = 1 / (1 + np.exp((f.z[:, :1] - 90) / 45))
    return f.spine.build.fat * (0.45 + 0.55 * low)


def draw_soft_tissue(slab: Slab, region: str) -> tuple[np.ndarray, np.ndarray]:
    """Skin, fat, and the muscles behind the spine; in place.

    Args:
        slab: the slice
        region: "neck", "chest" or "lumbar"

    Returns:
        share of each pixel that is body, and its distance to the skin in front, mm, both (H, W)
    """
    image, f, x, thick, signal, fine, coarse = slab
    build = f.spine.build
    before, behind = outlines(f, x, region)
    body = soft(np.minimum(before, behind), f.pixel)
    paint(image, body, signal["fat"] * (1 + 0.04 * coarse))
    rim = soft(2.0 - np.minimum(before, behind), 1.0) * body
    paint(image, rim, signal["skin"])
    # muscles of the back: from the laminae to the fascia
    start = f.look("depth") / 2 + f.look("canal") + 2
    fat = _fat(f) + 3 + 2 * np.exp(-(((f.z[:, :1] - f.height_of("L5")) / 60) ** 2)) * (1.2 - build.maleness)
    inside = np.minimum(f.d - start, behind - fat)
    streaks = 0.10 + 0.0045 * (build.age - 47) + 0.05 * build.traits["streaks"] + 0.006 * build.fat
    streaks = min(max(streaks, 0.02), 0.5)
    bands = np.sin((0.55 * f.d + 0.12 * f.s) * (1.0 + 0.05 * x / 10) + 1.6 * coarse + x / 6)
    lean = signal["muscle"] * (1 + 0.12 * fine)
    muscle = lean + np.clip((bands - 1 + 2.2 * streaks) * 1.3, 0, 1) * (signal["fat"] - lean) * 0.75
    aside = soft(np.abs(x - f.look("x")) - 3.0, thick)
    paint(image, soft(inside, 1.5) * (0.25 + 0.75 * aside) * body, muscle)
    # between the muscles in front of the spine and those behind it, where there is no bone
    beside = np.minimum(f.d + f.look("depth") / 2 + 3, start + 0.5 - f.d)
    paint(image, soft(beside, 2.0) * body, lean + (0.3 + 0.12 * coarse).clip(0, 1) * (signal["fat"] - lean))
    # a thin dark fascia over them
    paint(image, soft(0.9 - np.abs(behind - fat), 0.8) * body * 0.7, signal["ligament"])
    return body, before


def draw_neck(slab: Slab, body: np.ndarray, before: np.ndarray) -> None:
    """Prevertebral tissue, larynx and trachea, tongue, vessels; in place."""
    image, f, x, thick, signal, fine, coarse = slab
    t = f.spine.build.traits
    side = abs(x)
    front = -f.look("depth") / 2
    c6, c3 = f.spine.centres[AT["C6"]], f.spine.centres[AT["C3"]]
    # muscles and glands fill the neck in front
    inside = np.minimum(front - 2 - f.d, before - 5)
    filler = signal["muscle"] + (0.35 + 0.25 * coarse).clip(0, 1) * (0.8 * signal["gland"] - signal["muscle"])
    paint(image, soft(inside, 2.0) * body, filler)
    thick_pre = 4.0 + 9.0 / (1 + np.exp((f.s - c6 - 6) / 6))
    airway = front - 2 - thick_pre - f.d  # mm in front of the prevertebral tissue
    paint(image, soft(np.minimum(front - 1.5 - f.d, thick_pre - (front - f.d)), 1.5) * body, 1.2 * signal["muscle"])
    wide = 7.5 + 1.2 * t["airway"] + 4.0 / (1 + np.exp((f.s - c6 + 4) / 5))
    narrow = 1 - 0.5 * np.exp(-(((f.s - c6 - 8) / 9) ** 2))
    tube = np.minimum(airway, wide * narrow - airway)
    reach = f.s < c3 + 62
    central = soft(8.5 - side, thick)
    # cartilages of the larynx, then the air
    wall = np.minimum(airway + 2.5, wide * narrow + 4 - airway)
    high = soft(c3 + 4 - f.s, 8)
    paint(image, soft(wall, 1.5) * central * high * body, signal["cartilage"])
    paint(image, soft(tube, f.pixel) * central * reach * body, signal["air"])
    # great vessels beside the larynx: no signal where blood flows
    for at, half, kind in ((24.0, 4.0, "blood"), (30.0, 5.5, "slow blood")):
        depth = front - 14 - 3 * (at > 26) - f.d
        tube = half * math.sqrt(max(0.0, 1 - ((side - at) / half) ** 2)) - np.abs(depth)
        paint(image, soft(tube, f.pixel) * (abs(side - at) < half) * body, signal[kind])


def draw_chest(slab: Slab, body: np.ndarray, before: np.ndarray) -> None:
    """Lungs, heart, great vessels, liver and sternum; in place."""
    image, f, x, thick, signal, fine, coarse = slab
    t = f.spine.build.traits
    front = -f.look("depth") / 2
    t4, t8, t10 = (f.height_of(n) for n in ("T4", "T8", "T10"))
    inside = np.minimum(front - 6 - f.d, before - 20)
    lung = signal["lung"] * (1 + 2.2 * np.clip(coarse - 1.0, 0, 3) + 0.3 * np.abs(fine))
    mediastinum = min(max(1.15 - abs(x - 3) / 26, 0.0), 1.0)
    filler = mediastinum * (0.55 * signal["fat"] * (1 + 0.25 * coarse).clip(0.2)) + (1 - mediastinum) * lung
    paint(image, soft(inside, 3) * body, filler)
    # heart, more to the left
    out = math.sqrt(max(0.0, 1 - ((x - 22) / 52) ** 2))
    a, b = f.y - (f.middle - 78), f.z - t8
    heart = ellipse(a * 0.94 + b * 0.34, -a * 0.34 + b * 0.94, (0, -6), (40 * out + 1, (50 + 3 * t["heart"]) * out + 1))
    paint(image, soft(heart, 3) * body, signal["heart"] * (1 + 0.12 * fine))
    paint(image, soft(heart - 11, 4) * body, signal["blood"] * 1.2 + 0.25 * signal["slow blood"] * (1 + coarse).clip(0))
    # trachea down to T4, aorta behind it on the left
    trachea = 8 * math.sqrt(max(0.0, 1 - (x / 9.5) ** 2)) - np.abs(front - 19 - f.d)
    paint(image, soft(np.minimum(trachea, f.z - t4 + 4), f.pixel) * (abs(x) < 9.5) * body, signal["air"])
    gullet = 4.5 * math.sqrt(max(0.0, 1 - (x / 8) ** 2)) - np.abs(front - 8 - f.d)
    paint(image, soft(gullet, f.pixel) * (abs(x) < 8) * body, signal["muscle"] * 1.3)
    r = 11 + 0.8 * t["vessels"]
    aorta = r * math.sqrt(max(0.0, 1 - ((x - 14) / r) ** 2)) - np.abs(front - 16 - f.d)
    paint(image, soft(np.minimum(aorta, t4 + 12 - f.z), f.pixel) * (abs(x - 14) < r) * body, signal["blood"])
    arch = r - np.abs(np.hypot(f.d - front + 38, f.z - t4 - 8) - 24)
    paint(image, soft(np.minimum(arch, f.z - t4 - 6), f.pixel) * soft(9 - abs(x - 8), thick) * body, signal["blood"])
    # the liver's dome comes up in front on the right; the diaphragm bounds the lungs
    dome = t10 + 2 - 0.35 * np.abs(f.y - f.middle + 62) * 0.6 + 4 * min(max(-x / 15, -1.0), 1.0)
    below = soft(np.minimum(dome - f.z, inside - 3), 3) * soft(24 - x, 3 * thick)
    paint(image, below * body, signal["liver"] * (1 + 0.15 * fine + 0.1 * coarse))
    # sternum
    behind_skin = before - 9 - 0.35 * f.spine.build.fat
    plate = np.minimum(behind_skin, 11 - behind_skin)
    there = soft(19 - abs(x), thick) * soft(f.z - t8, 12)
    paint(image, soft(plate, f.pixel) * there * body, signal["bone"])
    paint(image, soft(plate - 1.3, f.pixel) * there * body, signal["marrow"])
    # ribs beside the spine: one a level
    rib = 4.6 - np.hypot(f.d - (f.look("depth") / 2 + 7), f.look("from_centre") - 0.45 * f.look("depth"))
    paint(image, soft(rib, f.pixel) * soft(abs(x - f.look("x")) - 15, thick) * body, signal["bone"])
    paint(image, soft(rib - 1.6, f.pixel) * soft(abs(x - f.look("x")) - 15, thick) * body, signal["marrow"])


def draw_abdomen(slab: Slab, body: np.ndarray, before: np.ndarray) -> None:
    """Great vessels, psoas, bowel, bladder and the abdominal wall; in place."""
    image, f, x, thick, signal, fine, coarse = slab
    t, build = f.spine.build.traits, f.spine.build
    front = -f.look("depth") / 2
    wall = 12 + 0.7 * build.fat + 0.25 * max(0.0, build.belly) * (1 - build.maleness)
    muscle = np.minimum(before - wall, wall + 9 - before)
    paint(image, soft(muscle, 1.5) * body, signal["muscle"])
    inside = np.minimum(before - wall - 11, front - 26 - f.d)
    # loops of bowel: fluid, walls and gas, from the level sets of the coarse texture
    level = coarse + 0.12 * fine
    gas, fluid = soft(-0.85 - level, 0.3), soft(level - 0.75, 0.3)
    loops = signal["bowel wall"] * (1 - gas) + fluid * (0.75 * signal["bowel fluid"] - signal["bowel wall"])
    between = soft(0.3 - np.abs(level - 0.15), 0.3)
    content = loops + between * (0.85 * signal["fat"] - loops)
    paint(image, soft(inside, 4) * body, content)
    liver = ellipse(f.y - f.middle, f.z - f.height_of("T12"), (-72, 6), (46, 52))
    paint(image, soft(liver, 3) * soft(-x - 4, 3 * thick) * soft(inside, 4) * body, signal["liver"] * (1 + 0.12 * fine))
    # aorta on the left, caval vein on the right, down to L4
    l4 = f.height_of("L4")
    for at, r in ((7.0, 9.0 + 0.7 * t["vessels"]), (-15.0, 10.5)):
        reach = math.sqrt(max(0.0, 1 - ((x - at) / r) ** 2))
        tube = r * reach - np.abs(front - 13 - f.d)
        tube = soft(np.minimum(tube, f.z - l4 + 8), f.pixel)
        paint(image, tube * (reach > 0) * body, signal["blood"] * (1 + 0.2 * fine))
    # psoas beside the bodies
    side = np.abs(x - f.look("x"))
    width = f.look("width")
    swell = np.clip(1 - np.abs(f.s - f.spine.centres[AT["L4"]]) / 120, 0, 1)
    psoas = 19 * build.muscle * np.sqrt(swell) - np.abs(f.d + 2)
    paint(image, soft(psoas, 2) * soft(side - width / 2 - 1, thick) * body, signal["muscle"] * (1 + 0.12 * fine))
    # bladder in front of the sacrum
    y, z = f.spine.at("S3")
    size = max(0.0, 22 + 8 * t["bladder"])
    bladder = ellipse(f.y - y, f.z - z, (-72, -22), (size + 6, size + 1))
    paint(image, soft(bladder + 3, 2) * soft(size - abs(x) + 6, thick) * body, signal["bowel wall"])
    paint(image, soft(bladder, f.pixel) * soft(size - abs(x) + 4, thick) * body, signal["urine"])
    rectum = ellipse(f.y - y, f.z - z, (-26, -8), (11, 34))
    paint(image, soft(rectum, 2) * soft(20 - abs(x), thick) * body, signal["bowel wall"] * (1 + 0.4 * fine).clip(0.2))
