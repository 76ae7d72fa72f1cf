"""The picture plane: where every pixel lies along and across the spine, and soft-edged painting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from .spine import STEP, Spine

#: from the centre of which body the field of view is planned, its usual side in mm, and how far behind the body's
#: centre the middle of the picture lies
REGIONS = {"neck": ("C5", 240.0, 6.0), "chest": ("T7", 320.0, -42.0), "lumbar": ("L3", 300.0, -38.0)}


class Slab(NamedTuple):
    """What one slice is drawn with.

    Attributes:
        image: float32 (H, W), drawn over
        f: the plane
        x: the slice's place, mm to the left
        thick: slice thickness, mm
        signal: signal of every tissue
        fine, coarse: standard normal textures (H, W)
    """

    image: np.ndarray
    f: Frame
    x: float
    thick: float
    signal: dict[str, float]
    fine: np.ndarray
    coarse: np.ndarray


@dataclass(frozen=True)
class Frame:
    """The sagittal plane of one volume; all maps are float32 (H, W) unless said.

    Attributes:
        spine: whose
        z, y: coordinates of the pixels, mm, relative to the centre of L3
        pixel: the smaller of the pixel's sides, mm: how soft edges are
        k: int32, index into the spine's tables of the nearest point of its line
        s: arc length of that point, mm
        d: distance from the line, mm, positive behind
        middle: y of the smoothed line at the height of each row (H, 1)
        tables: the spine's tables, looked up once for every pixel
    """

    spine: Spine
    z: np.ndarray
    y: np.ndarray
    pixel: float
    k: np.ndarray
    s: np.ndarray
    d: np.ndarray
    middle: np.ndarray
    tables: dict[str, np.ndarray]

    def look(self, name: str) -> np.ndarray:
        """A table of the spine at every pixel."""
        if name not in self.tables:
            source = self.spine.table.get(name)
            if source is None:
                source = getattr(self.spine, name)
            self.tables[name] = source.astype(np.float32)[self.k]
        return self.tables[name]

    def rows(self, name: str) -> np.ndarray:
        """A table of the spine by height (H, 1), smoothed; for outlines, which do not follow every bend."""
        key = f"rows {name}"
        return self.once(key, lambda: _by_height(self.spine, self.spine.table[name], 18, self.z[:, 0]))

    def once(self, name: str, compute: Callable):
        """What is the same in all slices, computed at its first use."""
        if name not in self.tables:
            self.tables[name] = compute()
        return self.tables[name]

    def part(self, rows: slice, columns: slice) -> Frame:
        """A window of the plane; its maps are views."""
        cut = (rows, columns)
        return Frame(
            self.spine,
            self.z[cut],
            self.y[cut],
            self.pixel,
            self.k[cut],
            self.s[cut],
            self.d[cut],
            self.middle[rows],
            {},
        )

    def height_of(self, level: str) -> float:
        """z of a body's centre, mm."""
        return self.spine.at(level)[1]


def make_frame(
    spine: Spine, centre: tuple[float, float], spacing: tuple[float, float], shape: tuple[int, int]
) -> Frame:
    """Lays the picture plane over a spine.

    Args:
        spine: the spine
        centre: (y, z) of the middle of the picture, mm
        spacing: (row, column) mm
        shape: (rows, columns)
    """
    z = centre[1] - (np.arange(shape[0]) - (shape[0] - 1) / 2) * spacing[0]
    y = centre[0] + (np.arange(shape[1]) - (shape[1] - 1) / 2) * spacing[1]
    zz, yy = (a.astype(np.float32) for a in np.meshgrid(z, y, indexing="ij"))
    # the nearest points of every other pixel, 2 mm apart; from there the tangent leads on
    every = 4
    line = np.stack([spine.y, spine.z], axis=1)
    coarse = np.stack([yy[::2, ::2].ravel(), zz[::2, ::2].ravel()], axis=1)
    _, near = cKDTree(line[::every]).query(coarse)
    near = near.astype(np.int32).reshape(yy[::2, ::2].shape) * every
    near = near.repeat(2, axis=0)[: shape[0]].repeat(2, axis=1)[:, : shape[1]]
    py, pz, pt = (a.astype(np.float32) for a in (spine.y, spine.z, spine.theta))
    tangent = np.stack([-np.sin(pt), np.cos(pt)])
    for _ in range(2):
        along = tangent[0][near] * (yy - py[near]) + tangent[1][near] * (zz - pz[near])
        near = near + np.rint(np.clip(along, -4, 4) / STEP).astype(np.int32)
        near = np.clip(near, 0, len(py) - 1)
    dy, dz = yy - py[near], zz - pz[near]
    d = tangent[1][near] * dy - tangent[0][near] * dz
    s = near.astype(np.float32) * np.float32(STEP) + tangent[0][near] * dy + tangent[1][near] * dz
    middle = _by_height(spine, spine.y, 22, z)
    return Frame(spine, zz, yy, min(spacing), near, s, d, middle, {})


def _by_height(spine: Spine, values: np.ndarray, smooth: float, z: np.ndarray) -> np.ndarray:
    """Values along the spine, smoothed over so many mm, at heights z: float32 (len(z), 1)."""
    order = np.argsort(spine.z)
    even = gaussian_filter1d(values, smooth / STEP, mode="nearest")
    return np.interp(z, spine.z[order], even[order])[:, None].astype(np.float32)


def soft(inside: np.ndarray | float, edge: float) -> np.ndarray | float:
    """Share of a pixel that is inside, from the distance to the edge (positive inside), both in mm."""
    out = inside * np.float32(1 / edge)
    out += np.float32(0.5)
    return np.clip(out, 0, 1, out=out) if isinstance(out, np.ndarray) else min(max(float(out), 0.0), 1.0)


def paint(image: np.ndarray, mask: np.ndarray, value: np.ndarray | float) -> None:
    """Lays a tissue over what is there, in place; where the mask is partial, both share the voxel."""
    image += mask * (value - image)


def ellipse(a: np.ndarray, b: np.ndarray, centre: tuple[float, float], half: tuple[float, float]) -> np.ndarray:
    """About the distance to the edge of an ellipse in mm, positive inside."""
    r = np.sqrt(((a - centre[0]) / half[0]) ** 2 + ((b - centre[1]) / half[1]) ** 2)
    return (1 - r) * min(half)
