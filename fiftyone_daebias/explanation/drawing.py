"""The figures of a comparison, written and described."""

from __future__ import annotations

import numpy as np

from ..reporting.figures import save_figure
from . import figures
from .displacement import box_of, prepared, register


def draw_figures(
    dataset,
    groups,
    pictures,
    means,
    edges,
    flat,
    labels,
    small,
    small_valid,
    d,
    tests,
    maps,
    classifier,
    recipe,
    cam,
    names,
) -> list[dict]:
    """Draws and writes the figures of a comparison: means, edges, alignment where shifted, maps where drawn."""
    grid, prefix = pictures.grid, f"explain_{groups.key}"
    out = []
    figure, plotly, caption = figures.mean_figure(means, grid, names)
    out.append(save_figure(dataset, f"{prefix}_means", figure, f"Mean pictures: {groups.name}", caption, plotly))
    if edges is not None:
        figure, plotly, caption = figures.edge_figure(edges, grid, names)
        out.append(save_figure(dataset, f"{prefix}_edges", figure, f"Edge of the body: {groups.name}", caption, plotly))
    if tests["shift"]["found"]:
        box = box_of(small_valid)
        sides = [flat[g].mean(axis=0) for g in (labels, ~labels)]
        ready = [np.stack([prepared(p[box]) for p in flat[g]]).mean(axis=0) for g in (labels, ~labels)]
        matrix = register(*ready).matrix(d.model).astype(np.float64)
        corner = np.array([box[1].start, box[0].start], float)
        matrix[:, 2] += corner - matrix[:, :2] @ corner
        figure, plotly, caption = figures.alignment_figure(*sides, d, matrix, small, names)
        out.append(save_figure(dataset, f"{prefix}_alignment", figure, f"Alignment: {groups.name}", caption, plotly))
    if maps is not None:
        at = pictures.stack_grid
        mean = [pictures.stack[groups.labels == s].astype(np.float32).mean(axis=(0, 1)) for s in (True, False)]
        name = f"{cam} at {maps.layer} of a {recipe.architecture} (AUC {classifier.auc:.2f})"
        figure, plotly, caption = figures.cam_figure(maps.means, mean, at, names, maps.counts, name)
        title = f"What the classifier looks at: {groups.name}"
        out.append(save_figure(dataset, f"{prefix}_maps", figure, title, caption, plotly))
    return out
