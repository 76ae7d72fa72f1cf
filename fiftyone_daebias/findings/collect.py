"""Everything that was found on a dataset, read from its stored runs, fields and tags; nothing is computed anew."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from .. import schema, store
from ..analyses import ANALYSES, load
from .finding import LEVEL, VERDICTS, Evidence, Finding, Findings, Known, NextStep, Selector
from .from_tags import tag_findings
from .multiplicity import settle
from .review import read_reviews

__all__ = [
    "LEVEL",
    "VERDICTS",
    "Evidence",
    "Finding",
    "Findings",
    "NextStep",
    "Selector",
    "collect_findings",
    "findings_stamp",
]


def collect_findings(samples, *, authors: bool = True) -> Findings:
    """Collects and ranks the findings of every step that has run.

    P-values of all steps are corrected together; what would hold alone but not
    among everything tested is "unconfirmed". Steps that have not run are
    absent; results of older statistics are named and not counted.

    Args:
        samples: a dataset or view; findings are those of the whole dataset
        authors: whether sentences say who named a cluster

    Returns:
        the findings, ranked by verdict, then by strength
    """
    dataset = store.dataset_of(samples)
    known = Known(*store.subjects_and_tags(dataset), authors)
    settled, n_tests, correction = settled_findings(dataset)
    tagged = tag_findings(known.owners, known.tags)
    for keep in (load(a.keeps) for a in ANALYSES if a.keeps):
        tagged = keep(tagged, settled)
    rows = [*settled, *tagged, *(f for a in ANALYSES if a.shown for f in load(a.shown)(dataset, known))]
    said: dict[str, list] = {}
    for entry in read_reviews(dataset):
        said.setdefault(entry.finding, []).append(entry)
    rows = [replace(r, reviews=tuple(said.pop(r.key, ()))) for r in rows]
    rows.sort(key=lambda r: (VERDICTS.index(r.verdict), -r.evidence.strength, r.key))
    notes = []
    if said:
        n = sum(map(len, said.values()))
        notes.append(f"{n} reviews speak of findings that are no longer here: {', '.join(sorted(said)[:5])}")
    return Findings(tuple(rows), n_tests, correction, LEVEL, tuple(notes), findings_stamp(dataset))


def settled_findings(samples) -> tuple[list[Finding], int, str]:
    """Everything that was tested on the dataset, corrected together: where all q-values and verdicts come from.

    Returns:
        the findings, the number of tests, and what the correction spans, in words
    """
    dataset = store.dataset_of(samples)
    return settle([test for a in ANALYSES if a.findings for test in load(a.findings)(dataset)])


def findings_stamp(samples, beside: tuple[str, ...] = ()) -> str:
    """A hash that changes whenever a run is made or deleted, or tags are set: collect again only then.

    Args:
        samples: a dataset or view
        beside: beginnings of the keys of further runs that do not count
    """
    dataset = store.dataset_of(samples)
    ours = {t: n for t, n in store.count_tags(dataset).items() if t.startswith(schema.TAG_PREFIX)}
    # the record of an audit and the stories repeat what is found; they add nothing to it
    repeats = (schema.AUDIT_RUN, schema.STORIES_RUN, *beside)
    times = {k: t for k, t in store.run_times(dataset).items() if not k.startswith(repeats)}
    facts = [store.count(dataset), sorted(times.items()), sorted(ours.items())]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]
