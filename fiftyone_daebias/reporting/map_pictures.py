"""The map coloured by fields: small pictures without text, so that they suit light and dark pages."""

from __future__ import annotations

import base64
import io
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import store
from ..clustering.cluster import read_clusters
from ..errors import DaebiasError
from ..figures import COLORS
from ..findings.formatting import count
from ..statistics.dates import as_years

WIDTH, HEIGHT = 460, 360
MOST_CLASSES = len(COLORS) - 1
#: five steps of viridis, for numbers
RAMP = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")


@dataclass(frozen=True)
class MapPicture:
    """The map coloured by one field.

    Attributes:
        field: the field
        uri: "data:image/png;base64,…"
        legend: ``((colour, class, samples), …)`` of classes; empty for numbers
        ends: the colour ramp's ends, for numbers
        n: samples drawn in colour
        n_grey: samples without a value, drawn grey
    """

    field: str
    uri: str
    legend: tuple[tuple[str, str, int], ...]
    ends: tuple[float, float]
    n: int
    n_grey: int


def map_pictures(samples, key: str, fields: list[str], k: int = 5) -> list[MapPicture]:
    """The map coloured by its clusters, if there are any, and by each of the fields that can colour it.

    Args:
        samples: a dataset or view
        key: the map
        fields: fields to colour by
        k: values of fewer subjects are not told apart
    """
    ids, points = store.load_map(samples, key)
    here = set(store.sample_ids(samples))
    rows = [k for k, i in enumerate(ids) if i in here]
    ids, points = [ids[k] for k in rows], np.asarray(points)[rows]
    owner = dict(zip(store.sample_ids(samples), store.read_subjects(samples), strict=True))
    subjects = np.array([owner[i] for i in ids], dtype=object)
    columns = {}
    clusters = sorted(read_clusters(samples).values(), key=lambda c: -len(c.members))
    if clusters:
        of = {i: c.name for c in clusters for i in c.members}  # in several clusters: shown in the smallest
        columns["clusters"] = pd.Series([of.get(i) for i in ids], index=ids, dtype=object)
    for field in fields:
        try:
            columns[field] = store.read_table(samples, [field])[field].reindex(ids)
        except DaebiasError:
            continue
    out = []
    for field, column in columns.items():
        picture = _picture(field, points, column, subjects, k)
        if picture is not None:
            out.append(picture)
    return out


def _picture(field: str, points: np.ndarray, column: pd.Series, subjects: np.ndarray, k: int) -> MapPicture | None:
    present = column.notna().to_numpy() & (column.astype(str) != "").to_numpy()
    given = column[present]
    if not len(given):
        return None
    colors = np.full(len(points), "#8a8a8a", dtype=object)
    legend, ends = (), (float("nan"), float("nan"))
    numeric = all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in given)
    dated = all(hasattr(v, "timetuple") for v in given)
    if dated or numeric and given.nunique() > 10:
        values = as_years(given) if dated else given.to_numpy(float)
        low, high = (float(v) for v in np.nanquantile(values, [0.02, 0.98]))
        colors[present] = _ramp((values - low) / max(high - low, 1e-12))
        ends = (low, high)
    else:
        names = np.array([f"{v:.6g}" if isinstance(v, float) else str(v) for v in given], dtype=object)
        common = Counter(names).most_common()
        people = Counter(name for name, _ in set(zip(names, subjects[present], strict=True)))
        told = [(name, n) for name, n in common if people[name] >= k]
        shown = told if len(told) == len(common) <= len(COLORS) else told[:MOST_CLASSES]
        picked = {name: COLORS[at] for at, (name, _) in enumerate(shown)}
        colors[present] = [picked.get(n, COLORS[-1]) for n in names]
        legend = tuple((picked[name], name, n) for name, n in shown)
        if len(common) > len(shown):
            rest = [n for name, n in common if name not in picked]
            legend = (*legend, (COLORS[-1], count(len(rest), "other value"), sum(rest)))
    return MapPicture(field, draw(points, colors), legend, ends, int(present.sum()), int((~present).sum()))


def draw(points: np.ndarray, colors: np.ndarray) -> str:
    """Points on a transparent ground, as a data URI of a small PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=150)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    order = np.random.default_rng(0).permutation(len(points))  # no class lies on top of all others
    size = float(np.clip(9000 / max(len(points), 1), 0.6, 22))
    axes.scatter(points[order, 0], points[order, 1], s=size, c=list(colors[order]), alpha=0.85, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.axis("off")
    figure.patch.set_alpha(0.0)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba()).copy())
    buffer = io.BytesIO()
    picture.quantize(64, method=Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _ramp(shares: np.ndarray) -> list[str]:
    """Colours along viridis."""
    stops = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in RAMP], float)
    at = np.clip(np.nan_to_num(shares), 0, 1) * (len(stops) - 1)
    low = np.minimum(at.astype(int), len(stops) - 2)
    mixed = stops[low] + (at - low)[:, None] * (stops[low + 1] - stops[low])
    return [f"#{int(r):02x}{int(g):02x}{int(b):02x}" for r, g, b in mixed]
