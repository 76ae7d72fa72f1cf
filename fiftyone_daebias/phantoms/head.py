"""Skull base, rear fossa and face above the neck, slice by slice."""

from __future__ import annotations

import math

import numpy as np

from .frame import Slab, ellipse, paint, soft

#: the skull cavity: centre behind and above the dens, half axes, mm
_CAVITY = ((14.0, 78.0), (88.0, 71.0))


def draw_head(slab: Slab) -> None:
    """Everything above the dens; in place."""
    image, f, x, thick, signal, fine, coarse = slab
    spine = f.spine
    size = 1 + 0.03 * spine.build.traits["head"] + 0.025 * (2 * spine.build.maleness - 1)
    tilt = 0.55 * spine.theta[-1] + np.deg2rad(2.5 * spine.build.traits["head"])
    dy, dz = f.y - np.float32(spine.y[-1]), f.z - np.float32(spine.z[-1])
    a = (np.cos(tilt) * dy + np.sin(tilt) * dz).astype(np.float32) / np.float32(size)
    b = (-np.sin(tilt) * dy + np.cos(tilt) * dz).astype(np.float32) / np.float32(size)
    out = math.sqrt(max(0.0, 1 - (x / 74) ** 2))
    _face(slab, a, b)
    # the skull: scalp, two tables with marrow between, CSF, brain
    (ca, cb), (ha, hb) = _CAVITY
    wide = (ha * out + 1e-3, hb * out + 1e-3)
    floor = _floor(a)
    shell = np.minimum(ellipse(a, b, (ca, cb), wide), b - floor)
    scalp = ellipse(a, b, (ca, cb), (wide[0] + 13, wide[1] + 13))
    upper = soft(b - np.where(a > 20, np.float32(-4), np.float32(34)), 6)
    paint(image, soft(scalp, f.pixel) * upper, signal["fat"])
    bone = soft(shell + 7, f.pixel)
    paint(image, bone, signal["bone"])
    paint(image, soft(np.minimum(shell + 5.4, -1.6 - shell), f.pixel), 0.85 * signal["marrow"])
    paint(image, soft(shell, f.pixel), signal["csf"])
    folds = np.sin(3.2 * coarse + 0.28 * a) * 0.5 + 0.5
    brain = signal["white matter"] + folds * (signal["grey matter"] - signal["white matter"]) * 1.2
    sulci = np.clip(np.abs(np.sin(2.1 * coarse + 0.16 * a + 0.13 * b)) * 7 - 0.5, 0, 1)
    tent = b - (46 + 0.25 * (a - 20))
    cerebrum = np.minimum(shell - 2.5, tent)
    paint(image, soft(cerebrum, f.pixel), brain * (0.45 + 0.55 * sulci) + (1 - sulci) * 0.5 * signal["csf"])
    # cerebellum with its folia
    reach = math.sqrt(max(0.0, 1 - (x / 52) ** 2))
    cerebellum = np.minimum(ellipse(a, b, (43, 31), (29 * reach + 0.1, 23 * reach + 0.1)), shell - 1.5)
    folia = 0.5 + 0.5 * np.sin(1.15 * np.hypot(a - 24, b - 30) + 0.6 * coarse)
    shade = signal["grey matter"] * (0.72 + 0.4 * folia)
    paint(image, soft(cerebellum, f.pixel), shade)
    # brain stem: the cord goes on into the medulla, pons and midbrain
    lateral = soft(11 - abs(x), thick)
    line = 13.0 - 0.33 * b
    stem = np.minimum(5.4 + 0.07 * np.clip(b, 0, 40) - np.abs(a - line), np.minimum(b + 14, 66 - b))
    around = np.minimum(9.5 + 0.1 * np.clip(b, 0, 30) - np.abs(a - line - 0.5), np.minimum(b + 14, 30 - b))
    paint(image, soft(around, f.pixel) * soft(13 - abs(x), thick), signal["csf"])
    paint(image, soft(stem, f.pixel) * lateral, signal["white matter"] * 1.12)
    pons = ellipse(a, b, (-5, 33), (12, 13.5))
    paint(image, soft(pons, f.pixel) * soft(15 - abs(x), thick), signal["white matter"] * 1.12)
    fourth = ellipse(a, b, (13, 31), (4.5, 9))
    paint(image, soft(fourth, f.pixel) * soft(6 - abs(x), thick), signal["csf"])
    # clivus, from the foramen magnum up and forward
    along = (b - 7) * 0.75 - a * 0.66
    across = (b - 7) * 0.66 + a * 0.75 + 3
    clivus = np.minimum(np.minimum(5.5 + 0.05 * along - np.abs(across + 3), along + 3), 40 - along)
    paint(image, soft(clivus, f.pixel) * soft(13 - abs(x), thick), signal["bone"])
    paint(image, soft(clivus - 1.4, f.pixel) * soft(12 - abs(x), thick), 1.1 * signal["marrow"])
    # the arch of the atlas in front of the dens and behind the canal
    for at, half in (((-11.5, -15.0), (4.2, 6.0)), ((25.5, -13.0), (4.0, 5.5))):
        arch = ellipse(a, b, at, half)
        central = soft(16 - abs(x), thick)
        paint(image, soft(arch, f.pixel) * central, signal["bone"])
        paint(image, soft(arch - 1.4, f.pixel) * central, signal["marrow"])


def _floor(a: np.ndarray) -> np.ndarray:
    """Height of the skull's floor: flat behind the foramen magnum, rising along the clivus, then the front fossae."""
    return np.where(a > 2, 4.0 - 0.0 * a, np.minimum(4.0 - 1.15 * (a - 2), 42 + 0.08 * (-a - 30).clip(0)))


def _face(slab: Slab, a: np.ndarray, b: np.ndarray) -> None:
    """Soft tissue below the skull's floor in front: nose, palate, tongue, throat and jaw."""
    image, f, x, thick, signal, fine, coarse = slab
    profile = a + 101 + 5 * np.cos((b + 8) / 9) - 0.012 * (b - 2) ** 2 - 0.012 * x * x
    under = b + 36 - 0.28 * (a + 100).clip(0)  # the line from the chin to the larynx
    outline = np.minimum(profile, np.minimum(under, 60 - b))
    skin = soft(outline, f.pixel) * (a < 10)
    tissue = signal["muscle"] + (0.45 + 0.25 * coarse).clip(0, 1) * (0.8 * signal["fat"] - signal["muscle"])
    paint(image, skin * soft(-12 - a, 10), tissue)
    paint(image, skin * soft(4 - outline, 3) * soft(-14 - a, 8), 0.8 * signal["fat"])
    central = soft(16 - abs(x), thick)
    tongue = np.maximum(ellipse(a, b, (-58, -19), (31, 17)), ellipse(a, b, (-46, -28), (20, 17)))
    paint(image, soft(tongue, 3) * soft(24 - abs(x), 2 * thick), signal["muscle"] * (1.5 + 0.12 * fine))
    jaw = ellipse(a + 0.35 * b, b, (-103, -27), (6, 12))
    paint(image, soft(jaw, f.pixel) * soft(15 - abs(x), thick), signal["bone"])
    paint(image, soft(jaw - 1.8, f.pixel) * soft(14 - abs(x), thick), signal["marrow"])
    nose = ellipse(a, b, (-62, 22), (35, 17))
    shells = 0.5 + 0.5 * np.sin(0.6 * b + 1.2 * coarse)
    paint(image, soft(nose, 2) * central, 0.8 * signal["gland"] * shells**2)
    # the throat narrows upward to the roof of the nasal part and goes down behind the tongue
    throat = np.minimum(
        np.minimum(-15 - 0.1 * b.clip(0) - a, a + 23 + 0.35 * np.clip(b - 2, 0, 18)),
        np.minimum(b + 60, 26 - b - 0.6 * (a + 24)),
    )
    paint(image, soft(throat, f.pixel) * soft(11 - abs(x), thick), signal["air"])
    palate = np.minimum(np.minimum(-36 - a, a + 86), 2.4 - np.abs(b - 3 - 0.002 * (a + 60) ** 2))
    paint(image, soft(palate, f.pixel) * soft(20 - abs(x), thick), signal["bone"])
    veil = np.minimum(3.2 - np.abs(b - 1 + 0.55 * (a + 36)), np.minimum(a + 38, -20 - a))
    paint(image, soft(veil, f.pixel) * central, signal["muscle"] * 1.6)
