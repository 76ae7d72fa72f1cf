"""The diffusion process and deterministic DDIM, in both directions.

Notation: x_t = √ᾱ_t·x_0 + √(1 − ᾱ_t)·ε (Ho et al. 2020, eq. 4). Steps are
deterministic DDIM (Song et al. 2021, eq. 12 with σ = 0; the reverse direction
is Preechakul et al. 2022, eq. 8).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import InputError

#: a network's raw output at (x_t, t)
Predict = Callable[[Tensor, Tensor], Tensor]


class Diffusion:
    """Linear noise schedule with ``steps`` time steps.

    Args:
        steps: number of time steps
        beta_start: first variance
        beta_end: last variance
        prediction: "epsilon", "v" (Salimans & Ho 2022) or "x0"
    """

    def __init__(self, steps=1000, beta_start=1e-4, beta_end=0.02, prediction: str = "epsilon"):
        if prediction not in ("epsilon", "v", "x0"):
            raise InputError(f"prediction must be 'epsilon', 'v' or 'x0'; got {prediction!r}")
        self.steps, self.prediction = steps, prediction
        betas = torch.linspace(beta_start, beta_end, steps, dtype=torch.float64)
        #: ᾱ_t, float32 of shape (steps,)
        self.alpha_bar = torch.cumprod(1 - betas, dim=0).float()

    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ_t and √(1 − ᾱ_t), shaped (B, 1, 1, 1) for time steps (B,); t = −1 means no noise."""
        alpha_bar = torch.where(t < 0, 1.0, self.alpha_bar.to(t.device)[t.clamp(min=0)])
        shape = (-1, 1, 1, 1)
        return alpha_bar.sqrt().view(shape), (1 - alpha_bar).sqrt().view(shape)

    def add_noise(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t for clean images (B, C, H, W)."""
        a, s = self.coefficients(t)
        return a * x0 + s * noise

    def target(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network has to predict."""
        if self.prediction == "epsilon":
            return noise
        if self.prediction == "x0":
            return x0
        a, s = self.coefficients(t)
        return a * noise - s * x0

    def split(self, output: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """(x_0, ε) implied by a network's output at x_t."""
        a, s = self.coefficients(t)
        if self.prediction == "epsilon":
            return (x_t - s * output) / a, output
        if self.prediction == "x0":
            return output, (x_t - a * output) / s
        return a * x_t - s * output, s * x_t + a * output

    def times(self, steps: int) -> list[int]:
        """``steps`` time steps spread evenly over the schedule, rising, the last one included.

        Raises:
            InputError: ``steps`` is not in [1, length of the schedule]
        """
        if not 1 <= steps <= self.steps:
            raise InputError(f"steps must be between 1 and {self.steps}; got {steps}")
        return torch.linspace(0, self.steps - 1, steps + 1).round().long()[1:].tolist()

    @torch.no_grad()
    def sample(self, predict: Predict, x: Tensor, steps: int) -> Tensor:
        """Deterministic DDIM from x_T to x_0; returns images clipped to [-1, 1]."""
        times = self.times(steps)
        for now, following in zip(reversed(times), [*reversed(times[:-1]), -1], strict=True):
            t = torch.full((len(x),), now, device=x.device)
            x0, _ = self.split(predict(x, t), x, t)
            x0 = x0.clamp(-1, 1)
            a, s = self.coefficients(t)
            noise = (x - a * x0) / s
            a, s = self.coefficients(torch.full_like(t, following))
            x = a * x0 + s * noise
        return x.clamp(-1, 1)

    @torch.no_grad()
    def invert(self, predict: Predict, x0: Tensor, steps: int) -> Tensor:
        """The stochastic code x_T of images: DDIM run towards more noise."""
        times = self.times(steps)
        x = x0
        for now, following in zip([0, *times[:-1]], times, strict=True):
            t = torch.full((len(x),), now, device=x.device)
            clean, noise = self.split(predict(x, t), x, t)
            a, s = self.coefficients(torch.full_like(t, following))
            x = a * clean + s * noise
        return x
