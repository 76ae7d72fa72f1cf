"""The verb ``local-view``: does the answer lie inside a mask, outside it, or in its outline?"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ... import schema, store
from ...dae.samples import pick_device
from ...embeddings.encode import encode_volumes
from ...embeddings.encoders import load_encoder
from ...errors import InputError
from ...parameters import (
    BatchSize,
    Bootstraps,
    Device,
    Permutations,
    ProbedField,
    Repeats,
    Seed,
    SubjectField,
    VectorField,
)
from ...probes.cross_fit import CrossFit, cross_fit
from ...probes.design import make_design
from ...probes.svm import score_draws
from ...progress import Progress, start
from ...statistics.scores import bootstrap_weights, percentile_interval, subject_weights
from ...statistics.targets import MIN_SUBJECTS, Target, make_target
from ..embedded import open_embedding
from .figure import draw_local
from .masked_slices import VIEWS, MaskedSlices
from .masks import open_masks, read_masks

WORDS = {
    "whole": "whole image",
    "inside": "inside the mask",
    "outside": "all but the mask",
    "outline": "outline of the mask",
}


@dataclass(frozen=True)
class ViewScore:
    """A probe on one view of the images; same subjects, same folds as the others.

    Attributes:
        view: "whole", "inside", "outside" or "outline"
        score: on held-out subjects
        interval: 95 % subject-bootstrap interval
        p: subject-level permutation p-value
        difference: what the whole image's probe does better (positive: it is better), paired
        difference_interval: its 95 % interval, the same subjects drawn for both
    """

    view: str
    score: float
    interval: tuple[float, float]
    p: float
    difference: float = 0.0
    difference_interval: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class LocalView:
    """What a probe reads from a mask, beside what it reads from the whole image.

    Attributes:
        field: the field predicted
        mask: where the masks come from
        metric: "AUC", "C" or "MAE"
        chance: score of a probe that knows nothing
        views: scores
        vectors: field with the embeddings of what is inside the mask
        n_samples: samples with a mask, a vector and a value
        n_subjects: their subjects
        share: median share of the picture that the mask takes up
        key: run with everything
        figures: figures, as ``report.figures.save_figure`` describes them
        notes: what was left out
    """

    field: str
    mask: str
    metric: str
    chance: float
    views: tuple[ViewScore, ...]
    vectors: str
    n_samples: int
    n_subjects: int
    share: float
    key: str
    figures: tuple[dict, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, view: str) -> ViewScore:
        """The score of a view."""
        return next(v for v in self.views if v.view == view)

    @property
    def reading(self) -> str:
        """What the scores say, in a sentence."""
        sees = {v.view: _sees(v, self.metric, self.chance) for v in self.views}
        if not sees["whole"]:
            return f"{self.field} was not found in the whole image, so there is nothing to locate"
        if not sees["inside"]:
            return f"{self.field} was not found inside the mask: what tells it lies elsewhere"
        parts = [f"{self.field} can be read inside the mask"]
        low, high = self.of("inside").difference_interval
        parts.append(
            "better than from the whole image"
            if high < 0
            else "less well than from the whole image"
            if low > 0
            else "no worse, as far as these subjects can tell, than from the whole image"
        )
        if sees["outline"]:
            parts.append("but its outline alone tells it too")
        parts.append("and also without the mask" if sees["outside"] else "and was not found without the mask")
        return ", ".join(parts)

    def to_dict(self) -> dict:
        raw = asdict(self)
        raw["figures"] = [{k: v for k, v in f.items() if k != "plotly"} for f in self.figures]
        return {**raw, "reading": self.reading}

    def __str__(self) -> str:
        lines = [
            f"{self.field} through {self.mask}: {self.n_samples:,} samples of {self.n_subjects:,} subjects; the "
            f"mask takes up {self.share:.1%} of the picture (median)"
        ]
        for v in self.views:
            line = (
                f"  {WORDS[v.view]:<20} {self.metric} {v.score:.3f} [{v.interval[0]:.3f}, {v.interval[1]:.3f}], "
                f"p {v.p:.3f}"
            )
            if v.view != "whole":
                line += (
                    f"; whole image better by {v.difference:+.3f} "
                    f"[{v.difference_interval[0]:+.3f}, {v.difference_interval[1]:+.3f}]"
                )
            lines.append(line)
        lines.append(f"{self.reading} (chance {self.chance:.3f})")
        lines += [f"note: {n}" for n in self.notes]
        lines.append(
            "The model was trained on whole images, so crops are new to it: a low score inside may be the model's. "
            f"Vectors of the inside: {self.vectors!r}; run {self.key!r}"
        )
        return "\n".join(lines)


def local_view(
    samples,
    field: ProbedField,
    mask: str,
    *,
    classes: list[str] | None = None,
    vectors: VectorField = "dae_embedding",
    n_permutations: Permutations = 499,
    n_bootstrap: Bootstraps = 1000,
    repeats: Repeats = 3,
    subject_field: SubjectField | None = None,
    device: Device | None = None,
    batch_size: BatchSize = 64,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> LocalView:
    """Probes a field from what is inside a mask only, and compares with the whole image.

    The rest is set to background and the picture cropped to the mask, encoded
    by the same model, and probed on the same subjects and folds as the whole
    image. Beside it stand everything but the mask, and the outline of the mask
    without its content, since a crop tells size and shape too.

    Args:
        samples: a dataset or view with embeddings
        field: the metadata field to predict
        mask: a field of segmentations or detections, a text field with paths of NIfTI label maps, or a folder of NIfTI
            label maps named like the volumes, as TotalSegmentator and SPINEPS write them
        classes: values of the label map, or names of classes, that make the mask; default: all but 0
        vectors: the embedding whose model encodes
        n_permutations: permutations behind each p-value
        n_bootstrap: bootstrap draws behind each interval
        repeats: how often the folds are drawn anew
        subject_field: field that names the subject; default: as registered, else guessed by name
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        batch_size: slices a forward pass
        seed: seed of folds, permutations and draws

    Returns:
        a score a view, with paired differences

    Raises:
        InputError: the field, the masks or the embedding cannot be used; the message says which
        CheckpointError: the embedding's checkpoint is gone
    """
    if n_permutations < 99 or n_bootstrap < 100 or repeats < 1 or batch_size < 1:
        raise InputError("n_permutations must be at least 99, n_bootstrap 100, repeats and batch_size 1")
    base = open_embedding(samples, vectors, subject_field=subject_field, progress=progress)
    if base.masked:
        raise InputError(f"{vectors!r} are of a local view themselves; pass the embedding of whole images")
    masks = open_masks(samples, mask, classes)
    owners = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
    packed, notes = read_masks(base.source, masks.readers, base.rows, progress)
    notes = [*masks.notes, *notes]
    place = {int(r): k for k, r in enumerate(base.rows)}
    kept = np.array([place[i] for i in sorted(packed)])
    subjects = np.array([owners[base.ids[k]] for k in kept])
    if len(set(subjects)) < 2 * MIN_SUBJECTS:
        raise InputError(
            f"only {len(set(subjects))} subjects have a vector and a mask in {masks.name}; {2 * MIN_SUBJECTS} are "
            "needed"
        )
    column = store.read_table(samples, [field])[field].reindex([base.ids[k] for k in kept])
    target = make_target(field, [None if v is None or v != v else v for v in column.tolist()], subjects)
    kept, subjects = kept[target.rows], subjects[target.rows]
    codes = {"whole": base.vectors[kept]}
    encoder = load_encoder(base.checkpoint, pick_device(device))
    with start(progress, "encoding masked images", len(VIEWS) * len(kept), "samples") as task:
        for view in VIEWS:
            source = MaskedSlices(base.source, packed, view, base.n_slices)
            crop = base.crop if view == "outside" else 1.0
            rows = [int(base.rows[k]) for k in kept]
            got = {}
            for i, code in encode_volumes(
                encoder, source, rows, n_slices=base.n_slices, crop=crop, pool=base.pool, batch_size=batch_size
            ):
                got[i] = code
                task.advance(note=view)
            codes[view] = np.stack([got[i] for i in rows])
    metric, chance, views, folds = compare_views(
        codes, target, subjects, n_permutations=n_permutations, n_bootstrap=n_bootstrap, repeats=repeats, seed=seed
    )
    stem = f"{schema.field_stem(field)}_{masks.stem}"
    inside = schema.embedding_field(f"{base.model}_local_{masks.stem}")
    store.clear_field(samples, inside)
    ids = [base.ids[k] for k in kept]
    store.write_vectors(samples, inside, ids, codes["inside"])
    # so that counterfactuals can be decoded inside the mask: vectors=inside
    store.save_run(
        samples,
        schema.provenance_key(f"{base.model}_local_{masks.stem}"),
        {
            **{k: base.config[k] for k in ("model", "checkpoint", "checkpoint_hash", "n_slices", "pool")},
            "crop": 1.0,
            "mask": str(mask),
            "classes": list(classes or ()),
            "data_hash": base.source.data_hash,
        },
    )
    share = float(np.median([_share(packed[int(base.rows[k])]) for k in kept]))
    key = schema.LOCAL_RUN_PREFIX + stem
    figures = draw_local(
        store.dataset_of(samples).name,
        f"local_{stem}",
        field,
        masks.name,
        views,
        metric,
        chance,
        WORDS,
        base,
        packed,
        kept,
        len(set(subjects)),
    )
    result = LocalView(
        field,
        masks.name,
        metric,
        chance,
        tuple(views),
        inside,
        len(kept),
        len(set(subjects)),
        share,
        key,
        tuple(figures),
        (*notes, *target.notes),
    )
    store.save_run(
        samples,
        key,
        {
            "field": field,
            "mask": masks.name,
            "classes": list(classes or ()),
            "vectors": vectors,
            "seed": seed,
            "repeats": repeats,
            "checkpoint_hash": base.config["checkpoint_hash"],
            "data_hash": base.source.data_hash,
        },
        {"summary": result.to_dict(), "figures": figures, "sample_ids": ids, "folds": folds},
    )
    return result


def compare_views(
    codes: dict[str, np.ndarray],
    target: Target,
    subjects: np.ndarray,
    *,
    n_permutations: int,
    n_bootstrap: int,
    repeats: int,
    seed: int,
) -> tuple[str, float, list[ViewScore], np.ndarray]:
    """Probes each view on the same folds, and pairs the differences.

    Args:
        codes: vectors of each view, (n, d), "whole" first
        target: what to predict, its values in the order of the vectors
        subjects: subject of each row
        n_permutations: permutations
        n_bootstrap: bootstrap draws, the same for all views
        repeats: how often the folds are drawn anew
        seed: seed of folds, permutations and draws

    Returns:
        metric, chance, one score a view, and the folds (repeats, n)
    """
    draws = np.vstack(
        [subject_weights(subjects)[None], bootstrap_weights(subjects, n_bootstrap, np.random.default_rng([seed, 1]))]
    )
    target = Target(target.name, target.kind, np.arange(len(target.values)), target.values, target.classes)
    out, scores, folds = [], {}, None
    fit: CrossFit
    for view, vectors in codes.items():
        rng = np.random.default_rng([seed, 2])  # the same folds for every view
        design = make_design(vectors)
        fit = cross_fit(design, target, subjects, repeats=repeats, n_permutations=n_permutations, rng=rng)
        if folds is not None and not np.array_equal(folds, fit.folds):
            raise RuntimeError("views were cross-fitted on different folds")
        folds = fit.folds
        scores[view] = score_draws(target, fit.repeats, fit.folds, draws)
        sign = 1.0 if target.categorical or target.kind == "ordinal" else -1.0
        paired = sign * (scores["whole"] - scores[view])
        # an error's interval is that of the gain over guessing, which is what decides
        interval = (fit.chance - fit.better[1], fit.chance - fit.better[0]) if sign < 0 else fit.interval
        out.append(ViewScore(view, fit.score, interval, fit.p, float(paired[0]), percentile_interval(paired[1:])))
    metric = "AUC" if target.categorical else "C" if target.kind == "ordinal" else "MAE"
    return metric, fit.chance, out, folds


def _sees(v: ViewScore, metric: str, chance: float) -> bool:
    better = v.interval[1] < chance if metric == "MAE" else v.interval[0] > chance
    return bool(v.p <= 0.05 and better)


def _share(entry) -> float:
    shape, bits = entry
    return float(np.unpackbits(bits, axis=-1, count=shape[-1]).mean())
