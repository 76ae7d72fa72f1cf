"""The verb ``mitigate``: do interpolated subjects help the group that a probe serves worst? Tried, not promised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np

from ... import schema, store
from ...clustering import cluster as named
from ...errors import InputError
from ...parameters import (
    Advanced,
    Bootstraps,
    ByField,
    ClusterName,
    Device,
    Kernel,
    Neighbors,
    ProbedField,
    Repeats,
    Seed,
    SubjectField,
    TagName,
    VectorField,
)
from ...probes.source import read_joined
from ...progress import Progress
from ...statistics.scores import bootstrap_weights, percentile_interval, subject_weights
from ...statistics.targets import Target, make_target
from .balanced_fit import ARMS, cross_fit_arms, group_scores
from .figure import draw_mitigation
from .synthetic import decode_between

MEASURES = ("balanced accuracy", "AUC")
#: a group with fewer subjects of either class is not scored
FEWEST = 5
#: the kernel matrix holds real and synthetic samples
MOST_RBF = 8_000


@dataclass(frozen=True)
class Arm:
    """One way to train the probe.

    Attributes:
        arm: "before", "reweighted" or "interpolated"
        measure: "balanced accuracy" or "AUC"
        worst: score of the group that it serves worst
        interval: its 95 % subject-bootstrap interval, the worst group found anew in every draw
        change: worst-group score minus that before, paired
        change_interval: its 95 % interval, the same subjects drawn for both
        overall: score over everybody
        groups: ``{group: (score, low, high)}``
    """

    arm: str
    measure: str
    worst: float
    interval: tuple[float, float]
    change: float
    change_interval: tuple[float, float]
    overall: float
    groups: dict[str, tuple[float, float, float]]

    @property
    def helps(self) -> bool:
        """Whether the interval of the change leaves out 0, upwards."""
        return self.change_interval[0] > 0

    @property
    def harms(self) -> bool:
        """The same, downwards."""
        return self.change_interval[1] < 0


@dataclass(frozen=True)
class Mitigation:
    """Worst-group scores before and after.

    Attributes:
        field: the field predicted
        by: what makes the groups, in words
        arms: one a way to train and measure
        counts: ``{group: {class: subjects}}``
        made: synthetic vectors in a training part, mean over the folds
        kernel: kernel of the probe
        key: run with everything
        synthetic: ids of decoded synthetic samples in the dataset
        figures: figures, as ``report.figures.save_figure`` describes them
        notes: what was left out
    """

    field: str
    by: str
    arms: tuple[Arm, ...]
    counts: dict[str, dict[str, int]]
    made: float
    kernel: str
    key: str
    synthetic: tuple[str, ...] = ()
    figures: tuple[dict, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, arm: str, measure: str = MEASURES[0]) -> Arm:
        """One arm."""
        return next(a for a in self.arms if (a.arm, a.measure) == (arm, measure))

    @property
    def verdict(self) -> str:
        """What came of it, in a sentence."""
        arm, other = self.of("interpolated"), self.of("reweighted")
        low, high = arm.change_interval
        if arm.helps:
            more = other.change >= arm.change - 1e-9
            return "interpolated subjects raised the worst-group score" + (
                "; plain reweighting raised it as much or more" if other.helps and more else ""
            )
        if arm.harms:
            return "interpolated subjects LOWERED the worst-group score"
        return (
            f"interpolated subjects made no difference that these subjects can show (from {low:+.3f} to "
            f"{high:+.3f} is possible)"
        )

    def to_dict(self) -> dict:
        raw = asdict(self)
        raw["figures"] = [{k: v for k, v in f.items() if k != "plotly"} for f in self.figures]
        return {**raw, "verdict": self.verdict}

    def __str__(self) -> str:
        lines = [
            f"{self.field} predicted within {self.by}; subjects: "
            + "; ".join(f"{g} " + ", ".join(f"{c} {n}" for c, n in per.items()) for g, per in self.counts.items())
        ]
        for measure in MEASURES:
            lines.append(f"worst-group {measure}:")
            for arm in (a for a in self.arms if a.measure == measure):
                line = f"  {arm.arm:<13} {arm.worst:.3f} [{arm.interval[0]:.3f}, {arm.interval[1]:.3f}]"
                if arm.arm != "before":
                    line += f", change {arm.change:+.3f} [{arm.change_interval[0]:+.3f}, {arm.change_interval[1]:+.3f}]"
                lines.append(
                    line
                    + f"; everybody {arm.overall:.3f}; "
                    + ", ".join(f"{g} {v[0]:.3f}" for g, v in arm.groups.items())
                )
        lines.append(f"{self.verdict} ({self.made:.0f} synthetic vectors a training part; none was ever tested on)")
        if self.synthetic:
            lines.append(
                f"{len(self.synthetic)} synthetic samples decoded, tagged {schema.TAG_SYNTHETIC!r}; no verb reads them"
            )
        lines += [f"note: {n}" for n in self.notes]
        lines.append(f"run {self.key!r}")
        return "\n".join(lines)


def mitigate(
    samples,
    field: ProbedField,
    *,
    by: ByField | None = None,
    cluster: ClusterName | None = None,
    tag: TagName | None = None,
    vectors: VectorField = "dae_embedding",
    kernel: Kernel = "rbf",
    neighbors: Neighbors = 5,
    decode: Annotated[int, Advanced] = 0,
    repeats: Repeats = 3,
    n_bootstrap: Bootstraps = 1000,
    subject_field: SubjectField | None = None,
    device: Device | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> Mitigation:
    """Tries whether embeddings interpolated between subjects of small groups help the group that a probe serves worst.

    Within training parts only, every group is filled up, class by class, to
    the subjects of the largest one with vectors between two of its subjects
    (after SMOTE); the probe is trained again and scored on real held-out
    subjects. Plain reweighting stands beside it. This is tried, not promised:
    the table says whether it helped.

    Args:
        samples: a dataset or view with embeddings
        field: the metadata field to predict, classes
        by: the field that makes the groups
        cluster: or a cluster, against the rest
        tag: or a tag, against the rest
        vectors: the vector field
        kernel: kernel of the support vector machine
        neighbors: nearest subjects to interpolate with
        decode: synthetic samples of the small groups to decode and add to the dataset, tagged "daebias:synthetic"; no
            verb reads them
        repeats: how often the folds are drawn anew
        n_bootstrap: bootstrap draws behind each interval
        subject_field: field that names the subject; default: as registered, else guessed by name
        device: "cpu", "cuda", "cuda:1" or "mps", for decoding; default: the best there is
        seed: seed of folds, interpolation and draws

    Returns:
        worst-group scores before and after, with intervals and paired differences

    Raises:
        InputError: the field or the groups cannot be used; the message says why
    """
    if neighbors < 1 or decode < 0 or repeats < 1 or n_bootstrap < 100:
        raise InputError("neighbors and repeats must be at least 1, decode at least 0 and n_bootstrap at least 100")
    if by == field:
        raise InputError(f"by: {field!r} cannot be predicted within groups of itself")
    store.ensure_samples(samples)
    ids, matrix = read_joined(samples, [vectors])
    owners = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
    names, words = _groups(samples, ids, by, cluster, tag)
    target, groups, subjects, group_names, notes = _cells(samples, field, ids, names, owners)
    if kernel == "rbf" and len(target.rows) > MOST_RBF:
        raise InputError(
            f"{len(target.rows):,} samples are too many for kernel='rbf' here (at most {MOST_RBF:,}); pass "
            "kernel='linear'"
        )
    rng = np.random.default_rng([seed, 23])
    fitted = cross_fit_arms(
        matrix[target.rows],
        target,
        groups,
        subjects,
        kernel=kernel,
        neighbors=neighbors,
        repeats=repeats,
        rng=rng,
        progress=progress,
    )
    draws = np.vstack([subject_weights(subjects)[None], bootstrap_weights(subjects, n_bootstrap, rng)])
    arms = compare_arms(fitted, target.values, groups, group_names, draws)
    stem = f"{schema.field_stem(field)}_{schema.field_stem(words)}"
    key = schema.MITIGATION_RUN_PREFIX + stem
    made: list[str] = []
    if decode:
        made, note = decode_between(
            samples,
            key,
            vectors,
            matrix,
            ids,
            target,
            groups,
            group_names,
            subjects,
            decode,
            neighbors,
            device,
            seed,
            progress,
        )
        notes = (*notes, note)
    counts = {
        g: {c: len(set(subjects[(groups == k) & (target.values == j)])) for j, c in enumerate(target.classes)}
        for k, g in enumerate(group_names)
    }
    figures = draw_mitigation(store.dataset_of(samples).name, f"mitigation_{stem}", field, words, arms, counts)
    result = Mitigation(field, words, tuple(arms), counts, fitted.made, kernel, key, tuple(made), tuple(figures), notes)
    store.save_run(
        samples,
        key,
        {
            "field": field,
            "by": by,
            "cluster": cluster,
            "tag": tag,
            "vectors": vectors,
            "kernel": kernel,
            "neighbors": neighbors,
            "decode": decode,
            "repeats": repeats,
            "seed": seed,
        },
        {
            "summary": result.to_dict(),
            "figures": figures,
            "sample_ids": [ids[k] for k in target.rows],
            "synthetic_ids": made,
        },
    )
    return result


def compare_arms(fitted, classes: np.ndarray, groups: np.ndarray, names: list[str], draws: np.ndarray) -> list[Arm]:
    """Worst-group scores of all arms with paired differences.

    Args:
        fitted: an ``Arms``
        classes: class of each sample
        groups: group of each sample, 0 to len(names) − 1
        names: names of the groups
        draws: sample weights, the plain ones first, (1 + draws, n)
    """
    out = []
    everybody = np.zeros(len(classes), int)
    for measure in MEASURES:
        worst = {}
        for arm in ARMS:
            scores = group_scores(fitted.scores[arm], fitted.folds, classes, groups, draws, measure)
            overall = group_scores(fitted.scores[arm], fitted.folds, classes, everybody, draws[:1], measure)[0, 0]
            worst[arm] = scores.min(axis=0)  # NaN where a draw lacks a class of a group
            change = worst[arm] - worst["before"]
            out.append(
                Arm(
                    arm,
                    measure,
                    float(worst[arm][0]),
                    percentile_interval(worst[arm][1:]),
                    float(change[0]),
                    percentile_interval(change[1:]),
                    float(overall),
                    {n: (float(s[0]), *percentile_interval(s[1:])) for n, s in zip(names, scores, strict=True)},
                )
            )
    return out


def _groups(samples, ids: list[str], by, cluster, tag) -> tuple[list[str | None], str]:
    """Group of each sample, by name, and what makes the groups."""
    given = [n for n, v in (("by", by), ("cluster", cluster), ("tag", tag)) if v]
    if len(given) != 1:
        raise InputError(f"give exactly one of by, cluster and tag; got {' and '.join(given) or 'none'}")
    if by:
        column = store.read_table(samples, [by])[by].reindex(ids).tolist()
        if len({str(v) for v in column}) > 30:
            raise InputError(f"by: {by!r} has more than 30 values; it must name groups")
        return [None if v is None or v != v or v == "" else str(v) for v in column], f"groups of {by}"
    if cluster:
        members = set(named.get(samples, cluster).members)
        return [f"cluster {cluster}" if i in members else "the rest" for i in ids], f"cluster {cluster}"
    tags = dict(zip(store.sample_ids(samples), store.read_field(samples, "tags"), strict=True))
    if not any(tag in (tags[i] or ()) for i in ids):
        raise InputError(f"no sample with a vector has the tag {tag!r}")
    return [f"tag {tag}" if tag in (tags[i] or ()) else "the rest" for i in ids], f"tag {tag}"


def _cells(samples, field, ids, names, owners):
    """Target, group codes, subjects and names of the groups that can be scored."""
    subjects = np.array([owners[i] for i in ids])
    column = store.read_table(samples, [field])[field].reindex(ids).tolist()
    values = [None if v is None or v != v or g is None else v for v, g in zip(column, names, strict=True)]
    target = make_target(field, values, subjects)
    if not target.categorical:
        raise InputError(f"field {field!r} holds numbers; balancing needs classes")
    groups = np.array([names[k] for k in target.rows])
    kept, notes = [], list(target.notes)
    for g in sorted(set(groups)):
        few = min(
            len(set(subjects[target.rows][(groups == g) & (target.values == c)])) for c in range(len(target.classes))
        )
        if few >= FEWEST:
            kept.append(g)
        else:
            notes.append(f"group {g} has a class with {few} subjects and was left out ({FEWEST} are needed)")
    if len(kept) < 2:
        raise InputError(
            f"fewer than two groups have {FEWEST} subjects of every class of {field!r}, so nothing can be compared"
            + (f" ({notes[-1]})" if notes else "")
        )
    mine = np.isin(groups, kept)
    target = Target(field, target.kind, target.rows[mine], target.values[mine], target.classes)
    groups = np.searchsorted(kept, groups[mine])
    return target, groups, subjects[target.rows], kept, tuple(notes)
