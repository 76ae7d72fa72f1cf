"""How far a decoded difference and a GradCAM point at the same place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import schema, store

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
        return (f"the strongest tenths of both maps overlap by {self.dice:.0%} (chance {self.chance:.0%}), rank "
                f"correlation {self.correlation:.2f}; run {self.run!r}")


def overlap(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Spearman's correlation and Dice overlap of the strongest tenths of two maps (H, W) of one size."""
    from scipy.stats import spearmanr

    a, b = np.ravel(a), np.ravel(b)
    count = max(1, round(TOP * len(a)))
    top = [set(np.argsort(-m, kind="stable")[:count]) for m in (a, b)]
    return float(spearmanr(a, b).statistic), len(top[0] & top[1]) / count


def overlap_with_cam(samples, stem: str, difference: np.ndarray) -> tuple[CamOverlap | None, np.ndarray | None]:
    """The overlap with the explain run of the same comparison, if there is one with a mean map on the same square.

    Args:
        samples: a dataset or view
        stem: the comparison as part of a run key
        difference: (S, H, W)

    Returns:
        the overlap and the CAM at the size of ``difference``, (H, W)
    """
    import cv2

    key = schema.EXPLAIN_RUN_PREFIX + stem
    if key not in store.list_runs(samples, key):
        return None, None
    _, results = store.load_run(samples, key)
    cam = results.get("cam_square")
    if cam is None:
        return None, None
    strength = np.abs(difference).mean(axis=0)
    cam = cv2.resize(np.asarray(cam, np.float32), strength.shape[::-1], interpolation=cv2.INTER_AREA)
    rho, dice = overlap(strength, cam)
    return CamOverlap(key, rho, dice), cam
