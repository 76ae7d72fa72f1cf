"""Figures: a PNG on disk for reports and previews, and a Plotly specification for the App, under one name."""

from __future__ import annotations

from pathlib import Path

from . import atomic, paths

#: told apart by colour-blind eyes, on white and on dark grounds (Okabe & Ito 2008)
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
DPI = 150


def save_figure(
    dataset_name: str, name: str, figure, title: str, caption: str = "", plotly: dict | None = None
) -> dict:
    """Writes a Matplotlib figure for one dataset and describes it.

    Args:
        dataset_name: name of the dataset
        name: name of the figure, unique in the dataset; writing it again replaces it
        figure: a ``matplotlib.figure.Figure`` (made without pyplot, so that nothing global is kept)
        title: what it shows, in a few words
        caption: how to read it, with n and units
        plotly: ``{"data": […], "layout": {…}}`` of an interactive form, JSON-able

    Returns:
        ``{"name", "title", "caption", "png", "plotly"}``; "png" is relative to :func:`paths.figures_dir`
    """
    file = f"{paths.safe_name(name)}.png"
    with atomic.replacing(paths.figures_dir(dataset_name) / file) as part:
        figure.savefig(part, format="png", dpi=DPI, bbox_inches="tight", facecolor="white")
    return {"name": name, "title": title, "caption": caption, "png": file, "plotly": plotly}


def figure_path(dataset_name: str, described: dict) -> Path:
    """Where the PNG of a described figure lies."""
    return paths.figures_dir(dataset_name) / Path(described["png"]).name
