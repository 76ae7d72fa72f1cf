"""Findings of image quality and of file facts: which fields go with noise and blur, or with the files themselves."""

from __future__ import annotations

from typing import NamedTuple

from .. import schema, store
from ..findings.among_alike import among_alike, left_among_alike
from ..findings.finding import Evidence, Finding, Selector, existing
from ..findings.formatting import count, listed, score
from ..findings.multiplicity import HypothesisTest, away_from_zero
from ..serialize import or_nan
from ..statistics.cells import read_cells


class Kind(NamedTuple):
    """What tests of image quality and tests of file facts call themselves."""

    name: str  # of the findings
    run: str
    verb: str
    about: str
    measures: str


QUALITY = Kind("quality", schema.QUALITY_RUN, "quality", "image quality", "15 measures of image quality")
FILES = Kind("file-facts", schema.FILES_RUN, "files", "file facts", "all facts of the files")
_NAN = float("nan")


def quality_claims(samples) -> list[HypothesisTest]:
    """One claim a field that was tested against image quality."""
    return _claims(samples, QUALITY)


def file_claims(samples) -> list[HypothesisTest]:
    """One claim a field that was tested against the facts of the files."""
    return _claims(samples, FILES)


def _claims(samples, kind: Kind) -> list[HypothesisTest]:
    if kind.run not in store.list_runs(samples, kind.run):
        return []
    config, results = store.load_run(samples, kind.run)
    return [_claim(row, config, kind) for row in results["table"]["rows"]]


def _claim(row: dict, config: dict, kind: Kind) -> HypothesisTest:
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
        f"{kind.name}:{row['field']}",
        kind.name,
        f"{row['field']}: {kind.about}",
        _sentence(row, config, expected, kind),
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
        _selector(row, kind) if tested else Selector(),
        field=row["field"],
        run_key=kind.run,
        notes=(row["note"],) if tested and row["note"] else (),
        next_step=existing("probe", "Can the images tell it, too?", field=row["field"]) if tested else None,
        cells=read_cells(row.get("cells")),
    )
    within = _NAN
    if tested and expected and row["field"] not in expected:
        within = or_nan(row["p_within"])
        within = within if within == within else 1.0
    redo = kind.verb if store.is_outdated(config) else ""
    return HypothesisTest(
        finding, within, judge, f"tests of {kind.about}", int(config.get("n_permutations") or 0), redo
    )


def _selector(row: dict, kind: Kind) -> Selector:
    if kind is QUALITY:
        return Selector("field", schema.QUALITY_PREFIX + row["measure"])
    fact = row["measure"].partition(":")[0]
    return Selector("field", schema.FILE_PREFIX + fact if fact in schema.FILE_FACTS else row["field"])


def _sentence(row: dict, config: dict, expected: list[str], kind: Kind) -> str:
    if row["verdict"] == "not tested":
        were = "was" if kind is QUALITY else "were"
        return f"{kind.about.capitalize()} {were} not tested for {row['field']}: {row['note']}"
    where = f" Images were compared within each {config['by']}." if config.get("by") else ""
    text = (
        f"Of {kind.measures} the one that differs most with {row['field']}: {row['words']}; Cliff's delta "
        f"{score(or_nan(row['effect']))} (95 % interval over all measures together {score(or_nan(row['interval'][0]))} "
        f"to {score(or_nan(row['interval'][1]))}), {count(row['n_subjects'], 'subject')}.{where}"
    )
    return text if row["field"] in expected else text + left_among_alike(row, expected)


def line(table) -> str:
    """A result in a line."""
    tested = [r for r in table.rows if r.verdict != "not tested"]
    found = listed([r.field for r in tested if r.verdict == "found"]) or "none"
    return "; ".join([*table.heading(), f"{count(len(tested), 'field')} tested; goes with {found}"])


def bias(f: Finding) -> str:
    """A finding that holds, for the data sheet."""
    kind = QUALITY if f.kind == QUALITY.name else FILES
    differs = "differs" if kind is QUALITY else "differ"
    how = f"{f.evidence.measure} {score(f.evidence.value)}, q {f.evidence.q:.2g}"
    return f"{kind.about.capitalize()} {differs} with {f.field} ({how})."


def owned(facts: store.RunFacts, fields: set[str]) -> dict[str, list[str]]:
    """What goes with a run."""
    return {"fields": [schema.QUALITY_FIELD, *(f for f in fields if f.startswith(schema.QUALITY_PREFIX_1))]}
