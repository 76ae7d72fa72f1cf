"""Findings of the case mix: sites that see other people than the others."""

from __future__ import annotations

from .. import schema, store
from ..findings.finding import Evidence, Finding, Selector, existing
from ..findings.formatting import count, listed, score
from ..findings.multiplicity import HypothesisTest, away_from_zero
from ..serialize import or_nan
from ..statistics.cells import read_cells

FAMILY = "tests of the case mix"
_NAN = float("nan")


def case_mix_claims(samples) -> list[HypothesisTest]:
    """One claim a field of people and a field of sites."""
    if schema.CASE_MIX_RUN not in store.list_runs(samples, schema.CASE_MIX_RUN):
        return []
    config, results = store.load_run(samples, schema.CASE_MIX_RUN)
    redo = "case-mix" if store.is_outdated(config) else ""
    return [_claim(row, int(config.get("n_permutations") or 0), redo) for row in results["table"]["rows"]]


def _claim(row: dict, drawn: int, redo: str) -> HypothesisTest:
    tested = row["verdict"] != "not tested"
    low, high = (or_nan(v) for v in row["interval"])
    near = away_from_zero((low, high)) if tested else 0.0

    def judge(raw: bool, within: bool) -> str:
        if not tested:
            return "not tested"
        if not raw:
            return "not found"
        return "found" if near else "unconfirmed"

    text = f"The case mix was not tested for {row['field']} over {row['over']}: {row['note']}"
    if tested:
        text = (
            f"People differ in {row['field']} over {row['over']}, most at {row['site']}: {row['words']} "
            f"({row['measure']} {score(or_nan(row['effect']))}, 95 % interval over all sites together {score(low)} to "
            f"{score(high)}; {count(row['n_subjects'], 'subject')}). What images "
            f"tell of {row['over']} may be told by {row['field']}: adjust for it."
        )
    finding = Finding(
        f"case-mix:{row['field']}:{row['over']}",
        "case-mix",
        f"{row['over']}: {row['field']} of its people",
        text,
        "",
        Evidence(
            row["measure"], or_nan(row["effect"]), (low, high), 0.0 if tested else _NAN, or_nan(row["p"]), strength=near
        ),
        row["n_subjects"],
        0,
        Selector("field", row["over"]),
        field=row["over"],
        run_key=schema.CASE_MIX_RUN,
        next_step=existing(
            "probe", "Can images tell it among people alike?", field=row["over"], adjust_for=[row["field"]]
        )
        if tested
        else None,
        cells=read_cells(row.get("cells")),
    )
    return HypothesisTest(finding, _NAN, judge, FAMILY, drawn, redo)


def line(mix) -> str:
    """A result in a line."""
    tested = [r for r in mix.rows if r.verdict != "not tested"]
    uneven = [f"{r.field} over {r.over}" for r in tested if r.verdict == "found"]
    return f"{count(len(tested), 'pair')} of fields tested; uneven: {listed(uneven) or 'none'}"


def bias(f: Finding) -> str:
    """A finding that holds, for the data sheet."""
    e = f.evidence
    return f"People differ over {f.field} ({f.title}; {e.measure} {score(e.value)}, q {e.q:.2g})."
