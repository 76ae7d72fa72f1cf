"""What is left of a difference among subjects who are alike in other fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .association import centred, label_columns
from .scores import bootstrap_weights, percentile_interval, subject_weights

#: of an effect, at least so much has to be left among subjects alike for it to be more than what is expected
SMALLEST_KEPT = 0.5


@dataclass(frozen=True)
class ResultCache:
    """What is left of a difference among subjects who are alike.

    Attributes:
        share: adjusted over raw difference, on the same subjects; NaN where nobody can be compared
        interval: its 95 % interval, subjects resampled; NaN where the raw difference is too unsure to be shared out
        n_subjects: subjects whose stratum has both sides, and values that differ
    """

    share: float = float("nan")
    interval: tuple[float, float] = (float("nan"), float("nan"))
    n_subjects: int = 0


def kept_share(
    inside: np.ndarray,
    values: np.ndarray,
    n_classes: int,
    subjects: np.ndarray,
    strata: np.ndarray,
    covariates: np.ndarray | None = None,
    *,
    n_bootstrap: int = 400,
    seed: int = 51,
) -> ResultCache:
    """How much of the difference between a group and the rest is left within strata.

    Values become scores that differ most between group and rest: of a class
    the difference of its shares over its share, of a number its rank. The
    difference of the scores' means is compared with the same within strata, a
    covariance analysis if there are covariates.

    Args:
        inside: bool (n,)
        values: class indices (n,), or numbers (n,) when ``n_classes`` is 0
        n_classes: number of classes
        subjects: (n,)
        strata: (n,) of ints, −1 where unknown
        covariates: numbers (n, k), finite where strata are known
        n_bootstrap: draws of the subjects
        seed: seed of the draws
    """
    # a stratum compares somebody where it has both sides, and values that differ
    telling = [
        s
        for s in np.unique(strata[strata >= 0])
        if 0 < inside[strata == s].sum() < (strata == s).sum() and len(np.unique(values[strata == s])) > 1
    ]
    rows = np.flatnonzero(np.isin(strata, telling))
    if not len(rows):
        return ResultCache()
    inside, values, subjects, strata = inside[rows], values[rows], subjects[rows], strata[rows]
    n_subjects = len(np.unique(subjects))
    weights = subject_weights(subjects)
    columns = label_columns(values, n_classes)
    apart = np.average(columns[inside], axis=0, weights=weights[inside]) - np.average(
        columns[~inside], axis=0, weights=weights[~inside]
    )
    share = np.average(columns, axis=0, weights=weights)
    score = columns @ (apart / np.maximum(share, 1e-12) if n_classes else np.sign(apart))
    level = score
    if covariates is not None:
        cells = np.unique(np.column_stack([strata, inside]), axis=0, return_inverse=True)[1].ravel()
        x = centred(np.asarray(covariates, dtype=np.float64)[rows], weights, cells)
        y, root = centred(score[:, None], weights, cells)[:, 0], np.sqrt(weights)
        slope = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
        level = score - np.asarray(covariates, dtype=np.float64)[rows] @ slope
    draws = np.vstack([weights, bootstrap_weights(subjects, n_bootstrap, np.random.default_rng(seed))])
    raw = _mean_difference(score, inside, np.zeros(len(score), int), draws)
    strict = _mean_difference(level, inside, strata, draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = strict / raw
    # a raw difference whose sign is unsure makes the ratio mean nothing
    if not raw[0] > 0 or np.mean(raw[1:] <= 0) > 0.025:
        return ResultCache(float(ratio[0]) if raw[0] > 0 else float("nan"), (float("nan"), float("nan")), n_subjects)
    return ResultCache(float(ratio[0]), percentile_interval(ratio[1:]), n_subjects)


def _mean_difference(score: np.ndarray, inside: np.ndarray, strata: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Differences of means inside and outside within strata, pooled, for many weightings (b, n) at once: (b,)."""
    total, norm = np.zeros(len(draws)), np.zeros(len(draws))
    for s in np.unique(strata):
        a, b = (strata == s) & inside, (strata == s) & ~inside
        wa, wb = draws[:, a].sum(axis=1), draws[:, b].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            w = np.where((wa > 0) & (wb > 0), wa * wb / (wa + wb), 0.0)
            apart = np.where(w > 0, draws[:, a] @ score[a] / wa - draws[:, b] @ score[b] / wb, 0.0)
        total += w * apart
        norm += w
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, total / norm, np.nan)
