"""One geometry for pictures of different matrix, spacing and field of view: a grid in mm around the field's centre."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from ..cohort.load import MAX_SIDE
from ..errors import InputError
from ..progress import Progress, start

#: what a letter of the axis codes says, and what the opposite direction is called
_WORDS = {
    "S": ("superior", "inferior"),
    "I": ("inferior", "superior"),
    "A": ("anterior", "posterior"),
    "P": ("posterior", "anterior"),
    "L": ("left", "right"),
    "R": ("right", "left"),
}
_PLAIN = (("down", "up"), ("to the right", "to the left"))
#: percentile of the slices that is scaled to 1; 0 is the lowest value, or 0 where nothing is negative
HIGH = 99.5


@dataclass(frozen=True)
class Frame:
    """Where a sample's pixels lie.

    Attributes:
        shape: rows and columns in the slice cache
        spacing: mm a row and a column in the cache; in pixels of the longest picture where no spacing is known
        voxel: mm a row and a column of the file, before anything was scaled; the same where nothing was
    """

    shape: tuple[int, int]
    spacing: tuple[float, float]
    voxel: tuple[float, float]

    @property
    def extent(self) -> tuple[float, float]:
        """Height and width of the field of view."""
        return self.shape[0] * self.spacing[0], self.shape[1] * self.spacing[1]


@dataclass(frozen=True)
class Grid:
    """A grid of square pixels whose centre is the centre of every sample's field of view.

    Attributes:
        shape: rows and columns
        pixel: side of a pixel, mm (or pixels of the pictures, where no spacing is known)
        unit: "mm" or "px"
        axes: axis codes of rows and columns, such as ("I", "P"); ``None`` for pictures without orientation
    """

    shape: tuple[int, int]
    pixel: float
    unit: str = "mm"
    axes: tuple[str, str] | None = None

    def coarser(self, side: int) -> Grid:
        """The same field on a grid whose longer side has at most ``side`` pixels."""
        factor = max(self.shape) / side
        if factor <= 1:
            return self
        shape = tuple(max(1, round(n / factor)) for n in self.shape)
        return Grid(shape, self.pixel * factor, self.unit, self.axes)

    def word(self, axis: int, amount: float) -> str:
        """Direction of a displacement along rows (0) or columns (1): "superior", "to the left" …"""
        words = _PLAIN[axis] if self.axes is None else _WORDS[self.axes[axis]]
        return words[0] if amount >= 0 else words[1]

    def letters(self) -> tuple[str, str, str, str] | None:
        """Orientation letters at the top, bottom, left and right side."""
        if self.axes is None:
            return None
        rows, columns = self.axes
        other = {"S": "I", "I": "S", "A": "P", "P": "A", "L": "R", "R": "L"}
        return other[rows], rows, other[columns], columns

    def sides(self) -> dict[str, str]:
        """``{side's name: "top" | "bottom" | "left" | "right"}`` by anatomical and plain names."""
        plain = {s: s for s in ("top", "bottom", "left", "right")}
        if self.axes is None:
            return plain
        words = {_WORDS[c][0]: s for c, s in zip(self.axes, ("bottom", "right"), strict=True)}
        words |= {_WORDS[c][1]: s for c, s in zip(self.axes, ("top", "left"), strict=True)}
        return {**plain, **words}  # the patient's left wins over the picture's


def frame_of(shape: tuple[int, int], geometry: dict | None, longest: int | None = None) -> Frame:
    """Where a sample's cached pixels lie, from what was stored at registration.

    Args:
        shape: rows and columns in the cache, which scales pictures of more than ``MAX_SIDE`` pixels down
        geometry: as :func:`~fiftyone_daebias.cohort.volume.to_slices` made it; ``None`` for a plain picture
        longest: longer side that stands for the whole of a picture without spacing
    """
    mm = (geometry or {}).get("resampled_mm") or (geometry or {}).get("spacing_mm")
    if not mm:
        scale = (longest or max(shape)) / max(shape)
        return Frame(shape, (scale, scale), (scale, scale))
    row, column = (float(v) for v in mm[-2:])
    shrunk = _full_side(geometry, (row, column)) / max(shape) if max(shape) == MAX_SIDE else 1.0
    own = geometry.get("spacing_mm") or mm
    return Frame(shape, (row * shrunk, column * shrunk), tuple(float(v) for v in own[-2:]))


def _full_side(geometry: dict, mm: tuple[float, float]) -> float:
    """Longer side in pixels before the cache scaled it down."""
    full = geometry.get("shape") or []
    if geometry.get("matrix"):
        rows, columns = geometry["matrix"]
    elif geometry.get("plane", "image") == "image":  # registered before the matrix was stored
        rows, columns = full[-2:] if len(full) >= 2 else (MAX_SIDE, MAX_SIDE)
    else:
        pairs = ("SI", "AP", "LR")
        places = {
            next(k for k, p in enumerate(pairs) if c in p): n for c, n in zip(geometry["axes"], full, strict=True)
        }
        rows, columns = (places[next(k for k, p in enumerate(pairs) if c in p)] for c in geometry["axes_now"][-2:])
    own = geometry.get("spacing_mm") or mm
    return max(rows * float(own[-2]) / mm[0], columns * float(own[-1]) / mm[1], MAX_SIDE)


def common_grid(frames: list[Frame], geometries: list[dict | None], side: int) -> Grid:
    """The grid that holds the fields of view of nine samples in ten.

    Raises:
        InputError: slices of different planes
    """
    codes = {(g.get("plane", "image"), g.get("axes_now", "")) for g in map(lambda g: g or {}, geometries)}
    if len(codes) > 1:
        planes = ", ".join(sorted({p for p, _ in codes}))
        raise InputError(f"the samples have slices of different planes ({planes}); pass a view of one plane")
    ((_, axes_now),) = codes
    known = [bool((g or {}).get("spacing_mm") or (g or {}).get("resampled_mm")) for g in geometries]
    if any(known) and not all(known):
        raise InputError(
            f"{known.count(False)} of {len(known)} samples state no pixel spacing; pass a view of those that do, or of "
            "those that do not"
        )
    extents = np.array([f.extent for f in frames])
    height, width = np.percentile(extents, 90, axis=0)
    finest = float(np.median([min(f.spacing) for f in frames]))
    pixel = max(float(max(height, width)) / side, finest)
    shape = tuple(max(8, round(float(v) / pixel)) for v in (height, width))
    axes = tuple(axes_now[-2:]) if axes_now else None
    return Grid(shape, pixel, "mm" if all(known) else "px", axes)


def to_grid(image: np.ndarray, frame: Frame, grid: Grid, fill: float = 0.0) -> np.ndarray:
    """A slice on the grid, low-pass filtered where it loses resolution.

    Args:
        image: float32 (H, W)
        frame: where it lies
        grid: the grid
        fill: value outside the field of view

    Returns:
        float32 of ``grid.shape``
    """
    ratio = [grid.pixel / s for s in frame.spacing]
    if max(ratio) > 1.0:
        sigma = [0.45 * np.sqrt(max(r * r - 1.0, 0.0)) for r in ratio]
        image = cv2.GaussianBlur(
            image, (0, 0), sigmaX=max(sigma[1], 1e-3), sigmaY=max(sigma[0], 1e-3), borderType=cv2.BORDER_REPLICATE
        )
    height, width = grid.shape
    matrix = np.array(
        [
            [ratio[1], 0, (frame.shape[1] - 1) / 2 - ratio[1] * (width - 1) / 2],
            [0, ratio[0], (frame.shape[0] - 1) / 2 - ratio[0] * (height - 1) / 2],
        ]
    )
    out = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    out[~inside_field(frame, grid)] = fill
    return out


def inside_field(frame: Frame, grid: Grid) -> np.ndarray:
    """Which pixels of the grid lie in the sample's field of view, bool of ``grid.shape``."""
    rows, columns = (np.abs(np.arange(n) - (n - 1) / 2) * grid.pixel for n in grid.shape)
    half = [e / 2 + 1e-6 for e in frame.extent]
    return (rows <= half[0])[:, None] & (columns <= half[1])[None, :]


def from_grid(image: np.ndarray, frame: Frame, grid: Grid, side: int) -> np.ndarray:
    """A map on the grid as the sample's own field of view shows it, as in its preview.

    Args:
        image: float32 of ``grid.shape``
        frame: where the sample lies
        grid: the grid
        side: longer side of the outcome, pixels

    Returns:
        float32 (h, w), of the field's proportions; 0 outside the grid
    """
    height, width = frame.extent
    pixel = max(height, width) / side
    shape = tuple(max(1, round(v / pixel)) for v in (height, width))
    step = [e / n / grid.pixel for e, n in zip((height, width), shape, strict=True)]
    matrix = np.array(
        [
            [step[1], 0, (grid.shape[1] - 1) / 2 - step[1] * (shape[1] - 1) / 2],
            [0, step[0], (grid.shape[0] - 1) / 2 - step[0] * (shape[0] - 1) / 2],
        ]
    )
    return cv2.warpAffine(
        np.ascontiguousarray(image, np.float32),
        matrix,
        (shape[1], shape[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0.0,
    )


@dataclass(frozen=True)
class Pictures:
    """Scaled pictures of many samples on one grid; 0 is black, 1 the 99.5th percentile of a sample's slices.

    Attributes:
        grid: the grid of ``middle`` and ``projection``
        middle: the middle slice, as in the preview, float16 (n, H, W)
        projection: mean over the centre slices, float16 (n, H, W)
        covered: share of samples whose field of view holds each pixel, (H, W)
        inside: index into ``fields`` for each sample, int (n,)
        fields: which pixels a field of view holds, bool (kinds, H, W)
        stack_grid: the grid of ``stack``
        stack: the centre slices for a classifier, float16 (n, slices, h, w)
        shown: which slice of ``stack`` each sample's preview shows, int (n,)
        frames: where each sample lies
    """

    grid: Grid
    middle: np.ndarray = field(repr=False)
    projection: np.ndarray = field(repr=False)
    covered: np.ndarray = field(repr=False)
    inside: np.ndarray = field(repr=False)
    fields: np.ndarray = field(repr=False)
    stack_grid: Grid
    stack: np.ndarray = field(repr=False)
    shown: np.ndarray = field(repr=False)
    frames: list[Frame] = field(repr=False)

    def valid(self, share: float = 0.9) -> np.ndarray:
        """Pixels that at least this share of the samples shows, bool (H, W)."""
        return self.covered >= share

    def filled(self, images: np.ndarray) -> np.ndarray:
        """float32 (n, H, W) in which what a sample does not show is the mean of those that do: no difference."""
        out = images.astype(np.float32)
        seen = self.fields[self.inside]
        mean = out.sum(axis=0, where=seen) / np.maximum(seen.sum(axis=0), 1)
        np.copyto(out, np.broadcast_to(mean, out.shape), where=~seen)
        return out


def centre_slices(source, i: int, n_slices: int) -> np.ndarray:
    """At most ``n_slices`` centre slices of a sample, grey values as in the file, float32 (S, H, W)."""
    array, _ = source.cache.read(source.keys[i])
    count = min(n_slices, len(array))
    first = (len(array) - count) // 2
    return np.asarray(array[first : first + count], np.float32)


def middle_of(n: int, count: int) -> int:
    """Which of ``count`` centre slices of ``n`` is the one that the preview shows."""
    return n // 2 - (n - count) // 2


def scaled(slices: np.ndarray) -> np.ndarray:
    """Grey values from their lowest (0, where nothing is negative) to their 99.5th percentile as [0, 1]."""
    low = min(float(slices.min()), 0.0)
    step = max(1, int((slices.size / 200_000) ** 0.5))
    high = float(np.percentile(slices[:, ::step, ::step], HIGH))
    high = high if high > low else float(slices.max())
    return np.clip((slices - low) / max(high - low, 1e-9), 0.0, 1.5)


def load_pictures(
    source,
    rows,
    geometries: list[dict | None],
    *,
    n_slices: int,
    side: int = 160,
    stack_side: int = 96,
    progress: Progress | None = None,
) -> Pictures:
    """Reads samples onto one grid.

    Args:
        source: a ``SliceSource``
        rows: positions of the samples
        geometries: geometry of each of them, as registered
        n_slices: centre slices to read of each; samples with fewer repeat their outer ones
        side: longer side of the grid, pixels
        stack_side: longer side of the classifier's grid, pixels
        progress: where to report

    Raises:
        InputError: slices of different planes, or spacing known of some samples only
    """
    shapes = [source.cache.shape(source.keys[i])[-2:] for i in rows]
    longest = max((max(s) for s in shapes), default=1)
    frames = [frame_of(s, g, longest) for s, g in zip(shapes, geometries, strict=True)]
    grid = common_grid(frames, geometries, side)
    small = grid.coarser(stack_side)
    n = len(rows)
    middle = np.zeros((n, *grid.shape), np.float16)
    projection = np.zeros((n, *grid.shape), np.float16)
    stack = np.zeros((n, n_slices, *small.shape), np.float16)
    shown = np.zeros(n, int)
    kinds: dict[tuple, int] = {}
    inside = np.zeros(n, int)
    with start(progress, "pictures on one grid", n, "samples") as task:
        for k, i in enumerate(rows):
            slices = scaled(centre_slices(source, i, n_slices))
            frame = frames[k]
            inside[k] = kinds.setdefault((round(frame.extent[0], 3), round(frame.extent[1], 3)), len(kinds))
            shown[k] = middle_of(source.n_slices(i), len(slices))
            middle[k] = to_grid(slices[shown[k]], frame, grid)
            projection[k] = to_grid(slices.mean(axis=0), frame, grid)
            for s in range(n_slices):
                stack[k, s] = to_grid(slices[min(s, len(slices) - 1)], frame, small)
            task.advance()
    order = sorted(kinds, key=kinds.get)
    first = {key: next(f for f in frames if (round(f.extent[0], 3), round(f.extent[1], 3)) == key) for key in order}
    fields = np.stack([inside_field(first[key], grid) for key in order])
    covered = np.bincount(inside, minlength=len(order)) @ fields.reshape(len(order), -1) / n
    return Pictures(grid, middle, projection, covered.reshape(grid.shape), inside, fields, small, stack, shown, frames)
