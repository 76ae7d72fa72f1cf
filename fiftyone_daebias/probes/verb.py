"""The verbs ``probe`` and ``probe-all``: what do the embeddings know?"""

from __future__ import annotations

import hashlib
import zlib
from typing import Literal

import numpy as np

from .. import schema, store
from ..errors import InputError
from ..progress import Progress, start
from .confidence import probabilities
from .fields import Target, make_target
from .permutation import permutation_test
from .result import ProbeResult, ProbeTable
from .svm import CrossFit, cross_fit, kernel_matrix


def probe(
    samples,
    field: str,
    *,
    vectors: str = "dae_embedding",
    kernel: Literal["rbf", "linear"] = "rbf",
    n_permutations: int = 999,
    n_bootstrap: int = 1000,
    repeats: int = 3,
    subject_field: str | None = None,
    seed: int = 51,
    progress: Progress | None = None,
) -> ProbeResult:
    """Asks how well a field can be predicted from the embeddings of subjects the probe has not seen.

    Stores the out-of-fold prediction of every sample in the field
    "probe_FIELD". When the field is decodable (and, among several classes, the
    balanced accuracy is above one half), tags samples on the other side of
    their own label "daebias:opposite:FIELD" and saves a view of them.

    Args:
        samples: a dataset or view with embeddings
        field: the metadata field to predict
        vectors: the vector field to predict from
        kernel: kernel of the support vector machine
        n_permutations: permutations behind the p-value
        n_bootstrap: bootstrap draws behind the interval
        repeats: how often the folds are drawn anew
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of folds, permutations and draws

    Returns:
        score, chance, interval, p-value and counts

    Raises:
        InputError: the field or the vectors do not exist, or cannot be probed; the message says why
    """
    _check_numbers(n_permutations, n_bootstrap, repeats)
    data = _Data(samples, vectors, kernel, subject_field)
    with start(progress, "probing", 1, "fields") as task:
        target = data.target(field)
        result, fit = data.run(target, n_permutations, n_bootstrap, repeats, seed)
        (result,) = ProbeTable.ranked([result]).rows
        data.keep(result, target, fit, seed)
        task.advance()
    return result


def probe_all(
    samples,
    *,
    fields: list[str] | None = None,
    vectors: str = "dae_embedding",
    kernel: Literal["rbf", "linear"] = "rbf",
    n_permutations: int = 999,
    n_bootstrap: int = 1000,
    repeats: int = 3,
    subject_field: str | None = None,
    seed: int = 51,
    progress: Progress | None = None,
) -> ProbeTable:
    """Probes every metadata field, with false-discovery control over all of them.

    Args:
        samples: a dataset or view with embeddings
        fields: the fields to probe; default: every metadata field
        vectors: the vector field to predict from
        kernel: kernel of the support vector machine
        n_permutations: permutations behind each p-value
        n_bootstrap: bootstrap draws behind each interval
        repeats: how often the folds are drawn anew
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of folds, permutations and draws

    Returns:
        one row a field; fields that cannot be probed say why

    Raises:
        InputError: the vectors or a named field do not exist
    """
    _check_numbers(n_permutations, n_bootstrap, repeats)
    data = _Data(samples, vectors, kernel, subject_field)
    names = list(store.metadata_fields(samples)) if fields is None else fields
    if fields is not None:
        store.read_table(samples, fields)
    rows, kept = [], {}
    with start(progress, "probing", len(names), "fields") as task:
        for name in names:
            try:
                target = data.target(name)
            except InputError as error:
                rows.append(ProbeResult(name, vectors, reason=str(error)))
            else:
                result, fit = data.run(target, n_permutations, n_bootstrap, repeats, seed)
                rows.append(result)
                kept[name] = target, fit
            task.advance(note=name)
    table = ProbeTable.ranked(rows)
    for row in table.rows:
        if row.field in kept:
            data.keep(row, *kept[row.field], seed)
    return table


class _Data:
    """Vectors, subjects and the kernel, read once for all fields."""

    def __init__(self, samples, vectors: str, kernel: str, subject_field: str | None):
        store.ensure_samples(samples)
        if kernel not in ("rbf", "linear"):
            raise InputError(f"kernel must be 'rbf' or 'linear'; got {kernel!r}")
        self.samples, self.vectors, self.kernel = samples, vectors, kernel
        self.ids, matrix = store.read_vectors(samples, vectors)
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        if len(bad):
            raise InputError(
                f"{len(bad)} vectors in {vectors!r} hold NaN or infinite values (first: sample {self.ids[bad[0]]}); "
                "embed again"
            )
        if np.ptp(matrix, axis=0).max() == 0:
            raise InputError(f"all vectors in {vectors!r} are equal, so they know nothing; embed again")
        owners = dict(zip(store.sample_ids(samples), store.read_subjects(samples, subject_field), strict=True))
        self.subjects = np.array([owners[i] for i in self.ids])
        self.hash = hashlib.sha256(matrix.tobytes()).hexdigest()
        self.gram = kernel_matrix(matrix, kernel)

    def target(self, field: str) -> Target:
        """The field's values for the samples that have a vector.

        Raises:
            InputError: it cannot be probed
        """
        column = store.read_table(self.samples, [field])[field].reindex(self.ids)
        return make_target(field, [None if v is None or v != v else v for v in column.tolist()], self.subjects)

    def run(self, target: Target, n_permutations, n_bootstrap, repeats, seed) -> tuple[ProbeResult, CrossFit]:
        # A field's draws depend on its name only, so that probing more fields changes no other result.
        rng = np.random.default_rng([seed, zlib.crc32(target.name.encode())])
        gram = self.gram[np.ix_(target.rows, target.rows)]
        subjects = self.subjects[target.rows]
        fit = cross_fit(gram, target, subjects, repeats=repeats, n_bootstrap=n_bootstrap, rng=rng)
        labels = np.eye(len(target.classes))[target.values] if target.categorical else target.values
        p, _ = permutation_test(gram, labels, subjects, n_permutations=n_permutations, rng=rng)
        result = ProbeResult(
            target.name, self.vectors, target.kind, "AUC" if target.categorical else "MAE", fit.score, fit.interval,
            fit.chance, fit.better, fit.balanced, p, float("nan"), len(set(subjects)), len(target.rows), target.classes,
            int((fit.predicted != target.values).sum()) if target.categorical else 0, target.notes,
        )
        return result, fit

    def keep(self, result: ProbeResult, target: Target, fit: CrossFit, seed: int) -> None:
        """Stores run, predictions, tags and view."""
        ids = [self.ids[k] for k in target.rows]
        name = schema.PROBE_FIELD_PREFIX + schema.field_stem(target.name)
        store.clear_field(self.samples, name)
        tag = schema.TAG_OPPOSITE + target.name
        store.untag(store.dataset_of(self.samples), tag)
        if target.categorical:
            chances = probabilities(fit.scores, target.values)
            store.write_predictions(
                self.samples, name, ids, [target.classes[c] for c in fit.predicted],
                chances[np.arange(len(ids)), fit.predicted], fit.scores[np.arange(len(ids)), target.values],
            )
            # Among several classes, a probe that is mostly wrong says nothing about single samples.
            if result.decodable and (target.kind == "binary" or result.balanced_accuracy > 0.5):
                other = [i for i, a, b in zip(ids, fit.predicted, target.values, strict=True) if a != b]
                store.tag(self.samples, other, tag)
                store.save_view(
                    self.samples, f"opposite {target.name}", store.view_of_tag(self.samples, tag),
                    description=f"look like another {target.name} to a probe that has not seen their subject",
                )
        else:
            store.write_regressions(self.samples, name, ids, fit.predicted)
        store.save_run(
            self.samples, schema.PROBE_RUN_PREFIX + schema.field_stem(target.name),
            {"field": target.name, "vectors": self.vectors, "kernel": self.kernel, "seed": seed,
             "data_hash": self.hash},
            {"summary": result.to_dict(), "sample_ids": ids, "scores": fit.scores.astype(np.float32)},
        )


def _check_numbers(n_permutations: int, n_bootstrap: int, repeats: int) -> None:
    if n_permutations < 99:
        raise InputError(f"n_permutations must be at least 99 (p-values of 0.01 and more); got {n_permutations}")
    if n_bootstrap < 100 or repeats < 1:
        raise InputError(f"n_bootstrap must be at least 100 and repeats at least 1; got {n_bootstrap} and {repeats}")
