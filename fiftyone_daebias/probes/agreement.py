"""Subjects on the other side in several regions: chance, wrong label, or true anatomy?

Graf et al. (2024, §3.1) found 141 subjects misclassified in two regions and 34
in three where independence lets expect 26 and 0.24, and concluded that some
spines look like the other sex. This module does that arithmetic for any number
of regions, repeated series or visits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import binom

#: a sample is an outlier of its own region at this many robust standard deviations
OUTLIER_Z = 3.5
#: a mean margin of at least this share of the typical one is large
LARGE = 0.5


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
        p: probability of at least so many subjects, on the other side at least so many times, under independence
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
            + ", ".join(f"{r} {k:,} of {n:,}" for r, k, n in zip(self.regions, self.n_opposite, self.n_subjects,
                                                               strict=True))
        ]
        for t, o, e, p in zip(self.times, self.observed, self.expected, self.p, strict=True):
            text = f"  in exactly {t}: {o:,} subjects, expected under independence {e:.3g}"
            lines.append(text + (f" (p for {t} or more: {p:.2g})" if t > 1 else ""))
        return "\n".join(lines)


def agreement(opposite: np.ndarray, regions: tuple[str, ...]) -> Agreement:
    """Compares multiple misclassifications with independence.

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
    t, o, e, p = zip(*rows, strict=True)
    return Agreement(
        tuple(map(str, regions)), tuple(map(int, seen)), tuple(map(int, wrong)), t, o, e, p
    )


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


@dataclass(frozen=True)
class Verdict:
    """What a subject's disagreement looks like.

    Attributes:
        subject: the subject
        label: its label in the table
        seen_as: what most of its disagreeing samples look like
        kind: "label error", "variant", "bad image" or "undecided"
        n_opposite: samples on the other side
        n_samples: samples
        margin: mean signed margin of the samples in units of the typical margin (negative on the other side)
        outliers: samples on the other side that are outliers within their region
        sample_ids: the samples on the other side
    """

    subject: str
    label: str
    seen_as: str
    kind: str
    n_opposite: int
    n_samples: int
    margin: float
    outliers: int
    sample_ids: tuple[str, ...]


def judge(subjects, labels, predicted, margins, regions, outlier_z, ids) -> list[Verdict]:
    """Tells label errors from variants and bad images, one verdict a subject with a disagreement.

    * every sample disagrees, there are at least two, and the mean margin is at
      least half the typical one of samples that agree: "label error";
    * all samples that disagree are outliers of their own region: "bad image";
    * some samples disagree and others agree, or all disagree without large
      margins: "variant" — the anatomy really lies between;
    * one sample only: "undecided", there is nothing to compare.

    Args:
        subjects: (n,)
        labels: class in the table, (n,)
        predicted: class by the probe, (n,)
        margins: signed margin of the own class, negative on the other side, (n,)
        regions: region (or series, or visit) of each sample, (n,)
        outlier_z: robust z of the distance to the neighbours in the same region, (n,)
        ids: sample ids
    """
    margins = np.asarray(margins, float)
    scaled = np.empty(len(margins))
    for r in np.unique(regions):
        mine = regions == r
        agreeing = margins[mine & (margins > 0)]
        scaled[mine] = margins[mine] / (np.median(agreeing) if len(agreeing) else 1.0)
    wrong = np.asarray(predicted) != np.asarray(labels)
    out = []
    for s in dict.fromkeys(np.asarray(subjects)[wrong]):
        mine = np.flatnonzero(np.asarray(subjects) == s)
        bad = mine[wrong[mine]]
        far = int((outlier_z[bad] > OUTLIER_Z).sum())
        mean = float(scaled[mine].mean())
        if far == len(bad):
            kind = "bad image"
        elif len(mine) == 1:
            kind = "undecided"
        elif len(bad) == len(mine) and mean <= -LARGE:
            kind = "label error"
        else:
            kind = "variant"
        looks, counts = np.unique(np.asarray(predicted)[bad], return_counts=True)
        out.append(
            Verdict(str(s), str(labels[mine[0]]), str(looks[counts.argmax()]), kind, len(bad), len(mine), mean, far,
                    tuple(ids[k] for k in bad))
        )
    order = {"label error": 0, "variant": 1, "bad image": 2, "undecided": 3}
    return sorted(out, key=lambda v: (order[v.kind], v.margin))
