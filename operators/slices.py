"""The panel "Slices": a volume slice by slice, beside the sample that is open.

FiftyOne 1.22 shows pictures, videos, point clouds and meshes, and no DICOM or NIfTI volume. A video a volume would be
lossy and a group of samples a volume would make slices, not volumes, what is counted; so this panel shows the slices
that the audit itself read.
"""

from __future__ import annotations

import base64

import cv2
import fiftyone.operators as foo
import fiftyone.operators.types as types
import numpy as np
from fiftyone.operators.store import ExecutionStore

from fiftyone_daebias import schema, store
from fiftyone_daebias.cohort.previews import picture
from fiftyone_daebias.cohort.slices import SliceSource, open_slices
from fiftyone_daebias.errors import DaebiasError

from .bars import NARROW, bar_of, button

#: longer side of a slice as it is shown, pixels; of one among many, how many of them, and how many side by side
SIDE, SMALL, MANY, ACROSS = 560, 150, 24, 6
#: brightness and contrast that show a volume from its 0.5th to its 99.5th percentile
USUAL = (50, 100)
#: where the window of each dataset is kept
STORE = "daebias_window"
#: an orange that is seen on grey, as BGR
_BOX = (0, 159, 230)
_GEOMETRY = (
    ("plane", "plane", ""),
    ("axes", "axes of slices, rows and columns", ""),
    ("matrix", "matrix", "px"),
    ("spacing_mm", "spacing of slices, rows and columns", "mm"),
    ("tilt_degrees", "tilt", "°"),
    ("centre_mm", "centre (right, anterior, superior)", "mm"),
)


class Slices(foo.Panel):
    """Slices of the sample that is open, with window, geometry and the box of a strange place."""

    @property
    def config(self):
        return foo.PanelConfig(
            name="slices",
            label="Slices",
            icon="layers",
            surfaces="modal",
            category=foo.Categories.ANALYZE,
            help_markdown="The slices of the volume that is open. Brightness and contrast are kept for the dataset.",
        )

    def on_load(self, ctx):
        """Begins in the middle."""
        ctx.panel.set_state("slice", None)

    def on_change_current_sample(self, ctx):
        ctx.panel.set_state("slice", None)

    def on_slice(self, ctx):
        ctx.panel.set_state("slice", int(ctx.params.get("value") or 1))

    def on_step(self, ctx):
        ctx.panel.set_state("slice", int(ctx.params.get("to") or 1))

    def on_montage(self, ctx):
        """From one slice to many of them, or back."""
        ctx.panel.set_state("montage", not ctx.panel.get_state("montage"))

    def on_brightness(self, ctx):
        _keep(ctx.dataset, (int(ctx.params.get("value") or 0), _window(ctx.dataset)[1]))

    def on_contrast(self, ctx):
        _keep(ctx.dataset, (_window(ctx.dataset)[0], max(1, int(ctx.params.get("value") or 1))))

    def on_usual(self, ctx):
        _keep(ctx.dataset, USUAL)

    def render(self, ctx):
        panel = types.Object()
        fit = {"grid": {"sx": {"gridTemplateColumns": "minmax(0, 1fr)", "padding": "12px"}}}
        view = types.GridView(orientation="vertical", gap=1, componentsProps=fit)
        if not ctx.current_sample:
            panel.md("Open a sample to see its slices.", name="none")
            return types.Property(panel, view=view)
        sample = store.view_of_ids(ctx.dataset, [str(ctx.current_sample)])
        try:
            source = open_slices(sample)
        except DaebiasError as error:
            panel.md(f"Its slices cannot be read: {error}", name="wrong")
            return types.Property(panel, view=view)
        geometry = (_of(sample, schema.GEOMETRY_FIELD) or {}) if sample else {}
        n = source.n_slices(0)
        k = min(max(int(ctx.panel.get_state("slice") or 1 + n // 2), 1), n)
        brightness, contrast = _window(ctx.dataset)
        montage = bool(ctx.panel.get_state("montage")) and n > 1
        slices = sorted({round(v) for v in np.linspace(0, n - 1, MANY)}) if montage else [k - 1]
        tiles = [
            _drawn(source, at, (brightness, contrast), _boxes(sample), SMALL if montage else SIDE) for at in slices
        ]
        title = f"Slices {', '.join(str(at + 1) for at in slices)} of {n}" if montage else f"Slice {k} of {n}"
        panel.md(f"**{title}**", name="title")
        both = bar_of(panel, "both")
        view_of = types.ImageView(alt=title, componentsProps=NARROW)
        both.str("picture", default=_uri(_tiled(tiles)), view=view_of)
        both.md(_geometry_words(geometry, n), name="geometry", componentsProps=NARROW)
        if n > 1 and not montage:
            view_of = types.SliderView(label="Slice", value_precision=0, view_multiple_of=1)
            panel.int("slice", label="Slice", min=1, max=n, default=k, view=view_of, on_change=self.on_slice)
        if n > 1:
            bar = bar_of(panel, "steps")
            for name, label, to in (("back", "Previous", k - 1), ("on", "Next", k + 1)):
                inside = 1 <= to <= n and not montage
                button(bar, name, label, None, self.on_step, params={"to": to if inside else k}, disabled=not inside)
            label, icon = ("One slice", "crop_square") if montage else ("Many slices", "grid_view")
            button(bar, "montage", label, icon, self.on_montage)
        for name, value, event in (
            ("brightness", brightness, self.on_brightness),
            ("contrast", contrast, self.on_contrast),
        ):
            low, high = (0, 100) if name == "brightness" else (10, 200)
            view_of = types.SliderView(label=name.capitalize(), value_precision=0, view_multiple_of=1)
            panel.int(name, label=name, min=low, max=high, default=value, view=view_of, on_change=event)
        button(bar_of(panel, "window"), "usual", "Usual window", "contrast", self.on_usual)
        return types.Property(panel, view=view)


def _drawn(source: SliceSource, k: int, window: tuple[int, int], boxes: list, side: int) -> np.ndarray:
    """A slice as a picture, with boxes where something is strange."""
    array, _ = source.cache.read(source.keys[0])
    low, high = _limits(source.keys[0], array)
    middle, width = low + (high - low) * (1 - window[0] / 100), (high - low) * 100 / window[1]
    spacing = None if source.spacing[0] is None else (1.0, *source.spacing[0])
    grey = picture(np.asarray(array[k]), spacing, middle - width / 2, middle + width / 2, side)
    shown = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    height, wide = grey.shape
    for left, top, across, down in boxes:
        corner = round(left * wide), round(top * height)
        cv2.rectangle(shown, corner, (round((left + across) * wide), round((top + down) * height)), _BOX, 2)
    return shown


def _tiled(tiles: list[np.ndarray]) -> np.ndarray:
    """Pictures of one size, row by row."""
    height, wide = tiles[0].shape[:2]
    across = min(ACROSS, len(tiles))
    out = np.zeros((-(-len(tiles) // across) * height, across * wide, 3), np.uint8)
    for n, tile in enumerate(tiles):
        top, left = n // across * height, n % across * wide
        out[top : top + height, left : left + wide] = tile
    return out


def _uri(shown: np.ndarray) -> str:
    _, data = cv2.imencode(".png", shown)
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()


#: grey values that are shown as black and white, by key of the volume
_known: dict[str, tuple[float, float]] = {}


def _limits(key: str, array: np.ndarray) -> tuple[float, float]:
    if key not in _known:
        while len(_known) > 64:
            _known.pop(next(iter(_known)))
        low, high = (float(v) for v in np.percentile(array[:: max(1, len(array) // 12), ::2, ::2], [0.5, 99.5]))
        _known[key] = low, max(high, low + 1e-6)
    return _known[key]


def _of(sample, field: str):
    """A field of the one sample; ``None`` where there is none."""
    return store.read_field(sample, field)[0] if store.has_field(sample, field) else None


def _boxes(sample) -> list:
    """Boxes of strange places, as shares of the picture."""
    found = _of(sample, schema.LOCAL_PLACE_FIELD)
    return [d.bounding_box for d in found.detections] if found is not None else []


def _window(dataset) -> tuple[int, int]:
    """Brightness and contrast of a dataset, as somebody left them."""
    kept = ExecutionStore.create(STORE).get(str(dataset.name))
    return (int(kept[0]), int(kept[1])) if kept else USUAL


def _keep(dataset, window: tuple[int, int]) -> None:
    ExecutionStore.create(STORE).set(str(dataset.name), list(window))


def _geometry_words(geometry: dict, n: int) -> str:
    """The geometry as a table."""
    rows = [("slices", str(n))]
    for key, label, unit in _GEOMETRY:
        value = geometry.get(key)
        if value is None or value == []:
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        said = " × ".join(f"{v:.4g}" if isinstance(v, (int, float)) else str(v) for v in values if v is not None)
        rows.append((label, f"{said} {unit}".strip()))
    return "\n".join(["| geometry | |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)])
