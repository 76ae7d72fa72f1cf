"""Cross-fitting a probe as it is, reweighted, and with interpolated subjects of groups that are short of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...probes.design import Design, make_design, rbf
from ...probes.machine import Machine
from ...probes.svm import choose, subject_folds
from ...progress import Progress, start
from ...statistics.scores import macro_auc
from ...statistics.targets import Target
from .interpolate import interpolate

ARMS = ("before", "reweighted", "interpolated")


@dataclass(frozen=True)
class Arms:
    """Out-of-fold predictions of each way to train.

    Attributes:
        scores: ``{arm: (repeats, n, classes)}``
        folds: (repeats, n), the same for all
        made: synthetic vectors a fold, mean
    """

    scores: dict[str, np.ndarray] = field(repr=False)
    folds: np.ndarray = field(repr=False)
    made: float = 0.0


def cross_fit_arms(
    vectors: np.ndarray,
    target: Target,
    groups: np.ndarray,
    subjects: np.ndarray,
    *,
    kernel: str,
    neighbors: int,
    repeats: int,
    n_folds: int = 5,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Arms:
    """Cross-fits all arms on the same folds; synthetic vectors come from the training part and never are tested.

    "reweighted" gives every group × class cell the weight of the largest; "interpolated" fills every cell up to the
    subjects of the largest group of its class with vectors between its subjects, each counting as a subject.

    Args:
        vectors: (n, d)
        target: classes, its values in the order of the vectors
        groups: group of each sample, int (n,)
        subjects: subject of each sample
        kernel: "rbf" or "linear"
        neighbors: nearest subjects to interpolate with
        repeats: how often the folds are drawn anew
        n_folds: folds
        rng: random generator
        progress: where to report
    """
    z = make_design(vectors, "linear").features
    whole = Design(kernel, z, rbf(z, z) if kernel == "rbf" else None)
    machine = Machine(whole, target, subjects)
    n, k = len(z), len(target.classes)
    scores = {arm: np.zeros((repeats, n, k)) for arm in ARMS}
    folds, made = np.zeros((repeats, n), int), []
    cells = groups * k + target.values
    with start(progress, "training with and without", repeats * n_folds, "folds") as task:
        for r in range(repeats):
            # folds spread group and class evenly
            folds[r] = subject_folds(subjects, cells, n_folds, rng)
            for f in range(n_folds):
                train, test = np.flatnonzero(folds[r] != f), np.flatnonzero(folds[r] == f)
                penalty, _ = choose(machine, train, rng)
                scores["before"][r, test] = machine.fit_predict(train, test, penalty, False)
                scores["reweighted"][r, test] = _Weighted(whole, target, subjects, cells).fit_predict(
                    train, test, penalty, False
                )
                extra = fill_up(z, train, target.values, groups, subjects, neighbors, rng)
                made.append(len(extra[0]))
                scores["interpolated"][r, test] = _with_extra(whole, z, target, subjects, train, test, extra, penalty)
                task.advance()
    return Arms(scores, folds, float(np.mean(made)))


def fill_up(z, train, classes, groups, subjects, neighbors, rng) -> tuple[np.ndarray, np.ndarray]:
    """Vectors that bring every group × class cell to as many subjects as the largest of its class has, and classes."""
    vectors, labels = [np.empty((0, z.shape[1]), np.float32)], [np.empty(0, int)]
    for c in np.unique(classes[train]):
        counts = {g: len(set(subjects[train[(classes[train] == c) & (groups[train] == g)]])) for g in np.unique(groups)}
        for g, count in counts.items():
            rows = train[(classes[train] == c) & (groups[train] == g)]
            between = interpolate(z, rows, subjects, max(counts.values()) - count, neighbors=neighbors, rng=rng)
            vectors.append(between.vectors)
            labels.append(np.full(len(between), c))
    return np.vstack(vectors), np.concatenate(labels)


def _with_extra(whole: Design, z, target, subjects, train, test, extra, penalty) -> np.ndarray:
    new, labels = extra
    rows = np.concatenate([train, test])
    features = np.vstack([z[rows], new])
    gram = None
    if whole.gram is not None:
        cross = rbf(new, z[rows])
        gram = np.block([[whole.gram[np.ix_(rows, rows)], cross.T], [cross, rbf(new, new)]]).astype(np.float32)
    values = np.concatenate([target.values[rows], labels])
    owners = np.concatenate([subjects[rows], [f"synthetic {m}" for m in range(len(new))]])
    extended = Target(target.name, target.kind, np.arange(len(values)), values, target.classes)
    machine = Machine(Design(whole.kind, features, gram), extended, owners)
    taught = np.concatenate([np.arange(len(train)), np.arange(len(rows), len(values))])
    return machine.fit_predict(taught, np.arange(len(train), len(rows)), penalty, False)


class _Weighted(Machine):
    """A machine in which every cell of group and class weighs the same within its class."""

    def __init__(self, design, target, subjects, cells):
        super().__init__(design, target, subjects)
        self.cells = cells

    def fit_predict(self, train, test, penalty, balanced):
        from ...statistics.scores import subject_weights

        weights = subject_weights(self.subjects[train])
        for c in np.unique(self.cells[train]):
            mine = self.cells[train] == c
            weights[mine] /= weights[mine].sum()
        return self._classes(train, test, weights / weights.mean(), penalty)


def group_scores(
    scores: np.ndarray, folds: np.ndarray, classes: np.ndarray, groups: np.ndarray, draws: np.ndarray, measure: str
) -> np.ndarray:
    """Score of every group for many weightings, averaged over the repeats, (groups, draws).

    Args:
        scores: (repeats, n, k)
        folds: (repeats, n)
        classes: (n,)
        groups: (n,)
        draws: sample weights (b, n)
        measure: "balanced accuracy" or "AUC"
    """
    out = []
    for g in np.unique(groups):
        mine = np.flatnonzero(groups == g)
        total = np.zeros(len(draws))
        for s, f in zip(scores, folds, strict=True):
            if measure == "AUC":
                total += macro_auc(s[mine], classes[mine], draws[:, mine], f[mine])
                continue
            right = s[mine].argmax(axis=1) == classes[mine]
            recalls = []
            for c in np.unique(classes[mine]):
                own = classes[mine] == c
                weights = draws[:, mine[own]]
                with np.errstate(invalid="ignore", divide="ignore"):
                    recalls.append((weights @ right[own]) / weights.sum(axis=1))
            total += np.mean(recalls, axis=0)
        out.append(total / len(scores))
    return np.array(out)
