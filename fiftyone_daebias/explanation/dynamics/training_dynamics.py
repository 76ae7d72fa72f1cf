"""The verb ``training-dynamics``: is a subgroup learned later than everybody else?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ... import schema, store
from ...cohort.slices import open_slices
from ...dae.samples import pick_device
from ...errors import InputError
from ...parameters import (
    Architecture,
    BatchSize,
    ByField,
    Device,
    Epochs,
    FieldValue,
    LearningRate,
    Looks,
    Permutations,
    ProbedField,
    Repeats,
    Seed,
    Slices,
    SubjectField,
    TagName,
    WeightDecay,
)
from ...progress import Progress, listening, start
from ...statistics.scores import bootstrap_weights, percentile_interval, subject_weights, weighted_auc
from ...statistics.targets import make_target
from ..classifier import Recipe
from ..grid import load_pictures
from .curves import Curves, images_until, make_curves
from .figure import draw_dynamics
from .learning import Course, follow, split_by_subject

#: share of the subjects that are held out for validation
HELD_OUT = 0.25
#: samples of the others that are followed
MOST_FOLLOWED = 400
FEWEST = 8


@dataclass(frozen=True)
class Sequence:
    """The trainings on one kind of images.

    Attributes:
        name: value of the field that names the sequence; "" without one
        auc: of the label on the validation subjects at the end, mean over the trainings
        interval: its 95 % subject-bootstrap interval
        curves: of the training and of the validation subjects
        n_samples: samples
        n_subjects: subjects
    """

    name: str
    auc: float
    interval: tuple[float, float]
    curves: tuple[Curves, ...]
    n_samples: int
    n_subjects: int

    @property
    def learned(self) -> bool:
        """Whether the label was learned at all, as held-out subjects show."""
        return self.interval[0] > 0.5

    def __str__(self) -> str:
        head = f"{self.name + ': ' if self.name else ''}{self.n_samples:,} samples of {self.n_subjects:,} subjects"
        low, high = self.interval
        head += f"; at the end AUC {self.auc:.3f} [{low:.3f}, {high:.3f}] on validation subjects"
        if not self.learned:
            head += ": the label was not learned beyond chance, so these curves only show memorising"
        return "\n".join([head, *(f"  {c}" for c in self.curves)])


@dataclass(frozen=True)
class Dynamics:
    """How a subgroup is learned beside everybody else.

    Attributes:
        field: the label
        classes: its two classes
        subgroup: the subgroup, in words
        sequences: one for each kind of images
        key: run with everything
        figures: figures, as ``report.figures.save_figure`` describes them
        notes: what was left out or chosen
    """

    field: str
    classes: tuple[str, str]
    subgroup: str
    sequences: tuple[Sequence, ...]
    key: str
    figures: tuple[dict, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        return {
            "field": self.field,
            "classes": list(self.classes),
            "subgroup": self.subgroup,
            "key": self.key,
            "notes": list(self.notes),
            "sentence": self.sentence,
            "sequences": [
                {
                    "name": s.name,
                    "auc": s.auc,
                    "interval": list(s.interval),
                    "learned": s.learned,
                    "n_samples": s.n_samples,
                    "n_subjects": s.n_subjects,
                    "curves": [c.to_dict() for c in s.curves],
                }
                for s in self.sequences
            ],
        }

    @property
    def sentence(self) -> str:
        """What came of it, for the report."""
        parts = []
        for s in self.sequences:
            at = f" on {s.name}" if s.name else ""
            if not s.learned:
                parts.append(f"{self.field} is not learned beyond chance{at}")
                continue
            for c in s.curves:
                if c.part == "validation":
                    late = "later than the others" if c.p <= 0.05 else "no later than chance has it"
                    own = images_until(c.reached)
                    parts.append(
                        f"{self.subgroup} is learned {late}{at} (p {c.p:.3f}): on validation subjects the others reach "
                        f"{c.level:.0%} after {images_until(c.others_reached)}, it "
                        + (own if own == "never" else f"after {own}")
                    )
        return "; ".join(parts) or f"too few subjects of {self.subgroup} to follow"

    def __str__(self) -> str:
        lines = [
            f"{self.field} ({self.classes[1]} against {self.classes[0]}) is trained on everybody; followed apart: "
            f"{self.subgroup}"
        ]
        lines += [str(s) for s in self.sequences]
        lines += [f"note: {n}" for n in self.notes]
        lines.append(
            "A subgroup that a probe misplaced is hard by choice: that it is learned later is expected; that "
            "it is never learned, or not on another sequence, says more."
        )
        lines.append(f"figures: {', '.join(f['name'] for f in self.figures)}; run {self.key!r}")
        return "\n".join(lines)


def training_dynamics(
    samples,
    field: ProbedField,
    *,
    tag: TagName | None = None,
    value: FieldValue | None = None,
    by: ByField | None = None,
    architecture: Architecture = "resnet10",
    epochs: Epochs = 5,
    looks: Looks = 3,
    repeats: Repeats = 3,
    batch_size: BatchSize = 16,
    learning_rate: LearningRate = 1e-3,
    weight_decay: WeightDecay = 0.01,
    n_slices: Slices | None = None,
    side: int = 64,
    n_permutations: Permutations = 999,
    subject_field: SubjectField | None = None,
    device: Device | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> Dynamics:
    """Trains a classifier on everybody and follows the loss and accuracy of a tagged subgroup apart.

    After Graf et al. 2024, figure 3: if the subgroup that a probe misplaces
    is a data property and no accident, it is learned later or never. Several
    trainings, each on another split by subject, give the bands.

    Args:
        samples: a dataset or view of images or volumes
        field: the label to train on, two classes
        tag: the subgroup; default: the samples that the field's probe puts on the other side ("daebias:opposite:FIELD")
        value: a value of the field against all others, where it has more than two
        by: a field that names kinds of images of the same subjects (sequences); each is trained on by itself, among the
            subjects that have them all, and the subgroup is made of the subjects tagged in any of them
        architecture: MONAI's network
        epochs: passes over the training samples
        looks: looks an epoch
        repeats: trainings, each with its own seed and split
        batch_size: samples a step
        learning_rate: of AdamW
        weight_decay: of AdamW
        n_slices: centre slices, which are the network's channels; default: 12, or 1 for single images
        side: longer side of the network's input, pixels
        n_permutations: exchanges of the tag behind the p-value
        subject_field: field that names the subject; default: as registered, else guessed by name
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: seed of splits, weights, order and permutations

    Returns:
        curves with bands, and how many images it takes

    Raises:
        InputError: the field or the tag cannot be used, or the subgroup is too small; the message says which
    """
    recipe = Recipe(architecture, "channels", 1, batch_size, learning_rate, weight_decay)
    for name, number, least in (
        ("epochs", epochs, 1),
        ("looks", looks, 1),
        ("repeats", repeats, 1),
        ("side", side, 16),
        ("n_permutations", n_permutations, 99),
    ):
        if number < least:
            raise InputError(f"{name} must be at least {least}; got {number}")
    store.ensure_samples(samples)
    ids = store.sample_ids(samples)
    subjects = np.array(store.read_subjects(samples, subject_field), dtype=str)
    rows, labels, classes, notes = _labels(samples, field, value, subjects)
    subgroup = tag or schema.TAG_OPPOSITE + field
    tags = store.read_field(samples, "tags")
    tagged = np.array([subgroup in (t or ()) for t in tags])
    if not tagged[rows].any():
        hint = f"; run 'daebias probe DATASET {field}' first" if tag is None else ""
        raise InputError(f"no sample with a value of {field!r} has the tag {subgroup!r}{hint}")
    kinds = _kinds(samples, by, subjects, rows)
    if by:
        tagged = np.isin(subjects, np.unique(subjects[rows][tagged[rows]]))
        notes = (*notes, f"subjects tagged in any value of {by!r} make the subgroup")
    source = open_slices(samples, subject_field=subject_field, progress=progress)
    if n_slices is None:
        n_slices = 1 if max(source.n_slices(int(k)) for k in rows) == 1 else 12
    where = pick_device(device)
    sequences, courses = [], {}
    for name, mine in kinds.items():
        few = len(set(subjects[mine][tagged[mine]])), len(set(subjects[mine][~tagged[mine]]))
        if min(few) < FEWEST:
            at = f" in {by} {name}" if by else ""
            raise InputError(
                f"the subgroup {subgroup!r} has {few[0]} subjects{at} and the others {few[1]}; {FEWEST} are needed each"
            )
        trained, sequence = _one_kind(
            samples,
            source,
            mine,
            labels,
            tagged,
            subjects,
            recipe,
            name,
            epochs=epochs,
            looks=looks,
            repeats=repeats,
            n_slices=n_slices,
            side=side,
            n_permutations=n_permutations,
            device=where,
            seed=seed,
            progress=progress,
        )
        courses[name] = trained
        sequences.append(sequence)
        listening(progress).say(str(sequence))
    stem = schema.field_stem(field) + "_" + schema.field_stem(subgroup.removeprefix(schema.TAG_PREFIX))
    key = schema.DYNAMICS_RUN_PREFIX + stem
    figures = draw_dynamics(store.dataset_of(samples).name, stem, field, classes, subgroup, sequences)
    result = Dynamics(field, classes, f"tag {subgroup}", tuple(sequences), key, tuple(figures), notes)
    store.save_run(
        samples,
        key,
        {
            "field": field,
            "value": value,
            "tag": subgroup,
            "by": by,
            "architecture": architecture,
            "epochs": epochs,
            "looks": looks,
            "repeats": repeats,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "n_slices": n_slices,
            "side": side,
            "seed": seed,
            "data_hash": source.data_hash,
        },
        {
            "summary": result.to_dict(),
            "figures": figures,
            "sample_ids": [ids[k] for k in rows],
            "subgroup_ids": [ids[k] for k in rows if tagged[k]],
        },
    )
    return result


def _labels(samples, field: str, value: str | None, subjects: np.ndarray):
    """Rows with a label, labels of all samples (bool), names of the classes, notes."""
    column = store.read_table(samples, [field])[field].tolist()
    values = [None if v is None or v != v else v for v in column]
    target = make_target(field, values, subjects)
    if not target.categorical:
        raise InputError(f"field {field!r} holds numbers; a classifier needs classes: make a field of two classes")
    labels = np.zeros(len(values), bool)
    if value is not None:
        if value not in target.classes:
            raise InputError(f"field {field!r} has no value {value!r} to train on; values: {', '.join(target.classes)}")
        labels[target.rows] = target.values == target.classes.index(value)
        return target.rows, labels, ("the rest", value), target.notes
    if len(target.classes) != 2:
        raise InputError(f"field {field!r} has {len(target.classes)} classes; name one: value={target.classes[0]!r}")
    labels[target.rows] = target.values == 1
    return target.rows, labels, target.classes, target.notes


def _kinds(samples, by: str | None, subjects: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of each kind of images, of the subjects that have all kinds."""
    if by is None:
        return {"": rows}
    column = np.array([("" if v is None or v != v else str(v)) for v in store.read_table(samples, [by])[by].tolist()])
    names = sorted(set(column[rows]) - {""})
    if len(names) < 2:
        raise InputError(f"by: {by!r} has one value ({', '.join(names) or 'none'}) here; it must name several kinds")
    if len(names) > 4:
        raise InputError(f"by: {by!r} has {len(names)} values ({', '.join(names[:6])} …); pass a view of at most 4")
    all_have = set.intersection(*(set(subjects[rows][column[rows] == n]) for n in names))
    if not all_have:
        raise InputError(f"by: no subject has images of all of {', '.join(names)}")
    shared = np.isin(subjects, sorted(all_have))
    return {n: rows[(column[rows] == n) & shared[rows]] for n in names}


def _one_kind(
    samples,
    source,
    rows,
    labels,
    tagged,
    subjects,
    recipe,
    name,
    *,
    epochs,
    looks,
    repeats,
    n_slices,
    side,
    n_permutations,
    device,
    seed,
    progress,
) -> tuple[list[Course], Sequence]:
    geometries = [None] * len(rows)
    if store.has_field(samples, schema.GEOMETRY_FIELD):
        every = store.read_field(samples, schema.GEOMETRY_FIELD)
        geometries = [every[k] for k in rows]
    pictures = load_pictures(source, rows, geometries, n_slices=n_slices, side=side, stack_side=side, progress=progress)
    own_labels, own_tags, own_subjects = labels[rows], tagged[rows], subjects[rows]
    # a subject tagged in one of its images is of one stratum, so that both parts hold some of the subgroup
    any_tag = np.isin(own_subjects, np.unique(own_subjects[own_tags]))
    courses = []
    n_train = round((1 - HELD_OUT) * len(rows))
    label = f"training {recipe.architecture} {name}".strip()
    with start(progress, label, repeats * epochs * n_train, "images") as task:
        for r in range(repeats):
            rng = np.random.default_rng([seed, r])
            held = split_by_subject(own_subjects, 2 * own_labels.astype(int) + any_tag, HELD_OUT, rng)
            looked = own_tags.copy()
            for part in (held, ~held):
                others = np.flatnonzero(part & ~own_tags)
                looked[rng.permutation(others)[:MOST_FOLLOWED]] = True
            courses.append(
                follow(
                    pictures.stack,
                    own_labels,
                    ~held,
                    looked,
                    recipe,
                    epochs=epochs,
                    looks=looks,
                    device=device,
                    seed=seed + r,
                    task=task,
                )
            )
    rng = np.random.default_rng([seed, 17])
    curves = make_curves(courses, own_labels, own_tags, own_subjects, n_permutations=n_permutations, rng=rng)
    auc, interval = _final_auc(courses, own_labels, own_subjects, rng)
    return courses, Sequence(name, auc, interval, tuple(curves), len(rows), len(set(own_subjects)))


def _final_auc(courses: list[Course], labels, subjects, rng) -> tuple[float, tuple[float, float]]:
    """AUC on validation subjects at the last look, averaged over the trainings."""
    draws = np.vstack([subject_weights(subjects)[None], bootstrap_weights(subjects, 999, rng)])
    total = np.zeros(len(draws))
    for course in courses:
        r = np.flatnonzero(~course.training & ~np.isnan(course.margin[-1]))
        odds = np.where(labels[r], course.margin[-1, r], -course.margin[-1, r])
        total += weighted_auc(odds, labels[r], draws[:, r]) / len(courses)
    return float(total[0]), percentile_interval(total[1:])
