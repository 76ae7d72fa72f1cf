"""Everything that was found on a dataset, read from its stored runs, fields and tags; nothing is computed anew."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from .. import schema, store
from ..analyses import ANALYSES, load
from ..probes.labels import MOST_MISSED, SPEAKS_FROM
from .finding import LEVEL, VERDICTS, Evidence, Finding, Findings, NextStep, Selector
from .from_clusters import cluster_findings
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
    owners, tags = store.subjects_and_tags(dataset)
    settled, n_tests, correction = settled_findings(dataset)
    rows = [
        *settled,
        *_of_probes_that_hold(tag_findings(owners, tags), settled),
        *cluster_findings(dataset, owners, authors),
        *(f for a in ANALYSES if a.shown for f in load(a.shown)(dataset)),
    ]
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


def _of_probes_that_hold(rows: list[Finding], settled: list[Finding]) -> list[Finding]:
    """Without single samples of which a probe speaks that does not hold, may be weak, or misses more than a fifth."""
    probes = {f.field: f for f in settled if f.key == f"probe:{f.field}"}

    def strong(row: Finding) -> bool:
        probe = probes.get(row.field)
        if probe is None or probe.verdict in ("not found", "unconfirmed", "not tested", "older version"):
            return False
        surely = probe.evidence.measure == "AUC" and probe.evidence.interval[0] >= SPEAKS_FROM
        return surely and row.n_samples <= MOST_MISSED * probe.n_samples

    return [r for r in rows if r.kind not in ("opposite", "disagreements") or strong(r)]


def findings_stamp(samples) -> str:
    """A hash that changes whenever a run is made or deleted, or tags are set: collect again only then."""
    dataset = store.dataset_of(samples)
    ours = {t: n for t, n in store.count_tags(dataset).items() if t.startswith(schema.TAG_PREFIX)}
    # the record of an audit and the stories repeat what is found; they add nothing to it
    repeats = (schema.AUDIT_RUN, schema.STORIES_RUN)
    times = {k: t for k, t in store.run_times(dataset).items() if k not in repeats}
    facts = [store.count(dataset), sorted(times.items()), sorted(ours.items())]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]
