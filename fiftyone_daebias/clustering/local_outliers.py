"""Something in one place of a picture where the most similar pictures have nothing like it.

An embedding holds what varies much, so a burned-in letter, a zipper artefact or a tilted frame in a few samples hardly
moves its vectors. Here every sample's picture is compared, place by place, with those of the samples that its
embedding calls most similar: a patch is strange when hardly any of them has a patch like it nearby. That is the memory
of patches of PatchCore (Roth et al., CVPR 2022) and the neighbours of SPADE (Cohen and Hoshen, 2020) on grey values,
with a memory of its own for every sample, so that a neck is compared with necks.

Pure: pictures and neighbours come in as arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ..connected_components import linked_groups
from ..parallel import each

#: side of a compared picture, pixels
SIDE = 64
#: a volume's centre slices are averaged in so many slabs
SLABS = 3
#: similar samples that a sample is compared with, and how many of them may share its oddity
NEAREST, RANK = 20, 4
#: a patch may have moved so many pixels, is so many pixels wide, and lies so many inside the picture
REACH, PATCH, MARGIN = 4, 3, 2
#: grey value (of 255) to which the tissue's 99th percentile is scaled
BRIGHT = 200
#: robust standard deviations from which a sample may belong to a group that shares an oddity; patches of the same
#: oddity differ by at most this share of its strangeness
ALIKE_Z, ALIKE = 2.5, 0.5
#: subjects of such a group
LEAST = 3
#: a place's strangeness is measured by that of this quantile of the samples, of at least so many grey values
USUAL, FLOOR = 0.8, 8
#: smallest spread of the log strangeness: in a cohort of near copies a trifle is no oddity
SMALLEST_SPREAD = 0.1
_PAD = REACH + 1


@dataclass(frozen=True)
class Alike:
    """Samples that share an oddity in one place.

    Attributes:
        rows: the samples, of at least ``LEAST`` subjects
        place: slab, row and column, int (3,)
    """

    rows: tuple[int, ...]
    place: np.ndarray


@dataclass(frozen=True)
class LocalOutliers:
    """The strangest place of every sample.

    Attributes:
        scores: robust z of the log strangeness, float (n,)
        places: slab, row and column of the strangest patch's centre, int (n, 3), on a picture of ``SIDE`` pixels
        groups: samples that share an oddity, the largest group first
    """

    scores: np.ndarray
    places: np.ndarray
    groups: tuple[Alike, ...]


def local_outliers(
    pictures: np.ndarray, nearest: np.ndarray, subjects: np.ndarray, advance: Callable[[int], None] | None = None
) -> LocalOutliers:
    """Finds the strangest place of every sample.

    Args:
        pictures: of :func:`small_picture`, uint8 (n, slabs, SIDE, SIDE)
        nearest: rows of each sample's most similar samples of other subjects, int (n, k), k > ``RANK``
        subjects: subject of each sample (n,)
        advance: told how many samples were done
    """
    maps = strangeness_maps(pictures, pictures, nearest, advance)
    scale = LocalScale.of(maps)
    scores, places = scale.scores(maps)
    strangeness = maps[(np.arange(len(maps)), *places.T)].astype(np.float32)
    return LocalOutliers(scores, places, _alike(_padded(pictures), strangeness, scores, places, subjects))


@dataclass(frozen=True)
class LocalScale:
    """What is usual in a cohort.

    Attributes:
        usual: how strange each place is, float32 (slabs, SIDE, SIDE)
        centre, spread: median and robust standard deviation of the log of the strangest place's relative strangeness
    """

    usual: np.ndarray
    centre: float
    spread: float

    @classmethod
    def of(cls, maps: np.ndarray) -> LocalScale:
        """Measured on the maps of a cohort, uint8 (n, slabs, SIDE, SIDE)."""
        usual = _usual(maps)
        logs = _logs(maps, usual)[0]
        centre = float(np.median(logs))
        return cls(usual, centre, max(1.4826 * float(np.median(np.abs(logs - centre))), SMALLEST_SPREAD))

    def scores(self, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Robust z (n,) and strangest place (n, 3) of each map."""
        logs, places = _logs(maps, self.usual)
        return (logs - self.centre) / self.spread, places


def _logs(maps: np.ndarray, usual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = np.array([np.unravel_index((m / usual).argmax(), m.shape) for m in maps])
    strangest = maps[(np.arange(len(maps)), *places.T)] / usual[tuple(places.T)]
    return np.log(np.maximum(strangest, 1e-3)), places


def strangeness_maps(
    pictures: np.ndarray, memory: np.ndarray, nearest: np.ndarray, advance: Callable[[int], None] | None = None
) -> np.ndarray:
    """How strange every place of every picture is, in grey values: uint8 (n, slabs, SIDE, SIDE).

    Args:
        pictures: of :func:`small_picture`, uint8 (n, slabs, SIDE, SIDE)
        memory: the pictures that they are compared with
        nearest: rows of ``memory``, those of each picture, int (n, k), k > ``RANK``
        advance: told how many pictures were done
    """
    maps, padded = np.empty_like(pictures), _padded(pictures)
    others = padded if memory is pictures else _padded(memory)

    def look(i: int) -> None:
        maps[i] = _strangeness(padded[i], others[nearest[i]])

    for _ in each(look, range(len(pictures))):  # OpenCV lets go of the interpreter's lock
        if advance is not None:
            advance(1)
    return maps


def _padded(pictures: np.ndarray) -> np.ndarray:
    return np.pad(pictures, ((0, 0), (0, 0), (_PAD, _PAD), (_PAD, _PAD)), mode="edge")


def small_picture(slices: np.ndarray, n_slabs: int = SLABS) -> np.ndarray:
    """A volume's picture as it is compared: uint8 (n_slabs, SIDE, SIDE), the whole field of view.

    Args:
        slices: its centre slices, (S, H, W), at least 0
        n_slabs: slabs in which slices are averaged, at most S
    """
    slices = np.asarray(slices, np.float32)
    slabs = np.array_split(slices, n_slabs)
    small = np.stack([cv2.resize(s.mean(axis=0), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for s in slabs])
    tissue = small[small > small.mean()]
    top = float(np.quantile(tissue, 0.99)) if tissue.size else 1.0
    return np.clip(small * (BRIGHT / max(top, 1e-9)), 0, 255).astype(np.uint8)


def place_words(place: np.ndarray) -> str:
    """Where in the picture a place lies: "upper left", "centre" …"""
    vertical, horizontal = (min(2, int(3 * p / SIDE)) for p in place[1:])
    words = (("upper", "", "lower")[vertical], ("left", "", "right")[horizontal])
    return " ".join(w for w in words if w) or "centre"


def place_box(place: np.ndarray) -> list[float]:
    """The box around a place, ``[left, top, width, height]`` as shares of the picture."""
    half = PATCH + 1
    top, left = (max(0, int(p) - half) for p in place[1:])
    bottom, right = (min(SIDE, int(p) + half + 1) for p in place[1:])
    return [left / SIDE, top / SIDE, (right - left) / SIDE, (bottom - top) / SIDE]


def _strangeness(mine: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How unlike a sample's patches are to those near the same place of similar samples: uint8 (slabs, SIDE, SIDE).

    That is the mean absolute difference to the best patch within ``REACH`` pixels, of the ``RANK``-th best sample.
    Where the margin would be, it is 0.
    """
    k, slabs, side = len(others), len(mine), mine.shape[-1]
    # all the others in one sheet, so that OpenCV's vectorised loops run over large arrays
    sheet = np.ascontiguousarray(others.transpose(0, 2, 1, 3)).reshape(k * side, slabs * side)
    own = np.tile(mine.transpose(1, 0, 2).reshape(side, slabs * side), (k, 1))
    height, width = (n - 2 * REACH for n in sheet.shape)
    centre = own[REACH:-REACH, REACH:-REACH]
    best = np.full((height, width), 255, np.uint8)
    for y in range(2 * REACH + 1):
        for x in range(2 * REACH + 1):
            difference = cv2.blur(cv2.absdiff(centre, sheet[y : y + height, x : x + width]), (PATCH, PATCH))
            cv2.min(best, difference, dst=best)
    tiles = np.pad(best, REACH).reshape(k, side, slabs, side)[:, _PAD:-_PAD, :, _PAD:-_PAD]
    strange = np.partition(tiles, RANK - 1, axis=0)[RANK - 1].transpose(1, 0, 2)
    out = np.zeros_like(strange)
    inner = slice(MARGIN, SIDE - MARGIN)
    out[:, inner, inner] = strange[:, inner, inner]
    return out


def _usual(maps: np.ndarray) -> np.ndarray:
    """How strange a place is in the cohort: where bodies end it is much, in the air it is little; (slabs, SIDE, SIDE).

    That is the quantile ``USUAL`` over samples, the largest within ``REACH`` pixels, at least ``FLOOR``.
    """
    k = int(USUAL * (len(maps) - 1))
    usual = np.stack([np.partition(maps[:, s], k, axis=0)[k] for s in range(maps.shape[1])]).astype(np.float32)
    kernel = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    return np.maximum(np.stack([cv2.dilate(u, kernel) for u in usual]), FLOOR)


def _alike(padded, strangeness, scores, places, subjects) -> tuple[Alike, ...]:
    """Samples whose strangest patches lie in one place and look the same, the largest group first.

    Where many share an oddity, some have so many of the others among their similar samples that it is not strange
    there: whoever has the patch in that place joins.
    """
    rows = np.flatnonzero(scores >= ALIKE_Z)
    own = [_patch(padded[row], places[row])[places[row][0]] for row in rows]

    def pairs() -> Iterator[tuple[int, int]]:
        for i in range(len(rows)):
            near = np.abs(places[rows[i + 1 :], 1:] - places[rows[i], 1:]).max(axis=1, initial=0) <= PATCH
            for j in i + 1 + np.flatnonzero(near):
                limit = ALIKE * min(strangeness[rows[i]], strangeness[rows[j]])
                if _apart(own[i], padded[rows[j]], places[rows[j]]) <= limit:
                    yield i, int(j)

    groups, taken, subjects = [], set(), np.asarray(subjects)
    for first in sorted(linked_groups(len(rows), pairs()), key=len, reverse=True):
        if len(set(subjects[rows[first]])) < LEAST:
            continue
        mean, place = np.mean([own[i] for i in first], axis=0), places[rows[first[0]]]
        joined = np.zeros(len(padded), bool)
        for slab in range(padded.shape[1]):
            here = _patch(padded[:, slab], place)
            usual = np.abs(here - np.median(here, axis=0)).mean(axis=(1, 2))
            joined |= np.abs(here - mean).mean(axis=(1, 2)) < ALIKE * usual
        group = sorted({*map(int, rows[first]), *map(int, np.flatnonzero(joined))} - taken)
        taken.update(group)
        if len(set(subjects[group])) >= LEAST:
            groups.append(Alike(tuple(group), place))
    return tuple(sorted(groups, key=lambda g: -len(g.rows)))


def _apart(patch: np.ndarray, picture: np.ndarray, place: np.ndarray) -> float:
    """Mean absolute difference of a patch to the best one within a pixel of a place of a padded picture."""
    return min(
        float(np.abs(patch - _patch(picture, place + (0, y, x))[place[0]]).mean())
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    )


def _patch(padded: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The patch around a place of one padded picture (slabs, …), or of one slab of many (n, …)."""
    half = PATCH // 2 + 1
    rows, columns = (slice(p + _PAD - half, p + _PAD + half + 1) for p in place[1:])
    return padded[:, rows, columns].astype(np.float32)
