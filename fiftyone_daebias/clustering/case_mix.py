"""The verb ``case-mix``: do sites, scanners and years see the same kind of people?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import schema, store
from ..errors import InputError
from ..parameters import Expected, Permutations, Seed, SubjectField
from ..progress import Progress, start
from ..rendering import Rendered, Table
from ..statistics.association import Effect, effect_of, omnibus_test
from ..statistics.rows import DifferenceRow
from ..statistics.targets import make_target
from .sites import site_fields

LEVEL = 0.05
#: share of subjects with several values of a field from which on it is no property of people
MOST_VARYING = 0.05
#: what people are alike or not alike in, unless told otherwise
_PEOPLE = (
    "sex",
    "gender",
    "age",
    "patient_age",
    "weight",
    "height",
    "bmi",
    "ethnicity",
    "race",
    "diagnosis",
    "finding",
)
_NAN = float("nan")


@dataclass(frozen=True)
class CaseMixRow(DifferenceRow):
    """One field of people, over the sites (scanners, …) of another field.

    Attributes:
        field: what people differ in
        over: the field with sites
        site: the site that differs most from the others
        effect: that site against the others; the largest of all sites, so rather too large
        interval: covers all sites' effects together with 95 %, so it may be read although the site was picked
        p: permutation p-value over all sites, subjects exchanged
        n_subjects: subjects
    """

    field: str
    over: str
    site: str = ""
    n_subjects: int = 0


@dataclass(frozen=True)
class CaseMix(Rendered):
    """All pairs, the most uneven first; ``correction`` says what the q-values span."""

    rows: tuple[CaseMixRow, ...]
    correction: str = ""

    def to_dict(self) -> dict:
        return {"rows": [r.to_dict() for r in self.rows], "correction": self.correction}

    def parts(self) -> list[str | Table]:
        cells = [("people's", "over", "verdict", "differs most", "effect", "95 % interval", "p", "q", "subjects")]
        for r in self.rows:
            if r.verdict != "not tested":
                letter = "V" if r.measure == "Cramér's V" else "δ"
                cells.append(
                    (
                        r.field,
                        r.over,
                        r.verdict,
                        f"{r.site}: {r.words}",
                        f"{letter} {r.effect:.2f}",
                        f"{r.interval[0]:.2f} to {r.interval[1]:.2f}",
                        f"{r.p:.4f}",
                        f"{r.q:.4f}",
                        f"{r.n_subjects:,}",
                    )
                )
        lines: list[str | Table] = [Table.of(cells)] if len(cells) > 1 else []
        lines += [f"not tested: {r.field} over {r.over}: {r.note}" for r in self.rows if r.verdict == "not tested"]
        if any(r.verdict == "found" for r in self.rows):
            lines.append("what images tell of these sites may be told by their people: adjust for the fields found")
        return [*lines, self.correction]


def case_mix(
    samples,
    *,
    expected: Expected | None = None,
    over: list[str] | None = None,
    n_permutations: Permutations = 1999,
    subject_field: SubjectField | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> CaseMix:
    """Asks whether sites and scanners see the same kind of people; looks at metadata alone.

    Where one site recruited more men, whatever tells men tells the site: the
    finding of the one may be the other. Fields that part subjects in the same
    way (a site and its only scanner) are asked once.

    Args:
        samples: a dataset or view
        expected: fields of people; default: what is named like sex, age, weight, height, diagnosis …
        over: fields with sites; default: what is named like a site or a scanner
        n_permutations: subject-level permutations
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of permutations and draws

    Returns:
        a row a pair of fields

    Raises:
        InputError: no such fields
    """
    store.ensure_samples(samples)
    if n_permutations < 99:
        raise InputError(f"n_permutations must be at least 99; got {n_permutations}")
    known = store.metadata_fields(samples)
    people = list(expected) if expected else [f for f in known if f.lower() in _PEOPLE]
    texts = [f for f, kind in known.items() if kind in ("string", "classification")]
    places = list(over) if over else site_fields(known, store.read_table(samples, texts) if texts else None)
    if not people or not places:
        missing = "expected (fields of people: sex, age …)" if not people else "over (a field with sites or scanners)"
        raise InputError(f"no field was found by its name for {missing}; name one; fields: {', '.join(sorted(known))}")
    table = store.read_table(samples, list(dict.fromkeys([*people, *places])))
    subjects = pd.Series(store.read_subjects(samples, subject_field), index=table.index)
    # a subject counts once; which of several samples speaks for it is the first
    first = ~subjects.duplicated()
    varying = {f for f in table.columns if table[f].groupby(subjects).nunique().gt(1).mean() > MOST_VARYING}
    table, names = table[first], subjects[first].to_numpy()
    places = places if over else _distinct(table, places)
    pairs = [(f, s) for s in places for f in people if f != s]
    rows, units = [], store.read_units(samples)
    with start(progress, "case mix", len(pairs), "pairs") as task:
        for field, site in pairs:
            mixed = next((f for f in (field, site) if f in varying), None)
            row = CaseMixRow(field, site, note=f"{mixed} varies within subjects")
            if not mixed:
                rng = np.random.default_rng(seed)
                row = _row(field, site, table, names, n_permutations, rng, units.get(field, ""))
            rows.append(row)
            task.advance(note=f"{field} over {site}")
    result = CaseMix(tuple(sorted(rows, key=lambda r: r.p if r.p == r.p else 2)))
    store.save_run(
        samples,
        schema.CASE_MIX_RUN,
        {"expected": people, "over": places, "n_permutations": n_permutations, "seed": seed},
        {"table": result.to_dict()},
    )
    return result


def _distinct(table: pd.DataFrame, places: list[str]) -> list[str]:
    """Fields with several values that do not part the subjects as an earlier one does; at least the first."""
    seen, out = set(), []
    for place in places:
        codes = tuple(pd.factorize(table[place].map(lambda v: None if v is None or v != v else str(v)))[0])
        if codes not in seen and len(set(codes) - {-1}) > 1:
            seen.add(codes)
            out.append(place)
    return out or places[:1]


def _row(
    field: str, site: str, table: pd.DataFrame, names: np.ndarray, n_permutations: int, rng, unit: str
) -> CaseMixRow:
    both = table[field].notna() & table[site].notna()
    mine, owners = table[both], names[both.to_numpy()]
    try:
        place = make_target(site, mine[site].map(str).tolist(), owners, "classes")
        rows = mine.iloc[place.rows]
        target = make_target(field, rows[field].tolist(), owners[place.rows], unit=unit)
    except ValueError as error:
        return CaseMixRow(field, site, note=str(error))
    owners, sites = owners[place.rows][target.rows], place.values[target.rows]
    held = np.unique(sites)
    if len(held) < 2:
        return CaseMixRow(field, site, note=f"{field} is known at one {site} only")
    one_hot = (sites[:, None] == held).astype(np.float32)
    p, moves = omnibus_test(one_hot, target.values, len(target.classes), owners, n_permutations=n_permutations, rng=rng)
    if p != p:
        return CaseMixRow(field, site, note=moves.impossible or "no permutation changes anything")
    level, told = 1 - LEVEL / len(held), target.quantity
    effects = [effect_of(sites == s, target.values, target.classes, owners, level=level, quantity=told) for s in held]
    best: Effect = max(effects, key=lambda e: abs(np.nan_to_num(e.value)))
    words = best.words.replace("inside", "there").replace("outside", "elsewhere")
    return CaseMixRow(
        field,
        site,
        place.classes[held[effects.index(best)]],
        verdict="",
        measure=best.measure,
        effect=best.value,
        interval=best.interval,
        words=words,
        p=float(p),
        n_subjects=len(owners),
        cells=best.cells,
    )
