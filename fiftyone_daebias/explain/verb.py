"""The verb ``explain``: where two groups of images differ, how much, and whether a model hangs on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from .. import schema, store
from ..cohort.slices import SliceSource, open_slices
from ..dae.verb import pick_device
from ..errors import InputError
from ..progress import Progress, listening, start
from ..report.figures import save_figure
from . import figures, words
from .appearance import MEASURES, appearance_of, compare_table
from .classifier import Recipe, cross_fit
from .displacement import box_of, measure_displacement, prepared, register
from .faithfulness import check, choose_layer
from .gradcam import METHODS, layers_of, raw_maps
from .grid import Pictures, centre_slices, from_grid, load_pictures, scaled
from .groups import Groups, resolve_groups
from .headers import compare_positions, field_centre, field_columns
from .mean_images import by_subject, compare_edges, compare_means
from .result import Explanation

LEVEL = 0.05
#: centre slices of a volume: Graf et al. 2024
N_SLICES = 12
#: longer side of pictures for means and maps, and for the measurement of shifts, pixels
SIDE, SHIFT_SIDE = 160, 112
#: longer side of a stored heat map, pixels
HEATMAP_SIDE = 96
#: subjects of a group whose files are asked for their position
POSITIONS = 200


def explain(
    samples,
    *,
    cluster: str | None = None,
    tag: str | None = None,
    field: str | None = None,
    value: str | None = None,
    against: str | None = None,
    train: bool = True,
    architecture: Literal["resnet10", "resnet34", "densenet121"] = "resnet10",
    inputs: Literal["slices", "channels"] = "slices",
    cam: Literal["gradcam", "gradcam++", "layercam", "hirescam"] = "gradcam",
    layer: str | None = None,
    edge: str = "auto",
    n_slices: int | None = None,
    image_size: int = 96,
    steps: int = 300,
    batch_size: int = 16,
    weight_decay: float = 0.01,
    most: int = 1000,
    n_maps: int = 200,
    n_permutations: int = 499,
    subject_field: str | None = None,
    device: str | None = None,
    seed: int = 51,
    progress: Progress | None = None,
) -> Explanation:
    """Says where two groups of images differ, by how many mm, and whether a classifier hangs on it.

    Measured are shift, rotation and scale between the groups, their mean
    pictures and the body's edge, grey values, contrast, noise, sharpness and
    spacing, and the fields of header and table, with the header's position
    held against the pixels. A classifier is trained on some subjects and tried
    on others; only if it tells the groups apart are class activation maps
    drawn, checked, and stored as heat maps. Subjects are the units of every
    test; groups that do not differ yield no explanation.

    Args:
        samples: a dataset or view
        cluster: cluster that is compared with all other samples
        tag: tag that is compared with all other samples
        field: field whose ``value`` is compared with all other values
        value: value of ``field``, or a comparison such as ">=60" for numbers
        against: compare with this other cluster, tag or value instead
        train: train a classifier and draw its maps
        architecture: network of the classifier
        inputs: "slices" shows it one slice at a time, "channels" all slices of a volume as channels
        cam: kind of class activation map
        layer: layer of the maps, such as "layer3[-1]"; default: the one whose maps are most faithful
        edge: side at which the body's edge is drawn: superior, posterior, left, top …; default: where it differs most
        n_slices: centre slices a volume; default: 12, or 1 where every sample is a single image
        image_size: longer side of the classifier's input, pixels
        steps: most training steps
        batch_size: pictures a step, half of either group
        weight_decay: weight decay of the classifier
        most: most samples of a group; more are drawn from at random, subject by subject
        n_maps: most samples that get a heat map
        n_permutations: permutations of the subjects
        subject_field: field that names the subject; default: as registered, else guessed by name
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: seed of draws, permutations and training

    Returns:
        sentences to act on, with everything they rest on

    Raises:
        InputError: groups that do not exist or are too small, slices of different planes, or a bad parameter
    """
    told = listening(progress)
    recipe = Recipe(architecture, inputs, steps, batch_size, weight_decay=weight_decay)
    if cam not in METHODS:
        raise InputError(f"cam must be one of {', '.join(METHODS)}; got {cam!r}")
    if image_size < 32 or most < 10 or n_permutations < 99 or n_maps < 0:
        raise InputError(
            "image_size must be at least 32, most at least 10, n_permutations at least 99 and n_maps at least 0; got "
            f"{image_size}, {most}, {n_permutations} and {n_maps}"
        )
    where = pick_device(device)
    whole = resolve_groups(
        samples, cluster=cluster, tag=tag, field=field, value=value, against=against, subject_field=subject_field
    )
    groups, notes = _at_most(whole, most, seed)
    notes = [*whole.notes, *notes]
    view = store.view_of_ids(samples, groups.ids, ordered=True)
    source = open_slices(view, subject_field=subject_field, progress=progress)
    geometries = _geometries(view)
    n_slices = _slice_count(source, n_slices)
    pictures = load_pictures(
        source, range(len(groups)), geometries, n_slices=n_slices, side=SIDE, stack_side=image_size, progress=progress
    )
    grid, names = pictures.grid, (groups.inside, groups.outside)
    if edge != "auto" and edge not in grid.sides():
        raise InputError(f"edge must be 'auto' or one of {', '.join(grid.sides())}; got {edge!r}")
    rng = np.random.default_rng([seed, 3])
    told.say("mean pictures and edges")
    middle, labels, subjects = by_subject(pictures.filled(pictures.middle), groups.labels, groups.subjects)
    valid = pictures.valid()
    means = compare_means(middle, labels, valid, n_permutations=max(999, n_permutations), rng=rng)
    edges = compare_edges(middle, labels, grid, edge, rng=rng)
    flat, _, _ = by_subject(pictures.filled(pictures.projection), groups.labels, groups.subjects)
    small = grid.coarser(SHIFT_SIDE)
    flat, small_valid = _resized(flat, small.shape), _resized(valid[None].astype(np.float32), small.shape)[0] > 0.99
    displacement = measure_displacement(
        flat, labels, small_valid, small, n_permutations=n_permutations, rng=rng, progress=progress
    )
    voxels = None
    if grid.unit == "mm":
        voxels = tuple(float(v) for v in np.median([f.voxel for f in pictures.frames], axis=0))
    header = None
    if grid.axes is not None:
        centres = _centres(view, groups, subjects, labels, rng, progress)
        header = compare_positions(
            centres, labels, grid.axes, displacement.shift, displacement.moved, displacement.shift_interval, rng=rng
        )
    told.say("grey values, spacing and fields")
    appearance = compare_table(_appearance(source, pictures, geometries, n_slices), groups.labels, groups.subjects,
                               seed=seed)
    table, left_out = _table(view, samples, cluster, field)
    fields = compare_table(field_columns(table, groups.subjects, left_out), groups.labels, groups.subjects, seed=seed)
    classifier, networks = None, []
    if train:
        classifier, networks = cross_fit(
            pictures.stack, groups.labels, groups.subjects, source.splits, recipe, device=where, seed=seed,
            progress=progress,
        )
    tests = _holm({
        "shift": displacement.p, "pictures": means.p, "appearance": appearance[0].q if appearance else None,
        "fields": fields[0].q if fields else None,
        "classifier": classifier.p if classifier and not classifier.reason else None,
    })
    maps = None
    if classifier and classifier.tells_apart and tests["classifier"]["found"]:
        told.say("class activation maps")
        maps = _draw_maps(networks, recipe, pictures, groups, classifier.fold, cam, layer, n_maps, seed)
    elif classifier and not classifier.reason:
        tests["classifier"]["found"] = False
    heatmap_field = schema.EXPLAIN_FIELD_PREFIX + groups.key
    store.clear_field(samples, heatmap_field)
    if maps is not None and n_maps:
        _store_heatmaps(samples, heatmap_field, maps, groups, pictures)
    else:
        heatmap_field = ""
    sentences = _sentences(
        names, grid, tests, displacement, voxels, header, means, edges, appearance, fields, classifier, maps, recipe,
        cam,
    )
    drawn = _figures(store.dataset_of(samples).name, groups, pictures, means, edges, flat, labels, small, small_valid,
                     displacement, tests, maps, classifier, recipe, cam, names)
    result = Explanation(
        groups.name, names, groups.n_samples, groups.n_subjects, sentences, tests, displacement, voxels and tuple(
            s / v for s, v in zip(displacement.shift, voxels, strict=True)
        ), header, means, edges, appearance, fields, classifier, maps.layer if maps else "",
        maps.faithfulness if maps else None, heatmap_field, schema.EXPLAIN_RUN_PREFIX + groups.key, tuple(drawn),
        tuple(notes),
    )
    store.save_run(
        samples, result.run_key,
        {**groups.config(), "cluster": cluster, "tag": tag, "field": field, "value": value, "against": against,
         "recipe": asdict(recipe), "cam": cam, "layer": result.layer, "edge": edge, "n_slices": n_slices,
         "image_size": image_size, "most": most, "n_permutations": n_permutations, "seed": seed,
         "data_hash": source.data_hash},
        {"summary": result.to_dict(), "figures": drawn, "sample_ids": list(groups.ids), "labels": groups.labels,
         "scores": classifier.scores if classifier else None, "grid": asdict(grid),
         "mean_inside": np.round(means.inside, 4), "mean_outside": np.round(means.outside, 4),
         "t": np.round(means.t, 3), "mean_maps": None if maps is None else [np.round(m, 5) for m in maps.means]},
    )
    return result


def _at_most(groups: Groups, most: int, seed: int) -> tuple[Groups, list[str]]:
    """At most so many samples of a side, whole subjects drawn at random."""
    from dataclasses import replace

    rng = np.random.default_rng([seed, 1])
    keep = np.ones(len(groups), bool)
    notes = []
    for side, name in ((True, groups.inside), (False, groups.outside)):
        mine = groups.labels == side
        if mine.sum() <= most:
            continue
        owners, counts = np.unique(groups.subjects[mine], return_counts=True)
        order = rng.permutation(len(owners))
        chosen = owners[order[np.cumsum(counts[order]) <= most]]
        keep &= ~mine | np.isin(groups.subjects, chosen)
        notes.append(f"{len(chosen):,} of {len(owners):,} subjects of {name} were drawn at random (most={most})")
    if keep.all():
        return groups, notes
    return replace(
        groups, ids=tuple(np.array(groups.ids)[keep]), rows=groups.rows[keep], labels=groups.labels[keep],
        subjects=groups.subjects[keep],
    ), notes


def _geometries(view) -> list[dict | None]:
    if not store.has_field(view, schema.GEOMETRY_FIELD):
        return [None] * len(view)
    return store.read_field(view, schema.GEOMETRY_FIELD)


def _slice_count(source: SliceSource, n_slices: int | None) -> int:
    deepest = max(source.n_slices(i) for i in range(len(source)))
    if n_slices is None:
        return min(N_SLICES, deepest)
    if not 1 <= n_slices <= deepest:
        raise InputError(f"n_slices must be between 1 and {deepest}, the slices of the deepest sample; got {n_slices}")
    return n_slices


def _resized(images: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    import cv2

    if images.shape[1:] == shape:
        return images
    return np.stack([cv2.resize(i, shape[::-1], interpolation=cv2.INTER_AREA) for i in images])


def _centres(view, groups: Groups, subjects: list, labels: np.ndarray, rng, progress) -> np.ndarray:
    """Where each subject's field of view lies by its file's header, (subjects, 3); NaN where that is not known."""
    out = np.full((len(subjects), 3), np.nan)
    files = store.read_field(view, schema.SOURCE_FIELD if store.has_field(view, schema.SOURCE_FIELD) else "filepath")
    first = {s: k for k, s in reversed(list(enumerate(groups.subjects)))}
    asked = np.concatenate([rng.permutation(np.flatnonzero(g))[:POSITIONS] for g in (labels, ~labels)])
    with start(progress, "positions in headers", len(asked), "files") as task:
        for k in asked:
            try:
                centre = field_centre(files[first[subjects[k]]] or "")
            except Exception:  # a damaged header may raise anything; its position is then not known
                centre = None
            if centre is not None:
                out[k] = centre
            task.advance()
    return out


def _appearance(source, pictures: Pictures, geometries, n_slices: int) -> dict:
    rows = []
    for i, (frame, geometry) in enumerate(zip(pictures.frames, geometries, strict=True)):
        raw = centre_slices(source, i, min(3, n_slices))
        rows.append(appearance_of(raw, scaled(raw), frame, geometry))
    return {
        name: (label, unit, np.array([r.get(name, np.nan) for r in rows], float), ())
        for name, (label, unit) in MEASURES.items()
    }


def _table(view, samples, cluster: str | None, field: str | None) -> tuple[dict, list[str]]:
    """Metadata of both groups, and the fields that drew them."""
    frame = store.read_table(view)
    left_out = [field] if field else []
    if cluster is not None:
        from ..clusters import named

        coloured = named.get(samples, cluster).coloured_by
        left_out += [coloured] if coloured in frame.columns else []
    return {name: frame[name].tolist() for name in frame.columns}, left_out


def _holm(p_values: dict[str, float | None]) -> dict[str, dict]:
    """p-values adjusted over the parts (Holm 1979); parts without one are left out."""
    given = sorted((p, part) for part, p in p_values.items() if p is not None and p == p)
    out, running = {}, 0.0
    for k, (p, part) in enumerate(given):
        running = max(running, min(1.0, p * (len(given) - k)))
        out[part] = {"p": float(p), "p_adjusted": float(running), "found": bool(running <= LEVEL)}
    return {part: out[part] for part in p_values if part in out}


@dataclass(frozen=True)
class _Maps:
    rows: np.ndarray
    maps: np.ndarray  # one a row, on the classifier's grid
    means: tuple[np.ndarray, np.ndarray]
    counts: tuple[int, int]
    layer: str
    faithfulness: object


def _draw_maps(networks, recipe, pictures: Pictures, groups: Groups, fold, cam, layer, n_maps, seed) -> _Maps:
    """Maps of held-out samples, each for its own group, and their check."""
    rng = np.random.default_rng([seed, 5])
    stack, labels = pictures.stack, groups.labels
    known = layers_of(networks[0], recipe.architecture)
    if layer is not None and layer not in known:
        raise InputError(f"layer must be one of {', '.join(known)}; got {layer!r}")
    if layer is None:
        tried = np.flatnonzero(fold != 0)  # samples that the reported check of this fold's network does not use
        some = np.concatenate([rng.permutation(tried[labels[tried] == s])[:6] for s in (True, False)])
        layer = choose_layer(networks[0], recipe, stack, some, labels, cam)
    held = np.flatnonzero(fold >= 0)
    half = max(n_maps, 40) // 2
    rows = np.sort(np.concatenate([rng.permutation(held[labels[held] == s])[:half] for s in (True, False)]))
    signs = np.where(labels, 1, -1)
    maps = None
    for k, network in enumerate(networks):
        mine = np.flatnonzero(fold[rows] == k)
        if not len(mine):
            continue
        part = raw_maps(network, layers_of(network, recipe.architecture)[layer], stack, rows[mine], recipe.inputs, cam,
                        signs[rows[mine]])
        maps = np.zeros((len(rows), *part.shape[1:]), np.float32) if maps is None else maps
        maps[mine] = part
    _, first = np.unique(groups.subjects[rows], return_index=True)
    checked = np.concatenate([rng.permutation(first[labels[rows[first]] == s])[:16] for s in (True, False)])
    faithfulness = check(networks, recipe, layer, stack, rows[checked], fold, labels, maps[checked], cam, seed=seed)
    one = maps.mean(axis=1)
    inside = labels[rows]
    return _Maps(rows, maps[:, maps.shape[1] // 2], (one[inside].mean(axis=0), one[~inside].mean(axis=0)),
                 (int(inside.sum()), int((~inside).sum())), layer, faithfulness)


def _store_heatmaps(samples, name: str, maps: _Maps, groups: Groups, pictures: Pictures) -> None:
    """Heat maps in the geometry of each sample's preview; all on one scale."""
    top = max(float(np.percentile(maps.maps, 99.9)), 1e-9)
    labels = {}
    for k, i in enumerate(maps.rows):
        own = from_grid(maps.maps[k], pictures.frames[i], pictures.stack_grid, HEATMAP_SIDE)
        labels[groups.ids[i]] = np.clip(own * (255 / top), 0, 255).astype(np.uint8)
    store.write_heatmaps(samples, name, labels)


def _sentences(
    names, grid, tests, d, voxels, header, means, edges, appearance, fields, classifier, maps, recipe, cam
) -> tuple[str, ...]:
    def found(part):
        return tests.get(part, {}).get("found", False)

    out, none = [], []
    if found("shift"):
        moved = words.shift_sentence(d, grid, voxels, names)
        out += [moved] if moved else []
        if moved and header:
            out += words.header_sentences(header, d, grid, names)
        out += words.turn_sentences(d, names)
        if out and d.explained < 0.1:
            out.append(
                f"But aligning the mean pictures removes only {max(d.explained, 0):.0%} of their difference: look at "
                "the pictures before acting on it"
            )
    if not (found("shift") and any(d.moved)):
        none.append(words.no_shift(d, grid))
        if header and header.p <= LEVEL and "header only" in header.agrees:
            out += words.header_sentences(header, d, grid, names)
    for part, rows in (("fields", fields), ("appearance", appearance)):
        if found(part):
            out += [words.contrast_sentence(c, names) for c in rows if c.found][:4]
    if found("pictures"):
        out.append(
            f"The mean pictures differ in {means.share:.0%} of the field, most "
            f"{words.place(np.abs(means.t) * means.significant, grid)} ({words.p_value(means.p)})"
        )
        if edges is not None and (edges.interval[0] > 0 or edges.interval[1] < 0):
            lo, hi = edges.interval
            out.append(
                f"The body's edge at the {edges.name} side lies {abs(edges.difference):.1f} {grid.unit} further "
                f"{'out' if edges.difference > 0 else 'in'} in {names[0]} ({lo:.1f} to {hi:.1f})"
            )
    said = [] if classifier is None else [words.classifier_sentence(classifier, recipe.architecture)]
    if maps is not None:
        where = words.place(maps.means[0], _grid_of(maps.means[0], grid))
        said += words.map_sentences(where, cam, maps.layer, maps.faithfulness, True)
    if not out and maps is None:
        return (f"No difference is found between {names[0]} and {names[1]}", *none, *said)
    return (*out, *none, *said)


def _grid_of(picture: np.ndarray, grid):
    return grid.coarser(max(picture.shape))


def _figures(
    dataset, groups, pictures, means, edges, flat, labels, small, small_valid, d, tests, maps, classifier, recipe, cam,
    names,
) -> list[dict]:
    grid, prefix = pictures.grid, f"explain_{groups.key}"
    out = []
    figure, plotly, caption = figures.mean_figure(means, grid, names)
    out.append(save_figure(dataset, f"{prefix}_means", figure, f"Mean pictures: {groups.name}", caption, plotly))
    if edges is not None:
        figure, plotly, caption = figures.edge_figure(edges, grid, names)
        out.append(save_figure(dataset, f"{prefix}_edges", figure, f"Edge of the body: {groups.name}", caption, plotly))
    if tests["shift"]["found"]:
        box = box_of(small_valid)
        sides = [flat[g].mean(axis=0) for g in (labels, ~labels)]
        ready = [np.stack([prepared(p[box]) for p in flat[g]]).mean(axis=0) for g in (labels, ~labels)]
        matrix = register(*ready).matrix(d.model).astype(np.float64)
        corner = np.array([box[1].start, box[0].start], float)
        matrix[:, 2] += corner - matrix[:, :2] @ corner
        figure, plotly, caption = figures.alignment_figure(*sides, d, matrix, small, names)
        out.append(save_figure(dataset, f"{prefix}_alignment", figure, f"Alignment: {groups.name}", caption, plotly))
    if maps is not None:
        at = pictures.stack_grid
        mean = [pictures.stack[groups.labels == s].astype(np.float32).mean(axis=(0, 1)) for s in (True, False)]
        name = f"{cam} at {maps.layer} of a {recipe.architecture} (AUC {classifier.auc:.2f})"
        figure, plotly, caption = figures.cam_figure(maps.means, mean, at, names, maps.counts, name)
        title = f"What the classifier looks at: {groups.name}"
        out.append(save_figure(dataset, f"{prefix}_maps", figure, title, caption, plotly))
    return out
