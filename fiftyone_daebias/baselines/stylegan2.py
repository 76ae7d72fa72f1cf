"""StyleGAN2's networks for grey-scale images (Karras et al., CVPR 2020): mapping, skip generator, discriminator."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .gan_layers import EqualConv, EqualLinear, MinibatchDeviation, ModulatedConv, StyledConv, down2, lrelu, up2


@dataclass(frozen=True)
class StyleGanConfig:
    """Architecture and objectives of StyleGAN2 with an e4e encoder.

    Attributes:
        image_size: side of the square input, pixels
        in_channels: image channels
        patch: generator and discriminator work on pixel-unshuffled images, smaller by this factor; 1 is the paper's
        z_dim: size of the prior's code
        w_dim: size of a style code
        mapping_layers: layers of the mapping network
        base: channels at side r are base / r, and at most ``most``
        most: most channels
        encoder_channels: width of the encoder's levels; each halves the side
        code: embedding: "w+" (the styles of all layers, joined) or "w" (their mean)
        gan_share: share of the images that trains the GAN; the rest trains its inversion
        mixing: chance of mixing two styles in one image
        r1: weight γ of the gradient penalty
        r1_every: steps between two gradient penalties
        path: weight of the path-length penalty
        path_every: steps between two path-length penalties
        ada_target: mean sign of the discriminator on real images that augmentation aims at; 0 for no augmentation
        ada_images: images over which the augmentation's probability may move by 1
        perceptual: weight of the distance in discriminator features, beside 1 for that in pixels
        delta: weight of the norm of the offsets from the first style
        latent: weight of the latent discriminator
        stagewise: share of the encoder's training over which the offsets are unlocked one by one
    """

    image_size: int = 64
    in_channels: int = 1
    patch: int = 1
    z_dim: int = 128
    w_dim: int = 128
    mapping_layers: int = 4
    base: int = 4096
    most: int = 128
    encoder_channels: tuple[int, ...] = (64, 128, 128, 128)
    code: str = "w+"
    gan_share: float = 0.6
    mixing: float = 0.9
    r1: float = 1.0
    r1_every: int = 16
    path: float = 2.0
    path_every: int = 8
    ada_target: float = 0.6
    ada_images: int = 100_000
    perceptual: float = 0.8
    delta: float = 2e-4
    latent: float = 0.1
    stagewise: float = 0.5

    def to_dict(self) -> dict:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @property
    def side(self) -> int:
        """Side the networks work at, pixels."""
        return self.image_size // self.patch

    @property
    def n_styles(self) -> int:
        """Styles of an image: two a resolution, from 4 pixels on."""
        return 2 * int(math.log2(self.side)) - 2

    def width(self, side: int) -> int:
        """Channels at a side."""
        return max(8, min(self.most, self.base // side))


class Mapping(nn.Module):
    """Codes of the prior to style codes; learns a hundred times slower than the rest."""

    def __init__(self, config: StyleGanConfig):
        super().__init__()
        sizes = [config.z_dim] + [config.w_dim] * config.mapping_layers
        self.layers = nn.ModuleList([EqualLinear(a, b, lr_scale=0.01) for a, b in zip(sizes, sizes[1:], strict=False)])
        self.register_buffer("mean", torch.zeros(config.w_dim))  # running mean of w, where inversions start

    def forward(self, z: Tensor) -> Tensor:
        x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.layers:
            x = lrelu(layer(x))
        return x


class Generator(nn.Module):
    """Styles (B, n_styles, w_dim) to images; each resolution adds to the image ("skip" generator)."""

    def __init__(self, config: StyleGanConfig):
        super().__init__()
        self.config = config
        channels, inner = config.width(4), config.in_channels * config.patch**2
        self.constant = nn.Parameter(torch.randn(1, channels, 4, 4))
        self.convs = nn.ModuleList([StyledConv(channels, channels, config.w_dim, 4)])
        self.to_image = nn.ModuleList([ModulatedConv(channels, inner, 1, config.w_dim, demodulate=False)])
        side = 4
        while side < config.side:
            side *= 2
            out = config.width(side)
            self.convs += [
                StyledConv(channels, out, config.w_dim, side, up=True),
                StyledConv(out, out, config.w_dim, side),
            ]
            self.to_image.append(ModulatedConv(out, inner, 1, config.w_dim, demodulate=False))
            channels = out
        self.bias = nn.Parameter(torch.zeros(len(self.to_image), inner))

    def forward(self, styles: Tensor, rng: torch.Generator | None = None) -> Tensor:
        x = self.constant.expand(len(styles), -1, -1, -1)
        image = None
        for k, to_image in enumerate(self.to_image):
            for j in (0,) if k == 0 else (2 * k - 1, 2 * k):
                x = self.convs[j](x, styles[:, j], rng)
            added = to_image(x, styles[:, 2 * k + 1]) + self.bias[k][:, None, None]
            image = added if image is None else up2(image) + added
        return F.pixel_shuffle(image, self.config.patch) if self.config.patch > 1 else image


class Discriminator(nn.Module):
    """Residual discriminator with the deviation over the minibatch before its last layers."""

    def __init__(self, config: StyleGanConfig):
        super().__init__()
        self.patch, side = config.patch, config.side
        channels = config.width(side)
        self.from_image = EqualConv(config.in_channels * config.patch**2, channels, 1)
        self.blocks = nn.ModuleList()
        while side > 4:
            out = config.width(side // 2)
            self.blocks.append(_DownBlock(channels, out))
            channels, side = out, side // 2
        self.deviation = MinibatchDeviation()
        self.last = EqualConv(channels + 1, channels, 3)
        self.hidden, self.out = EqualLinear(channels * 16, channels), EqualLinear(channels, 1)

    def features(self, x: Tensor) -> list[Tensor]:
        """Outputs of the first layer and of each block, finest first."""
        x = F.pixel_unshuffle(x, self.patch) if self.patch > 1 else x
        found = [lrelu(self.from_image(x))]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B,): above 0 for real."""
        h = lrelu(self.last(self.deviation(self.features(x)[-1])))
        return self.out(lrelu(self.hidden(h.flatten(1))))[:, 0]


class _DownBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.one, self.two = EqualConv(inputs, inputs, 3), EqualConv(inputs, outputs, 3)
        self.skip = EqualConv(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = lrelu(self.two(down2(lrelu(self.one(x)))))
        return (h + self.skip(down2(x))) / math.sqrt(2)


def mixed_styles(mapping: Mapping, z: Tensor, other: Tensor, cut: Tensor, n_styles: int) -> Tensor:
    """Styles of ``z`` before each image's ``cut`` and of ``other`` from it on, (B, n_styles, w_dim)."""
    first, second = mapping(z), mapping(other)
    late = torch.arange(n_styles, device=z.device)[None] >= cut[:, None]
    return torch.where(late[..., None], second[:, None], first[:, None])
