"""What the views look like, and what they tell."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ...dae.batches import fixed_crop
from ...embeddings.encode import centre_indices
from ...figures import COLORS, save_figure
from .masked_slices import MaskedSlices


def draw_local(
    dataset: str,
    name: str,
    field: str,
    mask: str,
    views,
    metric: str,
    chance: float,
    words: dict,
    base,
    packed,
    kept,
    n_subjects: int,
) -> list[dict]:
    """One figure: two samples in every view, and the scores with their intervals."""
    order = [v.view for v in views]
    shown = kept[np.linspace(0, len(kept) - 1, 2).astype(int)]
    figure = Figure(figsize=(2.0 * len(order) + 5.6, 4.4))
    grid = figure.add_gridspec(2, len(order) + 2, width_ratios=[1] * len(order) + [0.95, 1.8], wspace=0.06, hspace=0.06)
    for r, k in enumerate(shown):
        row = int(base.rows[k])
        for c, view in enumerate(order):
            axes = figure.add_subplot(grid[r, c])
            source = base.source if view == "whole" else MaskedSlices(base.source, packed, view, base.n_slices)
            which = centre_indices(source.n_slices(row), base.n_slices)[base.n_slices // 2]
            crop = base.crop if view in ("whole", "outside") else 1.0
            image = fixed_crop(source.read(row, [which]), 128, crop)[0, 0]
            axes.imshow(image.numpy(), cmap="gray", vmin=-1, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
            if r == 0:
                axes.set_title(words[view], fontsize=8)
    axes = figure.add_subplot(grid[:, len(order) + 1])
    at = np.arange(len(views))[::-1]
    for y, v, color in zip(at, views, COLORS, strict=False):
        axes.plot(v.interval, [y, y], color=color, lw=2.5, solid_capstyle="butt")
        axes.plot(v.score, y, "o", color=color)
        axes.text(v.score, y + 0.14, f"{v.score:.3f}", ha="center", fontsize=8)
    axes.axvline(chance, color="#555555", lw=0.8, ls="--")
    axes.text(chance, len(views) - 0.38, "chance", fontsize=7, color="#555555", ha="center")
    axes.set_yticks(at, [words[v.view] for v in views], fontsize=8)
    axes.set_ylim(-0.5, len(views) - 0.4)
    axes.set_xlabel(f"{metric} on held-out subjects")
    axes.spines[["top", "right"]].set_visible(False)
    caption = (
        f"{field} read through {mask}: {len(kept):,} samples of {n_subjects:,} subjects, the same subjects and folds "
        f"in every view; bars: 95 % subject-bootstrap intervals. Left: two samples"
        + (f", the middle one of {base.n_slices} slices" if base.n_slices > 1 else "")
        + "."
    )
    spec = {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "x": [v.score for v in views],
                "y": [words[v.view] for v in views],
                "marker": {"size": 10, "color": list(COLORS[: len(views)])},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [v.interval[1] - v.score for v in views],
                    "arrayminus": [v.score - v.interval[0] for v in views],
                },
            }
        ],
        "layout": {
            "title": {"text": f"{field}: where is it read?"},
            "xaxis": {"title": {"text": metric}},
            "yaxis": {"autorange": "reversed"},
        },
    }
    return [save_figure(dataset, name, figure, f"{field} inside and outside the mask", caption, spec)]
