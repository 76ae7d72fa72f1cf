"""Mean pictures of two groups, their difference with a significance threshold, and their body's edge in mm."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from scipy import ndimage

from ..statistics.paired import drawn_again, shuffled_labels, within_pairs
from ..statistics.scores import percentile_interval
from .grid import Grid

LEVEL = 0.05
#: a side along less than this share of which the body's edge is seen is cut off by the field of view, not drawn
SEEN = 0.4
#: permutations handled at a time
BLOCK = 100


@dataclass(frozen=True)
class MeanImages:
    """Mean pictures of two groups.

    Attributes:
        inside: mean of the first group, (H, W)
        outside: mean of the second group
        t: t statistic of every pixel, subjects as units: pooled two-sample, or of the differences within subjects
        threshold: |t| that the largest of all pixels exceeds by chance in 5 % of permutations
        p: permutation p-value of the largest |t|
        share: share of the pixels above the threshold
        n_subjects: subjects of the two groups
        paired: whether subjects were compared with themselves
    """

    inside: np.ndarray = field(repr=False)
    outside: np.ndarray = field(repr=False)
    t: np.ndarray = field(repr=False)
    threshold: float
    p: float
    share: float
    n_subjects: tuple[int, int]
    paired: bool = False

    @property
    def difference(self) -> np.ndarray:
        """First less second group; 0 is black and 1 the brightest of each picture."""
        return self.inside - self.outside

    @property
    def significant(self) -> np.ndarray:
        """Pixels in which the groups differ, bool (H, W)."""
        return np.abs(self.t) >= self.threshold

    def to_dict(self) -> dict:
        threshold = None if self.threshold != self.threshold else self.threshold
        return {"threshold": threshold, "p": self.p, "share": self.share, "n_subjects": list(self.n_subjects)}


def by_subject(images: np.ndarray, labels: np.ndarray, subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray, list]:
    """Mean picture of every subject.

    Returns:
        pictures float32 (subjects, …), the subjects' labels, and the subjects' names
    """
    names, first, index, counts = np.unique(subjects, return_index=True, return_inverse=True, return_counts=True)
    if len(names) == len(subjects):
        return images[first].astype(np.float32), labels[first], list(names)
    out = np.zeros((len(names), *images.shape[1:]), np.float32)
    np.add.at(out, index, images.astype(np.float32))
    return out / counts.reshape(-1, *[1] * (images.ndim - 1)), labels[first], list(names)


def compare_means(
    images: np.ndarray,
    labels: np.ndarray,
    valid: np.ndarray,
    *,
    pairs: np.ndarray | None = None,
    n_permutations: int = 999,
    smooth: float = 1.0,
    rng: np.random.Generator,
) -> MeanImages:
    """Mean pictures and where they differ, with the family-wise error controlled by the maximum statistic.

    Args:
        images: float32 (n, H, W), one a subject, or one a subject and group
        labels: whether each is in the first group, bool (n,)
        valid: pixels that are tested, bool (H, W)
        pairs: subject of each, ints from 0, where every subject is in both groups
        n_permutations: permutations of the subjects
        smooth: width of a Gaussian applied to each picture before the test, pixels
        rng: random generator

    Returns:
        means, t statistics (0 where nothing varies) and threshold (Nichols & Holmes 2002)
    """
    n = len(labels)
    means = [images[g].mean(axis=0) for g in (labels, ~labels)]
    softened = ndimage.gaussian_filter(images, (0, smooth, smooth), mode="nearest") if smooth > 0 else images
    flat = within_pairs(softened[:, valid].astype(np.float32), pairs)
    flat = flat - flat.mean(axis=0)
    spread = np.sqrt(np.einsum("ij,ij->j", flat, flat))
    moving = spread > max(1e-4 * float(spread.max()), 1e-5)  # less is rounding: pictures are scaled to [0, 1]
    flat = np.where(moving, flat / np.maximum(spread, 1e-12), 0.0).astype(np.float32)
    sides = np.vstack([labels, shuffled_labels(labels, pairs, n_permutations, rng)])
    contrast = sides - labels.mean()
    contrast = (contrast / np.linalg.norm(contrast[0])).astype(np.float32)
    largest = np.empty(len(sides))
    r = None
    for first in range(0, len(sides), BLOCK):
        part = contrast[first : first + BLOCK] @ flat
        r = part[0].astype(np.float64) if r is None else r
        largest[first : first + BLOCK] = np.abs(part).max(axis=1)

    def as_t(v):
        v = np.clip(v, -0.999999, 0.999999)
        return v * np.sqrt((n - 2 if pairs is None else n / 2 - 1) / (1 - v * v))

    t = np.zeros(valid.shape)
    t[valid] = as_t(r)
    rounded = np.round(largest, 6)
    threshold = float(as_t(np.quantile(largest[1:], 1 - LEVEL, method="higher")))
    if not moving.any():
        threshold = float("nan")  # pictures that are all the same: nothing can exceed anything
    return MeanImages(
        means[0],
        means[1],
        t,
        threshold,
        float(np.mean(rounded >= rounded[0])),
        float((np.abs(t[valid]) >= threshold).mean()),
        (int(labels.sum()), int((~labels).sum())),
        pairs is not None,
    )


@dataclass(frozen=True)
class Edges:
    """The body's edge at one side of the picture, a line a group.

    Attributes:
        side: "top", "bottom", "left" or "right"
        name: the side in anatomical words, or the same
        along: position along the side, from the centre of the field of view, in the grid's unit, (k,)
        lines: distance of the edge from the centre, toward the side, of every subject, (n, k); NaN where there is no
            body
        labels: whether each subject is in the first group, bool (n,)
        means: mean line of both groups, (2, k); NaN where fewer than half of a group's subjects have an edge
        low: 2.5th percentile of the subjects of both groups, (2, k)
        high: 97.5th percentile
        difference: mean over the side of the two lines' difference, positive where the first group reaches further out
        interval: 95 % subject-bootstrap interval of it
    """

    side: str
    name: str
    along: np.ndarray = field(repr=False)
    lines: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    means: np.ndarray = field(repr=False)
    low: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)
    difference: float
    interval: tuple[float, float]

    def to_dict(self) -> dict:
        return {"side": self.side, "name": self.name, "difference": self.difference, "interval": list(self.interval)}


def body_mask(image: np.ndarray) -> np.ndarray:
    """Where the body is: above Otsu's threshold of the darker half of grey values, closed, the largest part, filled."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), max(image.shape) / 120)
    low, high = np.percentile(smooth, [1, 99])
    if high <= low:
        return np.zeros(image.shape, bool)
    eight = np.clip((smooth - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(eight, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    # Otsu parts bright tissue from the rest; once more among the darker values parts the body from the air
    darker = eight[eight <= level]
    if len(darker) > 50 and darker.max() > darker.min():
        level, _ = cv2.threshold(darker.reshape(-1, 1), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    mask = ndimage.binary_closing(np.pad(eight > level, 4, mode="edge"), iterations=2)[4:-4, 4:-4]
    parts, count = ndimage.label(mask)
    if not count:
        return mask
    mask = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return ndimage.binary_fill_holes(mask)


def edge_lines(images: np.ndarray, side: str, grid: Grid) -> np.ndarray:
    """Distance of the body's edge from the centre of the field, toward a side, for every row or column.

    Args:
        images: (n, H, W)
        side: "top", "bottom", "left" or "right"
        grid: geometry

    Returns:
        float (n, H) for left and right, (n, W) for top and bottom, in the grid's unit; NaN where there is no body, or
        where it reaches the border of the picture
    """
    out = []
    for image in images:
        mask = body_mask(image)
        mask = mask if side in ("left", "right") else mask.T
        if side in ("right", "bottom"):
            mask = mask[:, ::-1]
        size = mask.shape[1]
        first = mask.argmax(axis=1).astype(float)
        line = ((size - 1) / 2 - (first - 0.5)) * grid.pixel
        line[~mask.any(axis=1) | (first == 0)] = np.nan
        out.append(line)
    return np.array(out)


def compare_edges(
    images: np.ndarray,
    labels: np.ndarray,
    grid: Grid,
    side: str = "auto",
    *,
    pairs: np.ndarray | None = None,
    n_bootstrap: int = 299,
    rng: np.random.Generator,
) -> Edges | None:
    """The body's edge of two groups at one side.

    Args:
        images: float32 (n, H, W), one a subject
        labels: whether each subject is in the first group, bool (n,)
        grid: geometry
        side: name of a side (:meth:`Grid.sides`), or "auto": where the groups' edges lie farthest apart for their
            spread
        pairs: subject of each picture, ints from 0, where every subject is in both groups
        n_bootstrap: draws of the subjects
        rng: random generator

    Returns:
        lines and bands; ``None`` where the body's edge is not seen
    """
    sides = ("top", "bottom", "left", "right") if side == "auto" else (grid.sides()[side],)
    best, best_size = None, -1.0
    for one in sides:
        lines = edge_lines(images, one, grid)
        seen = [np.isfinite(lines[g]).mean(axis=0) >= 0.5 for g in (labels, ~labels)]
        both = seen[0] & seen[1]
        if both.mean() < SEEN:
            continue
        means = np.array([_quiet(np.nanmean, lines[g], s) for g, s in zip((labels, ~labels), seen, strict=True)])
        per_subject = _quiet(np.nanmean, (lines - means[1])[:, both], None, axis=1)
        known = np.isfinite(per_subject)
        if pairs is not None:
            known &= ~np.isin(pairs, pairs[~known])
        groups = [per_subject[g & known] for g in (labels, ~labels)]
        if min(len(g) for g in groups) < 3:
            continue
        gap = groups[0].mean() - groups[1].mean()
        size = abs(gap) / np.sqrt(sum(g.var(ddof=1) / len(g) for g in groups) + 1e-12)
        if size > best_size:
            # those who are in both groups are drawn together
            whose = None if pairs is None else np.unique(pairs[known], return_inverse=True)[1]
            drawn = np.array([drawn_again(labels[known], whose, rng) for _ in range(n_bootstrap)])
            draws = [
                drawn[:, g[known]] @ per_subject[g & known] / drawn[:, g[known]].sum(axis=1) for g in (labels, ~labels)
            ]
            halves = list(zip((labels, ~labels), seen, strict=True))
            bands = [np.array([_quiet(np.nanpercentile, lines[g], s, q=q) for g, s in halves]) for q in (2.5, 97.5)]
            name = next((w for w, s in reversed(grid.sides().items()) if s == one), one)
            k = lines.shape[1]
            along = (np.arange(k) - (k - 1) / 2) * grid.pixel
            best_size = size
            best = Edges(
                one,
                name,
                along,
                lines,
                labels,
                means,
                bands[0],
                bands[1],
                float(gap),
                percentile_interval(draws[0] - draws[1]),
            )
    return best


def _quiet(function, values, keep, axis=0, **options):
    """A NaN-aware reduction without warnings over empty columns; NaN where ``keep`` is not set."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        out = function(values, axis=axis, **options)
    return out if keep is None else np.where(keep, out, np.nan)
