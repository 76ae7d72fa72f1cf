"""A picture of held-out images above their reconstructions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .. import atomic

#: images in a grid, and the side of one in pixels
SHOWN, SIDE, GAP = 8, 128, 4


def save_grid(path: Path, images: Tensor, reconstructions: Tensor, title: str) -> None:
    """Writes a PNG with three rows: images, reconstructions, and the absolute difference (white: 1 and more).

    Args:
        path: where to
        images: (n, C, H, W) in [-1, 1]; the first channel is shown
        reconstructions: of the same shape
        title: one line above the rows
    """
    a, b = (x[:, 0].detach().float().cpu().numpy() for x in (images, reconstructions))
    rows = [("held-out", (a + 1) / 2), ("decoded", (b + 1) / 2), ("|difference|", np.abs(a - b))]
    left, top = 110, 28
    canvas = Image.new("L", (left + len(a) * (SIDE + GAP), top + len(rows) * (SIDE + GAP)), 255)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    draw.text((6, 6), title, fill=0, font=font)
    for r, (name, pictures) in enumerate(rows):
        y = top + r * (SIDE + GAP)
        draw.text((6, y + SIDE // 2 - 8), name, fill=0, font=font)
        for k, picture in enumerate(pictures):
            pixels = (picture.clip(0, 1) * 255).round().astype(np.uint8)
            tile = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST)
            canvas.paste(tile, (left + k * (SIDE + GAP), y))
    with atomic.replacing(path) as part:
        canvas.save(part, format="PNG")
