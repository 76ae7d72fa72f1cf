"""The verb ``explain``: where two groups of images differ, how much, and whether a model hangs on it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Literal

import numpy as np

from .. import schema, store
from ..cohort.slices import SliceSource, open_slices
from ..dae.checkpoint import read_facts
from ..dae.train import pick_device, trained_checkpoint
from ..errors import InputError
from ..parameters import (
    Advanced,
    Architecture,
    ClusterName,
    Device,
    FieldValue,
    ImageSize,
    MostMaps,
    MostSamples,
    PairedBatchSize,
    Permutations,
    ProbedField,
    Seed,
    Slices,
    Steps,
    SubjectField,
    TagName,
    WeightDecay,
)
from ..progress import Progress, listening, start
from .appearance import MEASURES, appearance_of, compare_table
from .classifier import Recipe, cross_fit
from .displacement import measure_displacement
from .drawing import draw_figures
from .gradcam import METHODS
from .grid import Pictures, centre_slices, load_pictures, scaled
from .groups import Groups, resolve_groups
from .headers import GEOMETRY_FIELDS, compare_positions, field_centre, field_columns
from .maps import draw_maps, in_previews, in_square
from .mean_images import by_subject, compare_edges, compare_means
from .messages import all_sentences
from .result import Explanation

LEVEL = 0.05
#: centre slices of a volume: Graf et al. 2024
N_SLICES = 12
#: longer side of pictures for means and maps, and for the measurement of shifts, pixels
SIDE, SHIFT_SIDE = 160, 112
#: subjects of a group whose files are asked for their position
POSITIONS = 200


def explain(
    samples,
    *,
    cluster: ClusterName | None = None,
    tag: TagName | None = None,
    field: ProbedField | None = None,
    value: FieldValue | None = None,
    against: str | None = None,
    train: bool = True,
    architecture: Architecture = "resnet10",
    inputs: Annotated[Literal["slices", "channels"], Advanced] = "slices",
    cam: Annotated[Literal["gradcam", "gradcam++", "layercam", "hirescam"], Advanced] = "gradcam",
    layer: Annotated[str, Advanced] | None = None,
    edge: Annotated[str, Advanced] = "auto",
    n_slices: Slices | None = None,
    image_size: ImageSize = 96,
    steps: Steps = 300,
    batch_size: PairedBatchSize = 16,
    weight_decay: WeightDecay = 0.01,
    most: MostSamples = 1000,
    n_maps: MostMaps = 200,
    n_permutations: Permutations = 499,
    subject_field: SubjectField | None = None,
    device: Device | None = None,
    seed: Seed = 51,
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
        centres = _centres(view, geometries, groups, subjects, labels, rng, progress)
        header = compare_positions(
            centres, labels, grid.axes, displacement.shift, displacement.moved, displacement.shift_interval, rng=rng
        )
    told.say("grey values, spacing and fields")
    appearance = compare_table(
        _appearance(source, pictures, geometries, n_slices), groups.labels, groups.subjects, seed=seed
    )
    table, left_out = _table(view, samples, cluster, field)
    fields = compare_table(field_columns(table, groups.subjects, left_out), groups.labels, groups.subjects, seed=seed)
    classifier, networks = None, []
    if train:
        classifier, networks = cross_fit(
            pictures.stack,
            groups.labels,
            groups.subjects,
            source.splits,
            recipe,
            device=where,
            seed=seed,
            progress=progress,
        )
    tests = _holm(
        {
            "shift": displacement.p,
            "pictures": means.p,
            "appearance": appearance[0].q if appearance else None,
            "fields": fields[0].q if fields else None,
            "classifier": classifier.p if classifier and not classifier.reason else None,
        }
    )
    # what chance does not explain but has no direction is nothing to act on
    tests["shift"]["found"] &= any(displacement.moved) or displacement.turned or displacement.scaled
    maps = None
    if classifier and classifier.tells_apart and tests["classifier"]["found"]:
        told.say("class activation maps")
        maps = draw_maps(networks, recipe, pictures, groups, classifier.fold, cam, layer, n_maps, seed)
    elif classifier and not classifier.reason:
        tests["classifier"]["found"] = False
    heatmap_field = schema.EXPLAIN_FIELD_PREFIX + groups.key
    store.clear_field(samples, heatmap_field)
    if maps is not None and n_maps:
        store.write_heatmaps(samples, heatmap_field, in_previews(maps, groups, pictures))
    else:
        heatmap_field = ""
    sentences = all_sentences(
        names,
        grid,
        tests,
        displacement,
        voxels,
        header,
        means,
        edges,
        appearance,
        fields,
        classifier,
        maps,
        recipe,
        cam,
    )
    dataset = store.dataset_of(samples).name
    drawn = draw_figures(
        dataset,
        groups,
        pictures,
        means,
        edges,
        flat,
        labels,
        small,
        small_valid,
        displacement,
        tests,
        maps,
        classifier,
        recipe,
        cam,
        names,
    )
    result = Explanation(
        groups.name,
        names,
        groups.n_samples,
        groups.n_subjects,
        sentences,
        tests,
        displacement,
        voxels and tuple(s / v for s, v in zip(displacement.shift, voxels, strict=True)),
        header,
        means,
        edges,
        appearance,
        fields,
        classifier,
        maps.layer if maps else "",
        maps.faithfulness if maps else None,
        heatmap_field,
        schema.EXPLAIN_RUN_PREFIX + groups.key,
        tuple(drawn),
        tuple(notes),
    )
    store.save_run(
        samples,
        result.run_key,
        {
            **groups.config(),
            "cluster": cluster,
            "tag": tag,
            "field": field,
            "value": value,
            "against": against,
            "recipe": asdict(recipe),
            "cam": cam,
            "layer": result.layer,
            "edge": edge,
            "n_slices": n_slices,
            "image_size": image_size,
            "most": most,
            "n_permutations": n_permutations,
            "seed": seed,
            "data_hash": source.data_hash,
        },
        {
            "summary": result.to_dict(),
            "figures": drawn,
            "sample_ids": list(groups.ids),
            "labels": groups.labels,
            "scores": classifier.scores if classifier else None,
            "grid": asdict(grid),
            "mean_inside": np.round(means.inside, 4),
            "mean_outside": np.round(means.outside, 4),
            "t": np.round(means.t, 3),
            "mean_maps": None if maps is None else [np.round(m, 5) for m in maps.means],
            "cam_square": None if maps is None else np.round(in_square(maps, groups, pictures, _crop(samples)), 5),
        },
    )
    return result


def _crop(samples) -> float:
    """Share of a slice that the dataset's autoencoder sees, so that maps can be held against what it decodes."""
    folder = trained_checkpoint(samples)
    return 1.0 if folder is None else float(read_facts(folder).get("crop", 1.0))


def _at_most(groups: Groups, most: int, seed: int) -> tuple[Groups, list[str]]:
    """At most so many samples of a side, whole subjects drawn at random."""
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
        groups,
        ids=tuple(np.array(groups.ids)[keep]),
        rows=groups.rows[keep],
        labels=groups.labels[keep],
        subjects=groups.subjects[keep],
    ), notes


def _geometries(view) -> list[dict | None]:
    if not store.has_field(view, schema.GEOMETRY_FIELD):
        return [None] * store.count(view)
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


def _centres(view, geometries, groups: Groups, subjects: list, labels: np.ndarray, rng, progress) -> np.ndarray:
    """Where each subject's field of view lies by its header, (subjects, 3); NaN where that is not known."""
    out = np.full((len(subjects), 3), np.nan)
    first = {s: k for k, s in reversed(list(enumerate(groups.subjects)))}
    for k, subject in enumerate(subjects):
        stored = (geometries[first[subject]] or {}).get("centre_mm")
        if stored:
            out[k] = stored
    if np.isfinite(out).any():
        return out
    # registered before positions were stored: the files are asked
    files = store.read_field(view, schema.SOURCE_FIELD if store.has_field(view, schema.SOURCE_FIELD) else "filepath")
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
    left_out = [*GEOMETRY_FIELDS, *([field] if field else [])]
    if cluster is not None:
        from ..clustering import cluster as named

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
