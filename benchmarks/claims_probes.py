"""Kinds of claims that probes make; see claims.py.

A claim is the whole rule: p at most 5 % *and* an interval better than chance,
or, for expected fields, one of the three answers. Power at δ = 0.15 over five
axes of 1,000 vectors is the protocol published with ShortKit-ML.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from claims import Kind

from fiftyone_daebias.probes.adjust import adjusted_fit
from fiftyone_daebias.probes.cross_fit import cross_fit
from fiftyone_daebias.probes.design import make_design
from fiftyone_daebias.probes.lssvm import Folds, subject_folds
from fiftyone_daebias.statistics.covariates import make_covariates
from fiftyone_daebias.statistics.targets import Target

PERMUTATIONS = 99
N, D = 150, 48


def found(fit) -> bool:
    """The rule of one test."""
    return bool(fit.p <= 0.05 and fit.better[0] > 0)


def cohort(rng, kind: str, effect: float = 0.0, n: int = N):
    """Vectors, subjects and target; images of one subject are alike."""
    subjects = np.arange(n)
    if kind in ("within", "both", "images"):
        subjects = np.repeat(np.arange(n // 2), 2)
    people = rng.normal(size=(int(subjects.max()) + 1, D))
    vectors = people[subjects] + (0.5 * rng.normal(size=(n, D)) if len(people) < n else 0)
    if kind == "number" or kind == "date":
        z = rng.normal(size=n)
        vectors[:, :5] += effect * z[:, None]
        values = np.exp(1.5 * z) if kind == "number" else 2010 + 3 * z
        return vectors, subjects, Target("y", "numeric" if kind == "number" else "date", np.arange(n), values)
    if kind == "within":
        codes = np.tile([0, 1], n // 2)
    elif kind == "both":
        codes = np.where(rng.random(n) < 0.2, rng.integers(0, 2, n), rng.integers(0, 2, n // 2)[subjects])
    elif kind == "images":
        codes = rng.permutation(np.arange(n // 2) % 2)[subjects]
    elif kind == "five":
        codes = rng.choice(5, n, p=[0.4, 0.25, 0.15, 0.1, 0.1])
    elif kind == "twenty":
        codes = rng.permutation(np.arange(n) % 20)
    else:
        codes = rng.permutation((np.arange(n) < n * (0.1 if kind == "rare" else 0.5)).astype(int))
    classes = int(codes.max()) + 1
    directions = np.array([[-0.5] * 5, [0.5] * 5])
    if classes > 2:
        directions = np.random.default_rng(0).normal(size=(classes, 5))
    vectors[:, :5] += effect * directions[codes]
    names = tuple(f"c{k:02d}" for k in range(classes))
    return vectors, subjects, Target("y", "binary" if classes == 2 else "multiclass", np.arange(n), codes, names)


def fitted(rng, kind: str, effect: float = 0.0, n: int = N):
    vectors, subjects, target = cohort(rng, kind, effect, n)
    return cross_fit(make_design(vectors.astype(np.float32)), target, subjects, n_permutations=PERMUTATIONS, rng=rng)


@cache
def truth(kind: str, effect: float) -> float:
    """Mean score of such cohorts."""
    return float(np.mean([fitted(np.random.default_rng([1, k]), kind, effect).score for k in range(300)]))


def missed(kind: str, effect: float):
    def simulate(rng) -> bool:
        low, high = fitted(rng, kind, effect).interval
        return not low <= truth(kind, effect) <= high

    return simulate


def adjusted(rng, kind: str):
    """A field beside three expected ones that the vectors know too, one of them along a curve."""
    sex, age = rng.integers(0, 2, N), rng.normal(size=N)
    weight = 0.8 * (sex - 0.5) + rng.normal(size=N)
    vectors = rng.normal(size=(N, D))
    vectors[:, 0] += 2 * (sex - 0.5)
    vectors[:, 1] += age
    vectors[:, 2] += weight
    vectors[:, 3] += age**2
    site = rng.integers(0, 2, N)
    if kind in ("confounded", "beside"):
        site = (rng.random(N) < 1 / (1 + np.exp(-(3 * (sex - 0.5) + age)))).astype(int)
    elif kind == "curved":
        site = (rng.random(N) < 1 / (1 + np.exp(-1.5 * (age**2 - 1)))).astype(int)
    if kind in ("own", "beside"):
        vectors[:, 4:8] += 0.8 * (site - 0.5)[:, None]
    target = Target("site", "binary", np.arange(N), site, ("a", "b"))
    if kind == "number":
        target = Target("dose", "numeric", np.arange(N), 3 * age + 2 * sex + rng.normal(size=N))
    rows = np.arange(N)
    covariates = make_covariates(pd.DataFrame({"sex": sex, "age": age, "weight": weight}))
    machine = Folds([make_design(vectors.astype(np.float32))], rows, subject_folds(rows, 5, 3, rng))
    return adjusted_fit(machine, target, covariates.basis(rows, rows), n_permutations=PERMUTATIONS, rng=rng)


def shift(d: int):
    def simulate(rng) -> bool:
        group = (rng.random(1000) > 0.5).astype(int)
        vectors = rng.normal(size=(1000, d))
        vectors[:, :5] += 0.15 * (2 * group - 1)[:, None]
        target = Target("group", "binary", np.arange(1000), group, ("0", "1"))
        design = make_design(vectors.astype(np.float32), "linear")
        return found(cross_fit(design, target, np.arange(1000), n_permutations=PERMUTATIONS, rng=rng))

    return simulate


_NULL = {
    "two classes": "halves",
    "a class of 10 %": "rare",
    "5 unbalanced classes": "five",
    "20 classes": "twenty",
    "a heavy-tailed number": "number",
    "a date": "date",
    "images of subjects": "images",
    "a field within subjects": "within",
    "a field between and within": "both",
}
KINDS = (
    *(Kind(f"probe {name}: p", lambda rng, k=kind: fitted(rng, k).p <= 0.05) for name, kind in _NULL.items()),
    *(Kind(f"probe {name}: found", lambda rng, k=kind: found(fitted(rng, k))) for name, kind in _NULL.items()),
    *(
        Kind(f"probe interval, {name}, effect {effect:g}", missed(kind, effect), 0.05, "missed intervals", 300)
        for name, kind in (("two classes", "halves"), ("10 %", "rare"), ("5 classes", "five"))
        for effect in (0.0, 0.6, 1.2)
    ),
    Kind("probe power: a field within subjects", lambda rng: found(fitted(rng, "within", 1.2)), 0.8, "power", 100),
    *(Kind(f"probe power: shift 0.15 on five axes, d = {d}", shift(d), 0.8, "power", 40) for d in (128, 256, 512)),
    *(
        Kind(f"adjusted, {kind}: found", lambda rng, k=kind: found(adjusted(rng, k)))
        for kind in ("confounded", "curved", "number", "none")
    ),
    Kind("adjusted, own effect: explained", lambda rng: adjusted(rng, "own").explained),
    Kind("adjusted, no effect at all: explained", lambda rng: adjusted(rng, "none").explained),
    Kind("adjusted power: own effect beside three fields", lambda rng: found(adjusted(rng, "own")), 0.8, "power", 200),
    Kind(
        "adjusted power: own effect beside confounding", lambda rng: found(adjusted(rng, "beside")), 0.8, "power", 200
    ),
    Kind(
        "adjusted power: confounded called explained",
        lambda rng: adjusted(rng, "confounded").explained,
        0.5,
        "power",
        200,
    ),
)
