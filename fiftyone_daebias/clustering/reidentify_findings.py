"""Findings of what nearest neighbours tell: person, month, site, scanner."""

from __future__ import annotations

from dataclasses import replace

from .. import schema, store
from ..findings.finding import Evidence, Finding, Findings, Selector
from ..findings.formatting import listed, percent
from ..findings.multiplicity import HypothesisTest
from ..findings.verdicts import verdict_of
from ..serialize import or_nan
from ..statistics.cells import read_cells
from .neighbours import PERMUTATIONS
from .reidentify import Reidentification

FAMILY = "questions to neighbours"
_NAN = float("nan")


def reidentify_claims(samples) -> list[HypothesisTest]:
    """One claim a question: person, month, site, scanner …"""
    if schema.REIDENTIFY_RUN not in store.list_runs(samples, schema.REIDENTIFY_RUN):
        return []
    config, results = store.load_run(samples, schema.REIDENTIFY_RUN)
    table, vectors = results["table"], config.get("vectors", schema.embedding_field())
    redo = "reidentify" if store.is_outdated(config) else ""
    out = [_telling(what, row, vectors, redo) for what, row in table["rows"].items()]
    for what, why in table["skipped"].items():
        finding = Finding(
            f"reidentify:{what}",
            "reidentify",
            f"re-identification: {what}",
            f"Not asked: {why}.",
            "",
            run_key=schema.REIDENTIFY_RUN,
        )
        out.append(HypothesisTest(finding, _NAN, lambda raw, within: "not tested", FAMILY, redo=redo))
    return out


def _telling(what: str, row: dict, vectors: str, redo: str) -> HypothesisTest:
    low, high = row["interval1"]
    chance, p = row["chance1"], or_nan(row.get("p"))
    beyond = low > chance
    text = (
        f"The most similar image {'of the same person is found' if what == 'subject' else f'shares the {what}'} in "
        f"{percent(row['top1'])} of samples (95 % interval {percent(low)} to {percent(high)}; "
        f"{percent(chance)} by chance)."
    )
    text += " Whoever holds the vectors and a few known images can do the same." if beyond else ""

    def judge(raw: bool, within: bool) -> str:
        if not raw:
            return "not found"
        return "found" if beyond else "unconfirmed"

    finding = Finding(
        f"reidentify:{what}",
        "reidentify",
        f"re-identification: {what}",
        text,
        "",
        Evidence(
            "share",
            row["top1"],
            (low, high),
            chance,
            p=p,
            unit="of samples",
            strength=max(0.0, (low - chance) / (1 - chance)) if chance < 1 else 0.0,
        ),
        row["n_subjects"],
        row["n_samples"],
        Selector("field", vectors),
        field="" if what in ("subject", "month") else what,
        run_key=schema.REIDENTIFY_RUN,
        cells=read_cells(row.get("cells")),
    )
    return HypothesisTest(finding, _NAN, judge, FAMILY, PERMUTATIONS, redo)


def line(told) -> str:
    """What neighbours tell, in a line."""
    yes = [what for what in told.rows if told.verdicts.get(what) == "found"]
    return f"neighbours tell {listed(yes)}" if yes else "neighbours tell nothing that was asked"


def given_away(findings: Findings) -> str:
    """What the most similar images tell, for the data sheet; "" for nothing."""
    told = [f.title.removeprefix("re-identification: ") for f in findings.of("reidentify") if f.verdict == "found"]
    return f"The most similar images tell {listed(told)} better than chance." if told else ""


def settle(result: Reidentification, found: dict[str, Finding], said: str) -> Reidentification:
    """The result with verdicts: see :func:`~fiftyone_daebias.findings.verdicts.settle_result`."""
    verdicts = {what: verdict_of(found.get(f"reidentify:{what}")) for what in result.rows}
    return replace(result, correction=said, verdicts=verdicts)
