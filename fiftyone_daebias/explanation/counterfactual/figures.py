"""Figures of counterfactuals: the strips, the response, the maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ...figures import COLORS, save_figure
from .crop_geometry import Square, annotate
from .decoded import Quality
from .difference_maps import Means, Observed, Shown
from .response import Response

#: samples in the strip
STRIPS = 4
_DIVERGING = "RdBu_r"


@dataclass(frozen=True)
class Drawn:
    """What is drawn.

    Attributes:
        shown: moved samples
        means: images of the groups
        response: readings
        quality: what the decoder gives back
        observed: agreement with the observed difference
    """

    shown: Shown
    means: Means
    response: Response
    quality: Quality
    observed: Observed


def draw_figures(
    dataset: str,
    stem: str,
    comparison: str,
    drawn: Drawn,
    square: Square,
    sides: tuple[str, str],
    cam: np.ndarray | None,
) -> list[dict]:
    """Draws and stores all figures.

    Args:
        dataset: name of the dataset
        stem: the comparison as part of file names
        comparison: in words
        drawn: what is drawn
        square: mm and letters
        sides: names of the first and the second group, or of the upper and lower half
        cam: mean GradCAM on the same square, or ``None``
    """
    name, shown = f"counterfactual_{stem}", drawn.shown
    return [
        _strip(dataset, f"{name}_strip", comparison, shown, drawn.quality, square, sides),
        _response(dataset, f"{name}_response", comparison, shown, drawn.response),
        _maps(dataset, f"{name}_maps", comparison, shown, drawn.means, drawn.observed, square, cam),
    ]


def _strip(dataset, name, comparison, shown, quality, square, sides) -> dict:
    rows = _typical(shown)
    slice_ = int(np.abs(shown.mean_map()).mean(axis=(1, 2)).argmax())
    amounts, n_slices = shown.amounts, shown.originals.shape[1]
    columns = len(amounts) + 2
    figure = Figure(figsize=(1.35 * columns, 1.5 * len(rows) * max(0.6, min(square.aspect, 1.8)) + 0.7))
    grid = figure.subplots(len(rows), columns, squeeze=False, gridspec_kw={"wspace": 0.04, "hspace": 0.08})
    changes = shown.differences()[rows][:, slice_]
    limit = float(np.percentile(np.abs(changes), 99.5)) or 1.0
    middle = len(amounts) // 2
    for r, k in enumerate(rows):
        pictures = [shown.originals[k, slice_], *shown.pictures[k, :, slice_]]
        for c, picture in enumerate(pictures):
            axes = grid[r, c]
            axes.imshow(picture.astype(np.float32), cmap="gray", vmin=-1, vmax=1, aspect=square.aspect)
            if r == 0:
                title = "original" if c == 0 else "0 (decoded)" if c - 1 == middle else f"{amounts[c - 1]:+.3g} SD"
                axes.set_title(title, fontsize=8)
            if c == 0:
                annotate(axes, square)
        error = 50 * float(
            np.sqrt(
                np.square(
                    shown.pictures[k, middle, slice_].astype(np.float32) - shown.originals[k, slice_].astype(np.float32)
                ).mean()
            )
        )
        side = sides[0] if shown.high[k] else sides[1]
        grid[r, 0].set_ylabel(f"{side[:18]}\noff by {error:.1f} %", fontsize=7)
        shades = grid[r, -1].imshow(changes[r], cmap=_DIVERGING, vmin=-limit, vmax=limit, aspect=square.aspect)
        if r == 0:
            grid[r, -1].set_title("last − first", fontsize=8)
    for axes in grid.ravel():
        axes.set_xticks([])
        axes.set_yticks([])
    bar = figure.colorbar(shades, ax=grid[:, -1].tolist(), fraction=0.08, pad=0.04)
    bar.set_label("% of the grey range", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    which = f", slice {slice_ + 1} of {n_slices}, where most changes" if n_slices > 1 else ""
    caption = (
        f"Single samples moved along the direction of {comparison}, {amounts[0]:+g} to {amounts[-1]:+g} SD of the "
        f"probe's reading (right: more {sides[0]}; left: more {sides[1]}){which}. The direction comes from other "
        f"subjects. At the left: how far the unmoved decoded image is off; on average {quality.error:.1f} % of the "
        f"grey range, so {quality.share}: what is not in the column '0 (decoded)' cannot change."
    )
    first = rows[0]
    spec = {
        "data": [
            {
                "type": "heatmap",
                "z": np.flipud(shown.pictures[first, a, slice_].astype(np.float32)).round(2).tolist(),
                "colorscale": "Greys",
                "reversescale": True,
                "zmin": -1,
                "zmax": 1,
                "showscale": False,
                "visible": a == middle,
                "name": f"{amounts[a]:+.3g} SD",
            }
            for a in range(len(amounts))
        ],
        "layout": {
            "title": {"text": f"One sample moved: {comparison}"},
            "xaxis": {"visible": False},
            "yaxis": {"visible": False, "scaleanchor": "x", "scaleratio": square.aspect},
            "sliders": [
                {
                    "active": middle,
                    "currentvalue": {"prefix": "moved by "},
                    "steps": [
                        {
                            "method": "update",
                            "label": f"{amounts[a]:+.3g} SD",
                            "args": [{"visible": [b == a for b in range(len(amounts))]}],
                        }
                        for a in range(len(amounts))
                    ],
                }
            ],
        },
    }
    return save_figure(dataset, name, figure, f"Counterfactuals: {comparison}", caption, spec)


def _response(dataset, name, comparison, shown, response: Response) -> dict:
    figure = Figure(figsize=(5.2, 3.8))
    axes = figure.subplots()
    x = np.asarray(response.amounts)
    curves = response.readings - response.readings[:, [len(x) // 2]]
    for curve in curves[:60]:
        axes.plot(x, curve, color="#999999", lw=0.5, alpha=0.35)
    axes.fill_between(x, response.low, response.high, color=COLORS[0], alpha=0.25, lw=0)
    axes.plot(x, response.mean, "o-", color=COLORS[0], label="decoded, read by a probe of other subjects")
    axes.plot(x, response.own, "s--", color=COLORS[1], ms=4, label="decoded, read by the direction's own probe")
    axes.plot(x, response.moved, ":", color=COLORS[6], lw=2, label="moved code before decoding, other subjects' probe")
    axes.axhline(0, color="black", lw=0.6)
    axes.set_xlabel("moved by (SD of the probe's reading)")
    axes.set_ylabel("change of the reading (SD)")
    axes.legend(fontsize=7, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    verdict = "rises at every step" if response.rises else "does not surely rise at every step"
    caption = (
        f"{comparison}: readings of the decoded, encoded images; mean of {len(shown)} samples (one a subject) with a "
        f"95 % subject-bootstrap band, single samples in grey. The mean {verdict}."
    )
    lines = [
        ("decoded, other subjects' probe", response.mean, COLORS[0], "solid"),
        ("decoded, own probe", response.own, COLORS[1], "dash"),
        ("moved code, other subjects' probe", response.moved, COLORS[6], "dot"),
    ]
    band = {
        "x": [*x, *x[::-1]],
        "y": [*response.high, *response.low[::-1]],
        "fill": "toself",
        "mode": "lines",
        "line": {"width": 0},
        "fillcolor": "rgba(0,114,178,0.2)",
        "name": "95 % band",
        "hoverinfo": "skip",
    }
    spec = {
        "data": [band]
        + [
            {
                "x": list(map(float, x)),
                "y": list(y),
                "mode": "lines+markers",
                "name": label,
                "line": {"color": color, "dash": dash},
            }
            for label, y, color, dash in lines
        ],
        "layout": {
            "title": {"text": f"Response: {comparison}"},
            "xaxis": {"title": {"text": "moved by (SD)"}},
            "yaxis": {"title": {"text": "change of the reading (SD)"}},
        },
    }
    spec["data"][0]["x"] = list(map(float, spec["data"][0]["x"]))
    return save_figure(dataset, name, figure, f"Response along the way: {comparison}", caption, spec)


def _maps(dataset, name, comparison, shown, means: Means, observed: Observed, square, cam) -> dict:
    decoded = shown.mean_map().mean(axis=0)
    seen = means.difference.mean(axis=0)
    panels = [
        ("mean image", means.mean.mean(axis=0), "gray"),
        ("decoded difference", decoded, _DIVERGING),
        ("observed difference of means", seen, _DIVERGING),
    ]
    if cam is not None:
        panels.append(("mean GradCAM", cam, "viridis"))
    figure = Figure(figsize=(3.4 * len(panels), 2.7 * max(0.6, min(square.aspect, 1.8)) + 0.5))
    grid = figure.subplots(1, len(panels), gridspec_kw={"wspace": 0.35})
    for axes, (title, image, colors) in zip(grid, panels, strict=True):
        if colors == _DIVERGING:
            limit = float(np.percentile(np.abs(image), 99.5)) or 1.0
            shades = axes.imshow(image, cmap=colors, vmin=-limit, vmax=limit, aspect=square.aspect)
            bar = figure.colorbar(shades, ax=axes, fraction=0.046, pad=0.03)
            bar.ax.tick_params(labelsize=7)
            bar.set_label("% of the grey range", fontsize=7, labelpad=2)
        else:
            axes.imshow(image, cmap=colors, aspect=square.aspect)
        axes.set_title(title, fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        annotate(axes, square, "white" if colors != _DIVERGING else "black")
    n_slices = len(shown.originals[0])
    over = f", mean over {n_slices} slices" if n_slices > 1 else ""
    caption = (
        f"{comparison}: mean change of {len(shown)} samples from {shown.amounts[0]:+g} to {shown.amounts[-1]:+g} SD, "
        f"beside the difference of the groups' mean images ({observed.n:,} images){over}. Cosine of the two "
        f"{observed.cosine:.2f}, p {observed.p:.3f} (labels exchanged among subjects)."
    )
    spec = {
        "data": [
            {
                "type": "heatmap",
                "z": np.flipud(decoded).round(3).tolist(),
                "colorscale": "RdBu",
                "zmid": 0,
                "reversescale": True,
                "colorbar": {"title": {"text": "%"}},
            }
        ],
        "layout": {
            "title": {"text": f"Decoded difference: {comparison}"},
            "xaxis": {"visible": False},
            "yaxis": {"visible": False, "scaleanchor": "x", "scaleratio": square.aspect},
        },
    }
    return save_figure(dataset, name, figure, f"Where it changes: {comparison}", caption, spec)


def _typical(shown: Shown) -> list[int]:
    """Samples nearest to the median reading of their group, two of each."""
    out = []
    for side in (True, False):
        mine = np.flatnonzero(shown.high == side)
        if len(mine):
            near = np.abs(shown.readings[mine] - np.median(shown.readings[mine]))
            out += mine[np.argsort(near, kind="stable")[: STRIPS // 2]].tolist()
    return out
