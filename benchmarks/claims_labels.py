"""Label errors: how often a clean cohort is accused, and how precise and complete the list is where 3 % are wrong.

    python benchmarks/claims_labels.py                      # every shape, AUC .6 to .99, 0 and 3 % wrong
    python benchmarks/claims_labels.py --shapes normal --auc 0.95 --replicates 200
    python benchmarks/claims_labels.py --source probe       # vectors of 48 values through the package's own probe
    python benchmarks/claims_labels.py --margins mine.npz   # subjects, codes, scores (n, classes) and, if known, wrong

A cohort goes through the whole rule: the lower end of the AUC's subject-bootstrap interval must reach the gate, the
test of "no label contradicts its images" must reject at 0.05, and the list keeps the expected false share at 10 %.
Beside it stands cleanlab (``pip install cleanlab``; left out where it is missing) on calibrated probabilities of the
same margins: its own ``find_label_issues(filter_by="both")``, and its ranking cut where its precision, pooled over the
cell's cohorts, is that of the list. A subject counts once; cleanlab's scores are averaged over a subject's images.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from fiftyone_daebias.probes.confidence import probabilities
from fiftyone_daebias.probes.labels import SPEAKS_FROM
from fiftyone_daebias.statistics.intervals import share_interval
from fiftyone_daebias.statistics.label_errors import label_errors
from fiftyone_daebias.statistics.scores import bootstrap_weights, macro_auc, percentile_interval

AUCS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
LEVEL = 0.05
#: "full" cannot be told from wrong labels by any rule that looks at margins; it is there to show that
SHAPES = (
    "normal",
    "heavy",
    "t5",
    "skewed",
    "lognormal",
    "mixture",
    "one heavy class",
    "two spreads",
    "between",
    "full",
    "10/90",
    "3 classes",
    "5 classes",
    "many images",
)
VARIANTS = 0.06


@dataclass
class Cohort:
    """Out-of-fold margins of one cohort, and whose label is wrong."""

    subjects: np.ndarray
    codes: np.ndarray
    scores: np.ndarray
    wrong: np.ndarray


def deviations(shape: str, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How much more than typical each person looks like another class, median about 0, spread about 1, (n,)."""
    n = len(classes)
    if shape == "heavy":
        return rng.standard_t(3, n) / 1.2
    if shape == "t5":
        return rng.standard_t(5, n) / 1.1
    if shape == "skewed":
        return (rng.gamma(2, size=n) - 1.68) / 1.3
    if shape == "lognormal":
        return np.expm1(0.4 * rng.normal(size=n)) / 0.4
    if shape == "mixture":
        return rng.normal(size=n) * np.where(rng.random(n) < 0.15, 2.5, 0.9)
    if shape == "one heavy class":
        return np.where(classes == 0, rng.standard_t(3, n) / 1.2, rng.normal(size=n))
    if shape == "two spreads":
        return rng.normal(size=n) * np.where(classes == 0, 1.4, 0.7)
    return rng.normal(size=n)


def draw(shape: str, apart: float, rate: float, n: int, rng: np.random.Generator) -> Cohort:
    """A cohort whose classes lie ``apart`` spreads on either side of the middle, a share ``rate`` of labels wrong."""
    k = int(shape[0]) if shape.endswith("classes") else 2
    shares = np.array([0.1, 0.9]) if shape == "10/90" else np.full(k, 1 / k)
    true = rng.choice(k, n, p=shares)
    more = deviations(shape, true, rng)
    other = (true + rng.integers(1, k, n)) % k
    if shape in ("between", "full"):  # some people look half, or throughout, like another class
        more += np.where(rng.random(n) < VARIANTS, apart * (1 if shape == "between" else 2), 0.0)
    # one direction a class: the score of the own class is lower by ``more``, that of the look-alike higher
    scores = 0.5 * rng.normal(size=(n, k)) if k > 2 else np.zeros((n, k))
    scores[np.arange(n), true] += apart / 2 - more / 2
    scores[np.arange(n), other] += -apart / 2 + more / 2 if k == 2 else more / 2
    wrong = rng.random(n) < rate
    recorded = np.where(wrong, (true + rng.integers(1, k, n)) % k, true)
    images = rng.integers(1, 5, n) if shape == "many images" else np.ones(n, int)
    index = np.repeat(np.arange(n), images)
    noise = 0.4 * rng.normal(size=(len(index), k)) if shape == "many images" else 0.0
    return Cohort(index, recorded[index], scores[index] + noise, np.flatnonzero(wrong))


def separation(shape: str, auc: float) -> float:
    """How far apart the classes must be for a macro AUC, by bisection on one large cohort."""
    low, high = 0.0, 12.0
    for _ in range(14):
        middle = (low + high) / 2
        c = draw(shape, middle, 0.0, 12_000, np.random.default_rng(0))
        low, high = (middle, high) if macro_auc(c.scores, c.codes, np.ones(len(c.codes)))[0] < auc else (low, middle)
    return (low + high) / 2


def probed(shape: str, apart: float, rate: float, n: int, rng: np.random.Generator) -> Cohort:
    """The same people as vectors of 48 values, and the margins that the package's own probe finds for them."""
    from fiftyone_daebias.probes.design import make_design
    from fiftyone_daebias.probes.svm import cross_fit
    from fiftyone_daebias.statistics.targets import Target

    c = draw(shape, apart, rate, n, rng)
    vectors = rng.normal(size=(len(c.codes), 48))
    signal = c.scores - c.scores.mean(axis=1, keepdims=True)
    vectors[:, : signal.shape[1]] = signal * (2 if signal.shape[1] == 2 else 1) + 0.1 * rng.normal(size=signal.shape)
    classes = tuple(map(str, np.unique(c.codes)))
    target = Target("label", "binary" if len(classes) == 2 else "multiclass", np.arange(len(c.codes)), c.codes, classes)
    design = make_design(vectors.astype(np.float32), "rbf")
    fit = cross_fit(design, target, c.subjects, repeats=2, n_bootstrap=1, rng=rng)
    return Cohort(c.subjects, c.codes, fit.scores, c.wrong)


@dataclass
class Cell:
    """What a set of like cohorts gave."""

    auc: list = field(default_factory=list)
    spoke: int = 0
    accused: int = 0
    cohorts: int = 0
    listed: int = 0
    right: int = 0
    wrong: int = 0
    expected_false: float = 0.0
    p: list = field(default_factory=list)
    wrong_here: int = 0  # wrong labels of the cohorts with a list
    theirs: list = field(default_factory=list)  # cleanlab: (score, whether wrong) of every subject
    theirs_here: list = field(default_factory=list)  # the same of the cohorts with a list
    their_own: list = field(default_factory=list)  # cleanlab: (listed, right) a cohort

    def add(self, c: Cohort, rng: np.random.Generator, n_draws: int) -> None:
        draws = macro_auc(c.scores, c.codes, bootstrap_weights(c.subjects, 200, rng))
        weights = 1.0 / np.bincount(np.unique(c.subjects, return_inverse=True)[1])
        self.auc.append(float(macro_auc(c.scores, c.codes, weights[np.unique(c.subjects, return_inverse=True)[1]])[0]))
        self.cohorts, self.wrong = self.cohorts + 1, self.wrong + len(c.wrong)
        ranked = self._cleanlab(c)
        if percentile_interval(draws)[0] < SPEAKS_FROM:
            return
        self.spoke += 1
        got = label_errors(c.subjects, c.codes, c.scores, n_draws=n_draws, level=LEVEL, rng=rng)
        names = set(got.subjects[got.listed].tolist())
        self.p.append(got.p)
        self.accused += bool(names)
        self.listed += len(names)
        self.right += len(names & set(c.wrong.tolist()))
        if names:
            self.expected_false += got.false_share * len(names)
            self.wrong_here += len(c.wrong)
            self.theirs_here += ranked

    def _cleanlab(self, c: Cohort) -> list[tuple[float, bool]]:
        try:
            from cleanlab.filter import find_label_issues
            from cleanlab.rank import get_label_quality_scores
        except ImportError:
            return []
        chances = probabilities(c.scores, c.codes)
        _, index, counts = np.unique(c.subjects, return_inverse=True, return_counts=True)
        names, wrong = np.unique(c.subjects), set(c.wrong.tolist())
        quality = np.bincount(index, get_label_quality_scores(c.codes, chances)) / counts
        ranked = [(float(q), s in wrong) for q, s in zip(quality, names.tolist(), strict=True)]
        self.theirs += ranked
        flagged = set(c.subjects[find_label_issues(c.codes, chances, filter_by="both", n_jobs=1)].tolist())
        self.their_own.append((len(flagged), len(flagged & wrong)))
        return ranked

    @property
    def precision(self) -> float:
        return self.right / self.listed if self.listed else float("nan")

    def recall_of_cleanlab(self, scores: list, n_wrong: int) -> float:
        """Recall of cleanlab's ranking, cut at the last place where its precision is at least that of the list."""
        if not scores or not self.listed:
            return float("nan")
        ranked = np.array([w for _, w in sorted(scores, key=lambda t: t[0])], float)
        hits = np.cumsum(ranked)
        good = np.flatnonzero(hits / np.arange(1, len(hits) + 1) >= self.precision)
        return float(hits[good[-1]] / max(1, n_wrong)) if len(good) else 0.0

    def row(self) -> str:
        low, high = share_interval(self.accused, self.cohorts)
        text = f"{np.mean(self.auc):.3f}  {self.spoke / self.cohorts:4.0%}  {self.accused:3d}/{self.cohorts} "
        text += f"[{low:.3f}, {high:.3f}]  {self.listed / self.cohorts:5.2f}"
        if self.wrong:
            a, b = share_interval(self.right, self.listed)
            stated = 1 - self.expected_false / self.listed if self.listed else float("nan")
            text += f"  {self.precision:5.2f} [{a:.2f}, {b:.2f}] {stated:5.2f}  {self.right / self.wrong:5.2f}"
            text += f" {self.recall_of_cleanlab(self.theirs, self.wrong):5.2f}"
            text += f"  {self.right / max(1, self.wrong_here):5.2f}"
            text += f" {self.recall_of_cleanlab(self.theirs_here, self.wrong_here):5.2f}"
        if self.their_own:
            listed, right = map(sum, zip(*self.their_own, strict=True))
            text += f"  {listed / self.cohorts:6.2f}"
            if self.wrong:
                text += f" {right / max(1, listed):5.2f} {right / self.wrong:5.2f}"
        return text


def cells(args) -> Iterator[tuple[str, float, float, Cell]]:
    for shape in args.shapes:
        for auc in args.auc:
            apart = separation(shape, auc)
            for rate in args.rates:
                cell = Cell()
                for r in range(args.replicates):
                    rng = np.random.default_rng([args.seed, r, int(1000 * auc)])
                    make = probed if args.source == "probe" else draw
                    cell.add(make(shape, apart, rate, int(rng.integers(150, 301)), rng), rng, args.draws)
                yield shape, auc, rate, cell


def of_file(path: str, draws: int) -> None:
    """The rule on margins from elsewhere."""
    held = np.load(path, allow_pickle=False)
    wrong = held["wrong"] if "wrong" in held else np.zeros(0)
    cell, rng = Cell(), np.random.default_rng(51)
    cohort = Cohort(held["subjects"], held["codes"].astype(int), held["scores"], wrong)
    cell.add(cohort, rng, draws)
    print(HEAD)
    print(f"{'':16} {'':4} {'':4}  {cell.row()}")
    if cell.p:
        print(f"p {cell.p[0]:.3g}")


HEAD = (
    f"{'shape':16} {'AUC':4} {'wrong':5} found  speak  accused [95 %]         listed  precision        stated  recall "
    "and cleanlab's at that precision: all, cohorts with a list; cleanlab's own list: size, precision, recall"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--auc", nargs="+", type=float, default=list(AUCS))
    parser.add_argument("--rates", nargs="+", type=float, default=[0.0, 0.03])
    parser.add_argument("--replicates", type=int, default=40)
    parser.add_argument("--draws", type=int, default=199, help="draws of the bootstrap behind each p-value")
    parser.add_argument("--source", choices=("margins", "probe"), default="margins")
    parser.add_argument("--margins", help="file with margins from elsewhere")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.margins:
        of_file(args.margins, args.draws)
        return
    began = time.perf_counter()
    print(f"cohorts of 150 to 300 subjects; nominal level {LEVEL:g}; {args.replicates} replicates a row\n{HEAD}")
    for shape, auc, rate, cell in cells(args):
        print(f"{shape:16} {auc:4.2f} {rate:4.0%}   {cell.row()}", flush=True)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
