"""What a report says, gathered once for the page, the JSON, the data sheet and Croissant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .. import schema, store
from ..analyses import ANALYSES, load
from ..errors import DaebiasError
from ..findings.collect import collect_findings
from ..findings.finding import Finding, Findings, plain
from ..findings.formatting import listed
from ..probes.probe_findings import key_of
from ..probes.result import ProbeResult
from ..probes.settled import settle_probe
from ..probes.stored import stored_probes
from ..stories.facts import Stories
from ..stories.story import read_stories
from .cohort_facts import CohortFacts, cohort_facts

#: parts of a run's config that are told elsewhere, or that name this machine
_UNTOLD = {
    "cls",
    "type",
    "method",
    "schema_version",
    "versions",
    "created",
    "cluster",
    "entry",
    "config",
    "notes",
    "clusters",
    "fields",
}
_PATH = re.compile(r"(?<![\w:/])(?:[A-Za-z]:)?[/\\](?:[^\s/\\,;:'\"<>]+[/\\])+([^\s/\\,;:'\"<>]*)")


@dataclass(frozen=True)
class Made:
    """One run: what was computed, when and how."""

    run: str
    created: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ReportFacts:
    """Everything a report says.

    Attributes:
        title: title
        cohort: the cohort
        findings: all findings
        probes: the stored probes, with q-values and verdicts over everything tested
        tables: ``{analysis: its stored rows, with verdicts over everything tested}``, of those that have a chart
        made: the runs behind it all
        versions: versions of the packages of the newest run
        checkpoint: what is known of the model: hashes, slices, pooling …
        steps: the last audit's steps
        gates: the last audit's conditions
        expected: fields that were named as expected differences
        limits: what this report cannot say
        stories: what was found, by its causes; ``None`` where that was not told, or has changed since
        created: ISO time of the newest run: a report of the same runs is the same report
    """

    title: str
    cohort: CohortFacts
    findings: Findings
    probes: tuple[ProbeResult, ...]
    tables: dict[str, tuple[dict, ...]]
    made: tuple[Made, ...]
    versions: dict
    checkpoint: dict
    steps: tuple[dict, ...]
    gates: tuple[dict, ...]
    expected: tuple[str, ...]
    limits: tuple[str, ...]
    created: str
    stories: Stories | None = None

    @property
    def not_done(self) -> tuple[tuple[str, str], ...]:
        """Steps of the last audit that were not done, and why; a reason may speak of few subjects."""
        reasons = {"off": "left out by the configuration", "failed": "the step FAILED: {}"}
        return tuple(
            (s["label"], reasons.get(s["outcome"], "{}").format(s["summary"]))
            for s in self.steps
            if s["outcome"] in ("not possible", "failed", "off")
        )

    def of_verdict(self, *verdicts: str) -> tuple[Finding, ...]:
        """Findings with one of these verdicts."""
        return tuple(f for f in self.findings.rows if f.verdict in verdicts)

    def to_dict(self) -> dict:
        """JSON-able, without pictures and without anybody's identity."""
        rows = [
            {
                **{k: v for k, v in f.items() if k != "cells"},
                "selector": {k: v for k, v in f["selector"].items() if k != "sample_ids"},
                "reviews": [{k: v for k, v in r.items() if k != "sample_ids"} for r in f["reviews"]],
                "figures": [{k: v for k, v in g.items() if k in ("name", "title", "caption")} for g in f["figures"]],
            }
            for f in self.findings.to_dict()["rows"]
        ]
        return plain(
            {
                "report_version": 1,
                "title": self.title,
                "created": self.created,
                "cohort": self.cohort.to_dict(),
                "findings": {**self.findings.to_dict(), "rows": rows},
                "probes": [r.to_dict() for r in self.probes],
                "stories": _without_ids(self.stories),
                **{name: list(rows) for name, rows in self.tables.items()},
                "provenance": {
                    "model": self.checkpoint,
                    "versions": self.versions,
                    "runs": [{"run": m.run, "created": m.created, "parameters": dict(m.parameters)} for m in self.made],
                },
                "audit": {"steps": list(self.steps), "conditions": list(self.gates)},
                "expected": list(self.expected),
                "limits": list(self.limits),
            }
        )


def gather(samples, *, title: str | None = None, k: int = 5) -> ReportFacts:
    """Reads everything a report needs; computes nothing anew.

    Args:
        samples: a dataset or view; the cohort's counts are of these samples, findings of the whole dataset
        title: title; default: the dataset's name
        k: groups of fewer subjects are not told in the cohort's tables
    """
    cohort = cohort_facts(samples, k)
    findings = collect_findings(samples)
    by_key = {f.key: f for f in findings.rows}
    table = stored_probes(samples) if any(f.kind == "probe" for f in findings.rows) else None
    probes = []
    for row in table.rows if table else ():
        probes.append(settle_probe(row, by_key.get(key_of(row))))
    made, versions, created, expected = _runs(samples)
    checkpoint = _checkpoint(samples)
    audit = _load(samples, schema.AUDIT_RUN)[1]
    tables = {a.name: load(a.rows)(samples, by_key) for a in ANALYSES if a.rows}
    tests = _load(samples, schema.ASSOCIATION_RUN)[1].get("tests", {})
    expected = tuple(dict.fromkeys([*expected, *(tests.get("expected") or ())]))
    steps = tuple({**s, "summary": without_paths(s["summary"])} for s in audit.get("steps", ()))
    facts = ReportFacts(
        title or f"Audit of {cohort.name}",
        cohort,
        findings,
        tuple(probes),
        tables,
        made,
        versions,
        checkpoint,
        steps,
        tuple(audit.get("gates", ())),
        expected,
        (),
        created,
        read_stories(samples),
    )
    return replace(facts, limits=_limits(facts))


def _without_ids(stories: Stories | None) -> dict | None:
    """Stories without the samples they list by id."""
    if stories is None:
        return None
    raw = stories.to_dict()
    for row in raw["rows"]:
        row["selector"].pop("sample_ids", None)
    return raw


def without_paths(text: str) -> str:
    """A text in which paths of this machine are cut to their last part."""
    return _PATH.sub(lambda m: "…/" + m.group(1), str(text))


def _load(samples, key: str) -> tuple[dict, dict]:
    return store.load_run(samples, key) if key in store.list_runs(samples, key) else ({}, {})


def _runs(samples) -> tuple[tuple[Made, ...], dict, str, list[str]]:
    made, versions, newest, expected = [], {}, "", []
    skip = (schema.FINDING_REVIEW_RUN, schema.AUDIT_RUN, schema.CLUSTER_RUN_PREFIX, schema.SHARED_RUN_PREFIX)
    for run in sorted(store.run_facts(samples), key=lambda r: r.key):
        key, config = run.key, run.config
        ours = key.startswith("daebias_") or key.endswith(schema.PROVENANCE_SUFFIX)
        if not ours or key.startswith(skip):
            continue
        created = str(config.get("created", ""))
        # an analysis may have a parameter of that name
        if created >= newest and isinstance(config.get("versions"), Mapping):
            newest, versions = created, dict(config["versions"])
        expected += [f for f in config.get("adjust_for") or () if f not in expected]
        told = tuple(
            (k, without_paths(_words(v)))
            for k, v in sorted(config.items())
            if k not in _UNTOLD and v not in (None, "", [])
        )
        made.append(Made(key, str(config.get("created", "")), told))
    return tuple(made), versions, newest, expected


def _words(value) -> str:
    if isinstance(value, (list, tuple)):
        return listed(value, 8)
    if isinstance(value, Mapping):
        return listed((f"{k} {_words(v)}" for k, v in value.items()), 20)
    # a hash is told by its beginning
    return value[:12] if isinstance(value, str) and re.fullmatch("[0-9a-f]{40,}", value) else str(value)[:200]


def _checkpoint(samples) -> dict:
    """Facts of the model behind the embedding."""
    config, _ = _load(samples, schema.provenance_key())
    told = ("model", "checkpoint_hash", "data_hash", "n_slices", "pool", "crop", "perplexity", "kl_divergence", "seed")
    out = {k: config[k] for k in told if config.get(k) is not None}
    guard = (config.get("guard") or {}).get("line")
    if guard:
        out["beside principal components"] = guard
    folder = store.read_info(samples).get("checkpoints", {}).get("dae")
    if out and folder:
        from ..dae.checkpoint import read_facts

        try:
            facts = read_facts(folder)
        except (DaebiasError, OSError):
            return out
        for name in ("image_size", "parameters", "images", "preset", "loss"):
            if isinstance(facts.get(name), (int, float, str)):
                out[name] = facts[name]
    return out


def _limits(facts: ReportFacts) -> tuple[str, ...]:
    """What the report cannot say, from what was and was not done."""
    cohort, kinds = facts.cohort, {f.kind for f in facts.findings.rows}
    out = [
        "A probe says what can be read from the images, not why, and not whether a later model will use it.",
        "Intervals contain the variation of other subjects and of training the probe anew, not of training the "
        "embedding anew.",
        "The embedding was learnt on this cohort alone and sees the central slices at the model's resolution; what is "
        "smaller, or elsewhere, was not looked at.",
        "What was not found may still be there: the section on what was not found says how large an effect would have "
        "been seen.",
    ]
    if not cohort.has_subjects:
        out.append(
            "No field names the subject, so every image was counted as a person of its own; if persons have "
            "several "
            "images, intervals and p-values here are too good."
        )
    if not facts.expected:
        out.append(
            "No field was named as an expected difference (sex, age, region …), so nothing was adjusted: a "
            "field may "
            "be readable only because it goes with another."
        )
    if cohort.n_subjects < 100:
        out.append(f"{cohort.n_subjects:,} subjects are few: only strong effects can be seen.")
    if "sensitivity" not in kinds:
        out.append(
            "No effects were planted in the images to measure what the audit would have found; the smallest "
            "effects "
            "given are reckoned from the number of subjects."
        )
    if not any(f.kind == "association" for f in facts.findings.rows):
        out.append("No cluster was tested against the metadata.")
    if "explain" not in kinds:
        out.append("No finding was explained in the image.")
    return tuple(out)
