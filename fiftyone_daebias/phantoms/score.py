"""Scoring an audit against the truth: what it found of what was planted, and what it found of nothing.

Pure: an audit's findings, presented groups and rankings come in as plain values, the truth as its file's JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..analyses import ANALYSES
from .frame import REGIONS

_NAN = float("nan")
#: what the pictures of every cohort tell, since they are drawn from it: that images tell it is true
DRAWN = {
    "sex",
    "age",
    "height",
    "weight",
    "body_part",
    "protocol",
    "series_description",
    "region",
    "centre_superior_mm",
    "centre_anterior_mm",
    "centre_right_mm",
}
#: kinds of findings that say no more than that images, or what is measured on them, go with a field
_TELL = {kind for a in ANALYSES if a.tells for kind in a.of_findings}
#: a presented group points at a plant when so much of it is planted, and so much of what is planted is in it
PRECISION, RECALL = 0.5, 0.3
#: a field goes with a plant when the affected and the others differ in it this clearly, subjects as units
RELATED_P = 1e-4


@dataclass(frozen=True)
class PlantScore:
    """How an audit did on one plant.

    Attributes:
        plant: as it was written
        kind: its kind
        strength: its strength
        share: share of the volumes of its regions that it affects
        n: volumes affected
        found: whether any finding or presented group points at it
        by: what pointed at it: "field FIELD", "group NAME"
        precision, recall: of the presented group that fits best (largest F1); NaN without groups
        ap: average precision of the ranking that fits best, among the volumes of its regions
        ap_by_chance: the same for as many volumes drawn at random, which gets to choose its ranking too
        p10, p25: precision among the first 10 and 25 of that ranking
    """

    plant: str
    kind: str
    strength: float
    share: float
    n: int
    found: bool
    by: tuple[str, ...] = ()
    precision: float = _NAN
    recall: float = _NAN
    ap: float = _NAN
    ap_by_chance: float = _NAN
    p10: float = _NAN
    p25: float = _NAN

    def to_dict(self) -> dict:
        return {k: None if isinstance(v, float) and v != v else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class AuditScore:
    """How an audit did on one cohort.

    Attributes:
        plants: one score a plant
        true: findings that go with a plant, and what pictures tell in every cohort
        false: all others; nothing is left out
        groups: presented groups
    """

    plants: tuple[PlantScore, ...]
    true: tuple[str, ...]
    false: tuple[str, ...]
    groups: int

    @property
    def false_rate(self) -> float:
        """False findings among all; 0 where there is none."""
        return len(self.false) / max(1, len(self.true) + len(self.false))

    def to_dict(self) -> dict:
        return {
            "plants": [p.to_dict() for p in self.plants],
            "true": list(self.true),
            "false": list(self.false),
            "groups": self.groups,
            "false_rate": self.false_rate,
        }


def score_audit(
    truth: dict,
    volumes: Mapping[str, tuple[str, str]],
    table: Mapping[str, Sequence],
    findings: Sequence[tuple[str, str, tuple[str, ...]]],
    groups: Mapping[str, Sequence[str]],
    rankings: Mapping[str, Mapping[str, float]],
    rng: np.random.Generator,
) -> AuditScore:
    """Scores an audit.

    A finding is credited to one plant: among those that go with its field and are not elsewhere than the part it
    speaks of, to the one whose people differ most in that field. So a site that can be told because of one plant is
    no discovery of another plant at another site. That labels and images contradict each other is credited to planted
    wrong labels and twins only. A finding of a field from which every picture is drawn is true without a plant where it
    says that images go with the field, and only there: a change of people's age over time or a wrong sex is false where
    it was not planted.

    Args:
        truth: the truth file
        volumes: ``{sample id: (participant, region)}`` of everything audited
        table: ``{field: values}`` in the order of ``volumes``
        findings: (key, field, part) of everything the audit calls found; a finding without a field has ""; the part
            of the cohort it speaks of is named by sites and regions, () for all of it
        groups: ``{name: sample ids}`` of groups the audit presents
        rankings: ``{name: {sample id: score}}``, higher where a sample belongs more to what is presented
        rng: draws the chance level of the rankings

    Returns:
        the score
    """
    ids = list(volumes)
    members = {n: {tuple(v) for v in plant["volumes"]} for n, plant in enumerate(truth["plants"]) if plant["volumes"]}
    inside = {n: np.array([volumes[i] in m for i in ids]) for n, m in members.items()}
    people = np.array([volumes[i][0] for i in ids])
    related = {n: related_fields(table, inside[n], people) for n in members}
    for n in members:
        for field in truth["plants"][n]["fields"]:
            related[n].setdefault(field, 0.0)
    by: dict[int, list[str]] = {n: [] for n in members}
    true, false = [], []
    for key, field, part in findings:
        name = field.removeprefix("header_")
        kind = key.partition(":")[0]
        fits = [n for n in members if name in related[n] and _reaches(truth["plants"][n], part)]
        if kind == "disagreements":
            fits = [n for n in fits if truth["plants"][n]["kind"] in ("label", "twin")]
        if fits and not (name in DRAWN and kind in _TELL):
            true.append(key)
            by[max(fits, key=lambda n: related[n][name])].append(f"field {name}")
        elif kind in _TELL and (name in DRAWN or key == f"{kind}:subject"):
            true.append(key)
        else:
            false.append(key)
    scores = []
    for n, plant in enumerate(truth["plants"]):
        if n not in members:
            continue
        here = np.array([volumes[i][1] in plant["regions"] for i in ids])
        best = (_NAN, _NAN)
        for name, chosen in groups.items():
            fit = _fit(np.isin(ids, list(chosen)), inside[n])
            if fit[0] >= PRECISION and fit[1] >= RECALL:
                by[n].append(f"group {name}")
            if not _f1(best) >= _f1(fit):
                best = fit
        ap, p10, p25, chance = _ranked(rankings, ids, inside[n], here, rng)
        scores.append(
            PlantScore(
                plant["text"],
                plant["kind"],
                plant["strength"],
                float(inside[n].sum() / max(1, here.sum())),
                int(inside[n].sum()),
                bool(by[n]),
                tuple(dict.fromkeys(by[n])),
                *best,
                ap,
                chance,
                p10,
                p25,
            )
        )
    return AuditScore(tuple(scores), tuple(true), tuple(false), len(groups))


def _reaches(plant: dict, part: tuple[str, ...]) -> bool:
    """Whether a plant can show in a part of the cohort, named by sites and regions."""
    for name in part:
        if name in REGIONS:
            if name not in plant["regions"]:
                return False
        elif plant["where"].get("site", name) != name:
            return False
    return True


def related_fields(table: Mapping[str, Sequence], inside: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """Fields in which the people affected differ clearly from the others, with Cramér's V or |Cliff's delta|.

    A plant at one site also goes with that site's scanner and its software, whoever wrote which into its conditions.
    """
    from scipy.stats import chi2_contingency, mannwhitneyu

    names, first = np.unique(people, return_index=True)
    hit = np.array([inside[people == p].any() for p in names])
    out: dict[str, float] = {}
    if hit.all() or not hit.any():
        return out
    for field, values in table.items():
        column = [values[k] for k in first]
        known = np.array([v is not None and v == v for v in column])
        if len({str(v) for v, k in zip(column, known, strict=True) if k}) < 2 or len(set(hit[known])) < 2:
            continue
        if all(isinstance(v, (int, float, np.number)) for v, k in zip(column, known, strict=True) if k):
            numbers = np.array([float(v) if k else np.nan for v, k in zip(column, known, strict=True)])
            test = mannwhitneyu(numbers[known & hit], numbers[known & ~hit])
            p, effect = test.pvalue, abs(2 * test.statistic / ((known & hit).sum() * (known & ~hit).sum()) - 1)
        else:
            texts = np.array([str(v) for v in column])
            cells = [
                [int((known & (hit == side) & (texts == t)).sum()) for t in np.unique(texts[known])]
                for side in (True, False)
            ]
            test = chi2_contingency(cells, correction=False)
            p, effect = test.pvalue, np.sqrt(test.statistic / known.sum())
        if p < RELATED_P:
            out[field.removeprefix("header_")] = float(effect)
    return out


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean over the true ones of the precision down to their place; ties take their mean order (they are shared).

    Args:
        scores: float (n,), higher first
        truth: bool (n,)
    """
    if not truth.any():
        return _NAN
    order = np.argsort(-scores, kind="stable")
    s, t = scores[order], truth[order].astype(float)
    # within a run of equal scores every order is as likely: the true ones are spread evenly over it
    edges = np.flatnonzero(np.r_[True, s[1:] != s[:-1], True])
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        t[a:b] = t[a:b].mean()
    hits = np.cumsum(t)
    return float((t * hits / np.arange(1, len(t) + 1)).sum() / t.sum())


def _ranked(rankings, ids, inside, here, rng) -> tuple[float, float, float, float]:
    best, lists = (_NAN, _NAN, _NAN), []
    for ranking in rankings.values():
        scores = np.array([ranking.get(i, -np.inf) for i in ids])[here]
        lists.append(scores)
        ap = average_precision(scores, inside[here])
        if not best[0] >= ap:
            order = np.argsort(-scores, kind="stable")
            best = (ap, *(float(inside[here][order[:k]].mean()) for k in (10, 25)))
    if not lists:
        return *best, _NAN
    n, draws = int(inside[here].sum()), []
    for _ in range(20):
        fake = np.zeros(len(lists[0]), bool)
        fake[rng.choice(len(fake), n, replace=False)] = True
        draws.append(max(average_precision(s, fake) for s in lists))
    return *best, float(np.mean(draws))


def _fit(chosen: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    both = float((chosen & inside).sum())
    return both / max(1, chosen.sum()), both / max(1, inside.sum())


def _f1(fit: tuple[float, float]) -> float:
    return 2 * fit[0] * fit[1] / (fit[0] + fit[1]) if sum(fit) > 0 else (0.0 if fit[0] == fit[0] else _NAN)
