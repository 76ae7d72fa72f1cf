"""Group normalisation, modulation and SiLU in one: quick on CPUs with channels last, torch's own elsewhere.

On small channels-last images torch's group normalisation walks each group by itself, in single steps: 5 to 20 times as
long as on contiguous ones. Convolutions want channels last (see :func:`.hardware.memory_format`). Here sums run over
whole rows of channels, modulations are folded into the weights, and what backward needs is kept once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: pixels from which torch itself takes rows of channels (2.14, ``group_norm_kernel.cpp``), and is as quick
TORCH_FROM = 1024


def normalised(
    norm: nn.GroupNorm, x: Tensor, gain: Tensor | None = None, shift: Tensor | None = None, *, silu: bool = True
) -> Tensor:
    """``SiLU(norm(x) · gain + shift)``, shaped as x.

    Args:
        norm: the normalisation with its weights
        x: (B, C, H, W)
        gain: of each image's channels (B, C); default: 1
        shift: of each image's channels (B, C); default: 0
        silu: whether SiLU follows
    """
    weight, bias = norm.weight, norm.bias
    if x.device.type == "cpu" and _is_small_channels_last(x) and not torch.compiler.is_compiling():
        if gain is not None:
            weight, bias = weight * gain, bias * gain
        return _Normalised.apply(x, weight, bias if shift is None else bias + shift, norm.num_groups, norm.eps, silu)
    y = F.group_norm(x, norm.num_groups, weight, bias, norm.eps)
    if gain is not None:
        y = y * gain[:, :, None, None]
    if shift is not None:
        y = y + shift[:, :, None, None]
    return F.silu(y, inplace=not y.requires_grad) if silu else y


def _is_small_channels_last(x: Tensor) -> bool:
    small = x.dtype == torch.float32 and x.ndim == 4 and x.shape[2] * x.shape[3] < TORCH_FROM
    return small and x.is_contiguous(memory_format=torch.channels_last)


class _Normalised(torch.autograd.Function):
    """For float32 images, channels last; weight and bias (C,) or (B, C). Everything is (B, pixels, C) inside."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups: int, eps: float, silu: bool) -> Tensor:
        n, c, height, width = x.shape
        flat = x.permute(0, 2, 3, 1).reshape(n, height * width, c)
        per_group = height * width * (c // groups)
        # the mean first: a variance from sums of squares would lose what a large mean leaves of 24 bits
        centred = flat - _to_channels(_to_groups(flat.sum(1), groups) / per_group, c)
        rstd = (_to_groups((centred * centred).sum(1), groups) / per_group + eps).rsqrt_()
        gain = _rows(weight) * _to_channels(rstd, c)
        y = torch.addcmul(_rows(bias), centred, gain)
        needed = any(ctx.needs_input_grad)
        out = F.silu(y, inplace=not needed) if silu else y
        if needed:
            ctx.save_for_backward(centred, y if silu else None, weight, bias, rstd)
            ctx.groups, ctx.per_group, ctx.silu = groups, per_group, silu
        return _as_images(out, height, width)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        centred, y, weight, bias, rstd = ctx.saved_tensors
        n, c, height, width = grad.shape
        d = grad.permute(0, 2, 3, 1).reshape(n, height * width, c)
        if ctx.silu:
            d = torch.ops.aten.silu_backward(d, y)
        r, w = _to_channels(rstd, c), _rows(weight)
        d_bias = d.sum(1)
        d_weight = (d * centred).sum(1) * r[:, 0]
        # means over a group of the gradient of the normalised values, and of that times those values
        first = _to_groups(w[:, 0] * d_bias, ctx.groups) / ctx.per_group
        second = _to_groups(w[:, 0] * d_weight, ctx.groups) / ctx.per_group
        dx = torch.addcmul(_to_channels(-rstd * first, c), d, w * r)
        dx.addcmul_(centred, _to_channels(-rstd.square() * second, c))
        d_weight = d_weight if weight.ndim == 2 else d_weight.sum(0)
        d_bias = d_bias if bias.ndim == 2 else d_bias.sum(0)
        return _as_images(dx, height, width), d_weight, d_bias, None, None, None


def _rows(values: Tensor) -> Tensor:
    """(C,) or (B, C) as (1 or B, 1, C)."""
    return values.reshape(-1, 1, values.shape[-1])


def _to_groups(values: Tensor, groups: int) -> Tensor:
    """Sums (B, C) over the channels of each group, (B, groups)."""
    return values.reshape(len(values), groups, -1).sum(2)


def _to_channels(values: Tensor, channels: int) -> Tensor:
    """Values of groups (B, groups) for each channel, (B, 1, C)."""
    each = channels // values.shape[1]
    # repeat_interleave takes longer than all the rest
    return values[:, :, None].expand(-1, -1, each).reshape(len(values), 1, channels)


def _as_images(flat: Tensor, height: int, width: int) -> Tensor:
    return flat.reshape(len(flat), height, width, -1).permute(0, 3, 1, 2)
