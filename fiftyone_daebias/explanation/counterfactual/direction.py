"""The direction in embedding space in which two groups (or the ends of a number) differ, by halves of the subjects.

A direction found in one half is tried on samples of the other half and read
there by that half's own probe: what the two probes share by accident of their
training data is nothing, so only what is real in both halves can raise the
reading.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...probes.cross_fit import cross_fit
from ...probes.design import make_design
from ...probes.linear import fit_linear
from ...probes.machine import Machine
from ...probes.svm import choose, subject_folds
from ...statistics.scores import subject_weights, weighted_auc
from ...statistics.targets import Target

ALONG = ("normal", "pattern")


@dataclass(frozen=True)
class Gate:
    """Whether the probe tells the groups apart on subjects it has not seen; without that there is no direction.

    Attributes:
        metric: "AUC" or "MAE"
        score: on held-out subjects, 5-fold
        interval: 95 % subject-bootstrap interval
        chance: 0.5, or the error of guessing the median
        p: subject-level permutation p-value
        open: whether p is at most 0.05 and the interval is better than chance
    """

    metric: str
    score: float
    interval: tuple[float, float]
    chance: float
    p: float
    open: bool

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.metric} {self.score:.3f} [{low:.3f}, {high:.3f}] on held-out subjects, chance "
            f"{self.chance:.3f}, p {self.p:.3f}"
        )


@dataclass(frozen=True)
class Directions:
    """One direction a half of the subjects.

    Attributes:
        half: half of each row, 0 or 1, int (n,)
        weights: float32 (2, d); a probe's score of a raw vector v is v·weights + bias
        bias: (2,)
        spread: SD of each probe's scores over the rows of the *other* half, (2,)
        steps: float32 (2, d), raw units: adding steps[h] raises the score of probe h by one ``spread[h]``
        agreement: cosine of the two steps, each dimension in units of its SD
        along: "normal" or "pattern"
    """

    half: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    spread: np.ndarray
    steps: np.ndarray
    agreement: float
    along: str

    def read(self, vectors: np.ndarray, probe: np.ndarray | int) -> np.ndarray:
        """Readings of probes, in SDs of their scores, centred at their threshold.

        Args:
            vectors: (..., d)
            probe: which probe reads, an int or one for each of the first axis
        """
        probe = np.broadcast_to(np.asarray(probe), (len(vectors),))
        shape = (-1, *[1] * (vectors.ndim - 2))
        scores = np.einsum("n...d,nd->n...", vectors, self.weights[probe])
        return (scores + self.bias[probe].reshape(shape)) / self.spread[probe].reshape(shape)


def check_gate(vectors: np.ndarray, target: Target, subjects: np.ndarray, *, n_permutations: int, seed: int) -> Gate:
    """Scores the linear probe on held-out subjects.

    Args:
        vectors: (n, d)
        target: what to predict, its values in the order of the vectors
        subjects: subject of each row
        n_permutations: permutations behind the p-value
        seed: seed of folds and permutations
    """
    rng = np.random.default_rng([seed, zlib.crc32(target.name.encode())])
    design = make_design(vectors, "linear")
    fit = cross_fit(design, target, subjects, repeats=3, n_permutations=n_permutations, rng=rng)
    metric = "AUC" if target.categorical else "C" if target.kind == "ordinal" else "MAE"
    return Gate(metric, fit.score, fit.interval, fit.chance, fit.p, bool(fit.p <= 0.05 and fit.better[0] > 0))


def find_directions(
    vectors: np.ndarray, target: Target, subjects: np.ndarray, *, along: str = "pattern", seed: int = 51
) -> Directions:
    """Finds one direction in each half of the subjects.

    "normal": the normal of a linear support vector machine in standardised coordinates, the shortest move that raises
    its score. "pattern": the covariance of the vectors times that normal (Haufe et al., NeuroImage 2014, eq. 6): what
    goes along with the score in the data, so that moved codes stay more like real ones.

    Args:
        vectors: (n, d)
        target: binary or numeric, its values in the order of the vectors
        subjects: subject of each row
        along: "normal" or "pattern"
        seed: seed of halves and of the choice of the penalty

    Raises:
        InputError: ``along`` is neither, or a half has only one of the groups
    """
    if along not in ALONG:
        raise InputError(f"along must be 'normal' or 'pattern'; got {along!r}")
    rng = np.random.default_rng([seed, 7])
    design = make_design(vectors, "linear")
    spread = vectors.std(axis=0)
    used = spread > 1e-8 * max(1e-30, float(spread.max()))  # as make_design leaves constants out
    scale = np.where(used, spread, 1.0).astype(np.float32)
    mean = vectors.mean(axis=0)
    z = (vectors - mean) / scale * used
    half = subject_folds(subjects, target.values if target.categorical else None, 2, rng)
    weights, bias, sds, steps = [], [], [], []
    for h in (0, 1):
        mine, other = np.flatnonzero(half == h), np.flatnonzero(half != h)
        if target.categorical and len(np.unique(target.values[mine])) < 2:
            raise InputError(f"half of the subjects have only one side of {target.name!r}; more subjects are needed")
        penalty, _ = choose(Machine(design, target, subjects), mine, rng)
        gradient, b = _normal(design.features[mine], target, mine, subjects, penalty)
        full = np.zeros(vectors.shape[1], np.float32)
        full[used] = gradient
        sd = max(float(np.std(z[other] @ full)), 1e-9)
        if along == "normal":
            step = full * (sd / max(float(full @ full), 1e-30))
        else:
            own = z[mine] - z[mine].mean(axis=0)
            scores = own @ full
            step = (own.T @ scores / len(mine)) / max(float(scores @ scores) / len(mine), 1e-30) * sd
        weights.append(full / scale)
        bias.append(b - float(mean @ (full / scale)))
        sds.append(sd)
        steps.append((step * scale).astype(np.float32))
    a, c = steps[0] / scale, steps[1] / scale
    agreement = float(a @ c / max(np.linalg.norm(a) * np.linalg.norm(c), 1e-30))
    return Directions(
        half, np.array(weights, np.float32), np.array(bias), np.array(sds), np.array(steps), agreement, along
    )


def half_scores(directions: Directions, vectors: np.ndarray) -> np.ndarray:
    """Reading of every row by the probe of the other half, in SDs, (n,)."""
    return directions.read(vectors, 1 - directions.half)


def distance(readings: np.ndarray, positive: np.ndarray, subjects: np.ndarray) -> tuple[float, float]:
    """Difference of the groups' mean readings in SDs, every subject counting once, and their AUC."""
    weights = subject_weights(subjects)
    means = [np.average(readings[side], weights=weights[side]) for side in (positive, ~positive)]
    return float(means[0] - means[1]), float(weighted_auc(readings, positive, weights)[0])


def _normal(features, target, rows, subjects, penalty) -> tuple[np.ndarray, float]:
    """Gradient of the probe's score by the standardised vector, and the score at the mean vector."""
    weights = subject_weights(subjects[rows])
    values = target.values[rows]
    if target.categorical:
        y = np.where(values == 1, 1.0, -1.0)
        for side in (y > 0, y < 0):
            weights[side] *= 0.5 * len(weights) / weights[side].sum()
        fit = fit_linear(features, y, penalty, weights)
    else:
        centre, sd = np.average(values, weights=weights), max(float(np.std(values)), 1e-12)
        fit = fit_linear(features, (values - centre) / sd, penalty, weights / weights.mean(), regression=True)
    return fit.w / np.sqrt(features.shape[1]), fit.b
