"""A probe: cross-fitted by subjects, scored, tested and given an interval, all with one statistic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from ..parallel import each
from ..statistics.exchange import exchange
from ..statistics.power import gain_steepness
from ..statistics.scores import balanced_accuracy, weighted_median
from ..statistics.targets import Target
from .design import Design
from .lssvm import Folds, in_blocks, labelings_at_once, most_blocks, subject_folds
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

N_FOLDS = 5
#: permuted labelings from which the variance that an interval with fixed machines would have under the null is taken
NULL_DRAWS = 16
#: several classes are several scores a draw
FEWEST_NULL_DRAWS = 4


@dataclass(frozen=True)
class CrossFit:
    """Out-of-fold predictions: no subject's prediction comes from a fold that trained on it.

    Attributes:
        scores: (n, n_classes) margins averaged over the repeats, or (n, 1) predicted values
        predicted: class indices (n,), or values (n,)
        score: AUC (macro for several classes), concordance of levels, or mean absolute error; folds are scored apart
        interval: 95 % interval of ``score`` over cohorts of this size, training included
        chance: 0.5, or the mean absolute error of always guessing the cohort's median
        accuracy: share right, every subject counting once (NaN for numbers)
        balanced: balanced accuracy (NaN for numbers)
        better: 95 % interval of chance − error for numbers; of score − 0.5 otherwise
        repeats: scores of each repeat, (repeats, n, k)
        folds: fold of each sample in each repeat, (repeats, n)
        p: share of permuted labelings that score at least as well
        null: mean and standard deviation of the gain over chance of permuted labelings
        untestable: why no permutation can test this label; "" where they can
        influence: influence of each subject (sorted by name) on the gain over chance, machines fixed, (subjects,)
        inflation: variance of the permuted gains over what fixed machines would have given
    """

    scores: np.ndarray
    predicted: np.ndarray
    score: float
    interval: tuple[float, float]
    chance: float
    accuracy: float
    balanced: float
    better: tuple[float, float]
    repeats: np.ndarray
    folds: np.ndarray
    p: float
    null: tuple[float, float]
    untestable: str
    influence: np.ndarray
    inflation: float


def cross_fit(
    design: Design | list[Design],
    target: Target,
    subjects: np.ndarray,
    *,
    n_folds: int = N_FOLDS,
    repeats: int = 3,
    n_permutations: int = 199,
    rng: np.random.Generator,
    machine: Folds | None = None,
) -> CrossFit:
    """Cross-fits a least-squares SVM by subjects, repeated, and tests its score.

    Args:
        design: vectors of the target's rows, in one or several scalings (the inner validation chooses)
        target: what to predict
        subjects: subject of the target's rows, (n,)
        n_folds: folds
        repeats: how often the folds are drawn anew
        n_permutations: permuted labelings behind p-value and interval
        rng: random generator
        machine: the decomposed folds of these rows, if they are at hand
    """
    if machine is None:
        designs = design if isinstance(design, list) else [design]
        machine = Folds(designs, subjects, subject_folds(subjects, n_folds, repeats, rng))
    exchanged = exchange(subjects, target.values)
    orders = exchanged.draw(n_permutations, rng)
    question = question_of(target, machine)
    parts = [question.gains(np.arange(len(subjects))[None])]
    size = labelings_at_once(machine, question.columns)
    parts += each(question.gains, in_blocks(orders, size), most_blocks(machine))
    gains = np.concatenate(parts)
    null = gains[1:][np.isfinite(gains[1:])]
    score, influence = question.influence(question.observed)
    some = orders[: max(FEWEST_NULL_DRAWS, NULL_DRAWS // question.columns)]
    predicted = (scores for part in in_blocks(some, size) for scores in question.predict(part))
    fixed = [spread(question.influence(scores, order)[1]) ** 2 for scores, order in zip(predicted, some, strict=True)]
    facts = _Facts(
        permutation_p(gains) if not exchanged.impossible else float("nan"),
        (float(np.mean(null)), float(np.std(null))) if len(null) else (float("nan"), float("nan")),
        exchanged.impossible,
        influence,
        null_inflation(null, fixed),
    )
    return question.finish(score, facts)


@dataclass(frozen=True)
class _Facts:
    """What the permutations told: see :class:`CrossFit`."""

    p: float
    null: tuple[float, float]
    untestable: str
    influence: np.ndarray
    inflation: float

    @property
    def parts(self) -> tuple:
        return self.p, self.null, self.untestable, self.influence, self.inflation


def null_inflation(null: np.ndarray, fixed: list[float]) -> float:
    """Variance of the gains of permuted labelings over the mean of the variances with machines fixed, 1 to 9."""
    null = null[np.isfinite(null)]
    if len(null) < 2 or not fixed:
        return 1.0
    return float(np.clip(np.var(null) / max(float(np.mean(fixed)), 1e-30), 1.0, 9.0))


def permutation_p(gains: np.ndarray) -> float:
    """Share of labelings that do at least as well as the first one."""
    if not np.isfinite(gains[0]):
        return float("nan")
    known = gains[np.isfinite(gains)]
    # products in single precision differ in the last digits; ties must not count as better
    return float((known >= gains[0] - 1e-5 * float(known.std())).mean())


def question_of(target: Target, machine: Folds):
    """The target as a question to the machine."""
    if target.categorical:
        return Classes(target, machine) if len(target.classes) > 2 else Levels(target, machine, target.values)
    if target.kind == "ordinal":
        return Levels(target, machine, levels_of(target.values))
    return Numbers(target, machine)


class _Question:
    """What is common: the labels are numbers in columns, permuted by rows."""

    columns = 1
    labels: np.ndarray

    def __init__(self, target: Target, machine: Folds):
        self.target, self.machine, self.folds, self.weights = target, machine, machine.folds, machine.weights
        self.index = np.unique(machine.subjects, return_inverse=True)[1]

    def predict(self, orders: np.ndarray) -> np.ndarray:
        """Scores of the labels in some orders, (orders, repeats, n)."""
        return self.machine.predict(self.labels[orders].T).transpose(2, 0, 1)


class Levels(_Question):
    """Two classes, or levels in order: concordance of the score with the level."""

    def __init__(self, target: Target, machine: Folds, levels: np.ndarray):
        super().__init__(target, machine)
        self.levels = levels
        self.labels = levels.astype(float) if levels.max() == 1 else NormalScores(levels, self.weights).scores

    def gains(self, orders: np.ndarray) -> np.ndarray:
        """Score − 0.5 of each order of the labels; the first call keeps the observed scores."""
        scores = self.machine.predict(self.labels[orders].T)
        if not hasattr(self, "observed"):
            self.observed = scores[:, :, 0].copy()
        return concordance(scores, self.levels[orders].T, self.folds, self.weights) - 0.5

    def influence(self, scores: np.ndarray, order: np.ndarray | slice = slice(None)) -> tuple[float, np.ndarray]:
        """Score of the labels in one order, and each subject's influence on it."""
        return concordance_influence(scores, self.levels[order], self.folds, self.index, self.weights)

    def finish(self, score: float, facts: _Facts) -> CrossFit:
        smallest = _smallest(self.levels, self.machine)
        interval = rank_interval(score, spread(facts.influence), facts.inflation, smallest)
        repeats, accuracy, balanced = self.observed[:, :, None], float("nan"), float("nan")
        if self.target.categorical:
            repeats = margins(np.stack([-self.observed, self.observed], axis=2), self.levels, self.folds, self.weights)
        scores = repeats.mean(axis=0)
        predicted = scores.argmax(axis=1) if self.target.categorical else scores[:, 0]
        if self.target.categorical:
            accuracy = float(np.average(predicted == self.levels, weights=self.weights))
            balanced = balanced_accuracy(predicted, self.levels, self.weights)
        return CrossFit(
            scores,
            predicted,
            score,
            interval,
            0.5,
            accuracy,
            balanced,
            (interval[0] - 0.5, interval[1] - 0.5),
            repeats,
            self.folds,
            *facts.parts,
        )


class Classes(_Question):
    """Several classes: mean of the AUC of each against the rest."""

    def __init__(self, target: Target, machine: Folds):
        super().__init__(target, machine)
        self.levels, self.columns = target.values, len(target.classes)

    def _each(self, orders: np.ndarray):
        codes = self.levels[orders].T
        for c in range(self.columns):
            yield c, (codes == c).astype(int)

    def gains(self, orders: np.ndarray) -> np.ndarray:
        """Macro AUC − 0.5 of each order of the labels; the first call keeps the observed scores."""
        total, known, first = np.zeros(len(orders)), np.zeros(len(orders)), []
        for _, mine in self._each(orders):
            scores = self.machine.predict(mine)
            got = concordance(scores, mine, self.folds, self.weights)
            total += np.nan_to_num(got)
            known += np.isfinite(got)
            if not hasattr(self, "observed"):
                first.append(scores[:, :, 0].copy())
        if first:
            self.observed = np.stack(first, axis=2)
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / known - 0.5

    def predict(self, orders: np.ndarray) -> np.ndarray:
        """Scores of the labels in some orders, (orders, repeats, n, classes)."""
        labels = self.levels[orders].T[:, :, None] == np.arange(self.columns)
        scores = self.machine.predict(labels.reshape(len(labels), -1))
        return scores.reshape(*scores.shape[:2], len(orders), self.columns).transpose(2, 0, 1, 3)

    def influence(self, scores: np.ndarray, order: np.ndarray | slice = slice(None)) -> tuple[float, np.ndarray]:
        """Score of the labels in one order, and each subject's influence on it."""
        levels = self.levels[order]
        return mean_influence(
            [
                concordance_influence(scores[:, :, c], (levels == c).astype(int), self.folds, self.index, self.weights)
                for c in range(self.columns)
            ]
        )

    def finish(self, score: float, facts: _Facts) -> CrossFit:
        smallest = _smallest(self.levels, self.machine)
        interval = rank_interval(score, spread(facts.influence), facts.inflation, smallest)
        repeats = margins(self.observed, self.levels, self.folds, self.weights)
        scores = repeats.mean(axis=0)
        predicted = scores.argmax(axis=1)
        return CrossFit(
            scores,
            predicted,
            score,
            interval,
            0.5,
            float(np.average(predicted == self.levels, weights=self.weights)),
            balanced_accuracy(predicted, self.levels, self.weights),
            (interval[0] - 0.5, interval[1] - 0.5),
            repeats,
            self.folds,
            *facts.parts,
        )


class Numbers(_Question):
    """Numbers and dates: mean absolute error, against always guessing the median."""

    def __init__(self, target: Target, machine: Folds):
        super().__init__(target, machine)
        self.values = np.asarray(target.values, float)
        self.normal = NormalScores(self.values, self.weights)
        self.labels = self.normal.scores
        self.median = weighted_median(self.values, self.weights)
        self.dull = np.abs(self.values - self.median)

    def _losses(self, scores: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Mean over the repeats of |prediction − value|, (n, k)."""
        return np.mean([np.abs(self.normal.back(s) - values) for s in scores], axis=0)

    def gains(self, orders: np.ndarray) -> np.ndarray:
        """Error of the median − error of the probe, for each order of the labels; the first call keeps the scores."""
        scores, values = self.machine.predict(self.labels[orders].T), self.values[orders].T
        if not hasattr(self, "observed"):
            self.observed = scores[:, :, 0].copy()
        return mean_loss(np.abs(values - self.median) - self._losses(scores, values), self.weights)

    def influence(self, scores: np.ndarray, order: np.ndarray | slice = slice(None)) -> tuple[float, np.ndarray]:
        """Gain over the median with the labels in one order, and each subject's influence on it."""
        values = self.values[order]
        losses = self._losses(scores[:, :, None], values[:, None])[:, 0]
        return loss_influence(np.abs(values - self.median) - losses, self.index, self.weights)

    def finish(self, gain: float, facts: _Facts) -> CrossFit:
        predictions = self.normal.back(self.observed)
        losses = self._losses(self.observed[:, :, None], self.values[:, None])[:, 0]
        error, own = loss_influence(losses, self.index, self.weights)
        chance = float(np.average(self.dull, weights=self.weights))
        better = gain_interval(
            gain, spread(facts.influence), facts.inflation, facts.null, gain_steepness(chance, len(facts.influence))
        )
        wide = np.exp(norm.ppf(0.975) * spread(own) / max(error, 1e-30))  # errors are positive and skewed
        scores = predictions.mean(axis=0)
        return CrossFit(
            scores[:, None],
            scores,
            error,
            (float(error / wide), float(error * wide)),
            chance,
            float("nan"),
            float("nan"),
            better,
            predictions[:, :, None],
            self.folds,
            *facts.parts,
        )


def gain_interval(
    gain: float, fixed: float, inflation: float, null: tuple[float, float], steepness: float
) -> tuple[float, float]:
    """95 % interval of a gain in error over guessing, training included.

    The gain of a weak probe varies little and that of a stronger one a lot, so
    an interval with the variance at the observed gain would hold 0 long after
    no permutation does as well. As in Wilson's interval of a proportion
    (J. Am. Stat. Assoc. 22, 1927) the variance is that at the limit asked
    about: linear between the permuted labelings' and the observed one.

    Args:
        gain: observed gain
        fixed: its standard deviation with machines fixed
        inflation: variance under the null over that with machines fixed
        null: mean and standard deviation of the gains of permuted labelings
        steepness: growth of the variance for each unit of gain, where the observed gain is too small to show it
    """
    centre, sd = null
    z2, least = norm.ppf(0.975) ** 2, sd * sd
    here = max(fixed * fixed * inflation, least)
    slope = (here - least) / (gain - centre) if gain > centre + 2 * sd else steepness
    # (gain − x)² = z²·(least + slope·(x − centre)), solved for both x
    a, b = gain + 0.5 * z2 * slope, gain * gain - z2 * (least - slope * centre)
    half = np.sqrt(max(a * a - b, 0.0))
    return float(a - half), float(a + half)


def rank_interval(score: float, fixed: float, inflation: float, smallest: float) -> tuple[float, float]:
    """95 % interval of an AUC or concordance, training included.

    The influences give the variance with trained machines fixed. What training
    adds is known exactly under the null, where the permuted labelings were
    trained anew, and fades as the machine becomes sure of itself; simulated
    cohorts (benchmarks/claims.py) show that the square root of 4·A·(1 − A) is
    about how it fades. The interval is symmetric on the logit scale.

    Args:
        score: the score A
        fixed: its standard deviation with machines fixed
        inflation: variance under the null over that with machines fixed
        smallest: subjects in the smallest class; bounds how sure a perfect score can be
    """
    if not np.isfinite(score):
        return float("nan"), float("nan")
    inside = float(np.clip(score, 0.5 / (smallest + 1), 1 - 0.5 / (smallest + 1)))
    least = 0.5 / (smallest + 1)  # one pair-loser among the smallest class
    sd = max(fixed * np.sqrt(1 + (inflation - 1) * np.sqrt(4 * inside * (1 - inside))), least * 0.5)
    at, step = np.log(inside / (1 - inside)), t.ppf(0.975, max(smallest - 1, 2)) * sd / (inside * (1 - inside))
    low, high = 1 / (1 + np.exp(-(at - step))), 1 / (1 + np.exp(-(at + step)))
    return float(min(low, score)), float(max(high, score))


def margins(repeats: np.ndarray, codes: np.ndarray, folds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Scores on a common scale: above 0 where the class is more likely than not, if classes were equally common.

    The threshold of each class and fold lies halfway between the class's mean
    score and that of the rest in the other folds, so that no sample sets its own.

    Args:
        repeats: (repeats, n, classes)
        codes: (n,)
        folds: (repeats, n)
        weights: (n,)
    """
    out = np.empty(repeats.shape, np.float64)
    for r, (scores, fold) in enumerate(zip(repeats.astype(np.float64), folds, strict=True)):
        for f in np.unique(fold):
            mine, rest = fold == f, fold != f
            for c in range(scores.shape[1]):
                s, w, y = scores[rest, c], weights[rest], codes[rest] == c
                if y.all() or not y.any():
                    out[r, mine, c] = scores[mine, c] - np.average(s, weights=w)
                    continue
                high, low = np.average(s[y], weights=w[y]), np.average(s[~y], weights=w[~y])
                scale = max(float(np.sqrt(np.average((s - np.where(y, high, low)) ** 2, weights=w))), 1e-9)
                out[r, mine, c] = (scores[mine, c] - 0.5 * (high + low)) / scale
    return out


def _smallest(levels: np.ndarray, machine: Folds) -> float:
    """Subjects in the smallest class (of a subject's samples, each its share)."""
    return float(np.bincount(levels, machine.weights).min())
