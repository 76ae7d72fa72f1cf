"""The verb ``counterfactual``: what would this image look like on the other side?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import numpy as np

from ... import schema, store
from ...dae.checkpoint import load_model
from ...dae.samples import pick_device
from ...errors import InputError
from ...parameters import (
    Advanced,
    Bootstraps,
    ClusterName,
    Device,
    FieldValue,
    MovedSamples,
    Permutations,
    ProbedField,
    Seed,
    Span,
    Steps,
    SubjectField,
    TagName,
    VectorField,
)
from ...progress import Progress, listening, start
from ...statistics.targets import Target, make_target, upper_half
from ..embedded import Embedded, open_embedding
from ..groups import Groups, resolve_groups
from .cam_overlap import CamOverlap, explain_run, overlap_with_cam
from .crop_geometry import Square, side_of, square_of
from .decoded import Decoder, Quality, pick_code
from .difference_maps import Observed, Shown, compare_with_observed, mean_images
from .direction import Directions, Gate, check_gate, distance, find_directions, half_scores
from .figures import Drawn, draw_figures
from .response import Response, read_responses

AMOUNTS = 7
#: images read for the observed difference
MOST_OBSERVED = 600


@dataclass(frozen=True)
class Counterfactual:
    """Images moved along the direction in which two groups differ.

    Attributes:
        comparison: what is compared, in words
        gate: whether the probe tells the groups apart on held-out subjects
        reason: why there are no images; "" when there are
        distance: difference of the groups' mean readings, SDs of the reading
        agreement: cosine of the directions found in the two halves of the subjects
        quality: what the decoder gives back of unmoved images
        response: the probes' readings of the decoded images along the way
        observed: agreement of the decoded difference with the observed one
        cam: overlap with the mean GradCAM of an explain run, or ``None``
        n_samples: samples shown
        n_subjects: their subjects
        key: run with everything
        figures: figures, as ``report.figures.save_figure`` describes them
        notes: what was left out or chosen
    """

    comparison: str
    gate: Gate
    reason: str = ""
    distance: float = float("nan")
    agreement: float = float("nan")
    quality: Quality | None = None
    response: Response | None = None
    observed: Observed | None = None
    cam: CamOverlap | None = None
    n_samples: int = 0
    n_subjects: int = 0
    key: str = ""
    figures: tuple[dict, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        raw = asdict(self)
        raw["figures"] = [{k: v for k, v in f.items() if k != "plotly"} for f in self.figures]
        if self.response:
            del raw["response"]["readings"]  # stored beside the summary, as an array
            raw["response"]["rises"] = self.response.rises
        return {**raw, "sentence": self.sentence}

    @property
    def sentence(self) -> str:
        """What came of it, for the report."""
        if self.reason:
            return f"{self.comparison}: no counterfactual was decoded, since {self.reason}"
        change, low, high = self.response.rise
        moved = f"Decoded images moved along {self.comparison}: the reading of a probe of other subjects"
        by = f"by {change:+.1f} SD from end to end ({low:+.1f} to {high:+.1f})"
        if not self.response.rises:
            return f"{moved} changes {by} but does not surely rise at every step: the pictures are not to be trusted"
        like = "resembles" if self.observed.resembles else "hardly resembles"
        return (
            f"{moved} rises at every step, {by}; what changes {like} the difference of the groups' mean images (cosine "
            f"{self.observed.cosine:.2f}); decoded images are off by {self.quality.error:.1f} % of the grey range"
        )

    def __str__(self) -> str:
        lines = [f"{self.comparison}: {self.gate}"]
        if self.reason:
            return "\n".join([*lines, f"no counterfactual: {self.reason}", *(f"note: {n}" for n in self.notes)])
        lines += [
            f"{self.n_samples} samples of {self.n_subjects} subjects moved; the groups are {self.distance:.2f} SD of "
            f"the reading apart; the directions of the two halves of the subjects agree by {self.agreement:.2f} "
            "(cosine)",
            f"response: {self.response}",
            f"decoder: {self.quality}",
            f"against the images: {self.observed}",
        ]
        if self.cam:
            lines.append(f"against the GradCAM: {self.cam}")
        lines += [f"note: {n}" for n in self.notes]
        lines.append(f"figures: {', '.join(f['name'] for f in self.figures)}; run {self.key!r}")
        return "\n".join(lines)


def counterfactual(
    samples,
    *,
    cluster: ClusterName | None = None,
    tag: TagName | None = None,
    field: ProbedField | None = None,
    value: FieldValue | None = None,
    against: str | None = None,
    along: Annotated[Literal["pattern", "normal"], Advanced] = "pattern",
    span: Span = 3.0,
    n_samples: MovedSamples = 48,
    code: Annotated[Literal["auto", "own", "shared"], Advanced] = "auto",
    steps: Steps | None = None,
    vectors: VectorField = "dae_embedding",
    n_permutations: Permutations = 999,
    n_bootstrap: Bootstraps = 1000,
    subject_field: SubjectField | None = None,
    device: Device | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> Counterfactual:
    """Decodes what images would look like further into, and further out of, a group.

    Finds the direction in embedding space that tells two groups (or the ends
    of a number) apart, by a linear probe on all slices at once, moves samples' z_sem along it from -span to +span SDs
    of the probe's reading while their stochastic code stays, decodes, and
    reads the decoded images with a probe of other subjects: a direction that
    says something of images must raise that reading at every step. Nothing is
    decoded when the probe is no better than chance on held-out subjects.

    Args:
        samples: a dataset or view with DAE embeddings
        cluster: name of a cluster: the first group
        tag: a sample tag: the first group
        field: a metadata field: with a value, the first group; without, the field's own probe (two classes or a number)
        value: a value of the field, or a comparison such as ">=60"
        against: the second group: another cluster, tag or value; default: all other samples
        along: "normal" moves along the probe's normal, the shortest way; "pattern" along what goes with it in the data
            (confounders too), which decoders follow better
        span: how far to move, SDs of the probe's reading to either side
        n_samples: samples to move, one a subject, half of them from each group
        code: keep each image's "own" stochastic code, or one "shared" code; "auto" keeps the own one if the checkpoint
            can invert images
        steps: denoising steps; default: 20 with own codes, 5 with a shared one
        vectors: the DAE's vector field; that of a local view explains inside its mask
        n_permutations: permutations behind the p-values
        n_bootstrap: bootstrap draws behind the intervals
        subject_field: field that names the subject; default: as registered, else guessed by name
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: seed of halves, folds, samples, codes and draws

    Returns:
        the probes' readings, the decoder's errors, the comparisons and the figures

    Raises:
        InputError: the groups, the embedding or a setting cannot be used; the message says why
        CheckpointError: the embedding's checkpoint is gone
    """
    if not 0.5 <= span <= 10:
        raise InputError(f"span must be between 0.5 and 10 SDs; got {span}")
    if n_samples < 8:
        raise InputError(f"n_samples must be at least 8; got {n_samples}")
    base = open_embedding(samples, vectors, subject_field=subject_field, progress=progress)
    if base.model != "dae":
        raise InputError(f"only diffusion autoencoders decode; {vectors!r} are of the model {base.model!r}")
    comparison, stem, target, subjects, notes = _target(
        samples, base, cluster, tag, field, value, against, subject_field
    )
    if base.masked:
        stem += f"_{vectors.removesuffix(schema.EMBEDDING_SUFFIX)}"
        comparison += f" (inside {base.config['mask']})"
    notes = (*base.notes, *notes)
    key = schema.COUNTERFACTUAL_RUN_PREFIX + stem
    part = base.vectors[target.rows]
    told = listening(progress)
    told.say(f"{comparison}: probing {len(part):,} samples of {len(set(subjects)):,} subjects")
    gate = check_gate(part, target, subjects, n_permutations=n_permutations, seed=seed)
    config = {
        "comparison": comparison,
        "cluster": cluster,
        "tag": tag,
        "field": field,
        "value": value,
        "against": against,
        "along": along,
        "span": span,
        "n_samples": n_samples,
        "vectors": vectors,
        "seed": seed,
        "checkpoint_hash": base.config["checkpoint_hash"],
        "data_hash": base.source.data_hash,
    }
    if not gate.open:
        reason = "the probe is not better than chance on held-out subjects, so there is no direction to move along"
        result = Counterfactual(comparison, gate, reason, key=key, notes=notes)
        store.save_run(samples, key, config, {"summary": result.to_dict(), "figures": []})
        return result
    directions = find_directions(part, target, subjects, along=along, seed=seed)
    readings = half_scores(directions, part)
    high = target.values == 1 if target.categorical else upper_half(target.values)
    apart, _ = distance(readings, high, subjects)
    rng = np.random.default_rng([seed, 11])
    observed = _observed(base, target, rng, progress)
    model = load_model(base.checkpoint, pick_device(device))
    chosen = _choose(readings, high, subjects, n_samples, rng)
    trials = [int(base.rows[target.rows[k]]) for k in chosen[: max(2, 16 // base.n_slices)]]
    decoder, quality = pick_code(model, base, trials, code=code, steps=steps, mean_image=observed.mean, seed=seed)
    amounts = np.linspace(-span, span, AMOUNTS)
    moved = _move(base, decoder, directions, target, chosen, amounts, progress)
    shown = Shown(
        amounts, *moved, directions.half[chosen], np.asarray(subjects)[chosen], high[chosen], readings[chosen]
    )
    response = read_responses(directions, shown, part[chosen], n_bootstrap=n_bootstrap, rng=rng)
    agreement = compare_with_observed(shown, observed, directions, target, subjects, rng, n_permutations=199)
    shown_rows = [int(base.rows[target.rows[k]]) for k in chosen]
    square = Square() if base.masked else square_of(samples, base.source, shown_rows, base.crop)
    cam = cam_map = None
    if not base.masked:  # class activation maps are of whole images
        asked = {"cluster": cluster, "tag": tag, "field": field, "value": value, "against": against}
        run = explain_run(samples, asked, target.classes if field and value is None else ())
        side = side_of(samples, base.source, base.rows, base.crop)
        cam, cam_map = overlap_with_cam(samples, run, shown.mean_map(), side)
    sides = (target.classes[1], target.classes[0]) if target.categorical else (f"higher {field}", f"lower {field}")
    if along == "normal" and response.kept < 0.4:
        notes = (*notes, "most of the move along the normal is lost in decoding; try along='pattern'")
    figures = draw_figures(
        store.dataset_of(samples).name,
        stem,
        comparison,
        Drawn(shown, observed, response, quality, agreement),
        square,
        sides,
        cam_map,
    )
    result = Counterfactual(
        comparison,
        gate,
        "",
        apart,
        directions.agreement,
        quality,
        response,
        agreement,
        cam,
        len(chosen),
        len({subjects[k] for k in chosen}),
        key,
        tuple(figures),
        notes,
    )
    store.save_run(
        samples,
        key,
        {**config, "code": quality.code, "steps": decoder.steps},
        {
            "summary": result.to_dict(),
            "figures": figures,
            "steps": directions.steps,
            "sample_ids": [base.ids[target.rows[k]] for k in chosen],
            "difference_map": shown.mean_map().mean(axis=0),
            "amounts": amounts,
            "readings": response.readings,
        },
    )
    return result


def _target(samples, base: Embedded, cluster, tag, field, value, against, subject_field):
    """What is compared: words, stem of the run key, target with rows into the vectors, subjects, notes."""
    owners = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
    subjects = np.array([owners[i] for i in base.ids])
    if field and value is None and not cluster and not tag:
        if against is not None:
            raise InputError("against: needs a value, cluster or tag to compare with")
        column = store.read_table(samples, [field])[field].reindex(base.ids)
        values = [None if v is None or v != v else v for v in column.tolist()]
        target = make_target(field, values, subjects)
        if target.kind == "multiclass":
            raise InputError(f"field {field!r} has {len(target.classes)} values; name one: value={target.classes[0]!r}")
        words = f"{field}: {target.classes[1]} against {target.classes[0]}" if target.categorical else f"{field} rising"
        return words, schema.field_stem(field), target, subjects[target.rows], target.notes
    groups: Groups = resolve_groups(
        samples, cluster=cluster, tag=tag, field=field, value=value, against=against, subject_field=subject_field
    )
    place = {i: k for k, i in enumerate(base.ids)}
    kept = [k for k, i in enumerate(groups.ids) if i in place]
    notes = list(groups.notes)
    if len(kept) < len(groups):
        notes.append(f"{len(groups) - len(kept)} samples without a vector were left out")
    labels = np.asarray(groups.labels)[kept].astype(int)
    owners = np.asarray(groups.subjects)[kept]
    for side, name in ((1, groups.inside), (0, groups.outside)):
        n = len(set(owners[labels == side]))
        if n < 10:
            raise InputError(f"{name} has {n} subjects with a vector; a direction needs at least 10 on either side")
    target = Target(
        groups.name, "binary", np.array([place[groups.ids[k]] for k in kept]), labels, (groups.outside, groups.inside)
    )
    return groups.name, groups.key, target, owners, tuple(notes)


def _choose(readings, high, subjects, n_samples: int, rng) -> np.ndarray:
    """One sample a subject, as many of either side as there are, drawn at random and the sides in turn."""
    order = rng.permutation(len(readings))
    _, first = np.unique(subjects[order], return_index=True)
    one_each = order[np.sort(first)]
    sides = [one_each[high[one_each] == side][: n_samples // 2] for side in (True, False)]
    pairs = min(len(s) for s in sides)
    mixed = np.stack([sides[0][:pairs], sides[1][:pairs]], axis=1).ravel()
    return np.concatenate([mixed, sides[0][pairs:], sides[1][pairs:]])


def _observed(base: Embedded, target: Target, rng, progress):
    """Images of the groups' own samples, for the observed difference and the mean image."""
    rows = np.arange(len(target.rows))
    pixels = base.n_slices * 64 * 64
    most = int(min(MOST_OBSERVED, 6e7 // pixels))
    if len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    return mean_images(base, target, rows, progress)


def _move(base, decoder: Decoder, directions: Directions, target, chosen, amounts, progress):
    """Every chosen sample moved along the direction of the half it does not belong to: before, after, vectors."""
    pictures, originals, vectors = [], [], []
    with start(progress, "decoding", len(chosen), "samples") as task:
        for k in chosen:
            images = decoder.images(base.source, int(base.rows[target.rows[k]]))
            out, codes = decoder.move(images, directions.steps[1 - directions.half[k]], amounts)
            pictures.append(out.numpy().astype(np.float16))
            originals.append(images[:, 0].numpy().astype(np.float16))
            vectors.append(codes)
            task.advance()
    return np.stack(originals), np.stack(pictures), np.stack(vectors)
