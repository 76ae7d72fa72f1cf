"""Vectors, subjects and targets of a dataset, read once for all probes."""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd

from .. import schema, store
from ..embeddings.joined import joined_slices
from ..errors import InputError
from ..statistics.cells import Cells, split_cells
from ..statistics.covariates import Covariates, make_covariates
from ..statistics.scores import balanced_accuracy, bootstrap_weights, percentile_interval, subject_weights
from ..statistics.targets import MIN_SUBJECTS, Target, make_target
from .adjust import adjusted_fit
from .cross_fit import N_FOLDS, CrossFit, cross_fit
from .design import Design, make_design, probe_designs
from .lssvm import Folds, subject_folds
from .machine import Machine
from .result import Adjusted, Holdout, ProbeResult
from .svm import best_choice, score_draws

#: decomposed folds kept at a time; fields without missing values share theirs
KEPT_FOLDS = 2


class ProbeSource:
    """What probes of one dataset share.

    Args:
        samples: a dataset or view
        vectors: a vector field or a brain run, or several, which are concatenated
        kernel: "rbf" or "linear"
        subject_field: field that names the subject
        adjust_for: fields that are expected to differ

    Raises:
        InputError: vectors or fields that do not exist or cannot be used; the message says which
    """

    def __init__(
        self,
        samples,
        vectors: str | list[str],
        kernel: str,
        subject_field: str | None = None,
        adjust_for: list[str] | None = None,
    ):
        store.ensure_samples(samples)
        if kernel not in ("rbf", "linear"):
            raise InputError(f"kernel must be 'rbf' or 'linear'; got {kernel!r}")
        self.samples, self.kernel = samples, kernel
        names = [vectors] if isinstance(vectors, str) else list(vectors)
        if not names:
            raise InputError("vectors: name at least one vector field or brain run")
        self.vectors = "+".join(names)
        self.ids, matrix = read_joined(samples, names)
        owners = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
        self.subjects = np.array([owners[i] for i in self.ids])
        self.hash = hashlib.sha256(matrix.tobytes()).hexdigest()
        self._matrix = matrix
        self.designs = probe_designs(matrix, kernel, joined_slices(samples, names[0]) if len(names) == 1 else 1)
        self._folds: OrderedDict[tuple, Folds] = OrderedDict()
        self.covariates: Covariates | None = None
        self.notes: tuple[str, ...] = ()
        if adjust_for:
            self.covariates = make_covariates(store.read_table(samples, list(adjust_for)).reindex(self.ids))
            if self.covariates.alike:
                self.notes = (f"all have the same {' and '.join(self.covariates.alike)}: nothing to adjust for there",)
            if not self.covariates.fields:
                self.covariates = None

    @cached_property
    def _units(self) -> dict[str, str]:
        return store.read_units(self.samples)

    @cached_property
    def design(self) -> Design:
        """The vectors for support vector machines; their exact kernel is n × n, so it is made where one is trained."""
        return make_design(self._matrix, self.kernel)

    def column(self, field: str) -> list:
        """A field's values for the samples that have a vector; ``None`` where missing."""
        column = store.read_table(self.samples, [field])[field].reindex(self.ids)
        return [None if _nothing(v) else v for v in column.tolist()]

    def target(self, field: str, scale: str = "auto", rows: np.ndarray | None = None) -> Target:
        """The field as a question, for all samples or for some rows.

        Raises:
            InputError: it cannot be probed
        """
        rows = np.arange(len(self.ids)) if rows is None else rows
        values = self.column(field)
        target = make_target(
            field, [values[k] for k in rows], list(self.subjects[rows]), scale, self._units.get(field, "")
        )
        return replace(target, rows=rows[target.rows])

    def groups(self, by: str) -> dict[str, np.ndarray]:
        """Rows of each value of a field with enough subjects to be probed."""
        values = self.column(by)
        out = {}
        for value in sorted({str(v) for v in values if v is not None}):
            rows = np.array([k for k, v in enumerate(values) if v is not None and str(v) == value])
            if len(set(self.subjects[rows])) >= 2 * MIN_SUBJECTS:
                out[value] = rows
        if not out:
            raise InputError(f"by: no value of {by!r} has {2 * MIN_SUBJECTS} subjects, so there is nothing to probe")
        return out

    def run(
        self, target: Target, *, n_permutations: int, n_bootstrap: int, repeats: int, seed: int, group: str = ""
    ) -> tuple[ProbeResult, CrossFit]:
        """One probe: score, interval, p-value, and the score given expected fields and on the stored split."""
        # A field's draws depend on its name only, so that probing more fields changes no other result.
        rng = np.random.default_rng([seed, zlib.crc32((target.name + group).encode())])
        subjects = self.subjects[target.rows]
        machine = self.folds(target.rows, repeats, seed)
        fit = cross_fit(self.designs, target, subjects, n_permutations=n_permutations, rng=rng, machine=machine)
        adjusted = None
        if self.covariates is not None:
            adjusted = self._adjusted(self.covariates, target, machine, n_permutations, repeats, seed, rng)
        metric = "AUC" if target.categorical else "C" if target.kind == "ordinal" else "MAE"
        result = ProbeResult(
            target.name,
            self.vectors,
            group,
            target.kind,
            metric,
            fit.score,
            fit.interval,
            fit.chance,
            fit.better,
            fit.accuracy,
            fit.balanced,
            float("nan"),
            fit.p,
            float("nan"),
            len(set(subjects)),
            len(target.rows),
            target.classes,
            int((fit.predicted != target.values).sum()) if target.categorical else 0,
            (*target.notes, *self.notes),
            adjusted=adjusted,
            holdout=self._holdout(target, subjects, n_bootstrap, rng),
            null=fit.null,
            untestable=fit.untestable,
            cells=_cells(target, subjects),
            unit=target.quantity.unit if metric == "MAE" else "",
        )
        return result, fit

    def folds(self, rows: np.ndarray, repeats: int, seed: int) -> Folds:
        """Decomposed folds of some rows; the folds depend on the rows and the seed, not on a label."""
        key = rows.tobytes(), repeats, seed
        if key not in self._folds:
            while len(self._folds) >= KEPT_FOLDS:
                self._folds.popitem(last=False)
            rng = np.random.default_rng([seed, zlib.crc32(rows.tobytes())])
            subjects = self.subjects[rows]
            self._folds[key] = Folds(
                [d.take(rows) for d in self.designs], subjects, subject_folds(subjects, N_FOLDS, repeats, rng)
            )
        self._folds.move_to_end(key)
        return self._folds[key]

    def _adjusted(
        self, known: Covariates, target: Target, machine: Folds, n_permutations, repeats, seed, rng
    ) -> Adjusted:
        fields, present = known.fields, known.present[target.rows]
        if target.name in fields:
            return Adjusted(fields, reason="the field is among those adjusted for")
        everybody, people = len(set(self.subjects[target.rows])), self.subjects[target.rows[present]]
        n_subjects = len(set(people))
        kept, notes = n_subjects / everybody, tuple[str, ...]()
        missing = known.missing(target.rows, self.subjects[target.rows])
        if missing:
            notes = (f"rests on {n_subjects} of {everybody} subjects: {missing}",)
        few = Adjusted(fields, n_subjects=n_subjects, kept=kept, notes=notes)
        if n_subjects < 2 * MIN_SUBJECTS:
            return replace(few, reason=f"only {n_subjects} of {everybody} subjects have {' and '.join(fields)}")
        rows = target.rows[present]
        part = Target(target.name, target.kind, rows, target.values[present], target.classes)
        if target.categorical:
            counts = [len(set(people[part.values == c])) for c in range(len(target.classes))]
            if min(counts) < MIN_SUBJECTS // 2:
                least = target.classes[int(np.argmin(counts))]
                return replace(few, reason=f"only {min(counts)} subjects of {least!r} have {' and '.join(fields)}")
        elif np.ptp(part.values) == 0:
            return replace(few, reason=f"all subjects with {' and '.join(fields)} have one value")
        if not present.all():
            machine = self.folds(rows, repeats, seed)
        fit = adjusted_fit(machine, part, known.basis(rows, people), n_permutations=n_permutations, rng=rng)
        if fit.reason:
            return replace(few, overlap=fit.overlap, reason=fit.reason.format(fields=" and ".join(fields)))
        return Adjusted(
            fields,
            fit.score,
            fit.interval,
            fit.chance,
            fit.better,
            fit.p,
            float("nan"),
            n_subjects,
            kept,
            fit.overlap,
            fit.explained,
            notes,
        )

    def _holdout(self, target: Target, subjects, n_bootstrap, rng) -> Holdout | None:
        if not store.has_field(self.samples, schema.SPLIT_FIELD):
            return None
        parts = store.read_field(self.samples, schema.SPLIT_FIELD)
        where = dict(zip(store.sample_ids(self.samples), parts, strict=True))
        split = np.array([where[self.ids[k]] or "" for k in target.rows])
        train, val, test = (np.flatnonzero(split == s) for s in schema.SPLITS)
        few = min(len(set(subjects[part])) for part in (train, val, test))
        if few < 3 or target.categorical and any(len(np.unique(target.values[p])) < 2 for p in (train, test)):
            return None
        machine = Machine(self.design.take(target.rows), target, subjects)
        scores = machine.fit_predict(train, test, *best_choice(machine, train, val))
        everything = np.zeros((1, len(target.rows), scores.shape[1]))
        everything[0, test] = scores
        weights = np.zeros((n_bootstrap + 1, len(target.rows)))
        own = subject_weights(subjects[test])
        weights[0, test], weights[1:, test] = own, bootstrap_weights(subjects[test], n_bootstrap, rng)
        got = score_draws(target, everything, np.zeros((1, len(target.rows)), int), weights, rows=test)
        chance, accuracy, balanced = 0.5, float("nan"), float("nan")
        truth = target.values[test]
        if target.categorical:
            predicted = scores.argmax(axis=1)
            accuracy = float(np.average(predicted == truth, weights=own))
            balanced = balanced_accuracy(predicted, truth, own)
        elif target.kind != "ordinal":
            chance = float(np.average(np.abs(machine.medians(train, test) - truth), weights=own))
        return Holdout(
            float(got[0]), percentile_interval(got[1:]), chance, accuracy, balanced, len(set(subjects[test]))
        )


def read_joined(samples, names: list[str]) -> tuple[list[str], np.ndarray]:
    """Vectors of one or several fields or brain runs, side by side, of the samples that have all of them.

    Several are divided by their own overall spread first, so that each has the same say a value.

    Raises:
        InputError: a name that does not exist, no sample with all vectors, NaN, or vectors that are all equal
    """
    parts = []
    for name in names:
        ids, matrix = store.read_vectors(samples, name)
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        if len(bad):
            raise InputError(
                f"{len(bad)} vectors in {name!r} hold NaN or infinite values (first: sample {ids[bad[0]]}); embed again"
            )
        if np.ptp(matrix, axis=0).max() == 0:
            raise InputError(f"all vectors in {name!r} are equal, so they know nothing; embed again")
        parts.append(pd.DataFrame(matrix, index=ids))
    if len(parts) == 1:
        return list(parts[0].index), parts[0].to_numpy(np.float32)
    shared = set(parts[0].index).intersection(*(p.index for p in parts[1:]))
    if not shared:
        raise InputError(f"no sample has a vector in all of {', '.join(names)}")
    ids = [i for i in parts[0].index if i in shared]
    return ids, np.hstack([_of_unit_spread(p.loc[ids].to_numpy(np.float32)) for p in parts])


def _of_unit_spread(matrix: np.ndarray) -> np.ndarray:
    """Vectors (n, d) about their mean, the mean square of all values 1."""
    centred = matrix - matrix.mean(axis=0, dtype=np.float64)
    return (centred / max(float(np.sqrt((centred**2).mean())), 1e-30)).astype(np.float32)


def _nothing(value) -> bool:
    return value is None or value is pd.NaT or isinstance(value, (float, np.floating)) and np.isnan(value)


def _cells(target: Target, subjects: np.ndarray) -> Cells:
    """Subjects of each class and of the others; of numbers all subjects."""
    sides = [(c, target.values == k) for k, c in enumerate(target.classes)]
    return split_cells(sides or [("", np.ones(len(target.values), bool))], subjects)
