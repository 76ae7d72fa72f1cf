"""One vector a volume: the centre slices through the encoder, concatenated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ..dae.batches import fixed_crop
from ..dae.prefetch import prefetch
from ..errors import InputError


def centre_indices(n: int, k: int) -> list[int]:
    """The ``k`` centre slices of ``n``, in order.

    Raises:
        InputError: fewer than ``k`` slices
    """
    if n < k:
        raise InputError(f"a volume of {n} slices has no {k} centre slices; pass n_slices={n} or fewer")
    first = (n - k) // 2
    return list(range(first, first + k))


def encode_volumes(
    model, source, rows: Sequence[int], *, n_slices: int, crop: float, pool: str = "concat", batch_size: int = 64
) -> Iterator[tuple[int, np.ndarray]]:
    """Encodes volumes, batching slices across them; the next batches are read while the device encodes.

    Every batch has the same size, the last one filled up with its first slice: rounding differs with the size, and
    an embedding that was interrupted would else end in vectors, and so in a map, that differ from an undisturbed one.

    Args:
        model: an :class:`~.encoders.Encoder`
        source: a ``SliceSource``
        rows: positions in ``source`` to encode
        n_slices: centre slices a volume
        crop: side of the fixed centre crop as a share of the shorter side
        pool: "concat" (n_slices · z values a volume) or "mean" (z values)
        batch_size: slices a forward pass

    Yields:
        (position, float32 vector)
    """
    per_batch = max(1, batch_size // n_slices)

    def read(part: Sequence[int]) -> tuple[Sequence[int], torch.Tensor]:
        slices = [
            fixed_crop(source.read(i, centre_indices(source.n_slices(i), n_slices)), model.image_size, crop)
            for i in part
        ]
        return part, torch.cat(slices)

    parts = (rows[first : first + per_batch] for first in range(0, len(rows), per_batch))
    for part, slices in prefetch(read, parts, depth=2):
        lacking = per_batch * n_slices - len(slices)
        full = torch.cat([slices, slices[:1].expand(lacking, -1, -1, -1)])
        codes = model.encode(full.to(model.device))[: len(slices)].cpu().numpy().reshape(len(part), n_slices, -1)
        vectors = codes.mean(axis=1) if pool == "mean" else codes.reshape(len(part), -1)
        yield from zip(part, vectors.astype(np.float32), strict=True)
