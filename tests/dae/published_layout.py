"""The networks of phizaz/diffae written anew from its layout, one function a block, for tests only.

Weights are asked for by the authors' names (without ``ema_model.``) with the
shape that the layout implies, and are made up when first asked for. So running
it builds a state dict key by key, independent of this package's networks.
"""

import math

import torch
import torch.nn.functional as F


class Weights(dict):
    """Random weights by name, of the scale that keeps activations near 1."""

    def __init__(self, seed=0):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def ask(self, name, *shape):
        if name not in self:
            value = torch.randn(shape, generator=self.generator)
            fan = math.prod(shape[1:])
            self[name] = (
                0.1 * value + (1 if name.endswith("weight") else 0) if len(shape) == 1 else value / math.sqrt(fan)
            )
        return self[name]


def conv(w, name, x, out, size):
    weight = w.ask(f"{name}.weight", out, x.shape[1], size, size)
    return F.conv2d(x, weight, w.ask(f"{name}.bias", out), padding=size // 2)


def linear(w, name, x, out):
    return x @ w.ask(f"{name}.weight", out, x.shape[1]).T + w.ask(f"{name}.bias", out)


def norm(w, name, x):
    batch, channels = x.shape[:2]
    groups = x.reshape(batch, 32, -1)
    mean, var = groups.mean(-1, keepdim=True), groups.var(-1, unbiased=False, keepdim=True)
    x = ((groups - mean) / (var + 1e-5).sqrt()).reshape(x.shape)
    shape = (1, channels) + (1,) * (x.ndim - 2)
    return x * w.ask(f"{name}.weight", channels).view(shape) + w.ask(f"{name}.bias", channels).view(shape)


def swish(x):
    return x * torch.sigmoid(x)


def resblock(w, name, x, out, emb=None, cond=None, updown=None):
    h = swish(norm(w, f"{name}.in_layers.0", x))
    if updown == "down":
        h, x = (a.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)) for a in (h, x))
    elif updown == "up":
        h, x = (a.repeat_interleave(2, 2).repeat_interleave(2, 3) for a in (h, x))
    h = conv(w, f"{name}.in_layers.2", h, out, 3)
    if emb is not None:
        e = linear(w, f"{name}.emb_layers.1", swish(emb), 2 * out)[:, :, None, None]
        c = linear(w, f"{name}.cond_emb_layers.1", swish(cond), out)[:, :, None, None]
        h = norm(w, f"{name}.out_layers.0", h)
        h = h * (1 + e[:, :out]) + e[:, out:]
        h = h * (1 + c)
        h = conv(w, f"{name}.out_layers.3", swish(h), out, 3)
    if x.shape[1] != out:
        x = conv(w, f"{name}.skip_connection", x, out, 1)
    return x + h


def attention(w, name, x):
    batch, channels, height, width = x.shape
    flat = x.reshape(batch, channels, -1)
    h = norm(w, f"{name}.norm", flat)
    h = torch.einsum("oc,bcn->bon", w.ask(f"{name}.qkv.weight", 3 * channels, channels, 1)[..., 0], h)
    q, k, v = (h + w.ask(f"{name}.qkv.bias", 3 * channels)[:, None]).split(channels, dim=1)
    share = torch.softmax(torch.einsum("bcn,bcm->bnm", q, k) / math.sqrt(channels), dim=-1)
    h = torch.einsum("bnm,bcm->bcn", share, v)
    h = torch.einsum("oc,bcn->bon", w.ask(f"{name}.proj_out.weight", channels, channels, 1)[..., 0], h)
    return (flat + h + w.ask(f"{name}.proj_out.bias", channels)[:, None]).reshape(x.shape)


def encoder(w, x, image_size, channels, multipliers, attend=16, out=512):
    """z_sem: two blocks a level, a down-sampling block between levels, all blocks without conditions."""
    side, k = image_size, 1
    h = conv(w, "encoder.input_blocks.0.0", x, channels * multipliers[0], 3)
    for level, multiplier in enumerate(multipliers):
        for _ in range(2):
            h = resblock(w, f"encoder.input_blocks.{k}.0", h, channels * multiplier)
            if side == attend:
                h = attention(w, f"encoder.input_blocks.{k}.1", h)
            k += 1
        if level < len(multipliers) - 1:
            h = resblock(w, f"encoder.input_blocks.{k}.0", h, h.shape[1], updown="down")
            side //= 2
            k += 1
    h = resblock(w, "encoder.middle_block.0", h, h.shape[1])
    h = attention(w, "encoder.middle_block.1", h)
    h = resblock(w, "encoder.middle_block.2", h, h.shape[1])
    h = swish(norm(w, "encoder.out.0", h)).mean((2, 3))
    return h @ w.ask("encoder.out.3.weight", out, h.shape[1], 1, 1)[:, :, 0, 0].T + w.ask("encoder.out.3.bias", out)


def unet(w, x, t, z, image_size, channels, multipliers, attend=16, width=512):
    """The prediction at x_t; skips are kept by level."""
    rates = torch.exp(-math.log(10000) * torch.arange(channels // 2) / (channels // 2))
    angles = t[:, None].float() * rates
    emb = torch.cat([torch.cos(angles), torch.sin(angles)], 1)
    emb = linear(w, "time_embed.time_embed.2", swish(linear(w, "time_embed.time_embed.0", emb, width)), width)
    side, k = image_size, 1
    h = conv(w, "input_blocks.0.0", x, channels * multipliers[0], 3)
    skips = [[] for _ in multipliers]
    skips[0].append(h)
    for level, multiplier in enumerate(multipliers):
        for _ in range(2):
            h = resblock(w, f"input_blocks.{k}.0", h, channels * multiplier, emb, z)
            if side == attend:
                h = attention(w, f"input_blocks.{k}.1", h)
            skips[level].append(h)
            k += 1
        if level < len(multipliers) - 1:
            h = resblock(w, f"input_blocks.{k}.0", h, h.shape[1], emb, z, "down")
            side //= 2
            skips[level + 1].append(h)
            k += 1
    h = resblock(w, "middle_block.0", h, h.shape[1], emb, z)
    h = attention(w, "middle_block.1", h)
    h = resblock(w, "middle_block.2", h, h.shape[1], emb, z)
    k = 0
    for level in reversed(range(len(multipliers))):
        for i in range(3):
            h = resblock(
                w, f"output_blocks.{k}.0", torch.cat([h, skips[level].pop()], 1), channels * multipliers[level], emb, z
            )
            last = 1
            if side == attend:
                h = attention(w, f"output_blocks.{k}.1", h)
                last = 2
            if level and i == 2:
                h = resblock(w, f"output_blocks.{k}.{last}", h, h.shape[1], emb, z, "up")
                side *= 2
            k += 1
    return conv(w, "out.2", swish(norm(w, "out.0", h)), x.shape[1], 3)
