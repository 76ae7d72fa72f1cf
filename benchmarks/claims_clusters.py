"""Kinds of claims on groups of samples: drawn blind, or made from a label."""

from __future__ import annotations

from functools import partial

import numpy as np
from claims import Kind

from fiftyone_daebias.clustering.blind import goes_with
from fiftyone_daebias.statistics.association import association_test, effect_of

LEVEL, PERMUTATIONS = 0.05, 199


def people(rng, n: int, most: int = 4) -> np.ndarray:
    """Subject of each image: 1 to ``most`` images a subject."""
    return np.repeat(np.arange(n), rng.integers(1, most + 1, n))


def claimed(groups, values, n_classes, subjects, rng, strata=None) -> bool:
    """Whether one test, by itself, becomes a finding: p-value and interval."""
    p, _ = association_test(
        groups[:, None], values, n_classes, subjects, strata=strata, n_permutations=PERMUTATIONS, rng=rng
    )
    if not p[0] <= LEVEL:
        return False
    low, high = effect_of(groups, values, tuple(map(str, range(n_classes))), subjects).interval
    return low > 0 or high < 0


def blind(rng, values: str, n: int = 150, share: float = 0.3) -> bool:
    """A group of an embedding's islands; the field has nothing to do with the images."""
    subjects = people(rng, n)
    # images of one subject lie together, most of them
    member = (
        (rng.normal(size=n)[subjects] + 0.5 * rng.normal(size=len(subjects))) > np.sqrt(1.25) * 0.52
        if share == 0.3
        else (rng.random(n) < share)[subjects]
    )
    if values == "heavy":
        return claimed(member, rng.standard_cauchy(n)[subjects], 0, subjects, rng)
    if values == "date":
        return claimed(member, np.round(2015 + 5 * rng.random(n), 2)[subjects], 0, subjects, rng)
    k = int(values)
    p = 1 / np.arange(1, k + 1) if k in (3, 5) else np.ones(k)
    return claimed(member, rng.choice(k, n, p=p / p.sum())[subjects], k, subjects, rng)


def varying(rng, how: str, n: int = 80) -> bool:
    """A field that varies within subjects, in a group that divides subjects."""
    if how == "same set":  # every subject is left and right, neck and back
        subjects = np.repeat(np.arange(n), 2)
        values = np.tile([0, 1], n)
    else:  # a few visits each, a label that a subject mostly keeps
        subjects = people(rng, n)
        values = np.where(
            rng.random(len(subjects)) < 0.3, rng.integers(0, 3, len(subjects)), rng.integers(0, 3, n)[subjects]
        )
    member = rng.normal(size=n)[subjects] + rng.normal(size=len(subjects)) > 0.6
    return claimed(member, values, int(values.max()) + 1, subjects, rng)


def varying_power(rng, n: int = 80) -> bool:
    """Of every two images of a subject the second is in the group a little more often."""
    subjects, values = np.repeat(np.arange(n), 2), np.tile([0, 1], n)
    member = rng.random(2 * n) < np.where(values == 1, 0.5, 0.22)
    return claimed(member, values, 2, subjects, rng)


def made_from(rng, other: str, how: str = "misclassified", n: int = 200) -> bool:
    """A group made from a label, tested against a field that tells nothing of the images beyond the label."""
    subjects = people(rng, n, 2)
    true = rng.random(n) < (0.2 if other != "number" else 0.5)
    score = 1.5 * true[subjects] + rng.normal(size=n)[subjects] + 0.5 * rng.normal(size=len(subjects))
    if how == "misclassified":
        member = (score > 0.9) != true[subjects]
    else:  # a lasso around the half of the map where one colour is frequent, on that colour's side
        member = score > 1.0 + 0.4 * (~true[subjects])
    if other == "recoded":
        field = true.astype(int)
    elif other == "flipped":  # another reader's label: 15 % differ
        field = (true ^ (rng.random(n) < 0.15)).astype(int)
    elif other == "weak":  # a correlate that is too weak to be seen for certain
        field = (rng.random(n) < np.where(true, 0.62, 0.5)).astype(int)
    elif other == "number":
        field = rng.normal(size=n) + 0.25 * true
    else:
        field = rng.integers(0, 3, n)
    values, codes = field[subjects], true[subjects].astype(int)
    classes = () if other == "number" else tuple(map(str, range(int(field.max()) + 1)))
    if goes_with(codes, values, classes, subjects, rng):
        return False
    return claimed(member, values, len(classes), subjects, rng, strata=codes)


KINDS = (
    *(Kind(f"cluster, blind, {k} values", partial(blind, values=str(k))) for k in (2, 3, 5, 10, 20)),
    Kind("cluster, blind, 2 values, 8 % of subjects", partial(blind, values="2", share=0.08)),
    Kind("cluster, blind, heavy-tailed number", partial(blind, values="heavy")),
    Kind("cluster, blind, date", partial(blind, values="date")),
    Kind("cluster, field with the same set in every subject", partial(varying, how="same set")),
    Kind("cluster, field that varies in some subjects", partial(varying, how="mixed")),
    Kind("cluster, field within subjects, 22 % against 50 %", varying_power, 0.8, "power", 200),
    *(
        Kind(f"cluster, made from a label, {other}", partial(made_from, other=other))
        for other in ("recoded", "flipped", "weak", "number", "independent")
    ),
    *(
        Kind(f"cluster, lasso on the label's colours, {other}", partial(made_from, other=other, how="lasso"))
        for other in ("recoded", "flipped", "weak", "independent")
    ),
)
