"""Learning curves with bands: accuracy and loss, training and validation."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ...figures import COLORS, save_figure

_STYLE = (("subgroup", COLORS[1], "solid"), ("others", COLORS[0], "dashed"))


def draw_dynamics(dataset: str, stem: str, field: str, classes, subgroup: str, sequences) -> list[dict]:
    """One figure a sequence."""
    return [
        _figure(dataset, f"dynamics_{stem}" + (f"_{s.name}" if s.name else ""), field, classes, subgroup, s)
        for s in sequences
        if s.curves
    ]


def _figure(dataset, name, field, classes, subgroup, sequence) -> dict:
    figure = Figure(figsize=(4.6 * len(sequence.curves), 5.6))
    grid = figure.subplots(2, len(sequence.curves), squeeze=False, sharex=True)
    traces = []
    for column, c in enumerate(sequence.curves):
        for row, (what, pair) in enumerate(
            (("accuracy", (c.subgroup_accuracy, c.others_accuracy)), ("loss", (c.subgroup_loss, c.others_loss)))
        ):
            axes = grid[row, column]
            for (label, color, dash), values in zip(_STYLE, pair, strict=True):
                n = c.n_subgroup if label == "subgroup" else c.n_others
                mean, low, high = values.mean(axis=0), values.min(axis=0), values.max(axis=0)
                axes.plot(c.seen, mean, color=color, ls=dash, label=f"{label} ({n} subjects)", lw=1.8)
                axes.fill_between(c.seen, low, high, color=color, alpha=0.18, lw=0)
                traces += _traces(c, what, label, color, dash, mean, low, high)
            if what == "accuracy":
                axes.axhline(c.level, color="#555555", lw=0.8, ls=":")
                axes.text(c.seen[0], c.level + 0.008, f"to reach: {c.level:.0%}", fontsize=7, color="#555555")
                axes.set_ylim(0, 1.02)
                axes.set_title(f"{c.part}: p {c.p:.3f}", fontsize=10)
                axes.legend(fontsize=7, loc="lower right")
            else:
                axes.set_xlabel("images seen")
            axes.set_ylabel(what if what == "accuracy" else "cross-entropy")
            axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    at = f" on {sequence.name}" if sequence.name else ""
    repeats = len(sequence.curves[0].subgroup_accuracy)
    caption = (
        f"{field} ({classes[1]} against {classes[0]}) trained on everybody{at}, {sequence.n_subjects:,} subjects; "
        f"subgroup: {subgroup}. Lines: mean of {repeats} trainings, each on its own split by subject; bands: range. "
        "Both groups have the subgroup's mix of labels, every subject counts once. p: tags exchanged among subjects "
        "of one label, on the mean excess loss."
    )
    layout = {
        "title": {"text": f"Training dynamics: {field}{at}"},
        "xaxis": {"title": {"text": "images seen"}},
        "yaxis": {"title": {"text": "accuracy"}, "range": [0, 1.02]},
    }
    shown = [t for t in traces if t.pop("what") == "accuracy"]
    return save_figure(dataset, name, figure, f"How {field} is learned{at}", caption, {"data": shown, "layout": layout})


def _traces(c, what, label, color, dash, mean, low, high) -> list[dict]:
    x = [int(v) for v in c.seen]
    rgb = tuple(int(color[k : k + 2], 16) for k in (1, 3, 5))
    dashes = {"solid": "solid", "dashed": "dash"}
    visible = True if c.part == "validation" else "legendonly"
    name = f"{c.part}, {label}"
    return [
        {
            "what": what,
            "x": [*x, *x[::-1]],
            "y": np.concatenate([high, low[::-1]]).round(4).tolist(),
            "fill": "toself",
            "mode": "lines",
            "line": {"width": 0},
            "fillcolor": f"rgba({rgb[0]},{rgb[1]},{rgb[2]},0.18)",
            "name": name,
            "legendgroup": name,
            "showlegend": False,
            "hoverinfo": "skip",
            "visible": visible,
        },
        {
            "what": what,
            "x": x,
            "y": mean.round(4).tolist(),
            "mode": "lines+markers",
            "name": name,
            "legendgroup": name,
            "line": {"color": color, "dash": dashes[dash]},
            "visible": visible,
        },
    ]
