"""The parts of a comparison: each measures, says in words what it found, and draws it.

``results = {p.name: p.measure(c, ...) for p in PARTS}``. A part's p-value is adjusted over all parts before anything is
said; what its part does not find is not claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .. import schema, store
from ..figures import save_figure
from ..progress import listening, start
from . import figures
from .appearance import MEASURES, Contrast, appearance_of, compare_table
from .classifier import ClassifierResult, cross_fit
from .comparison import Comparison
from .displacement import Displacement, box_of, measure_displacement, prepared, register
from .grid import centre_slices, scaled
from .headers import GEOMETRY_FIELDS, HeaderShift, compare_positions, field_centre, field_columns
from .maps import Maps, draw_maps
from .mean_images import Edges, MeanImages, compare_edges, compare_means
from .messages import (
    classifier_sentence,
    contrast_sentence,
    header_sentences,
    map_sentences,
    no_shift,
    picture_sentences,
    place,
    shift_sentence,
    turn_sentences,
)

LEVEL = 0.05
#: subjects of a group whose files are asked for their position
POSITIONS = 200
#: sentences of a table of contrasts
MOST_CONTRASTS = 4


@dataclass(frozen=True)
class Messages:
    """What a part says: what it found, what it did not find, and what it adds to both."""

    found: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


class Part(Protocol):
    """One part of a comparison."""

    name: str

    def measure(self, c: Comparison) -> Any:
        """Measures the two groups against each other; ``None`` where there is nothing to measure."""

    def p(self, result: Any) -> float | None:
        """The part's p-value; ``None`` where nothing was tested."""

    def messages(self, c: Comparison, result: Any, found: bool) -> Messages:
        """What it says, given whether it found something after adjustment over the parts."""

    def figures(self, c: Comparison, result: Any, found: bool) -> list[dict]:
        """Its figures, written and described."""


@dataclass(frozen=True)
class Pictures:
    """Mean pictures and the body's edge."""

    means: MeanImages
    edges: Edges | None


class PicturesPart:
    """Do the mean pictures differ, and the body's edge?"""

    name = "pictures"

    def measure(self, c: Comparison) -> Pictures:
        listening(c.progress).say("mean pictures and edges")
        n = max(999, c.settings.n_permutations)
        means = compare_means(c.middle, c.sides, c.valid, pairs=c.pairs, n_permutations=n, rng=c.rng)
        edges = compare_edges(c.middle, c.sides, c.grid, c.settings.edge, pairs=c.pairs, rng=c.rng)
        return Pictures(means, edges)

    def p(self, result: Pictures) -> float | None:
        return result.means.p

    def messages(self, c: Comparison, result: Pictures, found: bool) -> Messages:
        return Messages(tuple(picture_sentences(result.means, result.edges, c.grid, c.names)) if found else ())

    def figures(self, c: Comparison, result: Pictures, found: bool) -> list[dict]:
        out = [_saved(c, "means", "Mean pictures", figures.mean_figure(result.means, c.grid, c.names))]
        if result.edges is not None:
            out.append(_saved(c, "edges", "Edge of the body", figures.edge_figure(result.edges, c.grid, c.names)))
        return out


@dataclass(frozen=True)
class Shift:
    """Displacement in the pictures, and what the header says of it."""

    displacement: Displacement
    header: HeaderShift | None


class ShiftPart:
    """How far, which way, and does the header say the same?"""

    name = "shift"

    def measure(self, c: Comparison) -> Shift:
        d = measure_displacement(
            c.flat,
            c.sides,
            c.small_valid,
            c.small,
            pairs=c.pairs,
            n_permutations=c.settings.n_permutations,
            rng=c.rng,
            progress=c.progress,
        )
        if c.grid.axes is None:
            return Shift(d, None)
        centres = _centres(c)
        header = compare_positions(
            centres, c.sides, c.grid.axes, d.shift, d.moved, d.shift_interval, pairs=c.pairs, rng=c.rng
        )
        return Shift(d, header)

    def p(self, result: Shift) -> float | None:
        return result.displacement.p

    def messages(self, c: Comparison, result: Shift, found: bool) -> Messages:
        d, header, out, none = result.displacement, result.header, [], []
        if found:
            moved = shift_sentence(d, c.grid, c.voxels, c.names)
            out += [moved] if moved else []
            if moved and header:
                out += header_sentences(header, d, c.grid, c.names)
            out += turn_sentences(d, c.names)
            if out and d.explained < 0.1:
                out.append(
                    f"But aligning the mean pictures removes only {max(d.explained, 0):.0%} of their difference: look "
                    "at the pictures before acting on it"
                )
        if not (found and any(d.moved)):
            none.append(no_shift(d, c.grid))
            if header and header.p <= LEVEL and "header only" in header.agrees:
                out += header_sentences(header, d, c.grid, c.names)
        return Messages(tuple(out), tuple(none))

    def figures(self, c: Comparison, result: Shift, found: bool) -> list[dict]:
        if not found:
            return []
        d, box = result.displacement, box_of(c.small_valid)
        sides = [c.flat[g].mean(axis=0) for g in (c.sides, ~c.sides)]
        ready = [np.stack([prepared(p[box]) for p in c.flat[g]]).mean(axis=0) for g in (c.sides, ~c.sides)]
        matrix = register(*ready).matrix(d.model).astype(np.float64)
        corner = np.array([box[1].start, box[0].start], float)
        matrix[:, 2] += corner - matrix[:, :2] @ corner
        return [_saved(c, "alignment", "Alignment", figures.alignment_figure(*sides, d, matrix, c.small, c.names))]


class _TablePart:
    """Numbers and classes that differ."""

    name = ""

    def p(self, result: tuple[Contrast, ...]) -> float | None:
        return result[0].q if result else None

    def messages(self, c: Comparison, result: tuple[Contrast, ...], found: bool) -> Messages:
        rows = [contrast_sentence(row, c.names) for row in result if row.found] if found else []
        return Messages(tuple(rows[:MOST_CONTRASTS]))

    def figures(self, c: Comparison, result: tuple[Contrast, ...], found: bool) -> list[dict]:
        return []


class AppearancePart(_TablePart):
    """Do grey values, contrast, noise, sharpness or spacing differ?"""

    name = "appearance"

    def measure(self, c: Comparison) -> tuple[Contrast, ...]:
        listening(c.progress).say("grey values, spacing and fields")
        rows = []
        for i, (frame, geometry) in enumerate(zip(c.pictures.frames, c.geometries, strict=True)):
            raw = centre_slices(c.source, i, min(3, c.n_slices))
            rows.append(appearance_of(raw, scaled(raw), frame, geometry))
        table = {
            name: (label, unit, np.array([r.get(name, np.nan) for r in rows], float), ())
            for name, (label, unit) in MEASURES.items()
        }
        g = c.groups
        return compare_table(table, g.labels, g.subjects, paired=g.paired, seed=c.settings.seed)


class FieldsPart(_TablePart):
    """Do fields of header and table differ?"""

    name = "fields"

    def measure(self, c: Comparison) -> tuple[Contrast, ...]:
        frame = store.read_table(c.view)
        table = {name: frame[name].tolist() for name in frame.columns}
        columns = field_columns(
            table, c.groups.subjects, [*GEOMETRY_FIELDS, *c.settings.drawn_by], store.read_units(c.view)
        )
        g = c.groups
        return compare_table(columns, g.labels, g.subjects, paired=g.paired, seed=c.settings.seed)


@dataclass(frozen=True)
class Classifier:
    """The follow-up classifier and its networks; ``maps`` once they were drawn."""

    result: ClassifierResult
    networks: list
    maps: Maps | None = None


class ClassifierPart:
    """Can a network tell the groups apart on subjects that it has not seen, and by what?"""

    name = "classifier"

    def measure(self, c: Comparison) -> Classifier | None:
        s, g = c.settings, c.groups
        if not s.train:
            return None
        return Classifier(
            *cross_fit(
                c.pictures.stack,
                g.labels,
                g.subjects,
                c.source.splits,
                s.recipe,
                paired=g.paired,
                device=s.device,
                seed=s.seed,
                progress=c.progress,
            )
        )

    def p(self, result: Classifier | None) -> float | None:
        return result.result.p if result and not result.result.reason else None

    def explain(self, c: Comparison, result: Classifier | None, found: bool) -> Classifier | None:
        """With class activation maps, if the classifier tells the groups apart."""
        if result is None or not (found and result.result.tells_apart):
            return result
        listening(c.progress).say("class activation maps")
        return Classifier(result.result, result.networks, draw_maps(result.networks, c, result.result.fold))

    def messages(self, c: Comparison, result: Classifier | None, found: bool) -> Messages:
        if result is None:
            return Messages()
        said = [classifier_sentence(result.result, c.settings.recipe.architecture)]
        if (maps := result.maps) is not None:
            where = place(maps.means[0], c.grid.coarser(max(maps.means[0].shape)))
            said += map_sentences(where, c.settings.cam, maps.layer, maps.faithfulness, True)
        return Messages(said=tuple(said))

    def figures(self, c: Comparison, result: Classifier | None, found: bool) -> list[dict]:
        if result is None or result.maps is None:
            return []
        s, maps, labels = c.settings, result.maps, c.groups.labels
        mean = [c.pictures.stack[labels == side].astype(np.float32).mean(axis=(0, 1)) for side in (True, False)]
        name = f"{s.cam} at {maps.layer} of a {s.recipe.architecture} (AUC {result.result.auc:.2f})"
        drawn = figures.cam_figure(maps.means, mean, c.pictures.stack_grid, c.names, maps.counts, name)
        return [_saved(c, "maps", "What the classifier looks at", drawn)]


#: in the order in which they are measured, which is that of their figures
PARTS: tuple[Part, ...] = (PicturesPart(), ShiftPart(), AppearancePart(), FieldsPart(), ClassifierPart())
#: in the order in which they speak, the most useful first
SPEAKING = ("shift", "fields", "appearance", "pictures", "classifier")


def holm(p_values: dict[str, float | None]) -> dict[str, dict]:
    """p-values adjusted over the parts (Holm 1979); parts without one are left out."""
    given = sorted((p, part) for part, p in p_values.items() if p is not None and p == p)
    out: dict[str, dict] = {}
    running = 0.0
    for k, (p, part) in enumerate(given):
        running = max(running, min(1.0, p * (len(given) - k)))
        out[part] = {"p": float(p), "p_adjusted": float(running), "found": bool(running <= LEVEL)}
    return {part: out[part] for part in p_values if part in out}


def sentences(c: Comparison, messages: dict[str, Messages], maps: Maps | None) -> tuple[str, ...]:
    """What to know of a comparison, the most useful first; no difference is claimed that its part did not find."""
    found, none, said = (
        [text for name in SPEAKING for text in getattr(messages[name], kind)] for kind in ("found", "none", "said")
    )
    if not found and maps is None:
        found = [f"No difference is found between {c.names[0]} and {c.names[1]}"]
    return (*found, *none, *said)


def _saved(c: Comparison, suffix: str, title: str, drawn: tuple) -> dict:
    figure, plotly, caption = drawn
    dataset = store.dataset_of(c.view).name
    name = f"explain_{c.groups.key}_{suffix}"
    return save_figure(dataset, name, figure, f"{title}: {c.groups.name}", caption, plotly)


def _centres(c: Comparison) -> np.ndarray:
    """Where each unit's field of view lies by its header, (units, 3); NaN where that is not known."""
    out = np.full((len(c.units), 3), np.nan)
    first = {s: k for k, s in reversed(list(enumerate(c.groups.units)))}
    for k, unit in enumerate(c.units):
        stored = (c.geometries[first[unit]] or {}).get("centre_mm")
        if stored:
            out[k] = stored
    if np.isfinite(out).any():
        return out
    # registered before positions were stored: the files are asked
    field = schema.SOURCE_FIELD if store.has_field(c.view, schema.SOURCE_FIELD) else "filepath"
    files = store.read_field(c.view, field)
    if c.pairs is None:
        asked = np.concatenate([c.rng.permutation(np.flatnonzero(g))[:POSITIONS] for g in (c.sides, ~c.sides)])
    else:
        asked = np.flatnonzero(np.isin(c.pairs, c.rng.permutation(np.unique(c.pairs))[:POSITIONS]))
    with start(c.progress, "positions in headers", len(asked), "files") as task:
        for k in asked:
            try:
                centre = field_centre(files[first[c.units[k]]] or "")
            except Exception:  # a damaged header may raise anything; its position is then not known
                centre = None
            if centre is not None:
                out[k] = centre
            task.advance()
    return out
