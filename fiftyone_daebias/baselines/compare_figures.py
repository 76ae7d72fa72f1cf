"""Figures of a comparison: scores with intervals, and maps side by side."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..figures import COLORS, save_figure
from ..statistics.targets import Target
from .compare_result import CompareResult

#: fields whose maps are drawn, and panels in a row
MOST_FIELDS, ACROSS = 3, 4


def score_figure(dataset_name: str, result: CompareResult) -> dict:
    """Every row's score in every field with its interval; a line marks the reference."""
    columns = [c for c in result.columns if not c.reason]
    names = [r.name for r in result.rows][::-1]
    across = min(ACROSS, len(columns))
    down = -(-len(columns) // across)
    figure = Figure(figsize=(1.6 + 2.3 * across, down * (0.9 + 0.27 * len(names))), layout="constrained")
    axes = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    for axis in axes[len(columns) :]:
        axis.set_axis_off()
    for axis, column in zip(axes, columns, strict=False):
        k = 100 if column.metric == "accuracy" else 1
        for y, name in enumerate(names):
            cell = next(r for r in result.rows if r.name == name).cells[column.field]
            score, low, high = (k * v for v in (cell.score, *cell.interval))
            color = COLORS[1] if name == result.reference else COLORS[0]
            differs = cell.q <= 0.05
            axis.plot([low, high], [y, y], color=color, lw=1.6)
            axis.plot(score, y, "o", color=color, mfc=color if differs or name == result.reference else "white", ms=5)
            if name == result.reference:
                axis.axvline(score, color=COLORS[1], lw=0.8, ls=":")
        better = "→ better" if column.metric == "accuracy" else "← better"
        axis.set_title(f"{column.field} (n = {column.n_subjects})", fontsize=9)
        axis.set_xlabel(f"accuracy, %  {better}" if k == 100 else f"mean abs. error  {better}", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(axis="x", lw=0.4, alpha=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(names)), names)
    caption = (
        f"Held-out subjects: {result.plan}. Bars are 95 % subject-bootstrap intervals; filled dots differ from "
        f"{result.reference} (dotted line) at q ≤ 0.05, paired by subject."
    )
    return save_figure(
        dataset_name, "compare_scores", figure, "Embeddings and networks compared", caption, _score_plotly(result)
    )


def _score_plotly(result: CompareResult) -> dict:
    """The same as a Plotly specification: one panel a field, side by side."""
    columns = [c for c in result.columns if not c.reason]
    names = [r.name for r in result.rows][::-1]
    data, layout = [], {"showlegend": False, "margin": {"l": 90, "t": 40}}
    for k, column in enumerate(columns):
        scale = 100 if column.metric == "accuracy" else 1
        cells = [next(r for r in result.rows if r.name == n).cells[column.field] for n in names]
        scores = [scale * c.score for c in cells]
        tag = "" if k == 0 else str(k + 1)
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": scores,
                "y": names,
                "xaxis": f"x{tag}",
                "yaxis": "y",
                "name": column.field,
                "marker": {"color": [COLORS[n == result.reference] for n in names], "size": 8},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [scale * c.interval[1] - s for c, s in zip(cells, scores, strict=True)],
                    "arrayminus": [s - scale * c.interval[0] for c, s in zip(cells, scores, strict=True)],
                },
            }
        )
        unit = "accuracy, %" if scale == 100 else "mean abs. error"
        layout[f"xaxis{tag}"] = {
            "domain": [k / len(columns), (k + 0.85) / len(columns)],
            "title": {"text": f"{column.field}<br>{unit}"},
        }
    return {"data": data, "layout": layout}


def map_figures(
    dataset_name: str,
    maps: dict[str, tuple[list[str], np.ndarray]],
    ids: list[str],
    targets: list[Target],
    subjects: np.ndarray,
) -> list[dict]:
    """t-SNE maps side by side, one figure a field (classes first, at most three), one panel an embedding."""
    if not maps:
        return []
    chosen = sorted(targets, key=lambda t: not t.categorical)[: MOST_FIELDS - 1]
    chosen += [t for t in targets if not t.categorical and t not in chosen][:1]
    return [_maps_of(dataset_name, maps, ids, target, subjects) for target in chosen[:MOST_FIELDS]]


def _maps_of(dataset_name, maps, ids, target: Target, subjects) -> dict:
    across = len(maps) if len(maps) <= ACROSS else min(ACROSS, -(-len(maps) // 2))
    down = -(-len(maps) // across)
    figure = Figure(figsize=(2.6 * across + 1.0, 2.7 * down + 0.3), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    value = dict(zip((ids[k] for k in target.rows), target.values, strict=True))
    for axis, (name, (known, points)) in zip(panels, maps.items(), strict=False):
        points = np.asarray(points)
        given = np.array([i in value for i in known])
        axis.scatter(*points[~given].T, s=3, c="#BBBBBB", linewidths=0)
        values = np.array([value[i] for i, g in zip(known, given, strict=True) if g])
        shown = points[given]
        # drawn in a shuffled order, so that no class lies on top
        order = np.random.default_rng(0).permutation(len(shown))
        size = float(np.clip(3000 / max(1, len(shown)), 2, 14))
        if target.categorical:
            colors = np.array([_color(int(v)) for v in values])
            axis.scatter(*shown[order].T, s=size, c=colors[order], linewidths=0)
        else:
            low, high = np.percentile(target.values, [2, 98])
            drawn = axis.scatter(
                *shown[order].T, s=size, c=values[order], cmap="viridis", vmin=low, vmax=high, linewidths=0
            )
        axis.set_title(name, fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_aspect("equal", adjustable="datalim")
    for axis in panels[len(maps) :]:
        axis.set_axis_off()
    if target.categorical:
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], marker="o", ls="", color=_color(c), ms=5, label=name[:24])
            for c, name in enumerate(target.classes)
        ]
        figure.legend(handles=handles, loc="outside right upper", fontsize=8, frameon=False, title=target.name)
    else:
        figure.colorbar(drawn, ax=panels.tolist(), label=target.name, shrink=0.7)
    n = len(set(subjects[target.rows]))
    return save_figure(
        dataset_name,
        f"compare_maps_{target.name}",
        figure,
        f"Maps side by side, coloured by {target.name}",
        f"t-SNE maps of the same {len(target.rows):,} samples of {n:,} subjects; the axes have no unit. "
        "Grey: no value.",
    )


def _color(code: int) -> str:
    return COLORS[code % len(COLORS)]
