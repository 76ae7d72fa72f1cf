"""Planting an effect into volumes, and asking the audit's own test whether it shows."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from ..clustering.density import best_overlap, density_clusters
from ..embeddings.map import principal_components
from ..phantoms.effects import Effect
from ..probes.design import make_design
from ..probes.permutation import permutation_test
from ..statistics.outliers import outlier_scores

Spacing = tuple[float, float]
#: pixels stand for mm where the spacing is unknown
PIXELS: Spacing = (1.0, 1.0)
#: score from which the audit tags a sample as an outlier, and neighbours it looks at
OUTLIER, NEIGHBOURS = 3.5, 10


class PerturbedSource:
    """A ``SliceSource`` whose volumes are altered while they are read; nothing is written.

    A volume is altered as a whole, in the picture's own scale from 0 to its
    maximum, and scaled anew by its new maximum, as a file with that effect
    would have been.

    Args:
        source: the slices
        effect: what is planted
        strength: how strong; 0 reads every volume as it is
        spacing: in-plane spacing in mm of every volume
        seed: seed of effects that draw; with a volume's content, not its place, it decides on the draw
    """

    def __init__(self, source, effect: Effect, strength: float, spacing: list[Spacing], seed: int):
        self.source, self.effect, self.strength, self.spacing, self.seed = source, effect, strength, spacing, seed

    def n_slices(self, i: int) -> int:
        """Number of slices of volume ``i``."""
        return self.source.n_slices(i)

    def read(self, i: int, which=None) -> np.ndarray:
        """Slices of the altered volume, float32 in [-1, 1]."""
        if self.strength == 0:
            return self.source.read(i, which)
        volume = (self.source.read(i) + 1) / 2
        rng = np.random.default_rng([self.seed, zlib.crc32(f"{self.effect.name} {self.source.keys[i]}".encode())])
        altered = self.effect(volume, self.spacing[i], self.strength, rng)
        top = float(altered.max(initial=0))
        altered = altered * np.float32(2 / top) - 1 if top > 0 else np.full_like(altered, -1)
        return altered if which is None else altered[list(which)]


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        p: permutation p-value of "marked or not" against the embedding
        tagged: share of the affected samples that would have been tagged as outliers; NaN if not asked
        tagged_rest: the same of the other samples
        island: Jaccard overlap of the affected with the most like cluster of the embedding; NaN if not asked
    """

    p: float
    tagged: float = float("nan")
    tagged_rest: float = float("nan")
    island: float = float("nan")


def affected_subjects(pool: np.ndarray, n: int, seed: int, trial: int) -> np.ndarray:
    """The subjects affected in a trial: the same for every effect and strength, so that curves can be compared."""
    return np.random.default_rng([seed, 7919, n, trial]).choice(pool, n, replace=False)


def run_trial(
    vectors: np.ndarray,
    copies: np.ndarray,
    rows: np.ndarray,
    subjects: np.ndarray,
    affected: np.ndarray,
    *,
    kernel: str,
    n_permutations: int,
    outliers: bool = False,
    islands: bool = False,
    rng: np.random.Generator,
) -> Trial:
    """Replaces the affected subjects' vectors by those of their altered copies and runs the audit's tests.

    Args:
        vectors: (n, d) of the cohort as it is
        copies: (m, d) of altered copies
        rows: which sample each copy is of, (m,)
        subjects: (n,)
        affected: subjects that are altered
        kernel: kernel of the probe, "rbf" or "linear"
        n_permutations: subject-level permutations
        outliers: whether to look for outliers too
        islands: whether to look for clusters too, as "suggest-clusters" does in the embedding
        rng: random generator of the permutations
    """
    mixed = vectors.copy()
    mine = np.isin(subjects[rows], affected)
    mixed[rows[mine]] = copies[mine]
    label = np.isin(subjects, affected)
    p, _ = permutation_test(
        make_design(mixed, kernel), label.astype(float), subjects, n_permutations=n_permutations, rng=rng
    )
    tagged = rest = island = float("nan")
    if outliers:
        strange = outlier_scores(mixed, subjects, NEIGHBOURS) >= OUTLIER
        tagged, rest = float(strange[label].mean()), float(strange[~label].mean())
    if islands:
        points = principal_components(mixed)
        island = best_overlap(label, density_clusters(points, max(10, len(points) // 50)))
    return Trial(p, tagged, rest, island)


def wilson(found: int, n: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927)."""
    z, share = 1.959964, found / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def permutations_for(level: float) -> int:
    """Permutations with which p-values can be well below a level: at least 199, and four per unit of 1/level."""
    return max(199, int(np.ceil(4 / level)) - 1)


def reached(strengths: list[float], probabilities: list[float], wanted: float = 0.8) -> float | None:
    """The smallest strength from which on every tested one is found with the wanted probability; ``None`` if none."""
    out = None
    for strength, probability in sorted(zip(strengths, probabilities, strict=True), reverse=True):
        if probability < wanted:
            break
        out = strength
    return out
