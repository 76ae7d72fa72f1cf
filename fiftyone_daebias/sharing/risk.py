"""What shared coordinates or vectors give away of people, measured on the samples that are shared."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import store
from ..clustering.neighbours import KnnLeakage, risk_words, telling
from ..clustering.sites import site_fields
from ..clustering.stored_neighbours import stored_leakage
from ..progress import Progress, start
from ..statistics.cells import tellable

#: every sample is compared with every other, so large cohorts are asked on whole subjects drawn at random
MOST = 4_000
SUBJECT = "subject"


def measure(
    samples,
    arrays: dict[str, tuple[list[str], np.ndarray]],
    k: int,
    *,
    seed: int = 51,
    progress: Progress | None = None,
) -> tuple[dict, ...]:
    """How often the nearest neighbour in each array tells person, site or scanner.

    What was stored of the same vectors is used as it is.

    Args:
        samples: a dataset or view
        arrays: ``{name of a map or vector field: (sample ids, values (n, d))}``
        k: rows about fewer subjects are left out
        seed: seed of the subjects drawn and of the intervals
        progress: where to report

    Returns:
        a row a space and what is asked; "few" where it is told, or not, of fewer than k subjects
    """
    out = []
    with start(progress, "what neighbours give away", len(arrays), "spaces") as task:
        for name, (ids, values) in arrays.items():
            for what, told in (stored_leakage(samples, name) or _measured(samples, ids, values, seed)).items():
                if told.n_subjects >= k:
                    out.append(
                        {
                            "of": name,
                            "what": what,
                            "told": told.top1,
                            "interval": list(told.interval1),
                            "chance": told.chance1,
                            "n_subjects": told.n_subjects,
                            "few": not tellable(told.cells, k),
                        }
                    )
            task.advance()
    return tuple(out)


def to_share(rows: tuple[dict, ...]) -> tuple[dict, ...]:
    """The rows as bundles hold them: without shares from which a few subjects could be counted."""
    hidden = {"told": None, "interval": [None, None]}
    return tuple({**{c: v for c, v in r.items() if c != "few"}, **(hidden if r["few"] else {})} for r in rows)


def sentences(rows: tuple[dict, ...], asked: list[str]) -> list[str]:
    """The rows in words, and what follows; says so where nothing could be measured."""
    out = []
    for name in asked:
        mine = [r for r in rows if r["of"] == name]
        if not mine:
            out.append(
                f"{name}: what it tells of people could not be measured here (one image a person, no site or "
                "scanner field); that is not the same as no risk"
            )
        for r in mine:
            whom = "its person" if r["what"] == SUBJECT else f"its {r['what']}"
            low, high = r["interval"]
            verdict = risk_words(low, r["chance"])
            out.append(
                f"{name}: the nearest sample tells {whom} for {r['told']:.1%} of samples (95 % interval {low:.1%} to "
                f"{high:.1%}, chance {r['chance']:.1%}, {r['n_subjects']:,} subjects): {verdict}"
            )
    return out


def _measured(samples, ids: list[str], values: np.ndarray, seed: int) -> dict[str, KnnLeakage]:
    owner = dict(zip(store.sample_ids(samples), store.read_subjects(samples), strict=True))
    subjects = np.array([owner[i] for i in ids])
    rng = np.random.default_rng(seed)
    if len(ids) > MOST:
        people = rng.permutation(np.unique(subjects))
        counts = pd.Series(subjects).value_counts().reindex(people).cumsum()
        kept = np.flatnonzero(np.isin(subjects, people[: max(2, int((counts <= MOST).sum()))]))
        ids, values, subjects = [ids[n] for n in kept], values[kept], subjects[kept]
    codes = pd.factorize(subjects)[0]
    fields = site_fields(store.metadata_fields(samples))
    table = store.read_table(samples, fields).reindex(ids) if fields else None
    asked = {SUBJECT: codes} if len(np.unique(codes)) < len(codes) else {}
    for name in fields:
        asked[name] = pd.factorize(table[name].map(lambda v: None if v is None or v != v else str(v)))[0]
    out = {}
    for what, values_of in asked.items():
        if len(ids) >= 10 and len(np.unique(values_of[values_of >= 0])) > 1:
            told = telling(values, values_of, codes, same_subject=what == SUBJECT, n_bootstrap=200, rng=rng)
            if told.n_samples >= 10:
                out[what] = told
    return out
