"""Layers of StyleGAN2, in plain PyTorch operators (Karras et al., CVPR 2020)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GAIN = math.sqrt(2.0)  # of a leaky ReLU with slope 0.2, nearly


def lrelu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, scaled so that the variance is kept."""
    return F.leaky_relu(x, 0.2) * GAIN


def up2(x: Tensor) -> Tensor:
    """Twice the size. Bilinear: zeros between the pixels, then the [1, 3, 3, 1] filter of the paper."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def down2(x: Tensor) -> Tensor:
    """Half the size, after the [1, 3, 3, 1] filter."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device, dtype=x.dtype) / 8
    kernel = (taps[:, None] * taps[None]).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=x.shape[1])


class EqualLinear(nn.Module):
    """A linear map with an equalised learning rate: unit-variance weights, scaled when they are used.

    Args:
        inputs: values in
        outputs: values out
        bias: initial bias
        lr_scale: factor on the learning rate of weights and bias
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, lr_scale: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_scale)
        self.bias = nn.Parameter(torch.full((outputs,), bias / lr_scale))
        self.scale, self.lr_scale = lr_scale / math.sqrt(inputs), lr_scale

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.lr_scale)


class EqualConv(nn.Module):
    """A convolution with an equalised learning rate, keeping the size at stride 1."""

    def __init__(self, inputs: int, outputs: int, kernel: int, bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale, self.padding = 1 / math.sqrt(inputs * kernel**2), kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class ModulatedConv(nn.Module):
    """A convolution whose weights are scaled by the style, and demodulated (Karras et al. 2020, eqs. 1 and 3).

    w'_ijk = s_i·w_ijk and w''_ijk = w'_ijk / √(Σ_ik w'² + ε), for each image its own. Scaling what goes in by s and
    what comes out by the norm is the same and needs no convolution by groups.

    Args:
        inputs: channels in
        outputs: channels out
        kernel: side of the kernel
        w_dim: size of the style code
        demodulate: whether to demodulate
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, w_dim: int, demodulate: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.style = EqualLinear(w_dim, inputs, bias=1.0)
        self.scale, self.padding, self.demodulate = 1 / math.sqrt(inputs * kernel**2), kernel // 2, demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (B, inputs, H, W), w (B, w_dim) → (B, outputs, H, W)."""
        weight, s = self.weight * self.scale, self.style(w)
        y = F.conv2d(x * s[:, :, None, None], weight, padding=self.padding)
        if self.demodulate:
            squared = s.square() @ weight.square().sum(dim=(2, 3)).T
            y = y * torch.rsqrt(squared + 1e-8)[:, :, None, None]
        return y


class StyledConv(nn.Module):
    """Modulated convolution, noise with a learnt strength, bias and leaky ReLU; may double the size first."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, side: int, up: bool = False):
        super().__init__()
        self.conv, self.up = ModulatedConv(inputs, outputs, 3, w_dim), up
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(side, side))

    def forward(self, x: Tensor, w: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """With ``rng`` the noise is drawn anew, without it is the fixed one."""
        y = self.conv(up2(x) if self.up else x, w)
        if rng is None:
            noise = self.noise
        else:
            noise = torch.randn(len(y), 1, *y.shape[2:], generator=rng).to(y)
        return lrelu(y + self.strength * noise + self.bias[:, None, None])


class MinibatchDeviation(nn.Module):
    """Adds a channel: the mean standard deviation over groups of images (Karras et al., ICLR 2018).

    Args:
        group: images a group; a batch that it does not divide is one group
    """

    def __init__(self, group: int = 4):
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        n = len(x)
        group = self.group if n % self.group == 0 else n
        parts = x.reshape(group, n // group, *x.shape[1:])  # images n, n + N/group, … form a group
        spread = ((parts - parts.mean(dim=0)).square().mean(dim=0) + 1e-8).sqrt()
        spread = spread.mean(dim=(1, 2, 3)).repeat(group)
        return torch.cat([x, spread[:, None, None, None].expand(n, 1, *x.shape[2:])], dim=1)
