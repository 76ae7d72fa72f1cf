"""One picture a story: the mean image of its groups, and how the first two differ."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .. import schema, store
from ..cohort.slices import open_slices
from ..errors import DaebiasError
from ..figures import save_figure
from ..statistics.covariates import numbers_of
from .binding import levels_of
from .facts import Story

#: a mean is of at least so many subjects, so that it shows nobody; and of at most so many, drawn with the seed
FEWEST, MOST = 10, 60
SIDE = 128
#: means side by side
MOST_GROUPS = 3


def draw_groups(samples, rows: list[Story], table: pd.DataFrame, subjects: np.ndarray, seed: int) -> list[Story]:
    """Draws the picture of every story that is about a field; stories whose images cannot be read have none.

    Args:
        samples: a dataset or view
        rows: the stories
        table: metadata, one row a sample
        subjects: subject of each sample
        seed: of the choice of subjects
    """
    ids, chosen = store.sample_ids(samples), {}
    for story in rows:
        if story.kind == "field" and story.lead in table.columns:
            chosen[story.key] = _choose(table[story.lead], subjects, seed)
    needed = sorted({i for groups in chosen.values() for _, where, _ in groups for i in where})
    if not needed:
        return rows
    try:
        images = _read(samples, [ids[i] for i in needed])
    except (DaebiasError, OSError):
        return rows
    at = {i: images[ids[i]] for i in needed if ids[i] in images}
    out, name = [], store.dataset_of(samples).name
    for story in rows:
        groups = [(g, [at[i] for i in where if i in at], n) for g, where, n in chosen.get(story.key, ())]
        groups = [(g, np.mean(pictures, axis=0), n) for g, pictures, n in groups if len(pictures) >= FEWEST]
        if len(groups) >= 2:
            story = replace(story, figures=(_draw(name, story.lead, groups),))
        out.append(story)
    return out


def _choose(column: pd.Series, subjects: np.ndarray, seed: int) -> list[tuple[str, list[int], int]]:
    """Name, one sample of each of some subjects, and the number of subjects, of the groups that are drawn."""
    codes, names = levels_of(column)
    groups = []
    for k, name in enumerate(names):
        rows = np.flatnonzero(codes == k)
        people, first = np.unique(subjects[rows], return_index=True)
        if len(people) >= FEWEST and name != "other":
            take = np.random.default_rng(seed).permutation(len(people))[:MOST]
            groups.append((name, [int(rows[first[t]]) for t in take], len(people)))
    if numbers_of(column, codes >= 0) is not None and len(groups) > 2:
        return [groups[-1], groups[0]]  # the highest beside the lowest
    return sorted(groups, key=lambda g: -g[2])[:MOST_GROUPS]


def _read(samples, ids: list[str]) -> dict[str, np.ndarray]:
    """The middle slice of each sample, scaled to its own grey values, on a square of one size."""
    source = open_slices(store.view_of_ids(samples, ids))
    out = {}
    for k, i in enumerate(source.sample_ids):
        image = source.read(k, [source.n_slices(k) // 2])[0]
        low, high = np.percentile(image, (1, 99))
        image = np.clip((image - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
        scale = SIDE / max(image.shape)
        size = [max(1, round(s * scale)) for s in image.shape]
        small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        square = np.zeros((SIDE, SIDE), np.float32)
        top, left = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
        square[top : top + size[0], left : left + size[1]] = small
        out[i] = square
    return out


def _draw(dataset: str, lead: str, groups: list[tuple[str, np.ndarray, int]]) -> dict:
    figure = Figure(figsize=(2.0 * (len(groups) + 1), 2.35), layout="constrained")
    axes = figure.subplots(1, len(groups) + 1)
    for ax, (name, mean, n) in zip(axes, groups, strict=False):
        ax.imshow(mean, cmap="gray", vmin=0, vmax=1)
        ax.set_title(f"{name[:24]}\nn = {min(n, MOST)}", fontsize=9)
    difference = groups[0][1] - groups[1][1]
    reach = max(float(np.abs(difference).max()), 1e-6)
    axes[-1].imshow(difference, cmap="RdBu_r", vmin=-reach, vmax=reach)
    axes[-1].set_title(f"difference of the\nfirst two, ±{reach:.2f}", fontsize=9)
    for ax in axes:
        ax.axis("off")
    caption = (
        "One image each of so many subjects, from black (0) to white (1); red: brighter in "
        f"{groups[0][0]}, blue: brighter in {groups[1][0]}."
    )
    return save_figure(dataset, f"story_{schema.field_stem(lead)}", figure, f"Mean images by {lead}", caption)
