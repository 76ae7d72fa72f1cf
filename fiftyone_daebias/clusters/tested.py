"""The verb ``test-clusters``: what is it that a cluster has in common? On subjects locked away from its drawing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .. import schema, store
from ..cohort.halves import confirmation_mask
from ..errors import InputError
from ..plain import plain
from ..probes.confounding import Strata, make_strata
from ..probes.fields import Target, make_target
from ..probes.permutation import benjamini_hochberg, first_stratum
from ..progress import Progress, start
from ..text_table import table_lines
from . import named
from .association import effect_of, permutation_p
from .density import best_overlap, density_clusters

LEVEL = 0.05
#: a side with fewer subjects is not compared
FEWEST = 5
_NAN = float("nan")
_ORDER = ("found", "not blind", "unconfirmed", "explained", "expected", "not found", "not tested")


@dataclass(frozen=True)
class Association:
    """One cluster against one field.

    Attributes:
        cluster: the cluster
        field: the field
        verdict: "found" (on the confirmation half, within the strata of the expected fields, after false-discovery
            control); "explained" (found, but not within those strata); "unconfirmed" (the exploration half shows it,
            the confirmation half does not); "expected" (named as an expected difference); "not blind" (the cluster was
            drawn while the map was coloured by it, so a test means nothing); "not found"; "not tested"
        measure: "Cramér's V" or "Cliff's delta"
        effect: its value on the confirmation half
        interval: 95 % subject-bootstrap interval
        difference: standardised mean difference, for numbers
        words: the difference in words
        p: permutation p-value on the confirmation half, subjects exchanged
        q: p after Benjamini-Hochberg over cluster × field
        p_within: p with subjects exchanged only within strata of the expected fields
        q_within: p_within after Benjamini-Hochberg
        p_exploration: p on the exploration half; for comparison only
        n_inside: subjects of the confirmation half in the cluster
        n_outside: subjects of the confirmation half outside
        note: why there is no number, or what to bear in mind
    """

    cluster: str
    field: str
    verdict: str = "not tested"
    measure: str = ""
    effect: float = _NAN
    interval: tuple[float, float] = (_NAN, _NAN)
    difference: float = _NAN
    words: str = ""
    p: float = _NAN
    q: float = _NAN
    p_within: float = _NAN
    q_within: float = _NAN
    p_exploration: float = _NAN
    n_inside: int = 0
    n_outside: int = 0
    note: str = ""

    def to_dict(self) -> dict:
        return plain(self)


@dataclass(frozen=True)
class ClusterTests:
    """All clusters against all fields, the most unexpected first.

    Attributes:
        rows: the associations
        shown: ``{cluster: best Jaccard overlap with a density cluster of the confirmation half alone}``; below a half
            the confirmation half does not show it as an island
        expected: fields named as expected differences
        n_tests: cluster × field pairs tested
        notes: what to bear in mind
    """

    rows: tuple[Association, ...]
    shown: dict[str, float]
    expected: tuple[str, ...]
    n_tests: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        shown = {k: None if v != v else v for k, v in self.shown.items()}
        return {"rows": [r.to_dict() for r in self.rows], "shown": shown, "expected": list(self.expected),
                "n_tests": self.n_tests, "notes": list(self.notes)}

    def __str__(self) -> str:
        lines = []
        tested = [r for r in self.rows if r.verdict != "not tested"]
        if tested:
            head = ("cluster", "field", "verdict", "effect", "95 % interval", "what", "p", "q")
            head += ("q within",) if self.expected else ()
            head += ("subjects in", "out")
            lines += table_lines([head, *(self._cells(r) for r in tested)])
        for name, overlap in self.shown.items():
            if overlap == overlap and overlap < 0.5:
                lines.append(
                    f"{name}: the confirmation half alone does not show it as an island (overlap {overlap:.2f})"
                )
        for r in self.rows:
            if r.verdict == "not tested":
                lines.append(f"not tested: {r.cluster}, {r.field}: {r.note}")
        lines += [f"note: {n}" for n in self.notes]
        if tested:
            lines.append(
                f"p and q come from the confirmation half of the subjects alone, over {self.n_tests} tests"
                + (f"; within: among subjects alike in {', '.join(self.expected)}" if self.expected else "")
            )
        return "\n".join(lines)

    def _cells(self, r: Association) -> tuple[str, ...]:
        letter = {"Cramér's V": "V", "Cliff's delta": "δ"}.get(r.measure, "")
        interval = f"{r.interval[0]:.2f} to {r.interval[1]:.2f}"
        effect = f"{letter} {r.effect:.2f}"
        cells = (r.cluster, r.field, r.verdict, effect, interval, r.words, f"{r.p:.4f}", f"{r.q:.4f}")
        cells += (f"{r.q_within:.4f}",) if self.expected else ()
        return (*cells, f"{r.n_inside:,}", f"{r.n_outside:,}")


def test_clusters(
    samples,
    *,
    names: list[str] | None = None,
    fields: list[str] | None = None,
    expected: list[str] | None = None,
    n_permutations: int = 1999,
    n_bootstrap: int = 500,
    subject_field: str | None = None,
    seed: int = 51,
    progress: Progress | None = None,
) -> ClusterTests:
    """Tests every cluster against every metadata field, on the confirmation half of the subjects.

    That half was locked before the map was drawn, and metadata took no part
    in drawing a cluster that was drawn blind; fields by which the map was
    coloured while drawing are not tested.

    Args:
        samples: a dataset or view with clusters
        names: clusters to test; default: all, proposed ones too
        fields: metadata fields; default: all
        expected: fields whose differences are no news (region, sex, age …): what they explain goes to the bottom
        n_permutations: subject-level permutations
        n_bootstrap: draws of the intervals
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: seed of permutations and draws

    Returns:
        the associations, the most unexpected first

    Raises:
        InputError: no clusters, or a cluster or field that does not exist
    """
    store.ensure_samples(samples)
    known = named.read_clusters(samples)
    if not known:
        raise InputError("there are no clusters yet; draw one in the App or run 'daebias suggest-clusters'")
    for name in names or []:
        named.get(samples, name)
    chosen = [known[n] for n in names] if names else list(known.values())
    table = store.read_table(samples, fields)
    expected = list(expected or [])
    strata = make_strata(store.read_table(samples, expected)) if expected else None
    subjects = np.array(store.read_subjects(samples, subject_field))
    ids = store.sample_ids(samples)
    inside = np.array([[i in m for i in ids] for m in (set(c.members) for c in chosen)]).T.reshape(len(ids), -1)
    confirmation = confirmation_mask(samples, subject_field)
    rows: list[Association] = []
    with start(progress, "testing clusters", len(table.columns), "fields") as task:
        for field in table.columns:
            rows += _test_field(
                field, table[field].tolist(), chosen, inside, subjects, confirmation, strata, expected,
                n_permutations, n_bootstrap, np.random.default_rng(seed),
            )
            task.advance(note=field)
    ranked = _rank(rows)
    notes = []
    if any(c.origin == "lasso" and c.coloured_by == named.UNKNOWN for c in chosen):
        notes.append("for some lassos it is not known whether the map was coloured while drawing; if it was, a cluster "
                     "may have been drawn along that field")
    result = ClusterTests(
        tuple(ranked), _shown(samples, chosen, ids, confirmation), tuple(expected),
        sum(r.verdict not in ("not tested", "not blind", "expected") for r in ranked), tuple(notes),
    )
    store.save_run(
        samples, schema.ASSOCIATION_RUN,
        {"clusters": [c.name for c in chosen], "fields": list(table.columns), "expected": expected, "seed": seed,
         "n_permutations": n_permutations, "n_bootstrap": n_bootstrap},
        {"tests": result.to_dict(), "sample_ids": ids},
    )
    return result


def _test_field(field, values, chosen, inside, subjects, confirmation, strata: Strata | None, expected, n_permutations,
                n_bootstrap, rng) -> list[Association]:
    try:
        target = make_target(field, values, subjects)
    except ValueError as error:
        return [Association(c.name, field, note=str(error)) for c in chosen]
    rows, out = {}, []
    for half in (True, False):
        rows[half] = np.flatnonzero(confirmation[target.rows] == half)
    late = _part(target, rows[True])
    for k, cluster in enumerate(chosen):
        member = inside[target.rows, k]
        counts = [len(set(subjects[target.rows][rows[True]][member[rows[True]] == side])) for side in (True, False)]
        if min(counts) < FEWEST:
            where = "inside" if counts[0] < FEWEST else "outside"
            out.append(Association(cluster.name, field, n_inside=counts[0], n_outside=counts[1], note=(
                f"{min(counts)} subjects of the confirmation half are {where}; {FEWEST} are needed")))
        elif len(np.unique(late.values)) < 2:
            out.append(Association(cluster.name, field, note="one value only in the confirmation half"))
        else:
            out.append(Association(cluster.name, field, "", n_inside=counts[0], n_outside=counts[1]))
    tested = [k for k, r in enumerate(out) if not r.verdict]
    if not tested:
        return out
    n_classes = len(target.classes)
    p = {}
    for half in (True, False):
        part = _part(target, rows[half])
        groups, owners = inside[part.rows][:, tested], subjects[part.rows]
        if len(part.rows) < 2 * FEWEST or len(np.unique(part.values)) < 2:
            p[half] = np.full(len(tested), _NAN)
            continue
        p[half] = permutation_p(groups, part.values, n_classes, owners, n_permutations=n_permutations, rng=rng)
    within = p[True]
    if strata is not None and field not in expected:
        codes = strata.codes[late.rows]
        usable = np.flatnonzero(codes >= 0)
        part = _part(late, usable)
        if len(usable):
            owners = subjects[part.rows]
            within = permutation_p(
                inside[part.rows][:, tested], part.values, n_classes, owners,
                strata=first_stratum(owners, codes[usable]), n_permutations=n_permutations, rng=rng,
            )
        else:
            within = np.full(len(tested), _NAN)
    for j, k in enumerate(tested):
        effect = effect_of(
            inside[late.rows, k], late.values, target.classes, subjects[late.rows], n_bootstrap=n_bootstrap, rng=rng
        )
        verdict = ""
        if chosen[k].coloured_by.split(".")[0] == field:
            verdict = "not blind"
        elif field in expected:
            verdict = "expected"
        out[k] = replace(
            out[k], verdict=verdict, measure=effect.measure, effect=effect.value, interval=effect.interval,
            difference=effect.difference, words=effect.words, p=float(p[True][j]), p_within=float(within[j]),
            p_exploration=float(p[False][j]), note="; ".join(target.notes),
        )
    return out


def _part(target: Target, rows: np.ndarray) -> Target:
    return replace(target, rows=target.rows[rows], values=target.values[rows])


def _rank(rows: list[Association]) -> list[Association]:
    """Adjusts the p-values over everything that could become a finding, gives verdicts, and sorts."""
    counted = [r.verdict == "" for r in rows]
    q = benjamini_hochberg(np.array([r.p if c else _NAN for r, c in zip(rows, counted, strict=True)]))
    within = benjamini_hochberg(np.array([r.p_within if c else _NAN for r, c in zip(rows, counted, strict=True)]))
    out = []
    for row, a, b in zip(rows, q, within, strict=True):
        verdict = row.verdict
        if not verdict:
            if b <= LEVEL:
                verdict = "found"
            elif a <= LEVEL:
                verdict = "explained"
            else:
                verdict = "unconfirmed" if row.p_exploration <= LEVEL / 5 else "not found"
        out.append(replace(row, verdict=verdict, q=float(a), q_within=float(b)))
    return sorted(out, key=lambda r: (_ORDER.index(r.verdict), -abs(np.nan_to_num(r.effect))))


def _shown(samples, chosen, ids, confirmation) -> dict[str, float]:
    """How well the confirmation half alone shows each cluster as an island of its map."""
    out, maps = {}, {}
    place = {i: k for k, i in enumerate(ids)}
    for cluster in chosen:
        if not cluster.map_key or cluster.map_key not in store.map_runs(samples):
            continue
        if cluster.map_key not in maps:
            m_ids, points = store.load_map(samples, cluster.map_key)
            rows = [k for k, i in enumerate(m_ids) if i in place and confirmation[place[i]]]
            maps[cluster.map_key] = [m_ids[k] for k in rows], np.asarray(points)[rows]
        mine, points = maps[cluster.map_key]
        member = np.isin(mine, cluster.members)
        sizes = {max(5, int(member.sum() * f)) for f in (0.25, 0.5, 0.8)}
        out[cluster.name] = max((best_overlap(member, density_clusters(points, s)) for s in sizes), default=_NAN)
    return out
