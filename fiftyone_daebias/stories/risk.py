"""What a model of the target might make of a nuisance: detectability times utility, and the proof.

As in G-AUDIT (npj Digital Medicine, 2026): a property of images is a shortcut
when the image tells it (detectability) and it tells the target (utility). Both
are AUCs on one scale here, 2·AUC − 1: detectability among subjects alike in the
target, since whatever shows the target tells what goes with it; utility beyond
the expected fields. The
proof is a classifier of the target, scored on the images where the property
and the target go together and on those where they go apart.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..cohort.file_facts import shown
from ..errors import InputError
from ..probes.adjust import adjusted_fit
from ..probes.cross_fit import CrossFit, cross_fit
from ..probes.design import Design
from ..probes.lssvm import Folds, subject_folds
from ..statistics.covariates import make_covariates
from ..statistics.scores import bootstrap_weights, percentile_interval, subject_weights, weighted_auc
from ..statistics.targets import MIN_SUBJECTS, Target
from .binding import levels_of
from .target import Label

_NAN = float("nan")
#: draws of subjects behind the interval of the gap
BOOTSTRAP = 300
#: so many are asked how well a field tells the target; its AUC is then known to about .01
MOST_SUBJECTS = 5_000
#: a field tells nothing of the target when the upper end of its utility is below this
LITTLE = 0.2
#: a field and a target that decide each other so far are one and the same
SAME = 0.98
_OTHER_DATA = "nothing but other data can part them"


@dataclass(frozen=True)
class Risk:
    """How dangerous a field is for a model of the target.

    Attributes:
        target: the target
        verdict: "shortcut", "possible" (a shortcut that the classifier tried does not take), "confounder", "harmless",
            "neither", "same" (it equals the target, or says it in finer classes), "target" (it is the target),
            or "unknown"
        detectability: how well the image tells the field among subjects alike in the target, from 0 (guessing) to 1
        detectability_interval: 95 % interval
        utility: how well the field tells the target beyond the expected fields, from 0 (guessing) to 1
        utility_interval: 95 % interval
        utility_p: p-value of the utility
        together: AUC of a classifier of the target where field and target go together
        apart: its AUC where they go apart
        gap: together less apart
        gap_interval: 95 % interval, subjects resampled
        balanced: subjects left when groups are thinned until the target is as common in each
        weighted: subjects that the cohort is worth when it is weighted instead
        lost: groups in which only one class of the target is seen, which no weight can mend
        missing: groups in which the target was not recorded
        n_subjects: subjects with both
        beyond: whether the image tells the field among subjects alike in the target: "left", "nothing" (no more than by
            chance, as far as can be seen), "unknown" (interval and p-value differ) or "inseparable"; "" where that was
            not asked
        reason: why nothing can be told; "" where it can
    """

    target: str
    verdict: str = "unknown"
    detectability: float = _NAN
    detectability_interval: tuple[float, float] = (_NAN, _NAN)
    utility: float = _NAN
    utility_interval: tuple[float, float] = (_NAN, _NAN)
    utility_p: float = _NAN
    together: float = _NAN
    apart: float = _NAN
    gap: float = _NAN
    gap_interval: tuple[float, float] = (_NAN, _NAN)
    balanced: int = 0
    weighted: int = 0
    lost: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    n_subjects: int = 0
    beyond: str = ""
    reason: str = ""


class RiskOf:
    """Judges fields by what a model of one target might make of them.

    Args:
        label: the target
        table: metadata, one row a sample
        subjects: subject of each sample, (n,)
        scores: out-of-fold scores of the target's classes from the images, (n, classes), NaN where there is none;
            ``None`` where there are no vectors
        expected: fields whose differences are no news
        n_fields: fields that are judged, among which the level is shared
        seed: random seed
    """

    def __init__(
        self,
        label: Label,
        table: pd.DataFrame,
        subjects: np.ndarray,
        scores: np.ndarray | None,
        *,
        expected: tuple[str, ...] = (),
        n_fields: int = 1,
        seed: int = 51,
    ):
        self.label, self.table, self.subjects, self.scores = label, table, subjects, scores
        self.expected, self.level, self.seed = expected, 0.05 / max(n_fields, 1), seed

    def __call__(
        self, field: str, detectability: float, interval: tuple[float, float], visible: bool, beyond: str = ""
    ) -> Risk:
        """How dangerous a field is.

        Args:
            field: the field
            detectability: how well the image tells it, from 0 to 1
            interval: its interval
            visible: whether that was found over everything tested
            beyond: as in :class:`Risk`
        """
        base = Risk(self.label.name, detectability=detectability, detectability_interval=interval, beyond=beyond)
        if field == self.label.field:
            return replace(base, verdict="target", reason="it is the target itself")
        codes, names = levels_of(self.table[field])
        with_label = self.label.codes >= 0
        missing = tuple(n for k, n in enumerate(names) if (codes == k).any() and not with_label[codes == k].any())
        rows = np.flatnonzero((codes >= 0) & with_label)
        base = replace(base, missing=missing[:5], n_subjects=len(set(self.subjects[rows])))
        few = self._too_few(rows, codes)
        if few:
            return replace(base, reason=few)
        y, g, people = self.label.codes[rows], codes[rows], self.subjects[rows]
        base = replace(base, **_costs(y, g, people, names))
        if _one_and_the_same(y, g, subject_weights(people)):
            return replace(
                base,
                verdict="same",
                reason=f"{shown(field)} and {self.label.name} are one and the same here: {_OTHER_DATA}",
            )
        base = replace(base, **self._utility(field, rows, y, g, people))
        if _finer(y, g, subject_weights(people)):
            why = f"each value of {shown(field)} has one value of {self.label.name} here: {_OTHER_DATA}"
            return replace(base, verdict="same", reason=why)
        if self.scores is not None:
            base = replace(base, **self._proof(rows, y, g, people))
        return replace(base, verdict=self._verdict(base, visible))

    def _too_few(self, rows: np.ndarray, codes: np.ndarray) -> str:
        people = self.subjects[rows]
        if len(set(people)) < 2 * MIN_SUBJECTS:
            return f"only {len(set(people))} subjects have it and the target"
        if len(np.unique(codes[rows])) < 2:
            return "all subjects with the target have one value of it"
        for k, name in enumerate(self.label.classes):
            n = len(set(people[self.label.codes[rows] == k]))
            if n < MIN_SUBJECTS // 2:
                return f"only {n} subjects of {name!r} have it"
        return ""

    def _utility(self, field, rows, y, g, people) -> dict:
        """AUC of the target from the field alone, given the expected fields, as 2·AUC − 1.

        Of larger cohorts :data:`MOST_SUBJECTS` are drawn, unless a class of the target is rare.
        """
        if len(names := np.unique(people)) > MOST_SUBJECTS:
            kept = np.isin(people, np.random.default_rng(self.seed).choice(names, MOST_SUBJECTS, replace=False))
            if min(len(set(people[kept & (y == c)])) for c in np.unique(y)) >= MIN_SUBJECTS:
                rows, y, g, people = rows[kept], y[kept], g[kept], people[kept]
        rng = np.random.default_rng([self.seed, zlib.crc32(f"{field} for {self.label.name}".encode())])
        target = _target(self.label, rows, y)
        machine = Folds([_columns(g)], people, subject_folds(people, 5, 1, rng))
        draws = int(np.clip(np.ceil(2 / self.level), 199, 1999))
        others = [f for f in self.expected if f in self.table.columns and f not in (field, self.label.field)]
        fit = None
        if others:
            try:
                covariates = make_covariates(self.table[others])
            except InputError:
                covariates = None
            if covariates is not None and covariates.fields and covariates.present[rows].all():
                fit = adjusted_fit(machine, target, covariates.basis(rows, people), n_permutations=draws, rng=rng)
                fit = None if fit.reason else fit
        if fit is None:
            fit = cross_fit([], target, people, n_permutations=draws, rng=rng, machine=machine)
        ends = tuple(float(np.clip(2 * e - 1, 0, 1)) for e in fit.interval)
        return {"utility": float(np.clip(2 * fit.score - 1, 0, 1)), "utility_interval": ends, "utility_p": float(fit.p)}

    def _proof(self, rows, y, g, people) -> dict:
        """A classifier of the target where field and target go together, and where they go apart."""
        known = np.isfinite(self.scores[rows]).all(axis=1)
        y, g, people, scores = y[known], g[known], people[known], self.scores[rows[known]]
        if not len(y):
            return {}
        own = subject_weights(people)
        rng = np.random.default_rng([self.seed, 7])
        weights = np.vstack([own, bootstrap_weights(people, BOOTSTRAP, rng)])
        parts = [1] if len(self.label.classes) == 2 else range(len(self.label.classes))
        both = []
        for c in parts:
            positive = y == c
            rate = np.bincount(g, own * positive) / np.maximum(np.bincount(g, own), 1e-12)
            high = rate[g] > np.average(positive, weights=own)
            pairs = [positive == high, positive != high]  # going together, going apart
            if any(len(set(people[m & s])) < MIN_SUBJECTS // 2 for m in pairs for s in (positive, ~positive)):
                continue
            both.append([weighted_auc(scores[m, c], positive[m], weights[:, m]) for m in pairs])
        if not both:
            return {}
        together, apart = np.nanmean(np.array(both), axis=0)
        gap = together - apart
        return {
            "together": float(together[0]),
            "apart": float(apart[0]),
            "gap": float(gap[0]),
            "gap_interval": percentile_interval(gap[1:][np.isfinite(gap[1:])]),
        }

    def _verdict(self, risk: Risk, visible: bool) -> str:
        tells = risk.utility_p <= self.level and risk.utility_interval[0] > 0
        if tells:
            if not visible or risk.beyond == "nothing":
                return "confounder"
            if risk.beyond == "unknown":
                return "possible"
            # a classifier that does as well where the two go apart does not lean on the field
            return "possible" if risk.gap_interval[0] <= 0 else "shortcut"
        if risk.utility_interval[1] < LITTLE:
            return "harmless" if visible else "neither"
        return "unknown"


def image_scores(
    source, label: Label, ids: list[str], *, n_permutations: int = 99, seed: int = 51
) -> tuple[np.ndarray, CrossFit | None]:
    """Out-of-fold scores of the target's classes from the vectors.

    Args:
        source: vectors and subjects
        label: the target
        ids: sample ids in the target's order
        n_permutations: permutations behind the score's interval
        seed: random seed

    Returns:
        float (n, classes), NaN for samples without a vector or label; and the fit, ``None`` where there is none
    """
    at = {i: k for k, i in enumerate(ids)}
    place = np.array([at[i] for i in source.ids])
    codes = label.codes[place]
    rows = np.flatnonzero(codes >= 0)
    out = np.full((len(ids), len(label.classes)), np.nan)
    people = source.subjects[rows]
    if min(len(set(people[codes[rows] == c])) for c in range(len(label.classes))) < MIN_SUBJECTS // 2:
        return out, None
    rng = np.random.default_rng([seed, zlib.crc32(label.name.encode())])
    fit = cross_fit(
        source.designs,
        _target(label, rows, codes[rows]),
        people,
        n_permutations=n_permutations,
        rng=rng,
        machine=source.folds(rows, 1, seed),
    )
    out[place[rows]] = fit.scores
    return out, fit


def _target(label: Label, rows: np.ndarray, y: np.ndarray) -> Target:
    used = np.unique(y)
    kind = "binary" if len(used) == 2 else "multiclass"
    return Target(label.name, kind, rows, np.searchsorted(used, y), tuple(label.classes[c] for c in used))


def _columns(g: np.ndarray) -> Design:
    """Levels as standardised columns for a linear machine."""
    dummies = (g[:, None] == np.unique(g)).astype(np.float32)
    dummies = (dummies - dummies.mean(axis=0)) / np.maximum(dummies.std(axis=0), 1e-6)
    return Design("linear", dummies / np.float32(np.sqrt(dummies.shape[1])))


def _one_and_the_same(y: np.ndarray, g: np.ndarray, weights: np.ndarray) -> bool:
    """Whether knowing one is knowing the other, for all but 2 % of the subjects, in both directions."""
    table = np.zeros((int(y.max()) + 1, int(g.max()) + 1))
    np.add.at(table, (y, g), weights)
    n_classes, n_groups = (int((table.sum(axis=axis) > 0).sum()) for axis in (1, 0))
    if n_classes != n_groups:
        return False
    return min(table.max(axis=0).sum(), table.max(axis=1).sum()) >= SAME * table.sum()


def _finer(y: np.ndarray, g: np.ndarray, weights: np.ndarray) -> bool:
    """Whether each value of a field has one class of the target (a histology, of benign and malignant)."""
    table = np.zeros((int(g.max()) + 1, int(y.max()) + 1))
    np.add.at(table, (g, y), weights)
    return float(table.max(axis=1).sum()) >= SAME * table.sum()


def _costs(y: np.ndarray, g: np.ndarray, people: np.ndarray, names: tuple[str, ...]) -> dict:
    """What breaking the link costs: thinning groups, or weighting (effective size; Kish 1965), in subjects."""
    weights = subject_weights(people)
    table = np.zeros((int(g.max()) + 1, int(y.max()) + 1))
    np.add.at(table, (g, y), weights)
    used = table.sum(axis=0) > 0
    table, total = table[:, used], table.sum()
    shares = table.sum(axis=0) / total
    groups = table.sum(axis=1)
    balanced = float((table / shares).min(axis=1).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        w = np.where(table > 0, groups[:, None] * shares / table, 0.0)
    worth = float((w * table).sum() ** 2 / max((w**2 * table).sum(), 1e-12))
    lost = tuple(names[k] for k in np.flatnonzero((groups > 0) & (table == 0).any(axis=1)))
    return {"balanced": int(balanced), "weighted": int(worth), "lost": lost[:5]}
