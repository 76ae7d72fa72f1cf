"""Findings of runs that say themselves what they show: explanations, comparisons and the like."""

from __future__ import annotations

from collections.abc import Callable

from .. import store
from ..statistics.cells import Cells
from .finding import Evidence, Finding, Known, Selector, cluster_selector, tag_selector


def _finding(
    key: str, prefix: str, kind: str, title: str, say: Callable, cells: Callable, config: dict, results: dict
) -> Finding:
    stem = key.removeprefix(prefix).strip("_")
    summary = results.get("summary", results.get("table"))
    facts = summary if isinstance(summary, dict) else results
    try:
        sentence, shown = say(facts)
    except (KeyError, TypeError, ValueError, IndexError):  # of another version, or of another room
        sentence, shown = "", True
    try:
        counted = cells(facts)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):  # unknown counts are not told
        counted = None
    sentence = _first_text(results.get("sentence"), facts.get("sentence"), sentence, summary)
    cluster, tag = _first_text(config.get("cluster")), _first_text(config.get("tag"))
    about = _first_text(config.get("field"), facts.get("field"))
    subject = _first_text(facts.get("name"), facts.get("comparison"), config.get("comparison"), cluster, about)
    subject = subject or stem.replace("_", " ")
    figures = tuple(f for f in results.get("figures") or () if isinstance(f, dict) and "png" in f)
    ids = results.get("sample_ids")
    ids = tuple(map(str, ids)) if isinstance(ids, (list, tuple)) else ()
    selector = Selector("ids", sample_ids=ids) if ids else Selector()
    if cluster:
        selector = cluster_selector(cluster)
    elif tag:
        selector = tag_selector(tag)
    notes = results.get("notes") or facts.get("notes") or ()
    return Finding(
        f"{kind}:{stem}" if stem else kind,
        kind,
        f"{subject}: {title}" if subject else title,
        ended(sentence or "Its figures and numbers are in the run"),
        "shown" if shown else "not found",
        Evidence(),
        _total(facts.get("n_subjects")),
        _total(facts.get("n_samples")) or len(ids),
        selector,
        field=about,
        cluster=cluster,
        figures=figures,
        run_key=key,
        notes=tuple(map(str, notes)) if isinstance(notes, (list, tuple)) else (),
        cells=counted,
    )


def everybody(facts: dict) -> Cells:
    return {"": (int(facts["n_subjects"]), 0)}


def of_runs(prefix: str, kind: str, title: str, say: Callable, cells: Callable) -> Callable:
    """``samples -> findings``, one a stored run of an analysis; runs say themselves what they show.

    Args:
        prefix: of a run's key
        kind: of the findings
        title: of the findings
        say: ``facts -> (sentence, whether there is anything to show)``
        cells: ``facts -> counts behind it``
    """

    def read(samples, known: Known) -> list[Finding]:
        keys = store.list_runs(samples, prefix)
        return [_finding(key, prefix, kind, title, say, cells, *store.load_run(samples, key)) for key in keys]

    return read


def _total(value) -> int:
    """A count, or the sum of the counts of two groups."""
    if isinstance(value, (list, tuple)):
        return sum(int(v) for v in value)
    return int(value) if isinstance(value, (int, float)) and value == value else 0


def ended(sentence: str) -> str:
    sentence = sentence.strip()
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."


def _first_text(*values) -> str:
    for value in values:
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""
