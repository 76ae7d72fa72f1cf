"""Claims on groups among subjects alike in expected fields: confounded, independent, with too few alike."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from claims import Kind

from fiftyone_daebias.findings.among_alike import among_alike
from fiftyone_daebias.statistics.association import association_test
from fiftyone_daebias.statistics.result_cache import kept_share
from fiftyone_daebias.statistics.strata import make_strata

LEVEL = 0.05


def verdict(member, values, n_classes, expected: pd.DataFrame, rng) -> str:
    """The verdict of one pair of group and field, of one image a subject."""
    subjects = np.arange(len(member))
    if not association_test(member[:, None], values, n_classes, subjects, n_permutations=199, rng=rng)[0][0] <= LEVEL:
        return "not found"
    strata = make_strata(expected)
    rows = np.flatnonzero(strata.codes >= 0)
    numbers = [v for v in strata.numbers.values()]
    covariates = np.column_stack(numbers) if numbers else None
    p, _ = association_test(
        member[rows, None],
        values[rows],
        n_classes,
        subjects[rows],
        strata=strata.codes[rows],
        covariates=None if covariates is None else covariates[rows],
        n_permutations=199,
        rng=rng,
    )
    kept = kept_share(member, values, n_classes, subjects, strata.codes, covariates)
    return among_alike({"kept_interval": kept.interval}, p[0] <= LEVEL)


def people(rng, n: int) -> pd.DataFrame:
    sex = rng.integers(0, 2, n)
    return pd.DataFrame(
        {
            "sex": np.where(sex, "M", "F"),
            "age": np.round(rng.normal(60, 12, n)),
            "weight": np.round(rng.normal(66 + 14 * sex, 10), 1),
        }
    )


def confounded(rng, want: str, field: str = "site", n: int = 300) -> bool:
    """Group and field both follow sex and weight, and have nothing else in common."""
    who = people(rng, n)
    heavy = (who.weight - 73) / 12
    member = rng.random(n) < 1 / (1 + np.exp(-(1.6 * heavy - 0.5)))
    if field == "site":
        values, k = (rng.random(n) < 1 / (1 + np.exp(-1.6 * heavy))).astype(int), 2
    else:
        values, k = (heavy + 0.8 * rng.normal(size=n)).to_numpy(), 0
    return verdict(np.asarray(member), np.asarray(values), k, who, rng) == want


def independent(rng, want: str, n: int = 150) -> bool:
    """Group and site go together (odds ratio about 9), whatever sex, age and weight."""
    who = people(rng, n)
    site = rng.integers(0, 2, n)
    member = rng.random(n) < np.where(site, 0.6, 0.15)
    return verdict(member, site, 2, who, rng) == want


def few_alike(rng, want: str, n: int = 220) -> bool:
    """The same, with an age known for a quarter of the subjects."""
    who = people(rng, n)[["sex", "age"]]
    who.loc[rng.random(n) < 0.73, "age"] = np.nan
    site = rng.integers(0, 2, n)
    member = rng.random(n) < np.where(site, 0.6, 0.15)
    return verdict(member, site, 2, who, rng) == want


KINDS = (
    Kind("adjusted cluster, confounded site, called found", partial(confounded, want="found")),
    Kind("adjusted cluster, confounded number, called found", partial(confounded, want="found", field="number")),
    Kind(
        "adjusted cluster, confounded site, called explained", partial(confounded, want="explained"), 0.3, "power", 200
    ),
    Kind("adjusted cluster, independent site, called found", partial(independent, want="found"), 0.8, "power", 200),
    Kind("adjusted cluster, independent site, called explained", partial(independent, want="explained")),
    Kind("adjusted cluster, age of a quarter, called explained", partial(few_alike, want="explained")),
)
