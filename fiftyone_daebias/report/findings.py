"""Everything that was found on a dataset, read from its stored runs, fields and tags; nothing is computed anew."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace

from .. import schema, store
from ..clusters.suggest import MOST_OPPOSITE
from .finding import LEVEL, VERDICTS, Evidence, Finding, Findings, NextStep, Selector
from .from_case_mix import case_mix_claims
from .from_clusters import association_claims, cluster_findings
from .from_probes import agreement_claims, probe_claims
from .from_quality import quality_claims
from .from_runs import run_findings
from .from_tags import tag_findings
from .from_time import drift_claims, reidentify_claims
from .pool import settle
from .reviews import read_reviews

__all__ = [
    "LEVEL", "VERDICTS", "Evidence", "Finding", "Findings", "NextStep", "Selector", "collect_findings",
    "findings_stamp",
]


def collect_findings(samples) -> Findings:
    """Collects and ranks the findings of every step that has run.

    P-values of all steps are corrected together; a finding that held in its
    own table but does not hold among everything tested becomes "unconfirmed".
    Steps that have not run are absent.

    Args:
        samples: a dataset or view; findings are those of the whole dataset

    Returns:
        the findings, ranked by verdict, then by strength
    """
    dataset = store.dataset_of(samples)
    owners, tags = store.subjects_and_tags(dataset)
    claims = [
        *probe_claims(dataset), *association_claims(dataset), *drift_claims(dataset), *agreement_claims(dataset),
        *reidentify_claims(dataset), *quality_claims(dataset),
        *case_mix_claims(dataset),
    ]
    settled, n_tests, correction = settle(claims)
    rows = [
        *settled, *_of_probes_that_hold(tag_findings(owners, tags), settled), *cluster_findings(dataset, owners),
        *run_findings(dataset),
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


def _of_probes_that_hold(rows: list[Finding], settled: list[Finding]) -> list[Finding]:
    """Without the samples on the other side of a probe that does not hold, or is so weak that they are a fifth."""
    n = {f.field: f.n_samples for f in settled if f.key == f"probe:{f.field}"}
    weak = {f.field for f in settled if f.key == f"probe:{f.field}" and f.verdict in ("not found", "unconfirmed")}
    return [
        r for r in rows
        if r.kind != "opposite" or r.field not in weak and r.n_samples <= MOST_OPPOSITE * n.get(r.field, math.inf)
    ]


def findings_stamp(samples) -> str:
    """A hash that changes whenever a run is made or deleted, or tags are set: collect again only then."""
    dataset = store.dataset_of(samples)
    ours = {t: n for t, n in store.count_tags(dataset).items() if t.startswith(schema.TAG_PREFIX)}
    # the record of an audit repeats what is found; it adds nothing to it
    times = {k: t for k, t in store.run_times(dataset).items() if k != schema.AUDIT_RUN}
    facts = [store.count(dataset), sorted(times.items()), sorted(ours.items())]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]
