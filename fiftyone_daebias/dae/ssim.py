"""How far images are from others: mean squared error and structural similarity."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mse(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared error of each image, (B,); images (B, C, H, W) in [-1, 1]."""
    return (a.float() - b.float()).square().flatten(1).mean(1)


def ssim(a: Tensor, b: Tensor, *, span: float = 2.0, sigma: float = 1.5) -> Tensor:
    """Structural similarity of each image, (B,), in [-1, 1] (Wang et al. 2004).

    Gaussian window of 11 pixels, K1 = 0.01, K2 = 0.03, population covariances; the border where the window does not
    fit is left out, as in scikit-image with ``gaussian_weights=True, use_sample_covariance=False``.

    Args:
        a: images (B, C, H, W)
        b: images of the same shape
        span: range of the values: 2 for [-1, 1]
        sigma: standard deviation of the window, pixels
    """
    radius = min(5, (min(a.shape[-2:]) - 1) // 2)
    offsets = torch.arange(-radius, radius + 1, device=a.device, dtype=torch.float32)
    window = torch.exp(-(offsets**2) / (2 * sigma**2))
    window = window / window.sum()
    channels = a.shape[1]
    rows, columns = (window.view(1, 1, *shape).expand(channels, 1, *shape) for shape in ((-1, 1), (1, -1)))

    def blur(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, rows, groups=channels), columns, groups=channels)

    a, b = a.float(), b.float()
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, cov = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    similarity = similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return similarity.flatten(1).mean(1)
