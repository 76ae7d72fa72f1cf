"""Does the image know more of a field than the expected fields do?

Three answers: independent of the expected fields, explained by them, or too
little to tell. Nothing is cut into cells: expected fields enter as regressors.

* The machine learns what is left of the label after regression on the expected
  fields (Robinson, Econometrica 56, 1988), cross-fitted by subjects.
* Classes are scored by the covariate-adjusted AUC (Janes & Pepe, Biometrika 96,
  2009): subjects are compared on the score with the part that goes with the
  expected fields taken out. Numbers are scored by the error with expected
  fields and image against the error with expected fields alone.
* The p-value comes from labels drawn anew given the expected fields (conditional
  randomisation; Candès et al., JRSS-B 80, 2018), or, for numbers, from permuted
  residuals (Freedman & Lane 1983; Winkler et al., NeuroImage 92, 2014).
* "Explained" is a claim too: the effect left must be shown, on the same
  subjects, to be less than half of the raw one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from ..parallel import each
from ..statistics.covariates import Projection
from ..statistics.exchange import exchange
from ..statistics.power import gain_steepness
from ..statistics.targets import Target
from .cross_fit import FEWEST_NULL_DRAWS, NULL_DRAWS, gain_interval, null_inflation, permutation_p, rank_interval
from .lssvm import Folds, in_blocks, labelings_at_once, most_blocks
from .statistic import (
    NormalScores,
    concordance,
    concordance_influence,
    levels_of,
    loss_influence,
    mean_influence,
    mean_loss,
    spread,
)

#: less than this share of the label's variance left by the expected fields compares hardly anybody
LEAST_OVERLAP = 0.1
#: the raw effect counts as explained when what is left is shown to be less than this share of it
EXPLAINED_SHARE = 0.5
#: subjects between whom labels that vary within subjects are exchanged have about the same propensity
BIN = 10


@dataclass(frozen=True)
class AdjustedFit:
    """What is left of a field given the expected ones.

    Attributes:
        score, interval, chance, better: as in :class:`~fiftyone_daebias.probes.cross_fit.CrossFit`
        p: share of labelings drawn given the expected fields that score at least as well
        explained: whether the effect left is shown to be less than half of the raw one
        overlap: share of the label's variance that the expected fields leave, in [0, 1]
        reason: why nothing can be told, with "{fields}" for the expected fields; "" where there is a number
    """

    score: float
    interval: tuple[float, float]
    chance: float
    better: tuple[float, float]
    p: float
    explained: bool
    overlap: float
    reason: str = ""


_NAN = float("nan")


def _nothing(left: float, reason: str = "") -> AdjustedFit:
    reason = reason or f"it goes so closely with {{fields}} that only {left:.0%} of it is left to compare"
    return AdjustedFit(_NAN, (_NAN, _NAN), _NAN, (_NAN, _NAN), _NAN, False, left, reason)


def adjusted_fit(
    machine: Folds, target: Target, basis: np.ndarray, *, n_permutations: int, rng: np.random.Generator
) -> AdjustedFit:
    """Scores and tests a field given expected fields.

    Args:
        machine: decomposed folds of the target's rows
        target: what to predict
        basis: regressors of the expected fields, (n, p)
        n_permutations: labelings drawn
        rng: random generator
    """
    if target.kind in ("numeric", "date"):
        return _numbers(machine, target, basis, n_permutations, rng)
    return _classes(machine, target, basis, n_permutations, rng)


def _classes(machine, target, basis, n_permutations, rng) -> AdjustedFit:
    weights, folds, subjects = machine.weights, machine.folds, machine.subjects
    index = np.unique(subjects, return_inverse=True)[1]
    codes = target.values.astype(int) if target.categorical else levels_of(target.values)
    chances = propensities(basis, codes, weights)
    left = _left(chances, codes, weights)
    if left < LEAST_OVERLAP:
        return _nothing(left)
    draws, reason = draw_labels(subjects, index, codes, chances, n_permutations, rng)
    if reason:
        return _nothing(left, reason)
    several = target.categorical and len(target.classes) > 2
    parts = range(len(target.classes)) if several else [None]
    given = machine.given(basis)
    adjust = [Projection(np.hstack([basis, _dummies(fold)]), weights) for fold in folds]

    def columns(labels: np.ndarray, part: int | None):
        """Levels, residual labels and adjusted scores of labelings (n, k)."""
        levels = labels if part is None else (labels == part).astype(int)
        y = levels.astype(float)
        scores = machine.predict(y, given).astype(np.float64)
        for repeat, take in zip(scores, adjust, strict=True):
            s, own = repeat - take.fit(repeat), y - take.fit(y)
            slope = (weights @ (s * own)) / np.maximum(weights @ (own * own), 1e-12)
            repeat -= take.fit(repeat - slope * y)
        return levels, scores

    def gains(labels: np.ndarray) -> np.ndarray:
        total, known = np.zeros(labels.shape[1]), np.zeros(labels.shape[1])
        for part in parts:
            levels, scores = columns(labels, part)
            got = concordance(scores, levels, folds, weights)
            total += np.nan_to_num(got)
            known += np.isfinite(got)
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / known - 0.5

    def influence(labels: np.ndarray, raw: bool = False) -> tuple[float, np.ndarray]:
        out = []
        for part in parts:
            if raw:
                levels = labels[:, None] if part is None else (labels[:, None] == part).astype(int)
                scores = machine.predict(levels.astype(float))
            else:
                levels, scores = columns(labels[:, None], part)
            out.append(concordance_influence(scores[:, :, 0], levels[:, 0], folds, index, weights))
        return mean_influence(out)

    blocks = in_blocks(draws[:, :n_permutations].T, labelings_at_once(machine, len(parts)))
    drawn = each(lambda block: gains(block.T), blocks, most_blocks(machine))
    observed = np.concatenate([gains(codes[:, None]), *drawn])
    score, own = influence(codes)
    some = min(max(FEWEST_NULL_DRAWS, NULL_DRAWS // len(parts)), n_permutations)
    fixed = [spread(influence(draws[:, k])[1]) ** 2 for k in range(some)]
    inflation = null_inflation(observed[1:], fixed)
    smallest = float(np.bincount(codes, weights)[np.unique(codes)].min())
    interval = rank_interval(score, spread(own), inflation, smallest)
    raw, its = influence(codes, raw=True)
    explained = _less_than_share(raw - 0.5, its, score - 0.5, own, inflation)
    return AdjustedFit(
        score, interval, 0.5, (interval[0] - 0.5, interval[1] - 0.5), permutation_p(observed), explained, left
    )


def _numbers(machine, target, basis, n_permutations, rng) -> AdjustedFit:
    weights, subjects = machine.weights, machine.subjects
    index = np.unique(subjects, return_inverse=True)[1]
    values = np.asarray(target.values, float)
    normal = NormalScores(values, weights)
    fitted, given = Projection(basis, weights).fit(normal.scores), machine.given(basis)
    residual = normal.scores - fitted
    left = float(np.average(residual**2, weights=weights) / np.average(normal.scores**2, weights=weights))
    if left < LEAST_OVERLAP:
        return _nothing(left)
    exchanged = exchange(subjects, values)
    if exchanged.impossible:
        return _nothing(left, exchanged.impossible)

    def losses(z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Errors with expected fields alone, and with the image, (n, k) each."""
        alone, more = machine.regress(z, given), machine.predict(z, given)
        return (
            np.mean([np.abs(normal.back(a) - y) for a in alone], axis=0),
            np.mean([np.abs(normal.back(a + m) - y) for a, m in zip(alone, more, strict=True)], axis=0),
        )

    orders = exchanged.draw(n_permutations, rng)

    def of(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = fitted[:, None] + residual[order].T
        return losses(z, normal.back(z))

    alone, both = losses(normal.scores[:, None], values[:, None])

    def better_by(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gains of the labelings, and what the first of them gain for each row."""
        a, b = of(order)
        return mean_loss(a - b, weights), (a - b)[:, :NULL_DRAWS].copy()

    drawn = list(each(better_by, in_blocks(orders[:n_permutations], labelings_at_once(machine)), most_blocks(machine)))
    fixed = [spread(loss_influence(d, index, weights)[1]) ** 2 for d in drawn[0][1].T]
    gains = np.concatenate([mean_loss(alone - both, weights), *(gain for gain, _ in drawn)])
    inflation = null_inflation(gains[1:], fixed)
    chance, chance_moves = loss_influence(alone[:, 0], index, weights)
    error, error_moves = loss_influence(both[:, 0], index, weights)
    gain, moves = chance - error, chance_moves - error_moves
    better = gain_interval(
        gain,
        spread(moves),
        inflation,
        (float(np.mean(gains[1:])), float(np.std(gains[1:]))),
        gain_steepness(chance, len(moves)),
    )
    wide = np.exp(norm.ppf(0.975) * spread(error_moves) / max(error, 1e-30))
    median = np.abs(values - np.median(values))
    raw_scores = machine.predict(normal.scores[:, None])
    raw_loss = np.mean([np.abs(normal.back(s[:, 0]) - values) for s in raw_scores], axis=0)
    dull = float(np.average(median, weights=weights))
    raw, its = loss_influence((median - raw_loss) / dull, index, weights)
    explained = _less_than_share(raw, its, gain / chance if chance else 0.0, moves / max(chance, 1e-30), inflation)
    return AdjustedFit(
        error, (float(error / wide), float(error * wide)), chance, better, permutation_p(gains), explained, left
    )


def _less_than_share(raw: float, raw_moves, left: float, left_moves, inflation: float) -> bool:
    """Whether what is left is less than half of the raw effect beyond chance, on the same subjects."""
    drop = EXPLAINED_SHARE * raw - left
    sd = spread(EXPLAINED_SHARE * raw_moves - left_moves) * np.sqrt(inflation)
    return bool(raw > 0 and drop - norm.ppf(0.975) * sd > 0)


def propensities(basis: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Chance of each class given the expected fields, by ridge-penalised logistic regression, (n, classes)."""
    model = LogisticRegression(C=10.0, max_iter=500).fit(basis, codes, sample_weight=weights)
    out = np.zeros((len(codes), int(codes.max()) + 1))
    out[:, model.classes_] = model.predict_proba(basis)
    return out


def _left(chances: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> float:
    """Share of the label's variance within the expected fields, averaged over the classes by their variance."""
    shares = np.bincount(codes, weights, minlength=chances.shape[1]) / weights.sum()
    within = (weights @ (chances * (1 - chances))) / weights.sum()
    return float(min(1.0, within.sum() / max(float((shares * (1 - shares)).sum()), 1e-12)))


def draw_labels(subjects, index, codes, chances, n: int, rng) -> tuple[np.ndarray, str]:
    """Labelings as likely as the observed one given the expected fields, (samples, n), or why there are none.

    A label that is constant within subjects is drawn from its propensity; one
    that varies is dealt anew within subjects and between subjects of about the
    same propensity.
    """
    first = np.unique(index, return_index=True)[1]
    if np.all(codes == codes[first][index]):
        counts = np.bincount(index).astype(float)
        mean = np.stack([np.bincount(index, chances[:, c]) / counts for c in range(chances.shape[1])], axis=1)
        steps = np.cumsum(mean / mean.sum(axis=1, keepdims=True), axis=1)
        drawn = (rng.random((len(first), n))[:, :, None] > steps[:, None, :-1]).sum(axis=2)
        return drawn[index], ""
    logit = np.log(np.clip(chances, 1e-3, 1)) - np.log(np.clip(1 - chances, 1e-3, 1))
    axis = np.linalg.svd(logit - logit.mean(axis=0), full_matrices=False)[2][0]
    place = np.bincount(index, (logit - logit.mean(axis=0)) @ axis) / np.bincount(index)
    bins = np.argsort(np.argsort(place, kind="stable"), kind="stable") // BIN
    exchanged = exchange(subjects, codes, bins[index])
    return codes[exchanged.draw(n, rng)].T, exchanged.impossible


def _dummies(fold: np.ndarray) -> np.ndarray:
    return (fold[:, None] == np.unique(fold)[None, 1:]).astype(float)
