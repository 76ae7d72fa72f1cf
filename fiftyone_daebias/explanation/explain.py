"""The verb ``explain``: where two groups of images differ, how much, and whether a model hangs on it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np

from .. import schema, store
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
from ..progress import Progress
from .classifier import Recipe
from .comparison import Comparison, Settings, open_comparison
from .gradcam import METHODS
from .groups import resolve_groups
from .maps import in_previews, in_square
from .parts import PARTS, Classifier, ClassifierPart, holm, sentences
from .result import Explanation


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
    test; where most lie on both sides (lateral films of patients who also have
    frontal ones), each is compared with itself. Groups that do not differ
    yield no explanation.

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
    if cam not in METHODS:
        raise InputError(f"cam must be one of {', '.join(METHODS)}; got {cam!r}")
    recipe = Recipe(architecture, inputs, steps, batch_size, weight_decay=weight_decay)
    groups = resolve_groups(
        samples,
        cluster=cluster,
        tag=tag,
        field=field,
        value=value,
        against=against,
        subject_field=subject_field,
        pair=True,
    )
    settings = Settings(
        recipe,
        cam,
        layer,
        edge,
        n_slices,
        image_size,
        most,
        n_maps,
        n_permutations,
        pick_device(device),
        seed,
        train,
        _drawn_by(samples, cluster, field),
    )
    c = open_comparison(samples, groups, settings, subject_field, progress)
    results: dict[str, Any] = {part.name: part.measure(c) for part in PARTS}
    tests = _tests(results)
    results["classifier"] = ClassifierPart().explain(c, results["classifier"], _found(tests, "classifier"))
    heatmap_field = _write_heatmaps(samples, c, results["classifier"])
    result = _outcome(c, results, tests, heatmap_field)
    asked = {"cluster": cluster, "tag": tag, "field": field, "value": value, "against": against}
    _store(samples, c, results, result, asked)
    return result


def _drawn_by(samples, cluster: str | None, field: str | None) -> tuple[str, ...]:
    """Fields that drew the groups: the one that is compared, or the one that coloured the map."""
    if field or cluster is None:
        return (field,) if field else ()
    from ..clustering import cluster as named

    return (named.get(samples, cluster).coloured_by,)


def _tests(results: dict[str, Any]) -> dict[str, dict]:
    """The parts' p-values adjusted over the parts, and whether each found something."""
    order = ("shift", "pictures", "appearance", "fields", "classifier")
    known = {part.name: part for part in PARTS}
    tests = holm({name: known[name].p(results[name]) for name in order})
    d, classifier = results["shift"].displacement, results["classifier"]
    # what chance does not explain but has no direction is nothing to act on
    tests["shift"]["found"] &= any(d.moved) or d.turned or d.scaled
    if "classifier" in tests:
        tests["classifier"]["found"] &= classifier.result.tells_apart
    return tests


def _found(tests: dict[str, dict], part: str) -> bool:
    return bool(tests.get(part, {}).get("found", False))


def _write_heatmaps(samples, c: Comparison, classifier: Classifier | None) -> str:
    """Stores the maps in the samples, in place of those of an earlier run; the field's name, "" without maps."""
    name = schema.EXPLAIN_FIELD_PREFIX + c.groups.key
    store.clear_field(samples, name)
    if classifier is None or classifier.maps is None or not c.settings.n_maps:
        return ""
    store.write_heatmaps(samples, name, in_previews(classifier.maps, c.groups, c.pictures))
    return name


def _outcome(c: Comparison, results: dict[str, Any], tests: dict[str, dict], heatmap_field: str) -> Explanation:
    pictures, shift, classifier = results["pictures"], results["shift"], results["classifier"]
    maps = classifier.maps if classifier else None
    messages = {p.name: p.messages(c, results[p.name], _found(tests, p.name)) for p in PARTS}
    drawn = [figure for p in PARTS for figure in p.figures(c, results[p.name], _found(tests, p.name))]
    return Explanation(
        name=c.groups.name,
        names=c.names,
        n_samples=c.groups.n_samples,
        n_subjects=c.groups.n_subjects,
        sentences=sentences(c, messages, maps),
        tests=tests,
        displacement=shift.displacement,
        voxels=c.voxels and tuple(s / v for s, v in zip(shift.displacement.shift, c.voxels, strict=True)),
        header=shift.header,
        means=pictures.means,
        edges=pictures.edges,
        appearance=results["appearance"],
        fields=results["fields"],
        classifier=classifier.result if classifier else None,
        layer=maps.layer if maps else "",
        faithfulness=maps.faithfulness if maps else None,
        heatmap_field=heatmap_field,
        run_key=schema.EXPLAIN_RUN_PREFIX + c.groups.key,
        figures=tuple(drawn),
        notes=c.notes,
    )


def _store(samples, c: Comparison, results: dict[str, Any], result: Explanation, asked: dict) -> None:
    s, groups, means, classifier = c.settings, c.groups, result.means, results["classifier"]
    maps = classifier.maps if classifier else None
    store.save_run(
        samples,
        result.run_key,
        {
            **groups.config(),
            **asked,
            "recipe": asdict(s.recipe),
            "cam": s.cam,
            "layer": result.layer,
            "edge": s.edge,
            "n_slices": c.n_slices,
            "image_size": s.image_size,
            "most": s.most,
            "n_permutations": s.n_permutations,
            "seed": s.seed,
            "data_hash": c.source.data_hash,
        },
        {
            "summary": result.to_dict(),
            "figures": list(result.figures),
            "sample_ids": list(groups.ids),
            "labels": groups.labels,
            "scores": result.classifier.scores if result.classifier else None,
            "grid": asdict(c.grid),
            "mean_inside": np.round(means.inside, 4),
            "mean_outside": np.round(means.outside, 4),
            "t": np.round(means.t, 3),
            "mean_maps": None if maps is None else [np.round(m, 5) for m in maps.means],
            "cam_square": None if maps is None else np.round(in_square(maps, groups, c.pictures, _crop(samples)), 5),
        },
    )


def _crop(samples) -> float:
    """Share of a slice that the dataset's autoencoder sees, so that maps can be held against what it decodes."""
    folder = trained_checkpoint(samples)
    return 1.0 if folder is None else float(read_facts(folder).get("crop", 1.0))
