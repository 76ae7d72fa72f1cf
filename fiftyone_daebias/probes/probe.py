"""The verbs ``probe`` and ``probe-all``: what do the embeddings know?"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import schema, store
from ..errors import InputError
from ..parameters import (
    AdjustFor,
    Bootstraps,
    ByField,
    Kernel,
    Permutations,
    ProbedField,
    ProbedFields,
    Repeats,
    Scale,
    Seed,
    SubjectField,
    VectorFieldOrFields,
)
from ..progress import Progress, start
from ..statistics.targets import Target
from .confidence import probabilities
from .cross_fit import CrossFit
from .labels import not_a_label, too_weak
from .result import ProbeResult, ProbeTable
from .source import ProbeSource


def probe(
    samples,
    field: ProbedField,
    *,
    vectors: VectorFieldOrFields = "dae_embedding",
    kernel: Kernel = "rbf",
    scale: Scale = "auto",
    adjust_for: AdjustFor | None = None,
    n_permutations: Permutations = 999,
    n_bootstrap: Bootstraps = 1000,
    repeats: Repeats = 3,
    predictions: bool = False,
    subject_field: SubjectField | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> ProbeResult:
    """Asks how well a field can be predicted from the embeddings of subjects the probe has not seen.

    Stores a run with the out-of-fold prediction of every sample. When the
    field is a label and the probe is strong enough to speak of single samples
    (AUC surely 0.85 or more, at most a fifth missed), tags samples on the
    other side of their own label "daebias:opposite:FIELD".

    Args:
        samples: a dataset or view with embeddings
        field: the metadata field to predict
        vectors: the vector field or brain run to predict from; several are concatenated
        kernel: kernel of the least-squares support vector machine
        scale: how to read numbers; "auto" takes up to ten values as classes
        adjust_for: fields that are expected to differ; the score is given again with these known
        n_permutations: permutations behind the p-value
        n_bootstrap: bootstrap draws behind the interval of the stored test split
        repeats: how often the folds are drawn anew
        predictions: also write the predictions on the samples as "probe_FIELD", the field itself as a label as
            "probe_FIELD_truth", and an evaluation of one against the other for FiftyOne's evaluation panel
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of folds, permutations and draws

    Returns:
        score, chance, interval, p-value and counts; given the other fields as well when ``adjust_for`` is given

    Raises:
        InputError: the field or the vectors do not exist, or cannot be probed; the message says why
    """
    _check_numbers(n_permutations, n_bootstrap, repeats)
    if adjust_for and field in adjust_for:
        raise InputError(f"adjust_for: {field!r} cannot be adjusted for itself")
    source = ProbeSource(samples, vectors, kernel, subject_field, adjust_for)
    draws: dict[str, Any] = {
        "n_permutations": n_permutations,
        "n_bootstrap": n_bootstrap,
        "repeats": repeats,
        "seed": seed,
    }
    with start(progress, "probing", 1, "fields") as task:
        target = source.target(field, scale)
        result, fit = source.run(target, **draws)
        (result,) = ProbeTable.ranked([result]).rows
        keep(source, result, [(target, fit)], draws, predictions=predictions)
        task.advance()
    return result


def probe_all(
    samples,
    *,
    fields: ProbedFields | None = None,
    vectors: VectorFieldOrFields = "dae_embedding",
    kernel: Kernel = "rbf",
    adjust_for: AdjustFor | None = None,
    by: ByField | None = None,
    n_permutations: Permutations = 999,
    n_bootstrap: Bootstraps = 1000,
    repeats: Repeats = 3,
    predictions: bool = False,
    subject_field: SubjectField | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> ProbeTable:
    """Probes every metadata field, with false-discovery control over all of them.

    Args:
        samples: a dataset or view with embeddings
        fields: the fields to probe; default: every metadata field
        vectors: the vector field or brain run to predict from; several are concatenated
        kernel: kernel of the least-squares support vector machine
        adjust_for: fields that are expected to differ; scores are given again with these known
        by: a field, for example the region; every field is probed within each of its values too
        n_permutations: permutations behind each p-value
        n_bootstrap: bootstrap draws behind the interval of the stored test split
        repeats: how often the folds are drawn anew
        predictions: also write each field's predictions and evaluation on the samples, three fields each, and those of
            the probes within each value as "probe_FIELD_by_BY"
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of folds, permutations and draws

    Returns:
        one row a field (and group); fields that cannot be probed say why

    Raises:
        InputError: the vectors or a named field do not exist
    """
    _check_numbers(n_permutations, n_bootstrap, repeats)
    source = ProbeSource(samples, vectors, kernel, subject_field, adjust_for)
    names = list(store.metadata_fields(samples)) if fields is None else list(fields)
    store.read_table(samples, [*names, *([by] if by else [])])
    groups: dict[str, np.ndarray | None] = {"": None}
    if by:
        groups |= {f"{by}={value}": rows for value, rows in source.groups(by).items()}
    draws: dict[str, Any] = {
        "n_permutations": n_permutations,
        "n_bootstrap": n_bootstrap,
        "repeats": repeats,
        "seed": seed,
    }
    rows, kept = [], {}
    with start(progress, "probing", len(names) * len(groups), "probes") as task:
        for name in names:
            for group, where in groups.items():
                if group and name == by:
                    task.advance()
                    continue
                try:
                    target = source.target(name, rows=where)
                except InputError as error:
                    reason = f"{error} (in {group})" if group else str(error)
                    rows.append(ProbeResult(name, source.vectors, group, reason=reason))
                else:
                    result, fit = source.run(target, group=group, **draws)
                    rows.append(result)
                    kept[name, group] = target, fit
                task.advance(note=f"{name} {group}".strip())
    table = ProbeTable.ranked(rows)
    for row in table.rows:
        if (row.field, row.group) in kept and not row.group:
            keep(source, row, [kept[row.field, ""]], draws, predictions=predictions)
    for name in names if by else ():
        parts = [r for r in table.rows if r.field == name and r.group and (name, r.group) in kept]
        if parts:
            keep(source, parts[0], [kept[name, r.group] for r in parts], draws, by or "", parts, predictions)
    return table


def keep(
    source: ProbeSource,
    result: ProbeResult,
    fits: list[tuple[Target, CrossFit]],
    draws: dict[str, Any],
    by: str = "",
    parts: list[ProbeResult] | None = None,
    predictions: bool = False,
) -> None:
    """Stores the run; for probes of the whole cohort also tags.

    Args:
        source: what was probed
        result: the result stored with the run
        fits: targets with their fits; several for the groups of ``by``
        draws: permutations, bootstrap draws, repeats and seed; stored with the run
        by: the field that made the groups
        parts: results of the groups
        predictions: whether predictions, and for probes of the whole cohort an evaluation, are written on the samples
    """
    samples, stem = source.samples, schema.field_stem(result.field)
    name = schema.PROBE_FIELD_PREFIX + stem + (f"_by_{schema.field_stem(by)}" if by else "")
    store.clear_predictions(samples, [name])
    ids, other = [], []
    for target, fit in fits:
        mine = [source.ids[k] for k in target.rows]
        ids += mine
        if target.categorical:
            other += [i for i, a, b in zip(mine, fit.predicted, target.values, strict=True) if a != b]
        if predictions:
            _write_predictions(samples, name, mine, target, fit)
    summary = {"summary": result.to_dict(), "sample_ids": ids}
    if parts:
        summary["parts"] = [p.to_dict() for p in parts]
    if len({target.classes for target, _ in fits}) == 1:
        summary["scores"] = np.concatenate([fit.scores for _, fit in fits]).astype(np.float32)
    if not by:
        ((target, fit),) = fits
        if predictions:
            truth = [target.classes[c] for c in target.values] if target.categorical else target.values
            store.write_evaluation(samples, name, ids, truth, target.categorical)
        tag = schema.TAG_OPPOSITE + target.name
        store.untag(store.dataset_of(samples), tag)
        if not (too_weak(result) or not_a_label(target.name, store.metadata_fields(samples).get(target.name, ""))):
            store.tag(samples, other, tag)
    store.save_run(
        samples,
        schema.PROBE_RUN_PREFIX + stem + (f"_by_{schema.field_stem(by)}" if by else ""),
        {
            "field": result.field,
            "vectors": source.vectors,
            "kernel": source.kernel,
            **draws,
            "by": by,
            "adjust_for": list(source.covariates.fields) if source.covariates else [],
            "data_hash": source.hash,
            "predictions": predictions,
        },
        summary,
    )


def _write_predictions(samples, name: str, ids: list[str], target: Target, fit: CrossFit) -> None:
    if not target.categorical:
        store.write_regressions(samples, name, ids, fit.predicted)
        return
    chances = probabilities(fit.scores, target.values)
    store.write_predictions(
        samples,
        name,
        ids,
        [target.classes[c] for c in fit.predicted],
        chances[np.arange(len(ids)), fit.predicted],
        _margins(fit.scores, target.values),
    )


def _margins(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Signed margin of each sample's own class over the best other class; negative on the other side."""
    at = np.arange(len(codes))
    own = scores[at, codes]
    if scores.shape[1] == 2:
        return own
    rest = scores.copy()
    rest[at, codes] = -np.inf
    return own - rest.max(axis=1)


def _check_numbers(n_permutations: int, n_bootstrap: int, repeats: int) -> None:
    if n_permutations < 99:
        raise InputError(f"n_permutations must be at least 99 (p-values of 0.01 and more); got {n_permutations}")
    if n_bootstrap < 100 or repeats < 1:
        raise InputError(f"n_bootstrap must be at least 100 and repeats at least 1; got {n_bootstrap} and {repeats}")
