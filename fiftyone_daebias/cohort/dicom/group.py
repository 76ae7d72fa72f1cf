"""Which DICOM images are one volume, and in which order.

A series is split where orientation, matrix, spacing, echo or temporal
position make it several volumes; what then still shares a position is split
by the first attribute that tells the images apart, and by repetition at last.
Slices are ordered by their position along the normal, never by file name;
where positions are missing, by InstanceNumber, and that is said.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from . import unplaced

#: attributes that make volumes of one series different whenever they differ
_ALWAYS = ("EchoTime", "EchoNumbers", "TemporalPositionIdentifier", "StackID")
#: attributes tried, in this order, when images share a position
_TIE_BREAKERS = (
    "ImageType",
    "AcquisitionNumber",
    "DiffusionBValue",
    "DiffusionDirection",
    "TriggerTime",
    "InversionTime",
    "ContentTime",
    "AcquisitionTime",
    "ComplexImageComponent",
    "Dimensions",
)


@dataclass(frozen=True)
class Plane:
    """One image plane, from a classic file or from a frame of a multi-frame file.

    Attributes:
        file: index of the file
        frame: frame number, or ``None`` for a single-frame file
        position: ImagePositionPatient, mm, LPS (3,), or ``None``
        orientation: ImageOrientationPatient (6,), or ``None``
        spacing: PixelSpacing (row, column) mm, or ``None``
        shape: (rows, columns)
        number: InstanceNumber or frame number
        facts: values of the attributes that split or break ties
    """

    file: int
    frame: int | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    shape: tuple[int, int]
    number: int
    facts: dict = field(default_factory=dict)

    @property
    def has_place(self) -> bool:
        """Whether the header says where the plane lies."""
        return self.position is not None and self.orientation is not None


@dataclass(frozen=True)
class Stack:
    """Planes of one volume, in order along the normal.

    Attributes:
        planes: the planes
        affine: float (4, 4) RAS+, for an array (columns i, rows j, slices k); ``None`` without geometry
        label: what tells it from the other volumes of its series, "" if there is only one
        notes: missing slices, uneven spacing, repeated positions
        lacks_slices: whether slices are missing between others
    """

    planes: tuple[Plane, ...]
    affine: np.ndarray | None
    label: str = ""
    notes: tuple[str, ...] = ()
    lacks_slices: bool = False


def stacks(planes: list[Plane], modality: str = "") -> list[Stack]:
    """Splits the planes of one series into volumes.

    Args:
        planes: all planes of the series
        modality: DICOM modality; images without a position are kept together only where a series is a stack of slices
    """
    planes, said = unplaced.place(planes)
    flat = [p for p in planes if not p.has_place]
    placed = [p for p in planes if p.has_place]
    echoes = _echoes(planes)
    keys = _keys(placed, echoes)
    groups: dict[tuple, list[Plane]] = defaultdict(list)
    for p, key in zip(placed, keys, strict=True):
        groups[key].append(p)
    out: list[Stack] = []
    names = _labels(list(groups))
    for key, members in groups.items():
        for extra, part, notes in _separate(members):
            label = ", ".join(t for t in (names[key], extra) if t)
            out.append(_stack(part, label, (*said, *notes)))
    for members, notes in unplaced.gather(flat, modality, echoes):
        out.append(Stack(tuple(members), None, "", notes))
    return out


def _keys(planes: list[Plane], echoes: dict[str, str]) -> list[tuple]:
    """What makes each plane's volume differ from others: geometry, then echo, time position and stack.

    An attribute that differs from image to image though no position comes twice is a counter and splits nothing.
    """
    counted = [
        len({str(p.facts.get(a, "")) for p in planes}) == len(planes) > 2 and not _repeats(planes) for a in _ALWAYS
    ]
    groups: dict[tuple, list[Plane]] = {}
    out = []
    for p in planes:
        facts = (
            "" if skip else echoes.get(v, v)
            for skip, v in zip(counted, (str(p.facts.get(a, "")) for a in _ALWAYS), strict=True)
        )
        key = (_near(groups, p), *facts)
        groups.setdefault(key[0], []).append(p)
        out.append(key)
    return out


def _echoes(planes: list[Plane]) -> dict[str, str]:
    """``{EchoTime: the one it is read as}``: times within 0.05 ms or 1 % are one, as scanners round and jitter."""
    values = {}
    for p in planes:
        text = str(p.facts.get("EchoTime", ""))
        try:
            if np.isfinite(float(text)):
                values[text] = float(text)
        except ValueError:
            continue
    out, last = {}, None
    for text, value in sorted(values.items(), key=lambda i: i[1]):
        near = last is not None and value - last[1] <= max(0.05, 0.01 * abs(value))
        out[text] = out[last[0]] if near else text
        last = text, value
    return out


def _near(groups, p: Plane) -> tuple:
    """The geometry key of the plane, that of an earlier plane if it is the same within a degree and rounding."""
    own = (p.shape, p.orientation, p.spacing or (0.0, 0.0))
    for key in groups:
        shape, orientation, spacing = key
        if (
            shape == p.shape
            and same_orientation(orientation, p.orientation)
            and np.allclose(spacing, own[2], atol=2e-3)
        ):
            return key
    return own


def same_orientation(a, b) -> bool:
    """Whether rows and columns of two planes run the same way, within a degree."""
    a, b = np.reshape(a, (2, 3)), np.reshape(b, (2, 3))
    cosines = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)
    return bool(cosines.min() > np.cos(np.radians(1.0)))


def _labels(keys: list[tuple]) -> dict[tuple, str]:
    """Names groups by what differs between them."""
    out = {}
    geometries = list(dict.fromkeys(k[0] for k in keys))
    for key in keys:
        parts = []
        if len(geometries) > 1:
            parts.append(f"geometry {geometries.index(key[0]) + 1}")
        for n, attribute in enumerate(_ALWAYS, start=1):
            if len({k[n] for k in keys if k[0] == key[0]}) > 1:
                parts.append(f"{attribute} {key[n]}")
        out[key] = ", ".join(parts)
    return out


def _separate(planes: list[Plane]) -> list[tuple[str, list[Plane], tuple[str, ...]]]:
    """Splits planes that share positions; ``[(label, planes, notes)]``."""
    if not _repeats(planes):
        return [("", planes, ())]
    for attribute in _TIE_BREAKERS:
        values = defaultdict(list)
        for p in planes:
            values[str(p.facts.get(attribute, ""))].append(p)
        # a good attribute makes few volumes of many planes; a time stamp that differs for each image makes none
        if 1 < len(values) <= len(planes) // 2 or len(values) > 1 and len(_positions(planes)) == 1:
            if sum(map(_repeats, values.values())) < _repeats(planes):
                parts = []
                for value, members in sorted(values.items(), key=lambda i: min(p.number for p in i[1])):
                    for label, part, notes in _separate(members):
                        text = f"{attribute} {value}" if len(value) < 60 else f"{attribute} {len(parts) + 1}"
                        parts.append((", ".join(t for t in (text, label) if t), part, notes))
                return parts
    rounds: list[list[Plane]] = []
    seen: dict[tuple, int] = defaultdict(int)
    for p in sorted(planes, key=lambda p: (p.number, p.file)):
        place = tuple(np.round(p.position, 2) + 0.0)
        if seen[place] == len(rounds):
            rounds.append([])
        rounds[seen[place]].append(p)
        seen[place] += 1
    note = (f"{len(rounds)} images share each position and nothing tells them apart: taken in order of their number",)
    return [(f"repetition {k + 1}", part, note) for k, part in enumerate(rounds)]


def _positions(planes: list[Plane]) -> set[tuple]:
    return {tuple(np.round(p.position, 2) + 0.0) for p in planes}


def _repeats(planes: list[Plane]) -> int:
    return len(planes) - len(_positions(planes))


def _stack(planes: list[Plane], label: str, notes: tuple[str, ...]) -> Stack:
    first = planes[0]
    along_row, along_column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    normal = np.cross(along_row, along_column)
    normal /= max(np.linalg.norm(normal), 1e-12)
    planes = sorted(planes, key=lambda p: float(np.dot(p.position, normal)))
    places = np.array([np.dot(p.position, normal) for p in planes])
    notes = list(notes)
    step, lacks = normal, False
    if len(planes) > 1:
        gaps = np.diff(places)
        usual = float(np.median(gaps))
        if usual > 1e-4:
            missing = [(k, int(round(g / usual)) - 1) for k, g in enumerate(gaps) if g > 1.5 * usual]
            lacks = bool(missing)
            if missing:
                where = ", ".join(f"{n} after slice {k + 1}" for k, n in missing[:5])
                notes.append(f"missing slices: {where} (usual distance {usual:.3g} mm)")
            elif np.abs(gaps - usual).max() > max(0.05 * usual, 0.02):
                notes.append(f"uneven slice distance: {gaps.min():.3g} to {gaps.max():.3g} mm")
        # the true step between slices may be sheared against the normal (gantry tilt)
        step = (np.array(planes[-1].position) - np.array(planes[0].position)) / (len(planes) - 1)
        if lacks:
            step = normal * usual
        if usual <= 1e-4 or abs(np.dot(step, normal)) < 1e-4:
            notes.append("positions do not differ across the slices: their distance is unknown, 1 mm was assumed")
            step = normal
    else:
        thickness = float(first.facts.get("SliceThickness") or 1.0)
        step = normal * (thickness if 1e-3 < thickness < 1e4 else 1.0)
    row, column = first.spacing or (1.0, 1.0)
    if first.spacing is None:
        notes.append("no pixel spacing in the header: 1 mm was assumed")
    affine = np.eye(4)
    affine[:3, 0] = along_row * column
    affine[:3, 1] = along_column * row
    affine[:3, 2] = step
    affine[:3, 3] = planes[0].position
    return Stack(tuple(planes), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, label, tuple(notes), lacks)
