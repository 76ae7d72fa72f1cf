"""Findings of image quality: which fields go with noise, blur, shading and contrast."""

from __future__ import annotations

from .. import schema, store
from ..findings.among_alike import among_alike, left_among_alike
from ..findings.finding import Evidence, Finding, Selector, existing
from ..findings.formatting import count, listed, score
from ..findings.multiplicity import HypothesisTest, away_from_zero
from ..serialize import or_nan
from ..statistics.cells import read_cells

FAMILY = "tests of image quality"
_NAN = float("nan")


def quality_claims(samples) -> list[HypothesisTest]:
    """One claim a field that was tested."""
    if schema.QUALITY_RUN not in store.list_runs(samples, schema.QUALITY_RUN):
        return []
    config, results = store.load_run(samples, schema.QUALITY_RUN)
    return [_claim(row, config) for row in results["table"]["rows"]]


def _claim(row: dict, config: dict) -> HypothesisTest:
    expected = config.get("expected") or []
    tested, effect = row["verdict"] != "not tested", or_nan(row["effect"])
    low, high = (or_nan(v) for v in row["interval"])
    near = away_from_zero((low, high)) if tested else 0.0

    def judge(raw: bool, within: bool) -> str:
        if not tested:
            return "not tested"
        if not raw:
            return "not found"
        if not near:
            return "unconfirmed"
        if row["field"] in expected:
            return "expected"
        return among_alike(row, within) if expected else "found"

    finding = Finding(
        f"quality:{row['field']}",
        "quality",
        f"{row['field']}: image quality",
        _sentence(row, config, expected),
        "",
        Evidence(
            "Cliff's delta" if tested else "",
            effect,
            (low, high),
            0.0 if tested else _NAN,
            or_nan(row["p"]),
            strength=near,
        ),
        row["n_subjects"],
        row["n_samples"],
        Selector("field", schema.QUALITY_PREFIX + row["measure"]) if tested else Selector(),
        field=row["field"],
        run_key=schema.QUALITY_RUN,
        notes=(row["note"],) if tested and row["note"] else (),
        next_step=existing("probe", "Can the images tell it, too?", field=row["field"]) if tested else None,
        cells=read_cells(row.get("cells")),
    )
    within = _NAN
    if tested and expected and row["field"] not in expected:
        within = or_nan(row["p_within"])
        within = within if within == within else 1.0
    redo = "quality" if store.is_outdated(config) else ""
    return HypothesisTest(finding, within, judge, FAMILY, int(config.get("n_permutations") or 0), redo)


def _sentence(row: dict, config: dict, expected: list[str]) -> str:
    if row["verdict"] == "not tested":
        return f"Image quality was not tested for {row['field']}: {row['note']}"
    where = f" Images were compared within each {config['by']}." if config.get("by") else ""
    text = (
        f"Of 15 measures of image quality the one that differs most with {row['field']}: {row['words']}; Cliff's delta "
        f"{score(or_nan(row['effect']))} (95 % interval over all measures together {score(or_nan(row['interval'][0]))} "
        f"to {score(or_nan(row['interval'][1]))}), {count(row['n_subjects'], 'subject')}.{where}"
    )
    return text if row["field"] in expected else text + left_among_alike(row, expected)


def line(table) -> str:
    """A result in a line."""
    tested = [r for r in table.rows if r.verdict != "not tested"]
    return f"{count(len(tested), 'field')} tested; quality goes with " + (
        listed([r.field for r in tested if r.verdict == "found"]) or "none"
    )


def bias(f: Finding) -> str:
    """A finding that holds, for the data sheet."""
    return (
        f"Image quality differs with {f.field} ({f.evidence.measure} {score(f.evidence.value)}, q {f.evidence.q:.2g})."
    )


def owned(facts: store.RunFacts, fields: set[str]) -> dict[str, list[str]]:
    """What goes with a run."""
    return {"fields": [schema.QUALITY_FIELD, *(f for f in fields if f.startswith(schema.QUALITY_PREFIX_1))]}
