"""Averaged weights: what the checkpoint holds."""

from __future__ import annotations

import copy

import torch
from torch import nn


def averaged_copy(model: nn.Module) -> nn.Module:
    """A copy that is only averaged into, never trained."""
    return copy.deepcopy(model).eval().requires_grad_(False)


@torch.no_grad()
def average(averaged: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """averaged ← decay·averaged + (1 − decay)·model, with decay rising as min(decay, (1 + s)/(10 + s)).

    Buffers (running statistics of batch normalisation, means) are copied.
    """
    decay = min(decay, (1 + step) / (10 + step))
    mine = [p for p in averaged.parameters() if p.is_floating_point()]
    torch._foreach_lerp_(mine, [p.detach() for p in model.parameters() if p.is_floating_point()], 1 - decay)
    for old, new in zip(averaged.buffers(), model.buffers(), strict=True):
        old.copy_(new)
