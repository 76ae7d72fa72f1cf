"""Image-space effects of graded strength: what a scanner, a protocol or an export may do to a volume.

Every effect is a pure function ``f(slices, spacing_mm, strength, rng) -> slices``:

- ``slices``: float32 (S, H, W), at least 0; sagittal volumes run from right to left, rows down (to the feet) and
  columns to the back, as the slice cache holds them. The input is not changed.
- ``spacing_mm``: (row, column) spacing in mm. Where it is unknown, (1, 1) makes lengths pixels.
- ``strength``: a number with the unit given in :data:`EFFECTS`; 0 is no effect and returns an equal array.
- ``rng``: a ``numpy.random.Generator``; only noise and the bias field draw from it.
- returns float32 (S, H, W), at least 0.

They act on what is in the picture. A shift or rotation therefore has to invent what comes in over the edge; it is
mirrored, because a black band would give the copy away and make an audit look better than it is. The phantom itself
does not use those two: it draws its anatomy anew in the moved field of view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

Spacing = tuple[float, float]


@dataclass(frozen=True)
class Effect:
    """An effect with its unit.

    Attributes:
        name: its name
        function: ``f(slices, spacing_mm, strength, rng)``
        unit: unit of the strength, in words
        grades: strengths from barely to plainly visible
    """

    name: str
    function: Callable[[np.ndarray, Spacing, float, np.random.Generator], np.ndarray]
    unit: str
    grades: tuple[float, ...]

    def __call__(self, slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator):
        return self.function(slices, spacing_mm, strength, rng)


def shift(slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Moves the field of view towards the head by ``strength`` mm, so that the picture moves down.

    Cubic interpolation, which keeps the noise of in-between positions nearly as it was; the upper edge is mirrored.
    Negative strengths move it towards the feet.
    """
    if strength == 0:
        return np.array(slices, np.float32)
    # a shift is linear along rows alone, so it is one small matrix
    matrix = ndimage.shift(np.eye(slices.shape[1]), (strength / spacing_mm[0], 0), order=3, mode="reflect")
    return _clip(matrix.astype(np.float32) @ np.asarray(slices, np.float32), slices)


def rotation(slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Rotates every slice in its plane about its centre by ``strength`` degrees, anticlockwise as it is displayed.

    In mm, so that pixels which are not square do not shear; edges are mirrored.
    """
    if strength == 0:
        return np.array(slices, np.float32)
    angle = np.deg2rad(strength)
    row, column = spacing_mm
    # output (row, column) → input: the inverse rotation in mm, brought to pixels
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.diag([1 / row, 1 / column]) @ turn @ np.diag([row, column])
    centre = (np.array(slices.shape[1:]) - 1) / 2
    offset = centre - matrix @ centre
    return _clip(
        np.stack(
            [
                ndimage.affine_transform(s, matrix, offset, order=3, mode="reflect")
                for s in np.asarray(slices, np.float32)
            ]
        ),
        slices,
    )


def contrast(slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Raises the picture, scaled to [0, 1], to the power ``1 + strength``; the volume's maximum stays.

    Positive strengths darken the middle tones as a longer echo time does; negative ones (above −1) brighten them.
    """
    top = float(slices.max(initial=0))
    if strength == 0 or top <= 0:
        return np.array(slices, np.float32)
    return (top * (slices / top) ** max(1 + strength, 1e-3)).astype(np.float32)


def shading(slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A coil at the back: the gain falls from ``1 + strength / 2`` at the last column to ``1 − strength / 2`` in front.

    ``strength`` is the relative difference of gain between back and front, at most 2.
    """
    gain = 1 + min(strength, 2.0) * (np.linspace(0, 1, slices.shape[2]) - 0.5)
    return (slices * gain.clip(min=0)).astype(np.float32)


def bias_field(slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth multiplicative field, another one each time: ``exp(strength · f)`` with f of standard deviation 1.

    f is a sum of the lowest cosines along rows, columns and slices.
    """
    if strength == 0:
        return np.array(slices, np.float32)
    s, h, w = slices.shape
    waves = [np.cos(np.pi * np.outer(np.arange(k), (np.arange(n) + 0.5) / n)) for k, n in ((2, s), (3, h), (3, w))]
    weights = rng.standard_normal((2, 3, 3))
    weights[0, 0, 0] = 0
    # the cosines are orthogonal, with mean squares of 1 (constant) and 1/2, so the field's spread is known
    powers = [np.where(np.arange(len(v)) == 0, 1.0, 0.5) for v in waves]
    weights *= strength / np.sqrt((weights**2 * powers[0][:, None, None] * powers[1][:, None] * powers[2]).sum())
    field = np.zeros((s, h, w), np.float32)
    for b in range(3):
        for c in range(3):
            along = (weights[:, b, c][:, None] * waves[0]).sum(axis=0)
            field += along[:, None, None].astype(np.float32) * np.outer(waves[1][b], waves[2][c]).astype(np.float32)
    return (slices * np.exp(field)).astype(np.float32)


def noise(slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Adds Rician noise: magnitude of the picture plus complex Gaussian noise.

    ``strength`` is its standard deviation a channel as a share of the mean signal of the volume's brighter half.
    """
    if strength == 0:
        return np.array(slices, np.float32)
    sigma = np.float32(strength * _signal(slices))
    real = slices + sigma * rng.standard_normal(slices.shape, dtype=np.float32)
    imaginary = sigma * rng.standard_normal(slices.shape, dtype=np.float32)
    return np.hypot(real, imaginary).astype(np.float32)


def spacing(slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator) -> np.ndarray:
    """As if acquired with in-plane voxels ``1 + strength`` times as large and interpolated back by the scanner.

    The highest spatial frequencies are cut off (of the mirrored picture, so that nothing wraps around): ringing at
    sharp edges included, as in MR.
    """
    if strength <= 0:
        return np.array(slices, np.float32)
    spectrum = fft.dctn(np.asarray(slices, np.float32), axes=(1, 2), norm="ortho")
    for axis in (1, 2):
        kept = max(2, round(slices.shape[axis] / (1 + strength)))
        spectrum[(slice(None),) * axis + (slice(kept, None),)] = 0
    return _clip(fft.idctn(spectrum, axes=(1, 2), norm="ortho"), slices)


#: the letter R, 9 × 7, as annotation software burns it in
_GLYPH = np.array(
    [
        [int(c) for c in row]
        for row in ("1111100", "1100110", "1100011", "1100011", "1111110", "1111000", "1101100", "1100110", "1100011")
    ],
    np.float32,
)


def marker(slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Burns the letter R, ``strength`` mm high, at the volume's maximum into the upper left of every slice.

    Its margin to the edge is 4 % of the picture; letters of less than a pixel are drawn in part.
    """
    out = np.array(slices, np.float32)
    if strength <= 0:
        return out
    height, width = strength / spacing_mm[0], strength * _GLYPH.shape[1] / _GLYPH.shape[0] / spacing_mm[1]
    top, left = 0.04 * out.shape[1], 0.04 * out.shape[2]
    # coverage of each pixel by the letter, by sampling every pixel 4 × 4 times
    fine = (np.arange(4) + 0.5) / 4
    rows = ((np.arange(out.shape[1])[:, None] + fine).ravel() - top) / height * _GLYPH.shape[0]
    columns = ((np.arange(out.shape[2])[:, None] + fine).ravel() - left) / width * _GLYPH.shape[1]
    on = np.zeros((len(rows), len(columns)), np.float32)
    r, c = (rows >= 0) & (rows < _GLYPH.shape[0]), (columns >= 0) & (columns < _GLYPH.shape[1])
    on[np.ix_(r, c)] = _GLYPH[np.ix_(rows[r].astype(int), columns[c].astype(int))]
    cover = on.reshape(out.shape[1], 4, out.shape[2], 4).mean(axis=(1, 3))
    return out + cover * (out.max(initial=0) - out)


def flip(slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Exchanges left and right (the slices of a sagittal volume come in the reverse order) for any strength but 0."""
    return np.array(slices[::-1] if strength else slices, np.float32)


def lost_edge_slice(slices: np.ndarray, spacing_mm: Spacing, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blanks the first ``strength`` slices (rounded; at most half of them), as an export that lost them pads them."""
    out = np.array(slices, np.float32)
    out[: min(round(max(strength, 0)), len(out) // 2)] = 0
    return out


EFFECTS: dict[str, Effect] = {
    e.name: e
    for e in (
        Effect("shift", shift, "mm towards the head", (2, 5, 10, 20, 43)),
        Effect("rotation", rotation, "degrees", (1, 2, 5, 10, 20)),
        Effect("contrast", contrast, "change of the power of the grey-scale curve", (0.05, 0.1, 0.2, 0.4, 0.8)),
        Effect("shading", shading, "relative difference of gain between back and front", (0.1, 0.2, 0.4, 0.8, 1.2)),
        Effect("bias_field", bias_field, "standard deviation of the log gain", (0.05, 0.1, 0.2, 0.4)),
        Effect("noise", noise, "share of the mean signal", (0.02, 0.05, 0.1, 0.2, 0.4)),
        Effect("spacing", spacing, "relative enlargement of the voxels in the plane", (0.25, 0.5, 1, 2, 3)),
        Effect("marker", marker, "mm high", (3, 6, 12, 24)),
        Effect("flip", flip, "0 or 1", (1,)),
        Effect("lost_edge_slice", lost_edge_slice, "slices", (1, 2, 3)),
    )
}


def _signal(slices: np.ndarray) -> float:
    """Mean of the voxels above the volume's mean: what is tissue, roughly."""
    mean = float(slices.mean()) if slices.size else 0.0
    bright = slices[slices > mean]
    return float(bright.mean()) if bright.size else mean


def _clip(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Keeps what interpolation overshoots within the volume's range: its maximum scales the whole volume later."""
    return np.clip(values, 0, like.max(initial=0), dtype=np.float32)
