"""Difference maps: decoded ones, and the observed one that they must resemble."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from ...dae.batches import fixed_crop
from ...dae.checkpoint import read_facts
from ...embeddings.encode import centre_indices
from ...progress import Progress, start
from ...statistics.exchange import subject_permutations
from ...statistics.scores import subject_weights
from ...statistics.targets import Target

#: maps are compared at no more than this many pixels a side
SIDE = 64


@dataclass(frozen=True)
class Shown:
    """Samples moved along a direction.

    Attributes:
        amounts: how far, SDs of the reading, (a,)
        originals: the images, float16 (n, S, H, W) in [-1, 1]
        pictures: decoded images, float16 (n, a, S, H, W)
        vectors: embeddings of the decoded images, (n, a, d)
        half: half of the subjects that each belongs to, (n,)
        subjects: subject of each
        high: whether each is of the first group (of the upper half of the numbers)
        readings: reading of the unmoved sample by the probe of the other half, SDs
    """

    amounts: np.ndarray
    originals: np.ndarray
    pictures: np.ndarray
    vectors: np.ndarray
    half: np.ndarray
    subjects: np.ndarray
    high: np.ndarray
    readings: np.ndarray

    def __len__(self) -> int:
        return len(self.originals)

    def differences(self) -> np.ndarray:
        """Last minus first picture of each sample, % of the grey range, float32 (n, S, H, W)."""
        return 50 * (self.pictures[:, -1].astype(np.float32) - self.pictures[:, 0].astype(np.float32))

    def mean_map(self) -> np.ndarray:
        """Mean difference, % of the grey range, (S, H, W)."""
        return self.differences().mean(axis=0)


@dataclass(frozen=True)
class Means:
    """Images of the groups' own samples, at most :data:`SIDE` pixels a side.

    Attributes:
        rows: rows of the target, (m,)
        images: float32 (m, S, h, w) in [-1, 1]
        mean: mean image at the model's size, (S, H, W)
        difference: first group minus second (for a number: change per SD), % of the grey range, (S, h, w)
    """

    rows: np.ndarray
    images: np.ndarray = field(repr=False)
    mean: np.ndarray = field(repr=False)
    difference: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Observed:
    """Whether decoded and observed difference look alike; each half of the subjects is compared with a direction found
    in the other half.

    Attributes:
        cosine: of the two maps (1: the same but for a factor; 0: nothing in common), mean over the halves
        p: share of subject-level label permutations with a cosine at least as large
        n: images behind the observed difference
    """

    cosine: float
    p: float
    n: int

    @property
    def resembles(self) -> bool:
        """Whether the two maps point the same way by more than half, and not by chance."""
        return self.cosine > 0.5 and self.p <= 0.05

    def __str__(self) -> str:
        say = "resembles" if self.resembles else ("only partly resembles" if self.p <= 0.05 else "does NOT resemble")
        return (
            f"the decoded difference {say} the difference of the groups' mean images (cosine {self.cosine:.2f}, "
            f"p {self.p:.3f}, {self.n:,} images)"
        )


def mean_images(base, target: Target, rows: np.ndarray, progress: Progress | None = None) -> Means:
    """Reads images and their mean.

    Args:
        base: an ``Embedded``
        target: what is compared
        rows: rows of the target to read
        progress: where to report
    """
    total, images = None, []
    size = int(read_facts(base.checkpoint)["config"]["image_size"])
    with start(progress, "reading the groups' images", len(rows), "samples") as task:
        for k in rows:
            i = int(base.rows[target.rows[k]])
            which = centre_indices(base.source.n_slices(i), base.n_slices)
            x = fixed_crop(base.source.read(i, which), size, base.crop)[:, 0]
            total = x.double() if total is None else total + x
            images.append(smaller(x.numpy()))
            task.advance()
    images = np.stack(images)
    mean = (total / len(rows)).numpy().astype(np.float32)
    return Means(rows, images, mean, 50 * np.tensordot(_contrast(target, rows)[0], images, axes=1))


def compare_with_observed(
    shown: Shown,
    means: Means,
    directions,
    target: Target,
    subjects: np.ndarray,
    rng: np.random.Generator,
    *,
    n_permutations: int,
) -> Observed:
    """Compares decoded and observed difference, half by half.

    Args:
        shown: moved samples
        means: images of the groups' own samples
        directions: the directions, with the halves
        target: what is compared
        subjects: subject of the target's rows
        rng: random generator
        n_permutations: permutations of labels among subjects
    """
    found = []
    half = directions.half[means.rows]
    for h in (0, 1):
        mine, moved = np.flatnonzero(half == h), shown.half == h
        if not len(mine) or not moved.any():
            continue
        decoded = smaller(shown.differences()[moved].mean(axis=0)).ravel()
        rows = means.rows[mine]
        weights, labels = _contrast(target, rows, subjects[rows])
        order = np.vstack([np.arange(len(rows)), subject_permutations(subjects[rows], labels, n_permutations, rng)])
        flat = means.images[mine].reshape(len(mine), -1)
        contrasts = np.stack([_contrast(target, rows, subjects[rows], o)[0] for o in order])
        maps = contrasts.astype(np.float32) @ flat
        norms = np.linalg.norm(maps, axis=1) * np.linalg.norm(decoded)
        found.append(maps @ decoded / np.maximum(norms, 1e-12))
    cosines = np.mean(found, axis=0)
    p = float(np.mean(cosines >= cosines[0] - 1e-9))
    return Observed(float(cosines[0]), p, len(means.rows))


def _contrast(target: Target, rows, subjects=None, order=None) -> tuple[np.ndarray, np.ndarray]:
    """Weights whose sum over images is the observed difference, and the rows' labels; every subject counts once."""
    labels = np.asarray(target.values, float)[rows]
    moved = labels if order is None else labels[order]
    own = np.ones(len(rows)) if subjects is None else subject_weights(subjects)
    if target.categorical:
        high = moved == 1
        out = np.where(high, own / max(own[high].sum(), 1e-12), -own / max(own[~high].sum(), 1e-12))
    else:
        centred = moved - np.average(moved, weights=own)
        out = own * centred / max(np.sqrt(np.average(centred**2, weights=own)) * own.sum(), 1e-12)
    return out, labels


def smaller(images: np.ndarray) -> np.ndarray:
    """Images (S, H, W) with at most :data:`SIDE` pixels a side, areas averaged."""
    if images.shape[-1] <= SIDE:
        return images.astype(np.float32)
    tensor = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))[:, None]
    return F.interpolate(tensor, size=(SIDE, SIDE), mode="area")[:, 0].numpy()
