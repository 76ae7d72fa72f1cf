"""Millimetres and anatomical letters of the square that a model sees: the centre crop of a slice."""

from __future__ import annotations

from dataclasses import dataclass

from ... import schema, store
from ...dae.view import WHOLE, square_side
from ..grid import frame_of

_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "S": "I", "I": "S"}


@dataclass(frozen=True)
class Square:
    """What surrounds a picture.

    Attributes:
        height: from top to bottom in mm, ``None`` if unknown
        width: from left to right in mm, ``None`` if unknown
        letters: anatomical letters at the top, bottom, left and right; "" if unknown
    """

    height: float | None = None
    width: float | None = None
    letters: tuple[str, str, str, str] = ("", "", "", "")

    @property
    def aspect(self) -> float:
        """Height of a pixel over its width, where both axes have as many."""
        return self.height / self.width if self.height and self.width else 1.0


def square_of(samples, source, rows, crop: float) -> Square:
    """The median square of the samples; letters only where all agree, mm only where all state a spacing.

    Args:
        samples: a dataset or view
        source: its ``SliceSource``
        rows: positions of the samples shown
        crop: side of the centre crop as a share of the shorter side
    """
    if not len(rows) or not store.has_field(samples, schema.GEOMETRY_FIELD):
        return Square()
    stored = dict(zip(store.sample_ids(samples), store.read_field(samples, schema.GEOMETRY_FIELD), strict=True))
    axes, sizes = set(), []
    for i in rows:
        geometry = stored.get(source.sample_ids[i]) or {}
        axes.add(geometry.get("axes_now") or "")
        if not (geometry.get("spacing_mm") or geometry.get("resampled_mm")):
            return Square()
        shape = source.cache.shape(source.keys[i])[-2:]
        side = square_side(shape, crop)
        row, column = frame_of(shape, geometry).spacing
        sizes.append((side * row, side * column))
    height, width = (sorted(s)[len(s) // 2] for s in zip(*sizes, strict=True))
    (letters, *more) = sorted(axes)
    if more or len(letters) != 3:
        return Square(height, width)
    down, right = letters[1], letters[2]
    return Square(height, width, (_OPPOSITE[down], down, _OPPOSITE[right], right))


def side_of(samples, source, rows, crop: float) -> float:
    """Median side of the centre crop in the unit of :mod:`.grid`: mm, or pixels of the longest picture here.

    Args:
        samples: a dataset or view
        source: its ``SliceSource``
        rows: positions of the samples
        crop: side of the centre crop as a share of the shorter side
    """
    geometries = [None] * len(source)
    if store.has_field(samples, schema.GEOMETRY_FIELD):
        geometries = store.read_field(samples, schema.GEOMETRY_FIELD)
    longest = max(max(source.cache.shape(k)[-2:]) for k in source.keys)
    sides = sorted(
        _extent(frame_of(source.cache.shape(source.keys[i])[-2:], geometries[i], longest).extent, crop) for i in rows
    )
    return float(sides[len(sides) // 2])


def _extent(extent, crop: float) -> float:
    return max(extent) if crop == WHOLE else crop * min(extent)


def scale_bar(width: float) -> float:
    """A round length of about a quarter of a picture's width, mm."""
    return float(min((1, 2, 5, 10, 20, 50, 100, 200), key=lambda mm: abs(mm - width / 4)))


def annotate(axes, square: Square, color: str = "white") -> None:
    """Puts orientation letters and a scale bar on a picture's axes."""
    at = {"fontsize": 7, "color": color, "transform": axes.transAxes, "weight": "bold"}
    places = (
        (0.5, 0.98, "center", "top"),
        (0.5, 0.02, "center", "bottom"),
        (0.02, 0.5, "left", "center"),
        (0.98, 0.5, "right", "center"),
    )
    for text, (x, y, h, v) in zip(square.letters, places, strict=True):
        if text:
            axes.text(x, y, text, ha=h, va=v, **at)
    if square.width:
        mm = scale_bar(square.width)
        share = mm / square.width
        axes.plot(
            [0.95 - share, 0.95], [0.05, 0.05], color=color, lw=2, solid_capstyle="butt", transform=axes.transAxes
        )
        axes.text(0.96, 0.08, f"{mm:g} mm", ha="right", va="bottom", **{**at, "weight": "normal"})
