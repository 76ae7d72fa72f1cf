"""The verb ``compare``: Table 1 of Graf et al. (2024) on any cohort."""

from __future__ import annotations

import platform
import zlib
from dataclasses import replace

import numpy as np

from .. import schema, store
from ..cohort.slices import SliceSource, open_slices
from ..dae.samples import pick_device
from ..embeddings.embed import _slice_count
from ..embeddings.encoders import embedding_model
from ..embeddings.joined import joined_slices
from ..errors import InputError
from ..parameters import (
    Bootstraps,
    Device,
    Folds,
    ImagesSeen,
    Permutations,
    ProbedFields,
    Seed,
    Seeds,
    Slices,
    SubjectField,
    VectorFields,
)
from ..progress import Progress, listening
from ..statistics.multiplicity import benjamini_hochberg
from ..statistics.targets import Target, make_target
from .compare_figures import map_figures, score_figure
from .compare_result import Cell, Column, CompareResult, CompareRow
from .evaluation import baseline_predictions, bootstrap_means, designs, paired, subject_scores, svm_answers
from .plan import Plan, make_plan
from .representations import Settings, represent, supervised_answers
from .supervised import NETWORKS
from .train_baseline import default_fields

#: the paper's rows, then what they have to beat
EVERY_MODEL = ("dae", "stylegan2", "beta-vae", *NETWORKS, "pca", "pixels", "random")
NO_IMAGE = "no image"


def compare(
    samples,
    *,
    models: list[str] | None = None,
    vectors: VectorFields | None = None,
    fields: ProbedFields | None = None,
    reference: str = "dae",
    folds: Folds = 0,
    seeds: Seeds = 1,
    images: ImagesSeen | None = None,
    presets: list[str] | None = None,
    n_slices: Slices | None = None,
    n_bootstrap: Bootstraps = 2000,
    n_permutations: Permutations = 9999,
    subject_field: SubjectField | None = None,
    device: Device | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> CompareResult:
    """Compares embeddings, and networks trained on labels, on the same held-out subjects.

    Each embedding answers each field through a support vector machine that has seen the labels of the other subjects
    only; resnet10, resnet34 and densenet121 are trained on those labels. Rows are paired by subject with the
    reference. What is not trained yet is trained first: that takes as long as "train" and "train-baseline" take. Maps
    of all embeddings are stored as "embed" stores them.

    Args:
        samples: a dataset or view of images or volumes
        models: of dae, beta-vae, stylegan2, resnet10, resnet34, densenet121, pixels, pca, random and zoo:NAME;
            default: all but zoo models
        vectors: vector fields or brain runs that are there already, to compare as they are
        fields: fields to answer; default: of region, sex, weight, height and age those that are there, else all
            metadata fields
        reference: the row that all others are compared with
        folds: 0 scores the stored split's test subjects; 2 or more scores every subject, in so many folds by subject
        seeds: trainings of each model, with seeds that follow one another
        images: images each training sees in all, the same for every model; default: what is trained already, or the
            preset's
        presets: presets where not the default, as MODEL=PRESET
        n_slices: centre slices a volume; default: 12, or 1 where every sample is a single image
        n_bootstrap: subject-bootstrap draws behind each interval
        n_permutations: sign flips behind each p-value
        subject_field: field that names the subject; default: as registered, else guessed by name
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: first seed of the trainings; seed of folds and draws

    Returns:
        the table, with intervals, paired differences and what each row cost

    Raises:
        InputError: an unknown model, field or vector field, or nothing that can be compared
        TrainingError: a training failed
    """
    store.ensure_samples(samples)
    models = list(EVERY_MODEL if models is None else models)
    vectors = list(vectors or [])
    _check(models, vectors, reference, seeds, images, n_bootstrap, n_permutations)
    chosen = _chosen_presets(presets, models)
    told = listening(progress)
    there = {}
    for name in vectors:
        ids, matrix = store.read_vectors(samples, name)
        there[name] = dict(zip(ids, matrix, strict=True))
    samples, source, n_slices, notes = _sources(samples, there, n_slices, subject_field, progress)
    subjects = np.array(source.subjects)
    plan = make_plan(source.splits, subjects, folds, seed)
    targets, columns = _questions(samples, source, fields, plan)
    settings = Settings(images, chosen, n_slices, device)
    contest = _Contest(subjects, targets, plan, seed)
    contest.add_dull()
    for name, vector in there.items():
        told.say(f"comparing {name}")
        contest.add_vectors(
            name, np.stack([vector[i] for i in source.sample_ids]), seed, 0, 0.0, joined_slices(samples, name)
        )
    for name in models:
        for k in range(seeds):
            if name == "pixels" and k:
                continue
            if name in NETWORKS:
                answers, seen, seconds, _ = supervised_answers(
                    samples, source, name, seed + k, targets, plan.parts(), settings, progress
                )
                contest.add_answers(name, "network on labels", answers, seed + k, seen, seconds, 0)
            else:
                got = represent(samples, source, name, seed + k, k == 0, settings, progress)
                told.say(f"comparing {name}")
                contest.add_vectors(name, got.vectors, seed + k, got.images, got.train_seconds, n_slices)
    reference = reference if reference in contest.names else contest.names[1]
    rows = contest.rows(reference, n_bootstrap, n_permutations)
    columns = contest.counted(columns)
    if any(m in NETWORKS for m in models) and not plan.by_split:
        notes.append(
            "embeddings were trained on images (never on labels) of the stored split's training subjects, some of whom "
            "are scored; networks on labels never saw the subjects that they are scored on"
        )
    result = CompareResult(
        reference, tuple(columns), rows, str(plan), machine(device), tuple(notes), schema.COMPARE_RUN
    )
    name = store.dataset_of(samples).name
    figures = [score_figure(name, result)]
    figures += map_figures(name, _maps(samples, models), source.sample_ids, targets, subjects)
    store.save_run(
        samples,
        schema.COMPARE_RUN,
        {
            "models": models,
            "vectors": vectors,
            "fields": [t.name for t in targets],
            "reference": reference,
            "folds": folds,
            "seeds": seeds,
            "images": images,
            "presets": chosen,
            "n_slices": n_slices,
            "seed": seed,
            "n_bootstrap": n_bootstrap,
            "n_permutations": n_permutations,
            "data_hash": source.data_hash,
        },
        {
            "table": result.to_dict(),
            "figures": figures,
            "sample_ids": source.sample_ids,
            "subject_scores": contest.by_subject(),
        },
    )
    return result


def _check(models, vectors, reference, seeds, images, n_bootstrap, n_permutations) -> None:
    for model in models:
        embedding_model(model)
    names = [*models, *vectors]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError(f"models and vectors name {', '.join(twice)} twice")
    if len(names) < 2 or reference not in names and reference != "dae":
        raise InputError(
            f"reference {reference!r} is not among {', '.join(names) or 'nothing'}; name at least two models or "
            "vectors, and one of them as the reference"
        )
    if seeds < 1 or images is not None and images < 1:
        raise InputError(f"seeds and images must be at least 1; got {seeds} and {images}")
    if n_bootstrap < 100 or n_permutations < 99:
        raise InputError(
            f"n_bootstrap must be at least 100 and n_permutations at least 99; got {n_bootstrap} and {n_permutations}"
        )


def _chosen_presets(presets, models) -> dict[str, str]:
    out = {}
    for text in presets or ():
        model, _, preset = text.partition("=")
        if not preset or model not in models:
            raise InputError(f"presets: {text!r} is not MODEL=PRESET with a model that is compared")
        out[model] = preset
    return out


def _sources(samples, there: dict, n_slices: int | None, subject_field, progress):
    """The samples that every row can answer for, and their slices."""
    notes = []
    source = open_slices(samples, subject_field=subject_field, progress=progress)
    n_slices, short = _slice_count(source, n_slices)
    lacking = [i for i in source.sample_ids if any(i not in vectors for vectors in there.values())]
    out = set(short) | set(lacking)
    if short:
        notes.append(f"{len(short)} samples have fewer than {n_slices} slices and were left out")
    if lacking:
        notes.append(f"{len(lacking)} samples lack a vector in {', '.join(there)} and were left out")
    if out:
        if len(out) == len(source):
            raise InputError(f"no sample has {n_slices} slices and a vector in {', '.join(there)}")
        samples = store.view_without(samples, sorted(out))
        source = open_slices(samples, subject_field=subject_field, progress=progress)
    return samples, source, n_slices, notes


def _questions(samples, source: SliceSource, fields, plan: Plan) -> tuple[list[Target], list[Column]]:
    names = list(fields) if fields else default_fields(samples)
    table = store.read_table(samples, names).reindex(source.sample_ids)
    targets, columns = [], []
    for name in names:
        values = [None if v is None or v != v else v for v in table[name].tolist()]
        try:
            target = make_target(name, values, source.subjects)
            for train, test in plan.parts():
                _askable(target, train, test)
        except InputError as error:
            columns.append(Column(name, reason=str(error)))
            continue
        targets.append(target)
        columns.append(Column(name, "accuracy" if target.categorical else "l1", target.classes))
    if not targets:
        reasons = "; ".join(c.reason for c in columns[:3])
        raise InputError(f"fields: nothing here can be compared ({reasons or 'no metadata fields'})")
    return targets, columns


def _askable(target: Target, train: np.ndarray, test: np.ndarray) -> None:
    mine, asked = np.isin(target.rows, train), np.isin(target.rows, test)
    if not mine.any() or not asked.any() or target.categorical and len(np.unique(target.values[mine])) < 2:
        raise InputError(f"field {target.name!r} has too few values among the training or the test subjects")


def _maps(samples, models: list[str]) -> dict[str, tuple[list[str], np.ndarray]]:
    runs = store.map_runs(samples)
    return {
        m: store.load_map(samples, schema.map_key(m)) for m in models if m not in NETWORKS and schema.map_key(m) in runs
    }


def machine(device: str | None) -> str:
    """The machine in words."""
    import os

    import torch

    where = pick_device(device)
    if where.type == "cuda":
        return torch.cuda.get_device_name(where)
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


class _Contest:
    """Collects every row's subject scores, then compares them."""

    def __init__(self, subjects: np.ndarray, targets: list[Target], plan: Plan, seed: int):
        self.subjects, self.targets, self.parts, self.seed = subjects, targets, plan.parts(), seed
        self.names: list[str] = []
        self.facts: dict[str, dict] = {}
        #: (row, field) -> scores of the held-out subjects, one array a seed
        self.scores: dict[tuple[str, str], list[np.ndarray]] = {}
        self.who: dict[str, np.ndarray] = {}
        self.asked: dict[str, int] = {}

    def add_dull(self) -> None:
        answers = [baseline_predictions(t, self.subjects[t.rows], self.parts) for t in self.targets]
        self.add_answers(NO_IMAGE, "without images", answers, self.seed, 0, 0.0, 0)

    def add_vectors(self, name: str, matrix: np.ndarray, seed: int, images: int, seconds: float, n_slices: int) -> None:
        if not np.isfinite(matrix).all():
            raise InputError(f"{name}: some vectors hold NaN or infinite values; embed again")
        if np.ptp(matrix, axis=0).max() == 0:
            raise InputError(f"{name}: all vectors are equal, so they know nothing; embed again")
        ways = designs(matrix, n_slices)
        answers = [
            svm_answers([w.take(t.rows) for w in ways], t, self.subjects[t.rows], self.parts, self.seed)
            for t in self.targets
        ]
        self.add_answers(name, "SVM on the embedding", answers, seed, images, seconds, matrix.shape[1])

    def add_answers(self, name, how, answers, seed, images, seconds, dimensions) -> None:
        if name not in self.facts:
            self.names.append(name)
            self.facts[name] = {"how": how, "dimensions": dimensions, "seeds": [], "images": images, "seconds": []}
        self.facts[name]["seeds"].append(seed)
        self.facts[name]["seconds"].append(seconds)
        for target, given in zip(self.targets, answers, strict=True):
            who, scores = subject_scores(target, self.subjects[target.rows], given)
            self.scores.setdefault((name, target.name), []).append(scores)
            self.who[target.name], self.asked[target.name] = who, int((~np.isnan(given)).sum())

    def counted(self, columns: list[Column]) -> list[Column]:
        return [
            c if c.reason else replace(c, n_subjects=len(self.who[c.field]), n_samples=self.asked[c.field])
            for c in columns
        ]

    def rows(self, reference: str, n_bootstrap: int, n_permutations: int) -> tuple[CompareRow, ...]:
        cells: dict[str, dict[str, Cell]] = {n: {} for n in self.names}
        tested, p_dull = [], {}
        for target in self.targets:
            # the same draws for every row, so that a row's result does not depend on which others there are
            def fresh(name=target.name):
                return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

            means = {n: np.mean(self.scores[n, target.name], axis=0) for n in self.names}
            for name in self.names:
                low, high = np.percentile(bootstrap_means(means[name], n_bootstrap, fresh()), [2.5, 97.5])
                cell = Cell(
                    float(means[name].mean()),
                    (float(low), float(high)),
                    tuple(float(s.mean()) for s in self.scores[name, target.name]),
                )
                if name != reference:
                    found = paired(
                        means[name],
                        means[reference],
                        n_bootstrap=n_bootstrap,
                        n_permutations=n_permutations,
                        rng=fresh(),
                    )
                    cell = replace(cell, difference=found.difference, difference_interval=found.interval, p=found.p)
                    tested.append((name, target.name))
                if name != NO_IMAGE:
                    found = paired(
                        means[name], means[NO_IMAGE], n_bootstrap=1, n_permutations=n_permutations, rng=fresh()
                    )
                    cell = replace(cell, above_dull=found.difference)
                    p_dull[name, target.name] = found.p
                cells[name][target.name] = cell
        q = benjamini_hochberg(np.array([cells[n][f].p for n, f in tested]))
        for (n, f), value in zip(tested, q, strict=True):
            cells[n][f] = replace(cells[n][f], q=float(value))
        q = benjamini_hochberg(np.array(list(p_dull.values())))
        for (n, f), value in zip(p_dull, q, strict=True):
            cells[n][f] = replace(cells[n][f], q_dull=float(value))
        return tuple(
            CompareRow(
                n,
                self.facts[n]["how"],
                self.facts[n]["dimensions"],
                tuple(self.facts[n]["seeds"]),
                self.facts[n]["images"],
                float(np.mean(self.facts[n]["seconds"])),
                cells[n],
            )
            for n in self.names
        )

    def by_subject(self) -> dict:
        """Subjects and every row's scores of them (mean over the seeds), for whoever wants to test anew."""
        return {
            t.name: {
                "subjects": [str(s) for s in self.who[t.name]],
                "scores": {n: np.mean(self.scores[n, t.name], axis=0) for n in self.names},
            }
            for t in self.targets
        }
