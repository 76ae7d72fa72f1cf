"""Where in the picture a plant shows: the mean difference it makes to the same people, without noise."""

from __future__ import annotations

import numpy as np

from .frame import REGIONS
from .plan import make_plan
from .scan import acquire

#: people of each region that are drawn with and without the plant
PEOPLE = 6
#: share of the largest difference from which a place counts
HALF = 0.5


def difference_map(settings: dict, number: int, region: str, matrix: int = 64) -> np.ndarray | None:
    """Mean absolute difference that a plant makes in a region.

    Args:
        settings: "phantom" of the truth file
        number: the plant's place in the list
        region: "neck", "chest" or "lumbar"
        matrix: rows and columns of the map, which spans the field of view

    Returns:
        float (matrix, matrix), scaled to a maximum of 1; ``None`` where it changes no picture
    """
    import cv2

    plants = list(settings["plants"])
    common = (settings["sites"], settings["regions"], settings["seed"])
    with_it = make_plan(settings["subjects"], plants, *common)
    names = [m for m, r in with_it.affected[number] if r == region][:PEOPLE]
    without = make_plan(settings["subjects"], plants[:number] + plants[number + 1 :], *common)
    total = np.zeros((matrix, matrix))
    for name in names:
        if name not in without.scans:
            continue
        pictures = []
        for plan in (with_it, without):
            scan = next(s for s in plan.scans[name] if s.region == region)
            values = acquire(scan, settings["seed"], matrix, noise=False).values.astype(np.float32)
            middle = values[len(values) // 2 - 4 : len(values) // 2 + 4].mean(axis=0)
            pictures.append(cv2.resize(middle, (matrix, matrix), interpolation=cv2.INTER_AREA))
        total += np.abs(pictures[0] - pictures[1])
    top = float(total.max())
    return total / top if top > 0 else None


def side_mm(region: str) -> float:
    """Side of a region's field of view, mm."""
    return REGIONS[region][1]


def localisation_error(found: np.ndarray, found_pixel: float, truth: np.ndarray, truth_pixel: float) -> float:
    """Distance from the strongest place of an explanation to the nearest place where the plant truly shows, mm.

    Both maps are laid with their centres on one another, as fields of view are.

    Args:
        found: what the explanation says of every pixel, (h, w); the largest magnitude counts
        found_pixel: side of its pixels, mm
        truth: :func:`difference_map`
        truth_pixel: side of its pixels, mm

    Returns:
        0 where the strongest place is one in which the plant makes at least half of its largest difference
    """
    peak = np.unravel_index(np.argmax(np.abs(found)), found.shape)
    at = (np.array(peak) - (np.array(found.shape) - 1) / 2) * found_pixel
    places = (np.argwhere(truth >= HALF * truth.max()) - (np.array(truth.shape) - 1) / 2) * truth_pixel
    gap = np.abs(places - at).max(axis=1) <= truth_pixel / 2 + 1e-9
    return 0.0 if gap.any() else float(np.linalg.norm(places - at, axis=1).min())
