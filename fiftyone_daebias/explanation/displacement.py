"""How far, and which way, is the picture of one group displaced against that of another?

Every subject's picture is high-pass filtered and its contrast made even, so that shading, which is fixed to the coil
and not to the body, weighs little. The groups' mean pictures are then registered: an exhaustive search over
translations by normalised cross-correlation over the overlap (Padfield 2012, "Masked object registration in the
Fourier domain"), then OpenCV's enhanced correlation coefficient (Evangelidis & Psarakis 2008), which does not mind
gain and offset; the translation with the highest likelihood, −n log(1 − r²) over the n pixels of the overlap, wins.
Means are registered, not persons, because what persons differ in averages out. The interval comes from drawing
subjects again; the p-value from exchanging them between the groups and asking how much more of one mean picture the
other then explains once it is displaced: each time the whole procedure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np
from scipy import fft, ndimage

from ..progress import Progress, start
from ..statistics.multiplicity import min_p
from ..statistics.paired import drawn_again, shuffled_labels
from ..statistics.scores import percentile_interval
from .grid import Grid

#: longer side of the pictures in the exhaustive search, pixels
COARSE = 48
#: a translation must leave this share of the field overlapping
OVERLAP = 0.5
#: widths of the low-pass and of the high-pass filter, as shares of the picture's longer side
SMOOTH, SHADING = 0.01, 0.06
LEVEL = 0.05


@dataclass(frozen=True)
class Displacement:
    """Displacement of the first group's picture against the second's.

    Attributes:
        shift: (down, right) in the unit of the grid: how far the content of the first group's picture lies from that
            of the second group's, both measured from the centre of the field of view
        shift_interval: 95 % subject-bootstrap interval of each
        shift_p: p-value of "shifted at all", subjects exchanged
        rotation: degrees, positive is clockwise in the picture
        rotation_interval: 95 % interval
        scale: factor; above 1 the first group's content is larger
        scale_interval: 95 % interval
        deformed_p: p-value of "rotated or scaled", given the shift
        p: p-value of either
        similarity: correlation of the filtered mean pictures as they are, and after alignment
        explained: share of the squared difference of the mean pictures that the alignment removes, at most 1
        model: "translation", or "affine" where rotation or scale are significant
        unit: "mm" or "px"
        n_subjects: subjects of the two groups
    """

    shift: tuple[float, float]
    shift_interval: tuple[tuple[float, float], tuple[float, float]]
    shift_p: float
    rotation: float
    rotation_interval: tuple[float, float]
    scale: float
    scale_interval: tuple[float, float]
    deformed_p: float
    p: float
    similarity: tuple[float, float]
    explained: float
    model: str
    unit: str
    n_subjects: tuple[int, int]

    def to_dict(self) -> dict:
        return asdict(self)

    @property
    def moved(self) -> tuple[bool, bool]:
        """Whether a shift along rows and along columns is found: significant, and its interval leaves out 0."""
        return tuple(self.shift_p <= LEVEL and (lo > 0 or hi < 0) for lo, hi in self.shift_interval)

    @property
    def turned(self) -> bool:
        """Whether a rotation is found."""
        lo, hi = self.rotation_interval
        return self.deformed_p <= LEVEL and (lo > 0 or hi < 0)

    @property
    def scaled(self) -> bool:
        """Whether a change of size is found."""
        lo, hi = self.scale_interval
        return self.deformed_p <= LEVEL and (lo > 1 or hi < 1)


def measure_displacement(
    images: np.ndarray,
    labels: np.ndarray,
    valid: np.ndarray,
    grid: Grid,
    *,
    pairs: np.ndarray | None = None,
    n_permutations: int = 499,
    n_bootstrap: int = 199,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Displacement:
    """Measures shift, rotation and scale between two groups.

    Args:
        images: float32 (n, H, W), one a subject
        labels: whether each subject is in the first group, bool (n,)
        valid: pixels that take part, bool (H, W); their bounding box is used
        grid: geometry of the pictures
        pairs: subject of each picture, ints from 0, where every subject is in both groups
        n_permutations: permutations of the subjects
        n_bootstrap: draws of the subjects
        rng: random generator
        progress: where to report
    """
    n = len(labels)
    box = box_of(valid)
    ready = np.stack([prepared(image[box]) for image in images])
    flat, shape = ready.reshape(n, -1), ready.shape[1:]

    def pair(weights: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [weights * side, weights * ~side]
        means = np.stack([w / w.sum() for w in parts]).astype(np.float32) @ flat
        return means[0].reshape(shape), means[1].reshape(shape)

    ones = np.ones(n)
    moved, still = pair(ones, labels)
    with start(progress, "displacement", 1 + n_permutations + n_bootstrap, "registrations") as task:
        best = register(moved, still)
        task.advance()
        gains = [best.gains]
        for side in shuffled_labels(labels, pairs, n_permutations, rng):
            gains.append(register(*pair(ones, side)).gains)
            task.advance()
        boots = []
        for _ in range(n_bootstrap):
            boots.append(register(*pair(drawn_again(labels, pairs, rng), labels), near=best))
            task.advance()
    table = np.array(gains).T
    shift_p, deformed_p = (min_p(row[None]) for row in table)
    model = "affine" if deformed_p <= LEVEL else "translation"
    shifts = np.array([f.shift(model) for f in boots]) * grid.pixel
    before, after = alignment(moved, still, best.matrix(model))
    return Displacement(
        tuple(float(v) * grid.pixel for v in best.shift(model)),
        (percentile_interval(shifts[:, 0]), percentile_interval(shifts[:, 1])),
        shift_p,
        best.rotation,
        percentile_interval(np.array([f.rotation for f in boots])),
        best.scale,
        percentile_interval(np.array([f.scale for f in boots])),
        deformed_p,
        min_p(table),
        (before[0], after[0]),
        float(1 - after[1] / before[1]) if before[1] > 0 else 0.0,
        model,
        grid.unit,
        (int(labels.sum()), int((~labels).sum())),
    )


def box_of(valid: np.ndarray) -> tuple[slice, slice]:
    """Bounding box of the pixels that take part."""
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def prepared(picture: np.ndarray) -> np.ndarray:
    """A subject's picture (H, W) without shading and with even contrast."""
    size = max(picture.shape)
    smooth = ndimage.gaussian_filter(picture.astype(np.float32), size * SMOOTH, mode="nearest")
    difference = smooth - ndimage.gaussian_filter(smooth, size * SHADING, mode="nearest")
    spread = np.sqrt(np.maximum(ndimage.gaussian_filter(difference**2, size * SHADING, mode="nearest"), 0))
    return difference / (spread + 0.25 * spread.mean() + 1e-6)


@dataclass(frozen=True)
class Fit:
    """One registration, in pixels.

    Attributes:
        translation: (down, right) where only a translation was allowed
        affine: (2, 3), (x, y) order, maps the second picture to the first
        centre: (x, y) of the picture's centre
        gains: r² that the translation gains over none, and the affine over the translation
    """

    translation: tuple[float, float]
    affine: np.ndarray
    centre: tuple[float, float]
    gains: tuple[float, float]

    def shift(self, model: str) -> tuple[float, float]:
        """(down, right) of what lies at the centre."""
        if model == "translation":
            return self.translation
        moved = self.affine @ np.array([*self.centre, 1.0])
        return float(moved[1] - self.centre[1]), float(moved[0] - self.centre[0])

    def matrix(self, model: str) -> np.ndarray:
        return self.affine if model == "affine" else _translation(self.translation)

    @property
    def scale(self) -> float:
        return float(np.sqrt(max(abs(np.linalg.det(self.affine[:, :2])), 1e-6)))

    @property
    def rotation(self) -> float:
        a = self.affine
        return float(np.degrees(np.arctan2(a[1, 0] - a[0, 1], a[0, 0] + a[1, 1])))


def register(first: np.ndarray, second: np.ndarray, near: Fit | None = None) -> Fit:
    """Where the content of ``second`` is found in ``first``.

    Args:
        first: (H, W)
        second: (H, W)
        near: a fit to start from, instead of the exhaustive search
    """
    none = likelihood(first, second, _translation((0.0, 0.0)))
    best, value = _translation((0.0, 0.0)), none
    for at in [near.translation] if near is not None else candidates(first, second):
        found = _ecc(second, first, _translation(at), cv2.MOTION_TRANSLATION)
        reached = likelihood(first, second, found)
        if reached > value:
            best, value = found, reached
    affine = _ecc(second, first, best if near is None else near.affine.astype(np.float32), cv2.MOTION_AFFINE)
    reached = likelihood(first, second, affine)
    if not 0.5 < np.linalg.det(affine[:, :2]) < 2 or reached < value:
        affine, reached = best, value
    centre = (first.shape[1] - 1) / 2, (first.shape[0] - 1) / 2
    explained = [1 - np.exp(-max(v, 0.0)) for v in (none, value, reached)]
    return Fit(
        (float(best[1, 2]), float(best[0, 2])),
        affine,
        centre,
        (explained[1] - explained[0], explained[2] - explained[1]),
    )


def _translation(down_right: tuple[float, float]) -> np.ndarray:
    return np.array([[1, 0, down_right[1]], [0, 1, down_right[0]]], np.float32)


def likelihood(first: np.ndarray, second: np.ndarray, matrix: np.ndarray) -> float:
    """−(n / N) log(1 − r²) of ``first`` and the moved ``second`` over the n of N pixels where both are."""
    moved, overlap = _moved(first, second, matrix)
    n = int(overlap.sum())
    if n < OVERLAP * first.size:
        return -np.inf
    x, y = first[overlap], moved[overlap]
    x, y = x - x.mean(), y - y.mean()
    r = float(x @ y / np.sqrt(max(float((x @ x) * (y @ y)), 1e-20)))
    return float(-(n / first.size) * np.log(1 - min(max(r, 0.0), 0.99999) ** 2))


def _moved(first: np.ndarray, second: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = first.shape[::-1]
    moved = cv2.warpAffine(second, matrix.astype(np.float64), size, flags=cv2.INTER_LINEAR)
    there = cv2.warpAffine(np.ones_like(second), matrix.astype(np.float64), size, flags=cv2.INTER_LINEAR)
    return moved, there > 0.99


def candidates(first: np.ndarray, second: np.ndarray, n: int = 3) -> list[tuple[float, float]]:
    """The best translations (down, right) of an exhaustive search, and none at all."""
    factor = max(1.0, max(first.shape) / COARSE)
    size = tuple(max(8, round(v / factor)) for v in first.shape)
    a, b = (cv2.resize(p.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) for p in (first, second))
    correlation, overlap = masked_ncc(a, b)
    known = overlap >= OVERLAP
    score = np.where(known, -overlap * np.log(1 - np.clip(correlation, 0, 0.99999) ** 2), -np.inf)
    peaks = known & (score > 0) & (score == ndimage.maximum_filter(score, size=5))
    order = np.argsort(score[peaks])[::-1][:n]
    at = np.argwhere(peaks)[order] - (np.array(size) - 1)
    steps = [f / s for f, s in zip(first.shape, size, strict=True)]
    return [(0.0, 0.0), *((float(r * steps[0]), float(c * steps[1])) for r, c in at)]


def masked_ncc(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of two pictures of one size over their overlap, for every translation.

    Entry [i, j] belongs to ``second`` moved down by i − (H − 1) and right by j − (W − 1).

    Returns:
        correlation and share of the field that overlaps, both (2H − 1, 2W − 1)
    """
    shape = tuple(2 * n - 1 for n in first.shape)
    fast = tuple(fft.next_fast_len(n, real=True) for n in shape)
    ones = np.ones(first.shape)

    def correlate(x, y):
        out = fft.irfft2(fft.rfft2(x, fast) * fft.rfft2(y[::-1, ::-1], fast), fast)
        return out[: shape[0], : shape[1]]

    a, b = (p.astype(np.float64) - p.mean() for p in (first, second))
    n = np.maximum(correlate(ones, ones), 1.0)
    sum_a, sum_b = correlate(a, ones), correlate(ones, b)
    cross = correlate(a, b) - sum_a * sum_b / n
    var_a = correlate(a * a, ones) - sum_a**2 / n
    var_b = correlate(ones, b * b) - sum_b**2 / n
    floor = 1e-6 * max(float(var_a.max()), float(var_b.max()), 1e-12)
    return cross / np.sqrt(np.maximum(var_a, floor) * np.maximum(var_b, floor)), n / first.size


def _ecc(template: np.ndarray, picture: np.ndarray, begin: np.ndarray, motion: int) -> np.ndarray:
    """OpenCV's registration; where it does not converge, what it began with."""
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-5)
    try:
        _, matrix = cv2.findTransformECC(
            np.ascontiguousarray(template, np.float32),
            np.ascontiguousarray(picture, np.float32),
            begin.copy(),
            motion,
            stop,
            None,
            1,
        )
    except cv2.error:
        return begin
    return matrix if np.isfinite(matrix).all() else begin


def alignment(
    first: np.ndarray, second: np.ndarray, matrix: np.ndarray
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Correlation and squared difference (gain and offset fitted) of two pictures as they are, and aligned.

    Both are measured where the aligned pictures overlap.
    """
    moved, overlap = _moved(first, second, matrix)
    out = []
    for other in (second, moved):
        x, y = other[overlap].astype(np.float64), first[overlap].astype(np.float64)
        x, y = x - x.mean(), y - y.mean()
        r = float(x @ y / np.sqrt(max((x @ x) * (y @ y), 1e-20)))
        out.append((r, float((1 - max(r, 0.0) ** 2) * (y @ y))))
    return out[0], out[1]
