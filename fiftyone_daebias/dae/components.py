"""Principal components of pixels: a baseline of their own, and where a lite encoder's code starts."""

from __future__ import annotations

import numpy as np


def principal_components(pixels: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, orthonormal axes and standard deviations of the components that vary most.

    Args:
        pixels: float32 (n, pixels)
        most: components at most; fewer where there are fewer images than that
        seed: seed of the randomised decomposition

    Returns:
        float32 (pixels,), (k, pixels), (k,)
    """
    from sklearn.decomposition import PCA

    k = min(most, len(pixels) - 1, pixels.shape[1])
    fitted = PCA(k, svd_solver="randomized", random_state=seed).fit(pixels)
    mean, axes, spread = fitted.mean_, fitted.components_, np.sqrt(fitted.explained_variance_)
    return np.asarray(mean, np.float32), np.asarray(axes, np.float32), np.asarray(spread, np.float32)
