"""The diffusion autoencoder: encode, invert, decode."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import ModelConfig
from .diffusion import Diffusion
from .encoder import ImageEncoder, seeded
from .evening import Evening
from .hardware import encode_chunk
from .networks import ConditionalUNet, LiteEncoder, SemanticEncoder


class DiffusionAutoencoder(ImageEncoder):
    """Semantic encoder and conditional U-Net (Preechakul et al., CVPR 2022).

    Images are float tensors (B, in_channels, image_size, image_size) in [-1, 1].

    Args:
        config: the architecture
    """

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.encoder = LiteEncoder(config) if config.encoder == "lite" else SemanticEncoder(config)
        self.unet = ConditionalUNet(config)
        self.evening = Evening(config.z_dim) if config.evened else None
        self.diffusion = Diffusion(config.steps, config.beta_start, config.beta_end, config.prediction)

    def loss(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Mean squared error of the prediction (Preechakul et al. 2022, eq. 6, for ε-prediction)."""
        z = self.encoder(x0)
        output = self.predict(self.diffusion.add_noise(x0, noise, t), t, z)
        return (output - self.diffusion.target(x0, noise, t)).square().mean()

    def forward(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return self.loss(x0, t, noise)

    def predict(self, x_t: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """The U-Net's prediction; with a sketch, what has to be added to it."""
        if not self.config.sketch:
            return self.unet(x_t, t, z)
        sketch = self.encoder.sketch(z).reshape(x_t.shape)
        output = self.unet(x_t, t, z, sketch)
        return output + sketch if self.config.prediction == "x0" else output

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """z_sem of images, float32 (B, z_dim); evened where the config says so."""
        z = self.raw_codes(x)
        return z if self.evening is None else self.evening(z)

    @torch.no_grad()
    def raw_codes(self, x: Tensor) -> Tensor:
        """What the encoder gives and the U-Net takes, float32 (B, z_dim)."""
        self.check(x)
        features = [self.encoder.features(part) for part in x.split(encode_chunk(x.device, x.shape[-1]))]
        return self.encoder.head(torch.cat(features), x).float()

    def _raw(self, z: Tensor) -> Tensor:
        return z if self.evening is None else self.evening.inverse(z)

    @torch.no_grad()
    def invert(self, x: Tensor, z: Tensor, steps: int = 250) -> Tensor:
        """Stochastic code x_T of images, given their z_sem."""
        self.check(x)
        z = self._raw(z)
        return self.diffusion.invert(lambda x_t, t: self.predict(x_t, t, z), x, steps)

    @torch.no_grad()
    def decode(self, z: Tensor, x_T: Tensor | None = None, steps: int = 20, seed: int = 51) -> Tensor:
        """Images in [-1, 1] from z_sem and a stochastic code; without one, from seeded noise."""
        z = self._raw(z)
        if x_T is None:
            generator = torch.Generator().manual_seed(seed)
            side = self.config.image_size
            x_T = torch.randn(len(z), self.config.in_channels, side, side, generator=generator).to(z.device)
        return self.diffusion.sample(lambda x_t, t: self.predict(x_t, t, z), x_T, steps)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, steps: int = 20, invert_steps: int = 250, stochastic: bool = True) -> Tensor:
        """Encodes and decodes images, with their own stochastic code or with seeded noise."""
        z = self.encode(x)
        return self.decode(z, self.invert(x, z, invert_steps) if stochastic else None, steps)

    def move_along(self, x: Tensor, direction: Tensor, amounts: list[float], steps: int = 20, invert_steps: int = 100):
        """Images decoded after moving z_sem along a direction, keeping the stochastic code.

        Args:
            x: images (B, C, H, W)
            direction: vector (z_dim,) in the units of z_sem
            amounts: multiples of ``direction`` to add

        Returns:
            tensor (B, len(amounts), C, H, W)
        """
        z = self.encode(x)
        code = self.invert(x, z, invert_steps)
        return torch.stack([self.decode(z + a * direction.to(z), code, steps) for a in amounts], dim=1)


def build(config: ModelConfig, seed: int = 0) -> DiffusionAutoencoder:
    """A model with weights drawn from ``seed``; the global random state is left as it was."""
    return seeded(lambda: DiffusionAutoencoder(config), seed)


def count_parameters(module: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
