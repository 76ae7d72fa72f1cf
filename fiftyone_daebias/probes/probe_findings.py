"""Findings of stored probes, and of the samples on the other side of their own label."""

from __future__ import annotations

import math

import numpy as np

from .. import schema, store
from ..findings.finding import LEVEL, Evidence, Finding, NextStep, Selector, existing
from ..findings.formatting import count, listed, number, score
from ..findings.multiplicity import HypothesisTest
from ..quantities import Quantity, unit_of, with_unit
from .labels import not_a_label, too_weak
from .result import CANNOT_TELL, EXPLAINED, INDEPENDENT, ProbeResult

FAMILY = "probes"
#: what a field that is found is called, given the expected fields
_GIVEN = {INDEPENDENT: "found", EXPLAINED: "explained", CANNOT_TELL: "inseparable"}


def probe_claims(samples) -> list[HypothesisTest]:
    """One claim a stored probe, and one a group of a probe "by" a field."""
    found: dict[tuple[str, str], tuple[ProbeResult, str, dict]] = {}
    for key in store.list_runs(samples, schema.PROBE_RUN_PREFIX):
        config, results = store.load_run(samples, key)
        for raw in results.get("parts") or [results["summary"]]:
            row = ProbeResult.from_dict(raw)
            found.setdefault((row.field, row.group), (row, key, config))
    drawn = permutations_behind([row.p for row, _, config in found.values() if not config.get("n_permutations")])
    return [_claim(row, key, config, drawn) for row, key, config in found.values()]


def permutations_behind(p_values: list[float]) -> int:
    """The smallest number of permutations that gives all these p-values, for runs up to 0.3; 0 where none does."""
    p = np.array([v for v in p_values if v == v])
    for n in (*range(100, 2001), *range(2500, 50_001, 500)) if len(p) else ():
        if np.all(np.abs(p * n - np.round(p * n)) < 1e-9):
            return n - 1
    return 0


def key_of(row: ProbeResult) -> str:
    """Key of a probe's finding."""
    return f"probe:{row.field}" + (f"@{row.group}" if row.group else "")


def _claim(row: ProbeResult, run_key: str, config: dict, drawn: int) -> HypothesisTest:
    by, adjusted_for = config.get("by") or "", tuple(config.get("adjust_for") or ())
    adjusted = row.adjusted if row.adjusted and not row.adjusted.reason else None
    notes = [*row.notes, *([row.untestable] if row.untestable else ()), *(row.adjusted.notes if row.adjusted else ())]
    if row.adjusted and row.adjusted.reason and row.field not in adjusted_for:
        notes.append(f"could not be adjusted for {listed(row.adjusted.fields)}: {row.adjusted.reason}")

    def judge(raw: bool, within: bool) -> str:
        if row.reason or row.untestable:
            return "not tested"
        if not raw:
            return "not found"
        if not row.better[0] > 0:
            return "unconfirmed"
        if row.field in adjusted_for:
            return "expected"
        return _GIVEN[row.adjusted.judge(within) if row.adjusted else CANNOT_TELL] if adjusted_for else "found"

    group = f", {row.group}" if row.group else ""
    where = Selector("field", row.field)

    def finding(level: float) -> Finding:
        told = row.at_level(level)
        evidence = Evidence(
            row.metric,
            row.score,
            row.interval,
            row.chance,
            row.p,
            unit=_unit(row),
            detectable=told.detectable,
            strength=_strength(row),
        )
        return Finding(
            key_of(row),
            "probe",
            f"{row.field}{group}: what the image tells",
            _sentence(told, adjusted),
            "",
            evidence,
            row.n_subjects,
            row.n_samples,
            where if not row.group else _group(row, by),
            field=row.field,
            next_step=_next(row),
            run_key=run_key,
            notes=tuple(notes),
            cells=row.cells,
        )

    within = float("nan")
    if adjusted_for and row.field not in adjusted_for:
        # an adjustment that was not possible tells nothing: it must not enter with the raw p-value
        within = adjusted.p if adjusted and adjusted.p == adjusted.p else 1.0
    redo = ("probe-all" if by or row.group else "probe") if store.is_outdated(config) else ""
    drawn = int(config.get("n_permutations") or drawn)
    return HypothesisTest(finding(LEVEL), within, judge, FAMILY, drawn, redo, finding)


def _group(row: ProbeResult, by: str) -> Selector:
    return Selector("group", row.group.partition("=")[2], (by or row.group.partition("=")[0],))


def _next(row: ProbeResult) -> NextStep | None:
    if row.reason or row.group:
        return None
    if row.n_opposite and not too_weak(row) and not not_a_label(row.field, "string"):
        return existing("disagreements", f"Whose {row.field} do the images contradict?", field=row.field)
    if row.decodable and row.classes:
        value = row.classes[-1]
        return existing("explain", f"Where in the image does {row.field} {value} show?", field=row.field, value=value)
    return existing("suggest-clusters", "Look for groups on the map") if row.decodable else None


def _unit(row: ProbeResult) -> str:
    """What an error is in; "" where that is not known. Of older runs only the field's name says it."""
    if row.metric != "MAE":
        return ""
    if row.unit is None:
        return "years" if row.kind == "date" else unit_of(row.field, (row.score, row.chance))
    return row.unit


def _strength(row: ProbeResult) -> float:
    """0 for chance, 1 for perfect, at the interval's end nearer to chance."""
    if row.reason or row.better[0] != row.better[0]:
        return 0.0
    if row.metric in ("AUC", "C"):
        return max(0.0, min(1.0, 2 * row.interval[0] - 1))
    return max(0.0, min(1.0, row.better[0] / row.chance)) if row.chance else 0.0


def _sentence(row: ProbeResult, adjusted) -> str:
    if row.reason:
        return f"{row.field} was not probed: {row.reason}"
    who = f" (within {row.group})" if row.group else ""
    people, told = count(row.n_subjects, "subject"), Quantity(_unit(row)).amount
    if row.metric == "MAE":
        off, median = told(row.score), told(row.chance)
        said = (
            f"is off by {off} on average (95 % interval {number(row.interval[0])} to "
            f"{number(row.interval[1])}); always guessing the median is off by {median}, and the images "
            f"better that by {told(row.chance - row.score)} ({number(row.better[0])} to {number(row.better[1])})"
        )
    else:
        what = "AUC" if row.metric == "AUC" else "a concordance"
        said = (
            f"reaches {what} {score(row.score)} (95 % interval {score(row.interval[0])} to {score(row.interval[1])}; "
            f"{number(row.chance, 2)} is guessing)"
        )
    text = f"Guessed from the image alone in {people} that the probe has not seen, {row.field}{who} {said}."
    if not (row.p <= LEVEL and row.better[0] > 0) and math.isfinite(row.detectable):
        value = told(row.detectable) if row.metric == "MAE" else score(row.detectable)
        worse = "less" if row.metric == "MAE" else "more"
        text += f" A score of {value} or {worse} would have been found with probability 0.8."
    if adjusted:
        form = told if row.metric == "MAE" else score
        text += (
            f" With {listed(adjusted.fields)} known it is {form(adjusted.score)} "
            f"({form(adjusted.interval[0])} to {form(adjusted.interval[1])}; {form(adjusted.chance)} is guessing; "
            f"{count(adjusted.n_subjects, 'subject')})."
        )
    return text


def line(table) -> str:
    """A result in a line."""
    probed = [r for r in table.rows if not r.reason]
    found = [r.name for r in probed if r.verdict == "found"]
    return f"{count(len(probed), 'probe')}; found: {listed(found) or 'nothing'}"


def bias(f: Finding) -> str:
    """A finding that holds, for the data sheet."""
    e = f.evidence
    value = f"{e.measure} {score(e.value) if e.measure != 'MAE' else with_unit(number(e.value), e.unit)}"
    return f"{f.field} can be read from the images ({value}, {count(f.n_subjects, 'subject')}, q {e.q:.2g})."


def probe_safe_vectors(samples, *, progress=None, **parameters):
    """Probes the vectors; where they were found to know less than principal components, these beside them."""
    from .. import verbs
    from ..embeddings.guard import safe_vectors

    if parameters.get("vectors", schema.embedding_field()) == schema.embedding_field():
        parameters["vectors"] = safe_vectors(samples)
    return verbs.by_command("probe-all").load()(samples, progress=progress, **parameters)


def owned(facts: store.RunFacts, fields: set[str]) -> dict[str, list[str]]:
    """What goes with a run."""
    name = schema.PROBE_FIELD_PREFIX + facts.key.removeprefix(schema.PROBE_RUN_PREFIX)
    out = {"fields": [name, name + "_truth"], "evaluations": [name + "_eval"] if name + "_truth" in fields else []}
    if not facts.config.get("by"):
        field = facts.config.get("field", "")
        out["tags"] = [schema.TAG_OPPOSITE + field]
        out["views"] = [] if "predictions" in facts.config else [f"opposite {field}"]
    return out
