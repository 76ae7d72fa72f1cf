"""The spine of one person: a chain of vertebrae and discs along a curve in the sagittal plane.

Lengths are mm at a body height of 172 cm, typical of adults (orders of magnitude from anatomy textbooks; the phantom
is to be plausible, not to be a norm). Coordinates are DICOM's: x to the left, y to the back, z to the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

LEVELS = (
    "S4",
    "S3",
    "S2",
    "S1",
    "L5",
    "L4",
    "L3",
    "L2",
    "L1",
    "T12",
    "T11",
    "T10",
    "T9",
    "T8",
    "T7",
    "T6",
    "T5",
    "T4",
    "T3",
    "T2",
    "T1",
    "C7",
    "C6",
    "C5",
    "C4",
    "C3",
    "C2",
)
AT = {name: k for k, name in enumerate(LEVELS)}
#: sampling of the tables along the spine, mm
STEP = 0.5

_HEIGHTS = np.array(
    [
        14,
        18,
        23,
        27,
        27,
        27.5,
        27.5,
        27,
        26,
        24.5,
        23,
        22,
        21,
        20,
        19.5,
        19,
        18.5,
        18,
        17.5,
        17,
        16.5,
        14.5,
        13,
        12.7,
        13,
        13.5,
        38,
    ]
)
#: disc above each level; the last is none
_DISCS = np.array(
    [
        1.5,
        1.5,
        2.5,
        10.5,
        11.5,
        11,
        10,
        9,
        8,
        7,
        6.5,
        6,
        5.5,
        5,
        4.8,
        4.6,
        4.5,
        4.4,
        4.4,
        4.6,
        5,
        5.5,
        5.5,
        5.2,
        5,
        5,
        0,
    ]
)
_ANCHORS = {  # values at some levels, interpolated between them
    "depth": {
        "S4": 9,
        "S3": 13,
        "S2": 20,
        "S1": 31,
        "L5": 35,
        "L3": 34,
        "L1": 31,
        "T12": 30,
        "T8": 27,
        "T4": 20,
        "T1": 17,
        "C7": 16.5,
        "C3": 15.5,
        "C2": 15,
    },
    "width": {
        "S4": 40,
        "S2": 56,
        "S1": 60,
        "L5": 52,
        "L3": 47,
        "L1": 42,
        "T12": 40,
        "T8": 30,
        "T4": 26,
        "T1": 28,
        "C7": 25,
        "C3": 18.5,
        "C2": 18,
    },
    "canal": {
        "S4": 3,
        "S3": 6,
        "S2": 10,
        "S1": 14,
        "L5": 17,
        "L3": 16.5,
        "L1": 17,
        "T12": 16.5,
        "T6": 15,
        "T1": 15,
        "C7": 14.5,
        "C4": 14,
        "C2": 17,
    },
    "canal_width": {
        "S4": 8,
        "S2": 18,
        "S1": 26,
        "L5": 27,
        "L3": 23.5,
        "T12": 21,
        "T6": 17,
        "T1": 20,
        "C7": 24,
        "C4": 25,
        "C2": 26,
    },
    "cord": {"S4": 5, "L1": 8.4, "T12": 8.2, "T10": 7, "T6": 6.4, "T1": 6.9, "C5": 7.4, "C3": 7.8, "C2": 8.4},
    "cord_width": {"S4": 6, "L1": 9, "T12": 10, "T6": 8.6, "T1": 10.5, "C5": 13.5, "C2": 12},
    "slant": {
        "S4": 0.1,
        "S1": 0.1,
        "L5": 0.15,
        "L2": 0.15,
        "T12": 0.4,
        "T9": 0.9,
        "T5": 1.1,
        "T1": 0.6,
        "C7": 0.5,
        "C4": 0.45,
        "C2": 0.35,
    },
    "spinous": {
        "S4": 3,
        "S2": 8,
        "S1": 12,
        "L5": 23,
        "L3": 31,
        "L1": 30,
        "T12": 27,
        "T8": 21,
        "T4": 23,
        "T1": 30,
        "C7": 31,
        "C6": 24,
        "C4": 18,
        "C3": 17,
        "C2": 22,
    },
    "spinous_half": {
        "S4": 2,
        "S1": 4.5,
        "L5": 7,
        "L3": 10.5,
        "L1": 9.5,
        "T12": 7,
        "T6": 4.8,
        "T1": 5,
        "C7": 5,
        "C5": 3.9,
        "C2": 6,
    },
    # how far the skin is from the bodies' centres, without subcutaneous fat
    "back": {
        "S4": 52,
        "S2": 58,
        "S1": 62,
        "L5": 68,
        "L3": 71,
        "L1": 69,
        "T12": 66,
        "T8": 57,
        "T4": 58,
        "T1": 62,
        "C7": 63,
        "C4": 57,
        "C2": 61,
    },
    "front": {
        "S4": 125,
        "S1": 112,
        "L4": 100,
        "L2": 108,
        "T12": 122,
        "T9": 132,
        "T6": 120,
        "T3": 92,
        "T1": 64,
        "C7": 54,
        "C5": 47,
        "C4": 52,
        "C3": 78,
        "C2": 105,
    },
}
#: how early discs wear, as a shift of the logit
_WEAR = {
    "L5": 0.5,
    "L4": 0.55,
    "L3": 0.1,
    "L2": -0.1,
    "L1": -0.2,
    "T6": -0.5,
    "T8": -0.3,
    "T1": -0.6,
    "C7": 0.0,
    "C6": 0.35,
    "C5": 0.45,
    "C4": 0.1,
    "C3": -0.3,
    "C2": -0.6,
}


@dataclass(frozen=True)
class Build:
    """What the spine is built from; every trait is a standard normal number of the person.

    Attributes:
        height: body height, cm
        age: years
        maleness: 0 for a woman's proportions, 1 for a man's; in between or beyond is possible
        fat: subcutaneous fat of the back in the lumbar region, mm
        belly: how far the belly comes forward of the average, mm
        muscle: size of muscles relative to the average
        traits: ``{name: number or array}``
        neck_change: degrees added to the neck's lordosis (negative straightens it)
    """

    height: float
    age: float
    maleness: float
    fat: float
    belly: float
    muscle: float
    traits: dict
    neck_change: float = 0.0


@dataclass(frozen=True)
class Spine:
    """Tables along the spine, from the sacrum to the tip of the dens; index by arc length / :data:`STEP`.

    Attributes:
        y, z: the line through the bodies' centres, mm; the origin is L3
        theta: its angle to the vertical, radians, positive where going up goes forward
        x: the line's offset to the left, mm
        level: index into :data:`LEVELS` of the body, or of the body below the disc
        in_body: mm inside the body, from the nearer end plate; negative in discs
        u: position in the body, −1 at its lower and 1 at its upper end plate; beyond ±1 in discs
        from_centre: mm above the body's centre; in discs, above that of the body below
        wear: wear of the nearest disc, 0 to 1
        table: further tables: depth, width, canal, canal_width, cord, cord_width, slant, spinous, spinous_half,
            back, front, mm
        centres: arc length of each body's centre, mm
        conus: arc length where the cord ends, mm
        build: what it was built from
    """

    y: np.ndarray
    z: np.ndarray
    theta: np.ndarray
    x: np.ndarray
    level: np.ndarray
    in_body: np.ndarray
    u: np.ndarray
    from_centre: np.ndarray
    wear: np.ndarray
    table: dict[str, np.ndarray]
    centres: tuple[float, ...]
    conus: float
    build: Build

    def at(self, level: str) -> tuple[float, float]:
        """(y, z) of a body's centre, mm."""
        k = round(self.centres[AT[level]] / STEP)
        return float(self.y[k]), float(self.z[k])


def draw_traits(rng: np.random.Generator) -> dict:
    """The inborn traits of one person, standard normal; the order of draws is part of the format."""
    names = (
        "trunk",
        "width",
        "depth",
        "neck",
        "kyphosis",
        "lumbar",
        "sacrum",
        "wear",
        "canal",
        "cord",
        "conus",
        "marrow",
        "muscle",
        "fat",
        "streaks",
        "front",
        "scoliosis",
        "scoliosis_phase",
        "airway",
        "vessels",
        "head",
        "heart",
        "bladder",
        "spinous",
    )
    values = rng.standard_normal(len(names))
    out = {n: float(v) for n, v in zip(names, values, strict=True)}
    out["discs"] = rng.standard_normal(len(LEVELS))
    out["bodies"] = rng.standard_normal(len(LEVELS))
    return out


def make_spine(build: Build) -> Spine:
    """Builds the spine of a person.

    Sex, age and height act smoothly: the ranges of any two groups overlap in every single measure.
    """
    t, sex = build.traits, 2 * build.maleness - 1
    tall = (build.height / 172) ** 0.9 * (1 + 0.02 * t["trunk"])
    wear = _wear(build)
    heights = _HEIGHTS * tall * (1 + 0.02 * t["bodies"])
    discs = _DISCS * tall * (1 - 0.4 * wear)
    edges = np.concatenate([[0], np.cumsum(np.stack([heights, discs], axis=1).ravel())])
    lower, upper = edges[0:-1:2], edges[1::2]
    centres = (lower + upper) / 2
    s = np.arange(0, upper[-1], STEP)
    level = np.clip(np.searchsorted(lower, s, side="right") - 1, 0, len(LEVELS) - 1)
    u = 2 * (s - centres[level]) / heights[level]
    in_body = np.minimum(s - lower[level], upper[level] - s)
    # a disc belongs half to the body below and half to the one above; its own number is that of the body below
    theta = np.deg2rad(_angles(build, centres, s))
    dy, dz = -np.sin(theta) * STEP, np.cos(theta) * STEP
    y, z = np.cumsum(dy), np.cumsum(dz)
    k = round(centres[AT["L3"]] / STEP)
    y, z = y - y[k], z - z[k]
    bend = 2.2 * t["scoliosis"]
    x = bend * np.sin(2 * np.pi * s / 420 + t["scoliosis_phase"]) + 0.6 * bend * np.sin(2 * np.pi * s / 190)
    scale = {
        "depth": tall * (1 + 0.032 * sex) * (1 + 0.035 * t["depth"]),
        "width": tall * (1 + 0.038 * sex) * (1 + 0.035 * t["width"]),
        "canal": tall**0.4 * (1 + 0.01 * sex) * (1 + 0.06 * t["canal"]),
        "canal_width": tall**0.4 * (1 + 0.05 * t["canal"]),
        "cord": 1 + 0.05 * t["cord"] + 0.01 * sex,
        "cord_width": 1 + 0.05 * t["cord"],
        "slant": 1 + 0.1 * t["spinous"],
        "spinous": tall * (1 + 0.03 * sex) * (1 + 0.07 * t["spinous"]),
        "spinous_half": tall,
        "back": tall * (1 + 0.04 * sex) * (0.6 + 0.4 * build.muscle),
        "front": tall * (1 + 0.035 * sex) * (1 + 0.04 * t["front"]),
    }
    table = {n: _along(anchors, centres, s) * scale[n] for n, anchors in _ANCHORS.items()}
    # bodies are waisted
    table["depth"] *= 1 - 0.07 * np.clip(1 - u**2, 0, 1)
    dens = np.clip((s - lower[-1] - 0.5 * heights[-1]) / (0.5 * heights[-1]), 0, 1)
    table["depth"] *= 1 - 0.35 * np.sqrt(dens)
    table["width"] *= 1 - 0.4 * np.sqrt(dens)
    cone = centres[AT["L1"]] - 8 + 12 * t["conus"] * 0.8
    return Spine(
        y,
        z,
        theta,
        x,
        level,
        in_body,
        u,
        s - centres[level],
        _nearest_disc(wear, level, u),
        table,
        tuple(map(float, centres)),
        float(cone),
        build,
    )


def _wear(build: Build) -> np.ndarray:
    """Wear of the disc above each level, 0 to 1."""
    t = build.traits
    shift = np.interp(np.arange(len(LEVELS)), *_sorted(_WEAR))
    logit = -0.9 + 0.075 * (build.age - 47) + 1.4 * shift + 0.75 * t["wear"] + 0.75 * t["discs"]
    out = 1 / (1 + np.exp(-logit))
    out[: AT["S1"]] = 0.8
    return out


def _nearest_disc(wear: np.ndarray, level: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Wear of the disc at hand: that above for the upper half of a body, that below for its lower half."""
    return np.where(u >= 0, wear[level], wear[np.maximum(level - 1, 0)])


def _angles(build: Build, centres: np.ndarray, s: np.ndarray) -> np.ndarray:
    t, sex, age = build.traits, 2 * build.maleness - 1, build.age
    slope = 42 + 6 * t["sacrum"]
    lumbar = 0.6 * (slope - 42) + 3 * t["lumbar"] - 2 * sex
    bent = 40 + 0.2 * (age - 47) + 0.006 * max(0, age - 55) ** 2 + 6.5 * t["kyphosis"] - 1.0 * sex
    neck = 20 + 7.5 * t["neck"] + 0.12 * (age - 47) + 1.5 * sex + build.neck_change
    top = -17 - 0.3 * lumbar  # at T12
    shoulder = top + bent  # at T1
    points = {
        "S4": -12,
        "S3": 6,
        "S2": 0.6 * slope,
        "S1": slope,
        "L5": 19 + 0.5 * lumbar,
        "L4": 5 + 0.25 * lumbar,
        "L3": -3,
        "L2": -10 - 0.2 * lumbar,
        "L1": top + 1,
        "T12": top,
        "T7": top + 0.45 * bent,
        "T3": top + 0.9 * bent,
        "T1": shoulder,
        "C7": shoulder - 0.08 * neck,
        "C5": shoulder - 0.55 * neck,
        "C3": shoulder - 1.0 * neck,
        "C2": shoulder - 1.05 * neck,
    }
    order = sorted(points, key=AT.get)
    angles = np.interp(s, [centres[AT[n]] for n in order], [points[n] for n in order])
    return gaussian_filter1d(angles, 9 / STEP, mode="nearest")


def _sorted(values: dict[str, float]) -> tuple[list[int], list[float]]:
    order = sorted(values, key=AT.get)
    return [AT[n] for n in order], [values[n] for n in order]


def _along(anchors: dict[str, float], centres: np.ndarray, s: np.ndarray) -> np.ndarray:
    order, values = _sorted(anchors)
    return np.interp(s, centres[order], values)
