"""Kinds of claims on dates, versions, case mix and neighbours."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from claims import Kind

from fiftyone_daebias.clustering.case_mix import _row as case_mix_row
from fiftyone_daebias.clustering.change_points import change_points, whiten
from fiftyone_daebias.clustering.neighbours import n_with_partner, telling
from fiftyone_daebias.statistics.association import omnibus_test

LEVEL = 0.05


def embedding(rng, n: int, d: int = 48) -> np.ndarray:
    """Vectors of n people, in a few directions of which they differ most."""
    return rng.standard_normal((n, d)) * (1 / np.sqrt(1 + np.arange(d)))


def drift(rng, n: int = 120, uneven: bool = False) -> bool:
    """A date that has nothing to do with the images."""
    dates = 2015 + 5 * (rng.random(n) ** 3 if uneven else rng.random(n))
    points = whiten(embedding(rng, n))
    p, changes = change_points(points, np.round(dates, 1), n_permutations=199, n_bootstrap=1, rng=rng)
    return p <= LEVEL and bool(changes)


def drift_of_people(rng, n: int = 200) -> bool:
    """More women later, and nothing else; dates are exchanged among people of one sex."""
    dates = np.sort(2015 + 4 * rng.random(n))
    sex = (rng.random(n) < (dates - 2015) / 4).astype(int)
    x = embedding(rng, n)
    x[:, 3] += 1.5 * sex
    p, changes = change_points(whiten(x), dates, strata=sex, n_permutations=199, n_bootstrap=1, rng=rng)
    return p <= LEVEL and bool(changes)


def versions(rng, n: int = 120, k: int = 5) -> bool:
    weights = 1 / np.arange(1, k + 1)
    version = rng.choice(k, n, p=weights / weights.sum())
    p, _ = omnibus_test(whiten(embedding(rng, n)), version, k, np.arange(n), n_permutations=199, rng=rng)
    return p <= LEVEL


def case_mix(rng, field: str, n: int = 150, sites: int = 5) -> bool:
    """Sites that see the same people."""
    site = rng.choice(sites, n, p=np.r_[0.4, np.full(sites - 1, 0.6 / (sites - 1))])
    values = {
        "sex": rng.choice(["F", "M"], n),
        "age": np.round(rng.normal(60, 12, n)),
        "income": rng.standard_cauchy(n),
    }[field]
    table = pd.DataFrame({field: values, "site": [f"S{s}" for s in site]})
    row = case_mix_row(field, "site", table, np.arange(n).astype(str), 199, rng)
    return row.p <= LEVEL and (row.interval[0] > 0 or row.interval[1] < 0)


def reidentify(rng, what: str, n: int = 80) -> bool:
    """Neighbours that tell nothing: sites; or persons whose images have nothing of their own."""
    subjects = np.repeat(np.arange(n), rng.integers(1, 4, n))
    own = 0.0 if what == "subject" else 1.0
    vectors = embedding(rng, len(subjects), 16) + own * embedding(rng, n, 16)[subjects]
    k = {"site": 3, "many sites": 40}.get(what, 2)
    values = subjects if what == "subject" else rng.integers(0, k, n)[subjects]
    if n_with_partner(values, subjects, what == "subject") < 10:
        return False
    told = telling(
        vectors, values, subjects, same_subject=what == "subject", n_bootstrap=200, n_permutations=199, rng=rng
    )
    return told.p <= LEVEL and told.interval1[0] > told.chance1


KINDS = (
    Kind("drift, even dates", drift),
    Kind("drift, most dates late", partial(drift, uneven=True)),
    Kind("drift, adjusted for a drift of sex", drift_of_people),
    Kind("drift, five versions", versions),
    Kind("case mix, sex over 5 sites", partial(case_mix, field="sex")),
    Kind("case mix, age over 5 sites", partial(case_mix, field="age")),
    Kind("case mix, heavy-tailed number over 5 sites", partial(case_mix, field="income")),
    Kind("re-identification, site", partial(reidentify, what="site")),
    Kind("re-identification, forty sites", partial(reidentify, what="many sites")),
    Kind("re-identification, person", partial(reidentify, what="subject")),
)
