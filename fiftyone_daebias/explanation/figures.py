"""Pictures of a comparison: means and difference, edges, maps and alignment; with scale bars, letters and n."""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ..figures import COLORS
from .displacement import Displacement
from .grid import Grid
from .mean_images import Edges, MeanImages
from .messages import share

#: blue where the first group is darker, vermilion where it is brighter (Okabe & Ito)
DIVERGING = LinearSegmentedColormap.from_list("blue-vermilion", [COLORS[0], "#f7f7f7", COLORS[1]])
#: longer side of pictures in the interactive form, pixels
PLOTLY_SIDE = 96


def mean_figure(means: MeanImages, grid: Grid, names: tuple[str, str]) -> tuple[Figure, dict, str]:
    """Mean pictures of both groups and their difference, significant pixels outlined.

    Returns:
        figure, Plotly specification, caption
    """
    figure = _canvas(grid, 3)
    axes = figure.subplots(1, 3)
    top = float(max(np.percentile(means.inside, 99.5), np.percentile(means.outside, 99.5), 1e-6))
    for ax, picture, name, n in zip(axes, (means.inside, means.outside), names, means.n_subjects, strict=False):
        _show(ax, picture, grid, cmap="gray", vmin=0, vmax=top)
        ax.set_title(f"{_short(name)}\nmean of {n:,} subjects", fontsize=9)
    limit = float(max(np.abs(means.difference).max(), 1e-6))
    shown = _show(axes[2], means.difference, grid, cmap=DIVERGING, vmin=-limit, vmax=limit, dark=True)
    if means.p <= 0.05 and means.significant.any():
        axes[2].contour(means.significant.astype(float), [0.5], colors="black", linewidths=0.9)
    axes[2].set_title(
        f"difference\n{_p(means.p)}, {share(means.share)} of the field outlined"
        if means.p <= 0.05
        else f"difference\n{_p(means.p)}: nothing significant",
        fontsize=9,
    )
    bar = figure.colorbar(shown, ax=axes[2], fraction=0.046, pad=0.03)
    bar.set_label("difference of grey values (1: brightest)", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    caption = (
        f"Middle slices, averaged around the centre of the field of view: {means.n_subjects[0]:,} subjects of "
        f"{names[0]}, {means.n_subjects[1]:,} of {names[1]}. Right: first less second; outlined where |t| exceeds "
        f"{means.threshold:.1f}, which the largest of all pixels does in 5 % of "
        f"{'exchanges within the subjects' if means.paired else 'permutations of the subjects'} "
        f"({_p(means.p)})."
    )
    small = [_small(p) for p in (means.inside, means.outside, means.difference)]
    plotly = _heatmaps(
        small,
        [_short(names[0]), _short(names[1]), "difference"],
        grid,
        [("gray", 0, top), ("gray", 0, top), ("diverging", -limit, limit)],
    )
    return figure, plotly, caption


def edge_figure(edges: Edges, grid: Grid, names: tuple[str, str]) -> tuple[Figure, dict, str]:
    """The body's edge: all subjects overlaid, and the mean line and the band of both groups."""
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    upright = edges.side in ("left", "right")
    sign = {"left": -1, "right": 1, "top": -1, "bottom": 1}[edges.side]
    data = []
    for k, (group, name) in enumerate(zip((edges.labels, ~edges.labels), names, strict=True)):
        colour, n = COLORS[1 if k == 0 else 0], int(group.sum())
        label = f"{_short(name)} (n = {n:,})"
        for line in edges.lines[group][:300]:
            left.plot(*_xy(edges.along, sign * line, upright), color=colour, lw=0.5, alpha=min(0.6, 12 / max(n, 12)))
        for ax in (left, right):
            ax.plot(
                *_xy(edges.along, sign * edges.means[k], upright),
                color=colour,
                lw=2,
                ls="-" if k == 0 else "--",
                label=label,
            )
        fill = right.fill_betweenx if upright else right.fill_between
        fill(edges.along, sign * edges.low[k], sign * edges.high[k], color=colour, alpha=0.18, lw=0)
        x, y = _xy(edges.along, sign * edges.means[k], upright)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": label,
                "x": _list(x),
                "y": _list(y),
                "line": {"color": colour, "width": 3, "dash": "solid" if k == 0 else "dash"},
            }
        )
        for bound in (edges.low[k], edges.high[k]):
            x, y = _xy(edges.along, sign * bound, upright)
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": _list(x),
                    "y": _list(y),
                    "showlegend": False,
                    "hoverinfo": "skip",
                    "line": {"color": colour, "width": 1, "dash": "dot"},
                }
            )
    left.set_title("every subject", fontsize=9)
    right.set_title("mean and band of 95 % of the subjects", fontsize=9)
    across, down = _axis_names(grid)
    for ax in (left, right):
        ax.set_xlabel(across, fontsize=8)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.25)
    left.invert_yaxis()
    left.set_ylabel(down, fontsize=8)
    lines, labels = right.get_legend_handles_labels()
    figure.legend(lines, labels, fontsize=8, frameon=False, loc="outside lower center", ncols=2)
    lo, hi = edges.interval
    caption = (
        f"The body's edge at the {edges.name} side, measured from the centre of the field of view. The edge of "
        f"{names[0]} lies {abs(edges.difference):.1f} {grid.unit} further {'out' if edges.difference >= 0 else 'in'} "
        f"(95 % interval {lo:.1f} to {hi:.1f} {grid.unit}, positive is out)."
    )
    return figure, {"data": data, "layout": _layout(across, down, reverse=True)}, caption


def cam_figure(
    maps: tuple[np.ndarray, np.ndarray],
    pictures: tuple[np.ndarray, np.ndarray],
    grid: Grid,
    names: tuple[str, str],
    counts: tuple[int, int],
    about: str,
) -> tuple[Figure, dict, str]:
    """Mean class activation maps of held-out samples of both groups over their mean pictures.

    Args:
        maps: mean raw map of each group on ``grid``
        pictures: mean picture of each group on ``grid``
        grid: geometry
        names: names of the groups
        counts: samples that were averaged
        about: method, layer and classifier, in words
    """
    figure = _canvas(grid, 2)
    axes = figure.subplots(1, 2)
    limit = float(max(max(m.max() for m in maps), 1e-9))
    shown = None
    for ax, one, picture, name, n in zip(axes, maps, pictures, names, counts, strict=True):
        _show(ax, picture, grid, cmap="gray")
        scaled = one / limit
        shown = ax.imshow(
            scaled, cmap="viridis", vmin=0, vmax=1, alpha=np.clip(0.15 + 0.65 * scaled, 0, 0.8), extent=_extent(grid)
        )
        ax.set_title(f"what speaks for {_short(name)}\nmean of {n:,} held-out samples", fontsize=9)
    bar = figure.colorbar(shown, ax=list(axes), fraction=0.03, pad=0.02)
    bar.set_label("activation (1: highest of both)", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    small = [_small(m / limit) for m in maps]
    plotly = _heatmaps(small, [f"for {_short(n)}" for n in names], grid, [("viridis", 0, 1)] * 2)
    return figure, plotly, f"Mean maps of {about}, not rescaled from sample to sample, over the mean pictures."


def alignment_figure(
    inside: np.ndarray, outside: np.ndarray, found: Displacement, matrix: np.ndarray, grid: Grid, names: tuple[str, str]
) -> tuple[Figure, None, str]:
    """Both mean pictures in two colours, as they are and with the second moved by what was measured."""
    figure = _canvas(grid, 2)
    axes = figure.subplots(1, 2)
    size = inside.shape[::-1]
    moved = cv2.warpAffine(np.ascontiguousarray(outside, np.float32), matrix, size, flags=cv2.INTER_LINEAR)
    titles = ("as they are", "second group moved to the first")
    there = cv2.warpAffine(np.ones_like(moved), matrix, size, flags=cv2.INTER_NEAREST)
    for ax, other, title in zip(axes, (outside, moved), titles, strict=True):
        a, b = (np.clip(p / max(np.percentile(p, 99.5), 1e-6), 0, 1) for p in (inside, other))
        if other is moved:
            a, b = a * there, b * there
        _show(ax, np.stack([a, 0.5 * (a + b), b], axis=-1), grid)
        ax.set_title(title, fontsize=9)
    caption = (
        f"Mean projections of {names[0]} (orange) and {names[1]} (blue); grey where they agree. Correlation of the "
        f"filtered means {found.similarity[0]:.2f} as they are, {found.similarity[1]:.2f} aligned."
    )
    return figure, None, caption


def _canvas(grid: Grid, panels: int) -> Figure:
    ratio = min(max(grid.shape[0] / grid.shape[1], 0.6), 2.0)
    width = 3.1
    return Figure(figsize=(width * panels + 0.4, width * ratio + 0.8), layout="constrained")


def _extent(grid: Grid) -> tuple[float, float, float, float]:
    return -0.5, grid.shape[1] - 0.5, grid.shape[0] - 0.5, -0.5


def _show(ax, picture, grid: Grid, dark: bool = False, **options):
    """A picture with its scale bar and orientation letters."""
    shown = ax.imshow(picture, extent=_extent(grid), interpolation="bilinear", **options)
    ax.set_xticks([])
    ax.set_yticks([])
    colour = "black" if dark else "white"
    height, width = grid.shape
    length = _round_length(0.3 * width * grid.pixel)
    pixels = length / grid.pixel
    x, y = 0.05 * width, 0.95 * height
    ax.plot([x, x + pixels], [y, y], color=colour, lw=2.5, solid_capstyle="butt")
    outline = [] if dark else [_shadow()]
    ax.text(
        x, y - 0.02 * height, f"{length:g} {grid.unit}", color=colour, fontsize=7, va="bottom", path_effects=outline
    )
    letters = grid.letters()
    if letters:
        for text, (u, v) in zip(letters, ((0.5, 0.96), (0.5, 0.04), (0.04, 0.5), (0.96, 0.5)), strict=True):
            ax.text(
                u,
                v,
                text,
                transform=ax.transAxes,
                color=colour,
                fontsize=9,
                weight="bold",
                ha="center",
                va="center",
                path_effects=outline,
            )
    return shown


def _shadow():
    from matplotlib.patheffects import withStroke

    return withStroke(linewidth=1.5, foreground="black")


def _round_length(about: float) -> float:
    power = 10 ** np.floor(np.log10(max(about, 1e-6)))
    return float(max(m * power for m in (1, 2, 5) if m * power <= about))


def _axis_names(grid: Grid) -> tuple[str, str]:
    return (
        f"{grid.word(1, -1)} – {grid.word(1, 1)} ({grid.unit} from the centre)",
        f"{grid.word(0, -1)} – {grid.word(0, 1)} ({grid.unit} from the centre)",
    )


def _xy(along, distance, upright: bool):
    return (distance, along) if upright else (along, distance)


def _small(picture: np.ndarray) -> np.ndarray:
    factor = PLOTLY_SIDE / max(picture.shape)
    if factor >= 1:
        return picture
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    return cv2.resize(np.ascontiguousarray(picture, np.float32), size, interpolation=cv2.INTER_AREA)


def _heatmaps(pictures, titles, grid: Grid, scales) -> dict:
    colours = {"gray": "Greys", "viridis": "Viridis", "diverging": [[0, COLORS[0]], [0.5, "#f7f7f7"], [1, COLORS[1]]]}
    across, down = _axis_names(grid)
    data, layout = [], _layout("", "")
    n = len(pictures)
    for k, (picture, (scale, low, high)) in enumerate(zip(pictures, scales, strict=True), start=1):
        end = "" if k == 1 else str(k)
        x, y = (
            (np.arange(size) - (size - 1) / 2) * full * grid.pixel / size
            for size, full in zip(picture.shape[::-1], grid.shape[::-1], strict=True)
        )
        data.append(
            {
                "type": "heatmap",
                "z": np.round(picture, 3).tolist(),
                "x": np.round(x, 1).tolist(),
                "y": np.round(y, 1).tolist(),
                "colorscale": colours[scale],
                "reversescale": scale == "gray",
                "zmin": low,
                "zmax": high,
                "showscale": k == n,
                "xaxis": f"x{end}",
                "yaxis": f"y{end}",
            }
        )
        layout[f"xaxis{end}"] = {
            "domain": [(k - 1) / n + 0.01, k / n - 0.01],
            "title": {"text": across},
            "scaleanchor": f"y{end}",
            "constrain": "domain",
        }
        layout[f"yaxis{end}"] = {
            "autorange": "reversed",
            "anchor": f"x{end}",
            "constrain": "domain",
            "title": {"text": down if k == 1 else ""},
            "showticklabels": k == 1,
        }
        layout.setdefault("annotations", []).append(
            {"text": titles[k - 1], "showarrow": False, "xref": "paper", "yref": "paper", "x": (k - 0.5) / n, "y": 1.08}
        )
    return {"data": data, "layout": layout}


def _layout(across: str, down: str, reverse: bool = False) -> dict:
    # no colours of paper or text: the App's light and dark themes bring their own
    layout: dict = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 60, "r": 20, "t": 40, "b": 50},
    }
    if across:
        layout |= {"xaxis": {"title": {"text": across}}, "yaxis": {"title": {"text": down}, "scaleanchor": "x"}}
        if reverse:
            layout["yaxis"]["autorange"] = "reversed"
    return layout


def _list(values) -> list:
    return [None if v != v else round(float(v), 2) for v in values]


def _short(name: str) -> str:
    return name if len(name) <= 28 else name[:27] + "…"


def _p(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
