"""Class activation maps of the held-out samples of two groups: drawn, checked, and brought into their previews."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..dae.view import square_side
from ..errors import InputError
from .classifier import Recipe, spread
from .comparison import Comparison
from .faithfulness import Faithfulness, check, choose_layer
from .gradcam import layers_of, raw_maps
from .grid import Pictures, from_grid
from .groups import Groups

#: longer side of a stored heat map, pixels
HEATMAP_SIDE = 96


@dataclass(frozen=True)
class Maps:
    """Class activation maps of held-out samples, each for its own group.

    Attributes:
        rows: the samples, positions in the pictures
        maps: map of the middle slice of each, raw, on the classifier's grid, (len(rows), h, w)
        means: mean map over samples and slices of the first and of the second group
        counts: samples averaged
        layer: layer they come from
        faithfulness: how far they can be trusted
    """

    rows: np.ndarray
    maps: np.ndarray
    means: tuple[np.ndarray, np.ndarray]
    counts: tuple[int, int]
    layer: str
    faithfulness: Faithfulness


def draw_maps(networks: list, c: Comparison, fold: np.ndarray) -> Maps:
    """Draws maps of held-out samples and checks them.

    Args:
        networks: the network of every fold
        c: the comparison; of its settings the layer (``None`` takes the most faithful one) and the most maps (at least
            40 are drawn for the mean)
        fold: fold in which each sample was held out, −1 where none

    Raises:
        InputError: no such layer
    """
    s, pictures, groups = c.settings, c.pictures, c.groups
    recipe, layer, seed = s.recipe, s.layer, s.seed
    rng = np.random.default_rng([seed, 5])
    labels = groups.labels
    stack, slices = _few_slices(pictures, recipe)
    known = layers_of(networks[0], recipe.architecture)
    if layer is not None and layer not in known:
        raise InputError(f"layer must be one of {', '.join(known)}; got {layer!r}")
    if layer is None:
        tried = np.flatnonzero(fold != 0)  # samples that the reported check of this fold's network does not use
        some = np.concatenate([rng.permutation(tried[labels[tried] == side])[:6] for side in (True, False)])
        layer = choose_layer(networks[0], recipe, stack, some, labels, s.cam)
    held = np.flatnonzero(fold >= 0)
    half = max(s.n_maps, 40) // 2
    rows = np.sort(np.concatenate([rng.permutation(held[labels[held] == side])[:half] for side in (True, False)]))
    signs = np.where(labels, 1, -1)
    maps = None
    for k, network in enumerate(networks):
        mine = np.flatnonzero(fold[rows] == k)
        if not len(mine):
            continue
        part = raw_maps(
            network,
            layers_of(network, recipe.architecture)[layer],
            stack,
            rows[mine],
            recipe.inputs,
            s.cam,
            signs[rows[mine]],
        )
        maps = np.zeros((len(rows), *part.shape[1:]), np.float32) if maps is None else maps
        maps[mine] = part
    _, first = np.unique(groups.subjects[rows], return_index=True)
    checked = np.concatenate([rng.permutation(first[labels[rows[first]] == side])[:16] for side in (True, False)])
    faithfulness = check(networks, recipe, layer, stack, rows[checked], fold, labels, maps[checked], s.cam, seed=seed)
    one = maps.mean(axis=1)
    inside = labels[rows]
    slice_shown = np.searchsorted(slices, pictures.shown[rows]) if maps.shape[1] > 1 else np.zeros(len(rows), int)
    return Maps(
        rows,
        maps[np.arange(len(rows)), slice_shown],
        (one[inside].mean(axis=0), one[~inside].mean(axis=0)),
        (int(inside.sum()), int((~inside).sum())),
        layer,
        faithfulness,
    )


def _few_slices(pictures: Pictures, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """The slices that maps are drawn of, with those that previews show, and which of all slices they are."""
    every = np.arange(pictures.stack.shape[1])
    if recipe.inputs == "channels" or not 0 < recipe.few_slices < len(every):
        return pictures.stack, every
    some = np.unique([*spread(len(every), recipe.few_slices), *pictures.shown])
    return pictures.stack[:, some], some


def in_previews(maps: Maps, groups: Groups, pictures: Pictures) -> dict[str, np.ndarray]:
    """``{sample id: uint8 map}`` in the geometry of each sample's preview; all on one scale."""
    top = max(float(np.percentile(maps.maps, 99.9)), 1e-9)
    labels = {}
    for k, i in enumerate(maps.rows):
        own = from_grid(maps.maps[k], pictures.frames[i], pictures.stack_grid, HEATMAP_SIDE)
        labels[groups.ids[i]] = np.clip(own * (255 / top), 0, 255).astype(np.uint8)
    return labels


def in_square(maps: Maps, groups: Groups, pictures: Pictures, crop: float, side: int = 64) -> np.ndarray:
    """Mean map of the first group on the square that an autoencoder sees: the centre crop of each slice.

    Args:
        maps: the maps
        groups: the two groups
        pictures: pictures of all samples
        crop: side of the crop as a share of the shorter side of a slice
        side: side of the outcome, pixels
    """
    import cv2

    total = np.zeros((side, side))
    inside = np.flatnonzero(groups.labels[maps.rows])
    for k in inside:
        frame = pictures.frames[maps.rows[k]]
        own = from_grid(maps.maps[k], frame, pictures.stack_grid, HEATMAP_SIDE)
        edge = square_side(frame.shape, crop)
        # the crop is square in the file's pixels, which need not be square in mm; it may reach beyond the slice
        spans = [max(1, round(n * edge / full)) for n, full in zip(own.shape, frame.shape, strict=True)]
        beyond = [max(0, s - n) for n, s in zip(own.shape, spans, strict=True)]
        own = np.pad(own, [(b // 2, b - b // 2) for b in beyond])
        top, left = ((n - s) // 2 for n, s in zip(own.shape, spans, strict=True))
        part = own[top : top + spans[0], left : left + spans[1]]
        total += cv2.resize(part, (side, side), interpolation=cv2.INTER_LINEAR)
    return total / max(len(inside), 1)
