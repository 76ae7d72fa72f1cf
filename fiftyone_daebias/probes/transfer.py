"""The verb ``transfer``: does what is read in one region hold in another?"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass

import numpy as np

from ..parameters import Bootstraps, ByField, Kernel, ProbedField, Repeats, Seed, SubjectField, VectorFieldOrFields
from ..progress import Progress, start
from ..statistics.scores import bootstrap_weights, percentile_interval, subject_weights
from ..statistics.targets import MIN_SUBJECTS
from .machine import Machine
from .source import ProbeSource
from .svm import choose, score_draws, subject_folds


@dataclass(frozen=True)
class Transfer:
    """Scores of a probe trained in one group (rows) and applied to another (columns), on unseen subjects.

    Attributes:
        field: what was predicted
        by: the field that makes the groups
        metric: "AUC", "C" or "MAE"
        groups: names of the groups
        scores: (groups, groups); NaN where a group lacks a class
        low, high: 95 % subject-bootstrap interval of each score
        n_subjects: subjects of each group
    """

    field: str
    by: str
    metric: str
    groups: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    low: tuple[tuple[float, ...], ...]
    high: tuple[tuple[float, ...], ...]
    n_subjects: tuple[int, ...]

    def to_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        cells = [[f"{self.field} ({self.metric}), trained in", *(f"on {g}" for g in self.groups)]]
        for k, g in enumerate(self.groups):
            row = [
                f"{s:.3f} [{a:.3f}, {b:.3f}]" for s, a, b in zip(self.scores[k], self.low[k], self.high[k], strict=True)
            ]
            cells.append([f"{self.by} {g} (n={self.n_subjects[k]:,})", *row])
        widths = [max(len(r[k]) for r in cells) for k in range(len(cells[0]))]
        return "\n".join("  ".join(t.ljust(w) for t, w in zip(r, widths, strict=True)).rstrip() for r in cells)


def transfer(
    samples,
    field: ProbedField,
    by: ByField,
    *,
    vectors: VectorFieldOrFields = "dae_embedding",
    kernel: Kernel = "rbf",
    n_bootstrap: Bootstraps = 1000,
    repeats: Repeats = 3,
    subject_field: SubjectField | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> Transfer:
    """Trains a probe within each group and scores it in every group, always on subjects it has not seen.

    Args:
        samples: a dataset or view with embeddings
        field: the field to predict
        by: the field that makes the groups, for example the region or the site
        vectors: the vector field or brain run to predict from; several are concatenated
        kernel: kernel of the support vector machine
        n_bootstrap: bootstrap draws behind each interval
        repeats: how often the folds are drawn anew
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of folds and draws

    Returns:
        a matrix of scores

    Raises:
        InputError: a field or the vectors do not exist, or cannot be probed
    """
    source = ProbeSource(samples, vectors, kernel, subject_field)
    target = source.target(field)
    design, subjects = source.design.take(target.rows), source.subjects[target.rows]
    place = {int(r): k for k, r in enumerate(target.rows)}
    groups = {}
    for name, rows in source.groups(by).items():
        mine = np.array([place[int(r)] for r in rows if int(r) in place], int)
        if len(set(subjects[mine])) >= 2 * MIN_SUBJECTS:
            groups[name] = mine
    rng = np.random.default_rng([seed, zlib.crc32(f"{field} {by}".encode())])
    names = list(groups)
    n, k = len(target.rows), len(target.classes) if target.categorical else 1
    scores = np.full((len(names), repeats, n, k), np.nan)
    folds = np.zeros((repeats, n), int)
    machine = Machine(design, target, subjects)
    with start(progress, "training in each group", len(names) * repeats * 5, "fits") as task:
        for r in range(repeats):
            folds[r] = subject_folds(subjects, target.values if target.categorical else None, 5, rng)
            for g, name in enumerate(names):
                for f in range(5):
                    train = groups[name][folds[r, groups[name]] != f]
                    test = np.flatnonzero(folds[r] == f)
                    if len(np.unique(target.values[train])) > 1:
                        scores[g, r, test] = machine.fit_predict(train, test, *choose(machine, train, rng))
                    task.advance(note=name)
    draws = np.vstack([subject_weights(subjects)[None], bootstrap_weights(subjects, n_bootstrap, rng)])
    got = np.array(
        [
            [
                score_draws(target, scores[a], folds, draws, rows=groups[b])
                if np.isfinite(scores[a][:, groups[b]]).all()
                else np.full(len(draws), np.nan)
                for b in names
            ]
            for a in range(len(names))
        ]
    )
    ends = [[percentile_interval(cell[1:]) for cell in row] for row in got]
    metric = "AUC" if target.categorical else "C" if target.kind == "ordinal" else "MAE"
    return Transfer(
        field,
        by,
        metric,
        tuple(names),
        tuple(tuple(map(float, row[:, 0])) for row in got),
        tuple(tuple(e[0] for e in row) for row in ends),
        tuple(tuple(e[1] for e in row) for row in ends),
        tuple(len(set(subjects[groups[g]])) for g in names),
    )
