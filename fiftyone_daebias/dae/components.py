"""Principal components of pixels: a baseline of their own, and where a lite encoder's code starts."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class HoldsComponents(nn.Module):
    """A module with principal components of something that it measures in images, part of its state."""

    mean: Tensor
    axes: Tensor
    spread: Tensor

    def hold_components(self, values: int, n: int) -> None:
        """Makes room for ``n`` components of so many values; all are 0 until :meth:`set_components`."""
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("axes", torch.zeros(n, values))
        self.register_buffer("spread", torch.ones(n))

    @torch.no_grad()
    def set_components(self, mean: Tensor, axes: Tensor, spread: Tensor) -> None:
        """Takes principal components: mean (values,), orthonormal axes (k, values), standard deviations (k,).

        Where there are fewer than there is room for, the others stay 0.
        """
        k = len(axes)
        self.mean.copy_(mean)
        self.axes.zero_()[:k] = axes
        self.spread.fill_(1.0)[:k] = spread.clamp_min(1e-6)

    def components_of(self, measured: Tensor) -> Tensor:
        """Components of what was measured (B, values), each of unit spread, (B, n)."""
        return F.linear(measured - self.mean, self.axes) / self.spread


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
