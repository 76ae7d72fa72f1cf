"""From slices to batches: random crops for training, one fixed crop for embedding."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .view import WHOLE, padded, square_side


class TrainingBatches:
    """Batches of randomly cropped slices, a pure function of the seed and the step.

    So an interrupted run that goes on at step ``s`` sees what an uninterrupted
    one would have seen. A volume is drawn, then one of its slices, then a
    square crop whose side is ``crop`` of the shorter side, brought to
    ``image_size``. With ``whole`` the slice is made square first, and the
    side of the crop is drawn between ``crop`` and 1 of that.

    Args:
        source: a ``SliceSource``
        indices: volumes to draw from (those of the training split)
        image_size: side of the model's input, pixels
        batch_size: images a batch
        crop: side of the crop as a share of the shorter side, in (0, 1]
        seed: seed of the order and the crops
        whole: whether the whole slice is seen, made square with background
    """

    def __init__(self, source, indices, image_size: int, batch_size: int, crop: float, seed: int, whole: bool = False):
        self.whole = whole
        self.source, self.indices = source, np.asarray(indices)
        self.image_size, self.batch_size, self.crop, self.seed = image_size, batch_size, crop, seed
        self._order: tuple[int, np.ndarray] = -1, self.indices

    def _volume(self, k: int) -> int:
        """The k-th volume of the endless sequence of shuffled epochs."""
        epoch, place = divmod(k, len(self.indices))
        known, order = self._order  # both at once: threads read ahead across the end of an epoch
        if known != epoch:
            order = np.random.default_rng([self.seed, 1_000_003, epoch]).permutation(self.indices)
            self._order = epoch, order
        return int(order[place])

    def batch(self, step: int, part: slice = slice(None)) -> Tensor:
        """The batch of a step, or the part of it that one of several processes takes.

        Args:
            step: number of the step
            part: images of the batch

        Returns:
            float32 (images, 1, image_size, image_size) in [-1, 1]
        """
        draws = np.random.default_rng([self.seed, step]).random((self.batch_size, 4 if self.whole else 3))[part]
        numbers = range(step * self.batch_size, (step + 1) * self.batch_size)[part]
        out = []
        for k, (which, top, left, *size) in zip(numbers, draws, strict=True):
            volume = self._volume(k)
            image = self.source.read(volume, [int(which * self.source.n_slices(volume))])[0]
            if self.whole:
                image = padded(image[None])[0]
            share = self.crop + (1 - self.crop) * size[0] if size else self.crop
            side = max(1, round(min(image.shape) * share))
            top, left = int(top * (image.shape[0] - side + 1)), int(left * (image.shape[1] - side + 1))
            out.append(to_size(image[None, top : top + side, left : left + side], self.image_size))
        return torch.cat(out)


def fixed_crop(slices: np.ndarray, image_size: int, crop: float) -> Tensor:
    """The centre crop that embeds: the same share of every slice, brought to the model's size.

    Args:
        slices: float32 (S, H, W) in [-1, 1]
        image_size: side of the model's input, pixels
        crop: side of the crop as a share of the shorter side, in (0, 1], or :data:`WHOLE`

    Returns:
        float32 tensor (S, 1, image_size, image_size)
    """
    if crop == WHOLE:
        return to_size(padded(slices), image_size)
    _, height, width = slices.shape
    side = square_side((height, width), crop)
    top, left = (height - side) // 2, (width - side) // 2
    cropped = slices[:, top : top + side, left : left + side]
    return to_size(cropped, image_size)


def to_size(images: np.ndarray, size: int) -> Tensor:
    """Square images brought to ``size`` pixels, low-pass filtered when they shrink.

    Args:
        images: (S, side, side)
        size: side of the result, pixels

    Returns:
        float32 tensor (S, 1, size, size)
    """
    tensor = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))[:, None]
    if tensor.shape[-1] == size:
        return tensor
    shrink = tensor.shape[-1] > size
    return F.interpolate(tensor, size=(size, size), mode="bilinear", antialias=shrink, align_corners=False)
