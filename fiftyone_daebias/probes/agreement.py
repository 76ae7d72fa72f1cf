"""Subjects on the other side in several regions, beside what independence lets expect.

Graf et al. (2024, §3.1) found 141 subjects misclassified in two regions and 34
in three where independence lets expect 26 and 0.24, and concluded that some
spines look like the other sex. This module does that arithmetic for any number
of regions, repeated series or visits. It is no evidence of wrong labels: the
regions of one person share their anatomy, so misclassifications agree where
every label is right.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import binom


@dataclass(frozen=True)
class Agreement:
    """How often subjects are on the other side in 1, 2, 3 … regions, against independence.

    Attributes:
        regions: names of the regions
        n_subjects: subjects with each region, (regions,)
        n_opposite: of them on the other side, (regions,)
        times: 1, 2, 3 …
        observed: subjects on the other side exactly so many times
        expected: the same under independence
        p: probability of at least so many subjects, on the other side at least so many times, under independence: the
            paper's arithmetic, not a test of labels
    """

    regions: tuple[str, ...]
    n_subjects: tuple[int, ...]
    n_opposite: tuple[int, ...]
    times: tuple[int, ...]
    observed: tuple[int, ...]
    expected: tuple[float, ...]
    p: tuple[float, ...]

    def to_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            "on the other side, by region: "
            + ", ".join(
                f"{r} {k:,} of {n:,}" for r, k, n in zip(self.regions, self.n_opposite, self.n_subjects, strict=True)
            )
        ]
        for t, o, e in zip(self.times, self.observed, self.expected, strict=True):
            lines.append(f"  in exactly {t}: {o:,} subjects, expected under independence {e:.3g}")
        lines.append("  regions of one person share their anatomy: that these numbers differ says nothing of labels")
        return "\n".join(lines)


def agreement(opposite: np.ndarray, regions: tuple[str, ...]) -> Agreement:
    """Sets multiple misclassifications beside independence.

    Under independence each subject's number of misclassifications is a sum of
    independent Bernoulli variables with the regions' own rates; subjects who
    lack a region contribute fewer. The number of subjects with at least t is
    then a sum of binomials over the patterns of regions present, whose exact
    distribution gives p.

    Args:
        opposite: (n_subjects, n_regions): 1.0 on the other side, 0.0 not, NaN where the subject lacks the region
        regions: their names
    """
    there = ~np.isnan(opposite)
    seen, wrong = there.sum(axis=0), np.nansum(opposite, axis=0)
    rates = wrong / np.maximum(seen, 1)
    times = np.nansum(opposite, axis=1).astype(int)
    patterns, sizes = np.unique(there, axis=0, return_counts=True)
    chances = [_times_distribution(rates[p]) for p in patterns]
    rows = []
    for t in range(1, opposite.shape[1] + 1):
        expected = sum(n * (c[t] if t < len(c) else 0.0) for n, c in zip(sizes, chances, strict=True))
        at_least = int((times >= t).sum())
        p = _tail([(int(n), float(c[t:].sum())) for n, c in zip(sizes, chances, strict=True)], at_least)
        rows.append((t, int((times == t).sum()), float(expected), p))
    columns = zip(*rows, strict=True)
    return Agreement(tuple(map(str, regions)), tuple(map(int, seen)), tuple(map(int, wrong)), *columns)


def expected_together(n: int, opposite: tuple[int, ...]) -> tuple[float, ...]:
    """Expected subjects on the other side in exactly 1, 2, … regions, all of ``n`` subjects having all regions."""
    return tuple(float(v) for v in n * _times_distribution(np.array(opposite) / n)[1:])


def _times_distribution(rates: np.ndarray) -> np.ndarray:
    """Distribution of the number of successes of independent trials (Poisson binomial), (k + 1,)."""
    out = np.array([1.0])
    for r in rates:
        out = np.convolve(out, [1 - r, r])
    return out


def _tail(parts: list[tuple[int, float]], at_least: int) -> float:
    """P(Σ Binomial(n, p) ≥ at_least)."""
    if at_least <= 0:
        return 1.0
    if len(parts) == 1:
        return float(binom.sf(at_least - 1, *parts[0]))
    below = np.zeros(at_least)
    below[0] = 1.0
    for n, p in parts:
        below = np.convolve(below, binom.pmf(np.arange(at_least), n, p))[:at_least]
    return float(max(0.0, 1.0 - below.sum()))
