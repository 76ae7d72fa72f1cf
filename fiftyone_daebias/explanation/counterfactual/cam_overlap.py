"""How far a decoded difference and a GradCAM point at the same place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ... import schema, store

#: share of the pixels that counts as where a map points
TOP = 0.1


@dataclass(frozen=True)
class CamOverlap:
    """Two maps of the same comparison.

    Attributes:
        run: the explain run
        correlation: Spearman's, over pixels
        dice: overlap of the tenth of the pixels in which each is strongest
        chance: the overlap to expect of two unrelated maps
    """

    run: str
    correlation: float
    dice: float
    chance: float = TOP

    def __str__(self) -> str:
        return (
            f"the strongest tenths of both maps overlap by {self.dice:.0%} (chance {self.chance:.0%}), rank "
            f"correlation {self.correlation:.2f}; run {self.run!r}"
        )


def overlap(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Spearman's correlation and Dice overlap of the strongest tenths of two maps (H, W) of one size."""
    from scipy.stats import spearmanr

    a, b = np.ravel(a), np.ravel(b)
    count = max(1, round(TOP * len(a)))
    top = [set(np.argsort(-m, kind="stable")[:count]) for m in (a, b)]
    return float(spearmanr(a, b).statistic), len(top[0] & top[1]) / count


def explain_run(samples, wanted: dict, classes: tuple[str, ...] = ()) -> str | None:
    """Key of the explain run of the same comparison, or ``None``.

    Args:
        samples: a dataset or view
        wanted: "cluster", "tag", "field", "value" and "against"
        classes: the two values of a field that is compared without naming one
    """
    for key in store.list_runs(samples, schema.EXPLAIN_RUN_PREFIX):
        config, _ = store.load_run(samples, key)
        same = {name: config.get(name) for name in wanted}
        if classes:
            if same["field"] == wanted["field"] and same["value"] in classes and same["against"] in (None, *classes):
                return key
        elif same == wanted:
            return key
    return None


def overlap_with_cam(
    samples, key: str | None, difference: np.ndarray, side: float
) -> tuple[CamOverlap | None, np.ndarray | None]:
    """The overlap with an explain run's mean maps, brought to the same square.

    Args:
        samples: a dataset or view
        key: the explain run; ``None`` for none
        difference: (S, H, W), on the square
        side: side of the square in the unit of the explain run's grid

    Returns:
        the overlap, and the CAM (mean of both groups') at the size of ``difference``, (H, W); ``None`` without maps
    """
    if key is None:
        return None, None
    _, results = store.load_run(samples, key)
    maps, grid = results.get("mean_maps"), results.get("grid")
    if not maps or not grid:
        return None, None
    cam = np.mean([np.asarray(m, np.float32) for m in maps], axis=0)
    strength = np.abs(difference).mean(axis=0)
    cam = cut_square(cam, grid["shape"], float(grid["pixel"]), side, strength.shape)
    rho, dice = overlap(strength, cam)
    return CamOverlap(key, rho, dice), cam


def cut_square(image: np.ndarray, shape, pixel: float, side: float, size: tuple[int, int]) -> np.ndarray:
    """The square around the centre of a grid, brought to ``size`` pixels.

    Args:
        image: on the grid, at whatever resolution, (h, w)
        shape: rows and columns of the grid
        pixel: side of its pixels
        side: side of the square, in the same unit
        size: rows and columns to bring it to
    """
    import cv2

    step = [side / n / (pixel * full / have) for n, full, have in zip(size, shape, image.shape, strict=True)]
    matrix = np.array(
        [
            [step[1], 0, (image.shape[1] - 1) / 2 - step[1] * (size[1] - 1) / 2],
            [0, step[0], (image.shape[0] - 1) / 2 - step[0] * (size[0] - 1) / 2],
        ]
    )
    return cv2.warpAffine(
        np.ascontiguousarray(image, np.float32),
        matrix,
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
