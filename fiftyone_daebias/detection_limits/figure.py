"""Curves of the probability of detection, and examples of what was planted."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..figures import COLORS, save_figure
from .result import SensitivityRow

ACROSS = 4
_MARKERS = "osD^vP"
_OPPOSITE = dict(zip("LRAPSI", "RLPAIS", strict=True))


def curve_figure(dataset_name: str, rows: list[SensitivityRow], level: float) -> dict:
    """One panel an effect: probability of detection over strength, one line a prevalence, with 95 % intervals."""
    rows = [r for r in rows if not r.reason]
    effects = list(dict.fromkeys(r.effect for r in rows if r.effect != "none"))
    shares = sorted({r.prevalence for r in rows})
    across = min(ACROSS, len(effects))
    down = -(-len(effects) // across)
    figure = Figure(figsize=(2.9 * across + 0.5, 2.5 * down + 0.9), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    for axis, effect in zip(panels, effects, strict=False):
        mine = [r for r in rows if r.effect == effect]
        strengths = [0.0, *sorted({r.strength for r in mine})]
        at = {s: x for x, s in enumerate(strengths)}
        axis.axhspan(0, level, color="0.85", lw=0)
        axis.axhline(0.8, color="0.6", lw=0.8, ls=":")
        for k, share in enumerate(shares):
            line = [r for r in rows if r.prevalence == share and r.effect in (effect, "none")]
            line.sort(key=lambda r: r.strength)
            x = np.array([at[r.strength] for r in line]) + 0.08 * (k - (len(shares) - 1) / 2)
            y = np.array([r.probability for r in line])
            low, high = np.array([r.interval for r in line]).T
            axis.errorbar(
                x,
                y,
                np.abs([y - low, high - y]),
                color=COLORS[k % len(COLORS)],
                marker=_MARKERS[k % len(_MARKERS)],
                ms=4,
                lw=1.4,
                elinewidth=0.8,
                label=f"{share:.0%} ({line[0].n_affected} subjects)",
            )
        axis.set_xticks(range(len(strengths)), [f"{s:g}" for s in strengths], fontsize=8)
        axis.set_title(effect.replace("_", " "), fontsize=9)
        axis.set_xlabel(_short(mine[0].unit), fontsize=7)
        axis.set_ylim(-0.03, 1.03)
        axis.tick_params(axis="y", labelsize=8)
        axis.grid(lw=0.3, alpha=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in panels[len(effects) :]:
        axis.set_axis_off()
    for axis in panels[::across]:
        axis.set_ylabel("probability of detection", fontsize=8)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(shares),
        fontsize=8,
        frameon=False,
        title="share of the subjects affected",
        title_fontsize=8,
    )
    n = rows[0]
    caption = (
        f"Effects planted into copies of the cohort's own images ({n.n_subjects:,} subjects, {n.repeats} trials a "
        "point, bars: 95 % intervals). At 0 nothing was planted: the share of false alarms. Grey: level of the test; "
        "dotted: 80 %. Strengths are not evenly spaced."
    )
    return save_figure(
        dataset_name, "sensitivity", figure, "What the audit would have found", caption, _plotly(rows, effects, shares)
    )


def _short(unit: str) -> str:
    words = unit.split()
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) > 32:
            lines.append(line.strip())
            line = ""
        line += word + " "
    return "\n".join([*lines, line.strip()])


def _plotly(rows, effects: list[str], shares: list[float]) -> dict:
    across = min(ACROSS, len(effects))
    down = -(-len(effects) // across)
    data, layout = (
        [],
        {
            "margin": {"l": 50, "r": 10, "t": 40, "b": 40},
            "legend": {"title": {"text": "subjects affected"}},
            "annotations": [],
            "height": 240 * down + 60,
        },
    )
    for e, effect in enumerate(effects):
        mine = [r for r in rows if r.effect == effect]
        row, column = divmod(e, across)
        n = "" if e == 0 else str(e + 1)
        left, right = column / across, (column + 0.82) / across
        bottom, top = 1 - (row + 0.72) / down, 1 - row / down
        ticks = [f"{s:g}" for s in [0.0, *sorted({r.strength for r in mine})]]
        layout[f"xaxis{n}"] = {
            "domain": [left, right],
            "anchor": f"y{n}",
            "type": "category",
            "categoryorder": "array",
            "categoryarray": ticks,
            "title": {"text": mine[0].unit, "font": {"size": 10}},
        }
        layout[f"yaxis{n}"] = {"domain": [bottom, top], "anchor": f"x{n}", "range": [-0.03, 1.03]}
        layout["annotations"].append(
            {
                "text": effect.replace("_", " "),
                "x": (left + right) / 2,
                "y": top,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "center",
                "yanchor": "bottom",
                "showarrow": False,
            }
        )
        for k, share in enumerate(shares):
            line = sorted(
                (r for r in rows if r.prevalence == share and r.effect in (effect, "none")), key=lambda r: r.strength
            )
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "xaxis": f"x{n}",
                    "yaxis": f"y{n}",
                    "x": [f"{r.strength:g}" for r in line],
                    "y": [r.probability for r in line],
                    "error_y": {
                        "type": "data",
                        "symmetric": False,
                        "thickness": 1,
                        "array": [r.interval[1] - r.probability for r in line],
                        "arrayminus": [r.probability - r.interval[0] for r in line],
                    },
                    "line": {"color": COLORS[k % len(COLORS)]},
                    "name": f"{share:.0%} ({line[0].n_affected})",
                    "legendgroup": f"{share}",
                    "showlegend": e == 0,
                }
            )
    return {"data": data, "layout": layout}


def example_figure(
    dataset_name: str, pictures: dict[str, list[tuple[float, np.ndarray]]], units: dict[str, str], axes: str = ""
) -> dict:
    """One row an effect: the middle slice as it is and with each strength.

    Args:
        dataset_name: name of the dataset
        pictures: ``{effect: [(strength, slice (H, W) in [-1, 1])]}``, strength 0 first
        units: unit of each effect
        axes: directions in which rows and columns run, as "IP" for sagittal slices; "" if unknown
    """
    across = max(len(p) for p in pictures.values())
    shape = next(iter(pictures.values()))[0][1].shape
    high = 1.35 * min(1.6, shape[0] / shape[1])
    figure = Figure(figsize=(1.35 * across + 0.3, (high + 0.32) * len(pictures) + 0.2), layout="constrained")
    panels = figure.subplots(len(pictures), across, squeeze=False)
    for line, (effect, shown) in zip(panels, pictures.items(), strict=True):
        for axis in line:
            axis.set_axis_off()
        for axis, (strength, picture) in zip(line, shown, strict=False):
            axis.imshow(picture, cmap="gray", vmin=-1, vmax=1)
            axis.set_title("as it is" if strength == 0 else f"{effect.replace('_', ' ')} {strength:g}", fontsize=7)
    if len(axes) == 2 and set(axes) <= set(_OPPOSITE):
        down, right = axes
        marks = {(0.5, 0.99): _OPPOSITE[down], (0.5, 0.01): down, (0.02, 0.5): _OPPOSITE[right], (0.98, 0.5): right}
        for (x, y), letter in marks.items():
            panels[0, 0].text(
                x,
                y,
                letter,
                transform=panels[0, 0].transAxes,
                color="#E69F00",
                fontsize=7,
                ha="left" if x < 0.5 else "right" if x > 0.5 else "center",
                va="bottom" if y < 0.5 else "top" if y > 0.5 else "center",
            )
    said = "; ".join(f"{e.replace('_', ' ')}: {u}" for e, u in units.items())
    return save_figure(
        dataset_name,
        "sensitivity_examples",
        figure,
        "What was planted",
        f"The middle slice of one sample as it is and with each strength, as the model sees it. {said}.",
    )
