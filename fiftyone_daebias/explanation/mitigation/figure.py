"""Scores by group before and after."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ...figures import COLORS, save_figure

_MARKERS = {"before": "o", "reweighted": "s", "interpolated": "D"}


def draw_mitigation(dataset: str, name: str, field: str, by: str, arms, counts: dict) -> list[dict]:
    """One figure: every group's score in every arm, for both measures."""
    measures = list(dict.fromkeys(a.measure for a in arms))
    groups = list(counts)
    figure = Figure(figsize=(5.0 * len(measures), 1.4 + 0.75 * (len(groups) + 1)))
    traces = []
    for axes, measure in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
        mine = [a for a in arms if a.measure == measure]
        labels = [f"{g} ({sum(counts[g].values())})" for g in groups] + ["worst group"]
        for k, arm in enumerate(mine):
            rows = [*(arm.groups[g] for g in groups), (arm.worst, *arm.interval)]
            y = np.arange(len(rows))[::-1] - 0.2 * (k - (len(mine) - 1) / 2)
            x = np.array([r[0] for r in rows])
            low, high = (np.array([r[j] for r in rows]) for j in (1, 2))
            axes.hlines(y, low, high, color=COLORS[k], lw=2)
            axes.plot(x, y, _MARKERS[arm.arm], color=COLORS[k], label=arm.arm, ms=5)
            if measure == measures[0]:
                traces.append(
                    {
                        "type": "scatter",
                        "mode": "markers",
                        "name": arm.arm,
                        "x": x.tolist(),
                        "y": labels,
                        "marker": {"color": COLORS[k], "size": 10},
                        "error_x": {
                            "type": "data",
                            "symmetric": False,
                            "array": (high - x).tolist(),
                            "arrayminus": (x - low).tolist(),
                        },
                    }
                )
        axes.axvline(0.5, color="#555555", lw=0.8, ls="--")
        axes.set_yticks(np.arange(len(labels))[::-1], labels, fontsize=8)
        axes.set_xlabel(measure)
        axes.spines[["top", "right"]].set_visible(False)
    handles, names = axes.get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0, 1, 0.93))
    figure.legend(handles, names, loc="upper center", ncols=len(names), fontsize=8, frameon=False)
    arm = next(a for a in arms if a.arm == "interpolated")
    caption = (
        f"{field} predicted on held-out subjects within {by} (subjects in brackets): the probe as it is, with groups "
        "weighing the same, and with interpolated subjects. Bars: 95 % subject-bootstrap intervals. Paired change of "
        f"the worst group's {arm.measure} by interpolation: {arm.change:+.3f} [{arm.change_interval[0]:+.3f}, "
        f"{arm.change_interval[1]:+.3f}]. Tried, not promised."
    )
    spec = {
        "data": traces,
        "layout": {
            "title": {"text": f"{field} within {by}: {measures[0]}"},
            "xaxis": {"title": {"text": measures[0]}},
            "yaxis": {"autorange": "reversed"},
        },
    }
    return [save_figure(dataset, name, figure, f"Balancing {field} within {by}", caption, spec)]
