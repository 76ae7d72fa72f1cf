"""Do the maps show what the classifier hangs on? Checked against random maps, and against random weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from scipy import ndimage
from scipy.stats import rankdata

from ..statistics.scores import percentile_interval
from .classifier import Recipe, to_inputs
from .gradcam import layers_of, randomised, raw_maps

#: shares of the pixels that are taken out, or put in, one after the other
STEPS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
#: random maps a picture
RANDOM = 4
#: maps that correlate more than this with those of random weights do not depend on what was learned
ALIKE = 0.5


@dataclass(frozen=True)
class Faithfulness:
    """How far maps can be trusted, on held-out samples.

    Attributes:
        deletion: fall of the log-odds, averaged over the steps, when the pixels that the map marks are blurred away
            first; all four numbers in units of their mean absolute value
        deletion_random: the same with random maps
        insertion: rise when the marked pixels are put into a blurred picture first
        insertion_random: the same with random maps
        gain: mean of deletion and insertion less that of random maps
        interval: 95 % bootstrap interval of the gain, samples of different subjects as units
        alike: median rank correlation of the maps with those of a network with random weights
        n: samples
    """

    deletion: float
    deletion_random: float
    insertion: float
    insertion_random: float
    gain: float
    interval: tuple[float, float]
    alike: float
    n: int

    @property
    def faithful(self) -> bool:
        """Whether the maps mark what the classifier uses, better than random maps do."""
        return self.interval[0] > 0

    @property
    def depends_on_weights(self) -> bool:
        """Whether the maps change when the weights are random (Adebayo et al. 2018)."""
        return self.alike < ALIKE

    def to_dict(self) -> dict:
        return {**asdict(self), "faithful": self.faithful, "depends_on_weights": self.depends_on_weights}


def blurred(stack: np.ndarray) -> np.ndarray:
    """Pictures (…, h, w) without detail: what stands in for a pixel that is taken out."""
    sigma = max(stack.shape[-2:]) / 8
    return ndimage.gaussian_filter(
        stack.astype(np.float32), (0,) * (stack.ndim - 2) + (sigma, sigma), mode="nearest"
    ).astype(stack.dtype)


def random_maps(shape: tuple[int, int], cells: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` random maps as coarse as those of a layer of ``cells`` cells a side."""
    sigma = max(shape) / max(cells, 1) / 2
    noise = ndimage.gaussian_filter(rng.standard_normal((n, *shape)), (0, sigma, sigma), mode="wrap")
    return noise.astype(np.float32)


def effects(
    network: torch.nn.Module, sample: np.ndarray, without: np.ndarray, maps: np.ndarray, inputs: str, sign: int
) -> np.ndarray:
    """What taking out, and putting in, the pixels that a map marks does to one sample's log-odds.

    Args:
        network: the classifier
        sample: float16 (slices, h, w)
        without: the blurred sample
        maps: (m, maps, h, w), several maps to compare; one a slice, or one for all
        inputs: "slices" or "channels"
        sign: 1 if the sample is of the first group, −1 else

    Returns:
        (m, 2): mean fall by deletion and mean rise by insertion, in log-odds
    """
    pictures = [sample, without]
    for one in maps:
        flat = np.broadcast_to(one, sample.shape).reshape(len(sample), -1)
        ranks = np.argsort(np.argsort(-flat, axis=1, kind="stable"), axis=1).reshape(sample.shape)
        for share in STEPS:
            marked = ranks < share * ranks[0].size
            pictures.append(np.where(marked, without, sample))
            pictures.append(np.where(marked, sample, without))
    batch = np.stack(pictures)
    device = next(network.parameters()).device
    with torch.no_grad():
        logits = []
        for first in range(0, len(batch), 32):
            part = batch[first : first + 32]
            logits.append(network(to_inputs(part, np.arange(len(part)), inputs).to(device)).float().cpu())
    logits = torch.cat(logits)
    odds = sign * (logits[:, 1] - logits[:, 0]).numpy().reshape(len(batch), -1).mean(axis=1)
    full, none = odds[0], odds[1]
    steps = odds[2:].reshape(len(maps), len(STEPS), 2)
    return np.stack([full - steps[..., 0].mean(axis=1), steps[..., 1].mean(axis=1) - none], axis=1)


def choose_layer(
    network: torch.nn.Module, recipe: Recipe, stack: np.ndarray, rows: np.ndarray, labels: np.ndarray, method: str
) -> str:
    """The layer whose maps are most faithful on these samples, which are not those that the check reports on."""
    signs = np.where(labels[rows], 1, -1)
    without = blurred(stack[rows])
    best, best_value = "", -np.inf
    for name, layer in layers_of(network, recipe.architecture).items():
        maps = raw_maps(network, layer, stack, rows, recipe.inputs, method, signs)
        values = [
            effects(network, stack[i], without[k], maps[k][None], recipe.inputs, int(signs[k])).sum()
            for k, i in enumerate(rows)
        ]
        if np.mean(values) > best_value:
            best, best_value = name, float(np.mean(values))
    return best


def check(
    networks: list[torch.nn.Module],
    recipe: Recipe,
    layer: str,
    stack: np.ndarray,
    rows: np.ndarray,
    fold: np.ndarray,
    labels: np.ndarray,
    maps: np.ndarray,
    method: str,
    *,
    n_bootstrap: int = 999,
    seed: int = 51,
) -> Faithfulness:
    """Checks maps by deletion, insertion and randomised weights (Petsiuk et al. 2018; Adebayo et al. 2018).

    Args:
        networks: the network of every fold
        recipe: how they were trained
        layer: name of the layer
        stack: float16 (n, slices, h, w)
        rows: held-out samples, one a subject
        fold: fold of every sample of ``stack``
        labels: whether each sample of ``stack`` is in the first group
        maps: maps of ``rows``, each for the sample's own group, (len(rows), maps, h, w)
        method: how they were drawn
        n_bootstrap: draws of the interval
        seed: seed of random maps and weights
    """
    rng = np.random.default_rng([seed, 21])
    without = blurred(stack[rows])
    cells = {"2": 12, "3": 6, "4": 3}.get("".join(c for c in layer if c.isdigit())[-1:], 3)
    table = np.empty((len(rows), 4))
    for k, i in enumerate(rows):
        others = random_maps(stack.shape[-2:], cells, RANDOM, rng)[:, None].repeat(len(maps[k]), axis=1)
        rivals = np.stack([maps[k], *others])
        sign = 1 if labels[i] else -1
        out = effects(networks[fold[i]], stack[i], without[k], rivals, recipe.inputs, sign)
        table[k] = out[0, 0], out[1:, 0].mean(), out[0, 1], out[1:, 1].mean()
    scale = max(float(np.mean(np.abs(table))), 1e-9)
    own = (table[:, 0] - table[:, 1] + table[:, 2] - table[:, 3]) / 2 / scale
    draws = own[rng.integers(0, len(own), (n_bootstrap, len(own)))].mean(axis=1)
    alike = []
    for f in sorted(set(fold[rows])):
        mine = np.flatnonzero(fold[rows] == f)[:24]
        random_network = randomised(networks[f], recipe, stack, rows[mine], seed + 100 + int(f))
        signs = np.where(labels[rows[mine]], 1, -1)
        layer_of = layers_of(random_network, recipe.architecture)[layer]
        others = raw_maps(random_network, layer_of, stack, rows[mine], recipe.inputs, method, signs)
        alike += [_rank_correlation(maps[m].mean(axis=0), o.mean(axis=0)) for m, o in zip(mine, others, strict=True)]
    mean = table.mean(axis=0) / scale
    return Faithfulness(
        *map(float, mean), float(own.mean()), percentile_interval(draws), float(np.median(alike)), len(rows)
    )


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (rankdata(v[::2, ::2].ravel()) for v in (a, b))
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0
