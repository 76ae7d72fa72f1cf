"""Findings of changes over time."""

from __future__ import annotations

import math
from collections import Counter

from scipy.stats import norm

from .. import schema, store
from ..findings.finding import LEVEL, Evidence, Finding, NextStep, Selector, existing, following
from ..findings.formatting import count, listed, number
from ..findings.multiplicity import HypothesisTest
from ..serialize import or_nan
from ..statistics.cells import read_cells
from ..statistics.dates import iso_date

FAMILY = "tests over time or versions"
_NAN = float("nan")


def drift_claims(samples) -> list[HypothesisTest]:
    """One claim a group and date or version field."""
    if schema.DRIFT_RUN not in store.list_runs(samples, schema.DRIFT_RUN):
        return []
    config, results = store.load_run(samples, schema.DRIFT_RUN)
    return [_claim(row, config) for row in results["table"]["rows"]]


def _claim(row: dict, config: dict) -> HypothesisTest:
    sizes = [c["size"] for c in row["changes"]] or [or_nan(row["size"])]
    size = max(sizes)
    seen = bool(row["changes"]) or size == size
    evidence = Evidence(
        "SD",
        size,
        chance=0.0,
        p=or_nan(row["p"]),
        unit="standard deviations within",
        detectable=or_nan(row["detectable"]),
        strength=_strength(size),
    )

    def judge(raw: bool, within: bool) -> str:
        if row["verdict"] == "not tested":
            return "not tested"
        return "found" if raw and seen else "not found"

    group, over, by = row["group"], row["over"], tuple(row.get("by", config.get("by")) or ())
    finding = Finding(
        f"drift:{group}:{over}",
        "drift",
        f"{group or 'all samples'} over {over}",
        _sentence(row),
        "",
        evidence,
        row["n_subjects"],
        0,
        Selector("group", group, by) if by else Selector("field", over),
        field=over,
        run_key=schema.DRIFT_RUN,
        next_step=_next(row),
        cells=read_cells(row.get("cells")),
    )
    redo = "drift" if store.is_outdated(config) else ""
    return HypothesisTest(finding, _NAN, judge, FAMILY, int(config.get("n_permutations") or 0), redo)


def changed(row: dict) -> bool:
    """Whether a row's own test shows a change, before any correction."""
    return bool(row["changes"]) or or_nan(row["p"]) <= LEVEL and or_nan(row["size"]) == or_nan(row["size"])


def _next(row: dict) -> NextStep | None:
    if not changed(row):
        return None
    if row["changes"] and row["over"].endswith("_years"):
        largest = max(row["changes"], key=lambda c: c["size"])
        return existing(
            "explain", "Where in the image is the change?", field=row["over"], value=f">={or_nan(largest['when']):.4f}"
        )
    return following("drift")


def _strength(size: float) -> float:
    """A distance of two normal clouds as 2·AUC − 1 of the best cut between them."""
    return 2 * float(norm.cdf(size / math.sqrt(2))) - 1 if size == size else 0.0


def _sentence(row: dict) -> str:
    name = row["group"] or "All samples"
    if row["verdict"] == "not tested":
        return f"{name} over {row['over']}: not tested: {row['note']}"
    people = count(row["n_subjects"], "subject")
    if row["changes"]:
        parts = []
        for c in row["changes"]:
            first, last = iso_date(or_nan(c["before"])), iso_date(or_nan(c["when"]))
            text = f"between {first} and {last} by {number(c['size'], 2)} SD"
            parts.append(text + (f" (with it: {'; '.join(c['fields'])})" if c.get("fields") else ""))
        return f"{name}: the images change {', and '.join(parts)}; {people}."
    if changed(row):
        return f"{name}: the images differ with {row['over']} by up to {number(or_nan(row['size']), 2)} SD; {people}."
    would = or_nan(row["detectable"])
    told = ""
    if math.isfinite(would):
        told = (
            f"; a change of {number(would, 2)} SD in mid-time would have been found by this test alone with "
            "probability 0.8"
        )
    return f"{name}: no change of the images over {row['over']} was found{told}; {people}."


def line(table) -> str:
    """A result in a line."""
    verdicts = Counter(r.verdict for r in table.rows)
    return f"{count(len(table.rows), 'series', 'series')}: " + listed(f"{n} {v}" for v, n in verdicts.items())


def bias(f: Finding) -> str:
    """A finding that holds, for the data sheet."""
    e = f.evidence
    return f"The images change with {f.field} (by {e.value:.2g} SD, {count(f.n_subjects, 'subject')}, q {e.q:.2g})."


def settled_rows(samples, found: dict[str, Finding]) -> tuple[dict, ...]:
    """Stored rows with their verdicts; changes are left only where one was found."""
    if schema.DRIFT_RUN not in store.list_runs(samples, schema.DRIFT_RUN):
        return ()
    out = []
    for row in store.load_run(samples, schema.DRIFT_RUN)[1].get("table", {}).get("rows", ()):
        finding = found.get(f"drift:{row['group']}:{row['over']}")
        verdict = finding.verdict if finding is not None else "not tested"
        out.append({**row, "verdict": verdict, "changes": row["changes"] if verdict == "found" else []})
    return tuple(out)
