"""The curves of ``planted.py``: what is found, over strength and over share."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

_AXES = {"strength": ("field of view moved by, mm", 1.0), "share": ("people affected, %", 100.0)}
_ROWS = (("found", "share of cohorts in which it is found"), ("ap", "average precision of the samples"))
_COLOURS = {"dae": "#0072B2", "pca": "#E69F00", "random": "#009E73", "iqm": "#CC79A7", "brain": "#7F7F7F"}


def draw_curves(results: list[dict], path: Path) -> Path | None:
    """Draws means over cohorts with each cohort as a dot, and what chance reaches; ``None`` without such suites."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    suites = [s for s in _AXES if any(r["suite"] == s for r in results)]
    if not suites:
        return None
    figure, axes = plt.subplots(2, len(suites), figsize=(5 * len(suites), 6.4), squeeze=False, layout="constrained")
    for column, suite in enumerate(suites):
        label, factor = _AXES[suite]
        points: dict[str, dict[float, list[dict]]] = defaultdict(lambda: defaultdict(list))
        for result in results:
            if result["suite"] == suite:
                for model, score in result["models"].items():
                    plant = score["plants"][0]
                    at = plant["strength"] if suite == "strength" else round(plant["share"], 4)
                    points[model][at * factor].append(plant)
        x = sorted({v for by_place in points.values() for v in by_place})
        for row, (key, name) in enumerate(_ROWS):
            ax = axes[row, column]
            for model, by_place in points.items():
                colour, mine = _COLOURS.get(model, "black"), sorted(by_place)
                ax.plot(mine, [_mean(by_place[v], key) for v in mine], "-o", ms=4, color=colour, label=model)
                if key == "ap":
                    each = np.array([(v, p[key]) for v in mine for p in by_place[v]])
                    ax.plot(*each.T, ".", ms=3, color=colour, alpha=0.5)
            if key == "ap":
                chance = [_mean([p for m in points.values() for p in m.get(v, ())], "ap_by_chance") for v in x]
                ax.plot(x, chance, ":", color="black", label="by chance")
            ax.set(xscale="log", ylim=(-0.03, 1.03), xlabel=label, ylabel=name if column == 0 else "")
            ax.set_xticks(x, [f"{v:.3g}" for v in x])
            ax.minorticks_off()
    axes[1, 0].legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _mean(plants: list[dict], key: str) -> float:
    values = [float(p[key]) for p in plants if p[key] is not None]
    return float(np.mean(values)) if values else float("nan")
