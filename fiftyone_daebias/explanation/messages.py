"""Sentences that a data manager can act on."""

from __future__ import annotations

import numpy as np

from .appearance import Contrast
from .classifier import ClassifierResult
from .displacement import Displacement
from .faithfulness import Faithfulness
from .grid import Grid
from .headers import HeaderShift
from .mean_images import Edges, MeanImages


def share(value: float) -> str:
    """A share as a percentage; small ones keep a digit that says something."""
    return f"{100 * value:.0f} %" if value >= 0.01 else f"{100 * value:.2g} %"


def interval(bounds: tuple[float, float], digits: int = 1) -> str:
    return f"{bounds[0]:.{digits}f} to {bounds[1]:.{digits}f}"


def p_value(p: float) -> str:
    return f"p = {p:.3g}"


def shift_sentence(d: Displacement, grid: Grid, voxels: tuple[float, float] | None, names: tuple[str, str]) -> str:
    """How far the content lies, in the directions in which a shift is found; "" where none is."""
    parts = []
    for axis in (0, 1):
        if not d.moved[axis]:
            continue
        amount, bounds = d.shift[axis], _sorted_abs(d.shift_interval[axis])
        also = f"; {abs(amount) / voxels[axis]:.0f} voxels" if voxels else ""
        parts.append(f"{abs(amount):.1f} {grid.unit} (95 %: {interval(bounds)}{also}) {grid.word(axis, amount)}")
    if not parts:
        return ""
    what = "the anatomy" if grid.axes else "the content"
    return (
        f"In {names[0]} {what} lies {' and '.join(parts)} of where it lies in {names[1]}, within the field of view "
        f"({p_value(d.shift_p)})"
    )


def no_shift(d: Displacement, grid: Grid) -> str:
    """The bounds within which there is no shift."""
    axes = [f"{grid.word(axis, 1)} {interval(d.shift_interval[axis])} {grid.unit}" for axis in (0, 1)]
    return f"No shift is found ({', '.join(axes)}; {p_value(d.shift_p)})"


def turn_sentences(d: Displacement, names: tuple[str, str]) -> list[str]:
    out = []
    if d.turned:
        way = "clockwise" if d.rotation > 0 else "anticlockwise"
        bounds = sorted(abs(v) for v in d.rotation_interval)
        out.append(f"It is rotated by {abs(d.rotation):.1f}° ({interval(tuple(bounds))}) {way} in the picture")
    if d.scaled:
        share = 100 * (d.scale - 1)
        bounds = sorted(abs(100 * (v - 1)) for v in d.scale_interval)
        out.append(
            f"It is {abs(share):.1f} % ({interval(tuple(bounds))}) {'larger' if share > 0 else 'smaller'} in {names[0]}"
        )
    return out


def header_sentences(h: HeaderShift, d: Displacement, grid: Grid, names: tuple[str, str]) -> list[str]:
    """Whether the header's position says the same as the pixels, direction by direction."""
    out = []
    for axis in (0, 1):
        verdict, moved = h.agrees[axis], h.shift[axis]
        where = (
            f"the field of view lies {abs(moved):.1f} mm ({interval(_sorted_abs(h.interval[axis]))}) more "
            f"{grid.word(axis, moved)} in {names[0]}"
        )
        if verdict == "both moved":
            out.append(f"The header says the same: by its position {where}")
        elif verdict == "both, by different amounts":
            out.append(f"The header says something else: by its position {where}")
        elif verdict == "header only":
            out.append(
                f"By the header's position {where}, but the pixels do not show it: the person moved along, or the "
                "position is wrong"
            )
        elif verdict == "pixels only":
            axis_name = f"{grid.word(axis, -1)}–{grid.word(axis, 1)}"
            out.append(
                f"The header does not record it: by its position the field of view lies where the others' does "
                f"({axis_name} {interval(h.interval[axis])} mm), so the person lay elsewhere in the scanner, or the "
                "pixels were moved afterwards"
            )
    return out


def _sorted_abs(bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = sorted(abs(v) for v in bounds)
    return low, high


def contrast_sentence(c: Contrast, names: tuple[str, str]) -> str:
    """One number or class that differs."""
    if c.inside != c.inside:
        text = c.words.replace("inside", f"in {names[0]}").replace("outside", f"in {names[1]}")
        return f"{c.label}: {text} ({c.measure} {c.effect:.2f}, q = {c.q:.2g})"
    unit = f" {c.unit}" if c.unit else ""
    return (
        f"{c.label}: {c.inside:.4g}{unit} in {names[0]}, {c.outside:.4g}{unit} in {names[1]} "
        f"({c.measure} {c.effect:.2f}, {interval(c.interval, 2)}, q = {c.q:.2g})"
    )


def classifier_sentence(c: ClassifierResult, architecture: str) -> str:
    name = {"resnet10": "ResNet-10", "resnet34": "ResNet-34", "densenet121": "DenseNet-121"}[architecture]
    if c.reason:
        return f"No classifier was trained: {c.reason}"
    numbers = (
        f"AUC {c.auc:.2f} ({interval(c.interval, 2)}; chance 0.5, {p_value(c.p)}; {c.n_subjects[0]:,} and "
        f"{c.n_subjects[1]:,} subjects, {c.held_out})"
    )
    if c.tells_apart:
        return f"A {name} tells the groups apart on subjects that it has not seen: {numbers}"
    return f"A {name} cannot tell the groups apart on subjects that it has not seen: {numbers}; no map is drawn from it"


def map_sentences(where: str, cam: str, layer: str, f: Faithfulness, classifier_found: bool) -> list[str]:
    if not classifier_found:
        return []
    out = [f"What speaks for the first group lies {where} ({cam} at {layer})"]
    gain = f"{f.gain:+.2f} ({interval(f.interval, 2)}) over random maps, {f.n} samples"
    if f.faithful:
        out.append(f"The maps mark what the classifier uses: deletion and insertion {gain}")
    else:
        out.append(
            f"Do not read the maps closely: by deletion and insertion they are no better than random ones ({gain})"
        )
    if not f.depends_on_weights:
        out.append(f"Do not read the maps closely: those of random weights look alike (rank correlation {f.alike:.2f})")
    return out


def place(weights: np.ndarray, grid: Grid) -> str:
    """Where in the picture a map's weight lies: thirds of the field, in anatomical or plain words, and its centre.

    Args:
        weights: map (H, W), at least 0
        grid: geometry
    """
    top = np.where(weights >= np.quantile(weights, 0.95), weights, 0.0)
    if top.sum() <= 0:
        return "nowhere"
    height, width = grid.shape
    rows, columns = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    y, x = (top.sum(axis=1) @ rows) / top.sum(), (top.sum(axis=0) @ columns) / top.sum()
    names = []
    for axis, value, size in ((0, y, height), (1, x, width)):
        if abs(value) > size / 6:
            names.append(grid.word(axis, value))
    if grid.axes is None:
        names = [{"up": "top", "down": "bottom", "to the left": "left", "to the right": "right"}[n] for n in names]
    middle = "in the middle" if not names else f"at the {' '.join(names)} of the picture"
    return (
        f"{middle}, {abs(y) * grid.pixel:.0f} {grid.unit} {grid.word(0, y)} and {abs(x) * grid.pixel:.0f} {grid.unit} "
        f"{grid.word(1, x)} of its centre"
    )


def picture_sentences(means: MeanImages, edges: Edges | None, grid: Grid, names: tuple[str, str]) -> list[str]:
    """Where the mean pictures differ, and how far the body's edge lies elsewhere."""
    out = [
        f"The mean pictures differ in {share(means.share)} of the field, most "
        f"{place(np.abs(means.t) * means.significant, grid)} ({p_value(means.p)})"
    ]
    if edges is not None and (edges.interval[0] > 0 or edges.interval[1] < 0):
        lo, hi = edges.interval
        out.append(
            f"The body's edge at the {edges.name} side lies {abs(edges.difference):.1f} {grid.unit} further "
            f"{'out' if edges.difference > 0 else 'in'} in {names[0]} ({lo:.1f} to {hi:.1f})"
        )
    return out
