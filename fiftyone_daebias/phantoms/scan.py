"""One volume: how it is acquired, and the stored values that come out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import effects
from .draw import FieldOfView, draw_region
from .frame import REGIONS
from .people import Person
from .spine import Spine, make_spine

#: stream of random numbers of a volume; see people.py for the others
_SCAN = 5
STEP_MM, THICK_MM = 4.0, 3.5
USUAL_TE, TR = 101.0, 3500.0
#: stored value of a signal of 1 with a gain of 1
_FULL = 1100.0


@dataclass(frozen=True)
class Scan:
    """How one volume is acquired.

    Attributes:
        person: who
        region: "neck", "chest" or "lumbar"
        station: name of the scanner
        software: software version in the header
        te: effective echo time, ms
        shift: mm by which the field of view is planned towards the head
        coarser: relative enlargement of the pixels
        image_effects: names and strengths of effects on the picture before its noise, in order
        lost: slices missing at the right edge
        flipped: whether left and right are exchanged
        extra_noise: further noise, as a share of the signal
        marker: height of a burned-in letter, mm; 0 for none
    """

    person: Person
    region: str
    station: str
    software: str
    te: float = USUAL_TE
    shift: float = 0.0
    coarser: float = 0.0
    image_effects: tuple[tuple[str, float], ...] = ()
    lost: int = 0
    flipped: bool = False
    extra_noise: float = 0.0
    marker: float = 0.0


@dataclass(frozen=True)
class Picture:
    """Stored values with their geometry.

    Attributes:
        values: uint16 (S, H, W); slices from right to left, rows down, columns to the back
        spacing: (slice, row, column) mm
        origin: centre of the first voxel, DICOM patient coordinates (x, y, z) mm, relative to the isocentre
    """

    values: np.ndarray
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]


def moved_mm(scan: Scan, seed: int) -> tuple[float, float]:
    """How far the field of view lies behind and towards the head of its usual place on this body, mm."""
    y, z = _moved(scan, _stream(scan, seed).standard_normal(8))
    return float(y), float(z)


def _stream(scan: Scan, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, _SCAN, scan.person.number, list(REGIONS).index(scan.region)])


def _moved(scan: Scan, jitter: np.ndarray) -> tuple[float, float]:
    """Planning differs from scan to scan, by 7 mm up and down and 4 mm back and forth (standard deviations)."""
    return 4.0 * jitter[0], 7.0 * jitter[1] + scan.shift


def acquire(scan: Scan, seed: int, matrix: int, spine: Spine | None = None, noise: bool = True) -> Picture:
    """Acquires a volume.

    Anatomy, positioning and noise are drawn from the seed, the body's number
    and the region alone, so that two cohorts which differ in their plants
    differ in what was planted and in nothing else.

    Args:
        scan: how
        seed: seed of the cohort
        matrix: rows and columns of an unchanged volume
        spine: the person's spine, if it was made already
        noise: whether to add noise
    """
    rng = _stream(scan, seed)
    jitter, about, textures = rng.standard_normal(8), rng.random(4), np.random.default_rng(rng.integers(1 << 62))
    spine = spine if spine is not None else make_spine(scan.person.build(seed))
    level, fov, behind = REGIONS[scan.region]
    # an even number, so that the slices around the middle lie at the same places whatever their number
    n = 14 + 2 * min(int(about[0] ** 1.6 * 4), 3)
    size = max(16, round(matrix / (1 + scan.coarser)))
    pixel = round(fov / matrix, 4) * matrix / size
    moved = _moved(scan, jitter)
    places = 1.5 * jitter[2] + (np.arange(n) - (n - 1) / 2) * STEP_MM
    signal = draw_region(
        spine,
        scan.region,
        view=FieldOfView((size, size), (pixel, pixel), moved, THICK_MM),
        places=places,
        te=scan.te,
        rng=textures,
    )
    # the body lies on its back on an array coil; the scanner evens that out in part
    columns = (np.arange(size) - size / 2) * pixel
    rows = (np.arange(size) - size / 2) * pixel + 20 * jitter[3]
    reach = 420 * np.exp(0.15 * jitter[4])
    coil = np.exp((columns - 60)[None] / reach) * np.exp(-((rows[:, None] / (0.75 * fov)) ** 4))
    signal = signal * coil.astype(np.float32)
    mm = (pixel, pixel)
    # the field belongs to the coil: it spans the largest stack, so that the number of slices does not stretch it
    gain = effects.bias_field(np.ones((20, size, size), np.float32), mm, 0.05, rng)
    signal = signal * gain[(20 - n) // 2 : (20 + n) // 2]
    for name, strength in scan.image_effects:
        signal = effects.EFFECTS[name](signal, mm, strength, rng)
    if noise:
        voxel = (pixel / (fov / matrix)) ** 2
        sigma = 0.016 * np.exp(0.18 * jitter[5]) / voxel
        sigma = np.hypot(sigma, scan.extra_noise * 0.3)
        draws = rng.standard_normal((2, *signal.shape), dtype=np.float32)
        signal = np.hypot(signal + np.float32(sigma) * draws[0], np.float32(sigma) * draws[1])
    if scan.marker:
        signal = effects.marker(signal, mm, scan.marker, rng)
    values = np.clip(np.rint(signal * np.float32(_FULL * np.exp(0.12 * jitter[6]))), 0, 4095).astype(np.uint16)
    if scan.flipped:
        values = values[::-1]
    x = places
    if scan.lost:
        values, x = values[scan.lost :], places[scan.lost :]
    y, z = behind + moved[0] - (size - 1) / 2 * pixel, moved[1] + (size - 1) / 2 * pixel
    table = (8.0 * about[1] - 4.0, 20.0 * about[2] - 10.0)  # how the body lies relative to the isocentre
    return Picture(
        np.ascontiguousarray(values), (STEP_MM, pixel, pixel), (float(x[0]), float(y + table[0]), float(z + table[1]))
    )
