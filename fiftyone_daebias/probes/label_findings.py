"""Findings of labels that their images contradict, and of agreement across regions, which is no evidence."""

from __future__ import annotations

from .. import schema, store
from ..findings.finding import LEVEL, Evidence, Finding, Known, Selector, existing, tag_selector
from ..findings.formatting import count, listed, number, percent
from ..findings.multiplicity import HypothesisTest
from .contradictions import OPEN
from .disagreements import FORMER, KINDS
from .labels import MOST_MISSED, SPEAKS_FROM, not_a_label, too_weak
from .result import ProbeResult

FAMILY = "lists of labels"


def label_claims(samples) -> list[HypothesisTest]:
    """One claim a field whose labels were tested against their images; runs of earlier versions claim nothing."""
    claims = []
    for key in store.list_runs(samples, schema.DISAGREEMENT_RUN_PREFIX):
        config, results = store.load_run(samples, key)
        summary = results["summary"]
        if summary.get("p") is not None:
            claims.append(_claim(config["field"], key, summary))
    return claims


def _claim(field: str, run_key: str, summary: dict) -> HypothesisTest:
    n, people = summary["n_listed"], summary["n_subjects"]
    tag = f"{schema.TAG_PREFIX}label-error:{field}"
    named = [v for v in summary["verdicts"] if v["kind"] == "contradicted"]
    known = sum(v["evidence"] != OPEN for v in named)
    if n:
        text = (
            f"{count(n, 'subject')} of {people:,} carry a {field} that their images contradict: they look throughout "
            f"like another {field}, to a probe that has not seen them; {percent(summary['false_share'])} of this list "
            f"are expected to be ordinary."
        )
        if known:
            text += f" Other records speak on {count(known, 'of them', 'of them')}."
        if known < len(named):
            whom = "for the others" if known else "for all of them"
            text += (
                f" Whether the label is wrong, the images were exchanged, or the person looks so is left open {whom}: "
                "images alone cannot tell."
            )
    else:
        text = (
            f"No {field} of {count(people, 'subject')} is contradicted by the images more than the tails of right "
            "labels explain."
        )
    ids = sum(len(v["sample_ids"]) for v in named)
    finding = Finding(
        f"disagreements:{field}:label-error",
        "disagreements",
        f"{field}: labels that the images contradict",
        text,
        "",
        Evidence("subjects", float(n), p=float(summary["p"]), strength=n / people if people else 0.0),
        n,
        ids,
        tag_selector(tag) if n else Selector(),
        field=field,
        run_key=run_key,
        next_step=existing("explain", "Where in the image do they differ?", tag=tag) if n else None,
        cells={"contradicted": (n, people - n), "other records speak": (known, len(named) - known)},
    )

    def judge(raw: bool, within: bool) -> str:
        if not n:
            return "not found"
        return "found" if raw else "unconfirmed"

    return HypothesisTest(finding, float("nan"), judge, FAMILY, int(summary.get("n_draws") or 0))


def agreement_findings(samples, known: Known) -> list[Finding]:
    """How often the same subjects are misclassified in several regions, shown beside independence: no evidence."""
    out = []
    for key in store.list_runs(samples, schema.DISAGREEMENT_RUN_PREFIX):
        config, results = store.load_run(samples, key)
        together = results["summary"].get("agreement")
        if together and len(together["times"]) > 1:
            out.append(_agreement(together, config["field"], key, results["summary"]["verdicts"]))
    return out


def _agreement(together: dict, field: str, run_key: str, verdicts: list[dict]) -> Finding:
    seen, expected = sum(together["observed"][1:]), sum(together["expected"][1:])
    again = tuple(i for v in verdicts if v["n_opposite"] > 1 for i in v["sample_ids"])
    text = (
        f"{count(seen, 'subject')} look like another {field} in two or more of {listed(together['regions'])}; if "
        f"regions were independent, {number(expected)} would. Regions of one person share their anatomy, so this says "
        "nothing of wrong labels."
    )
    return Finding(
        f"agreement:{field}",
        "disagreements",
        f"{field}: the same subjects in several regions",
        text,
        "shown",
        Evidence("subjects", float(seen), chance=float(expected)),
        max(together["n_subjects"]),
        len(again),
        Selector("ids", sample_ids=again),
        field=field,
        run_key=run_key,
        cells={
            "in two or more": (seen, max(together["n_subjects"]) - seen),
            **{r: (k, n - k) for r, k, n in _by_region(together)},
        },
    )


def _by_region(together: dict):
    return zip(together["regions"], together["n_opposite"], together["n_subjects"], strict=True)


def judge_every_label(samples, *, fields: list[str] | None = None, progress=None, **parameters) -> str:
    """Judges every field named, or every label whose probe is strong enough; the level is shared among them."""
    from .. import verbs

    if fields is None:
        fields, kinds = [], store.metadata_fields(samples)
        for key in store.list_runs(samples, schema.PROBE_RUN_PREFIX):
            config, results = store.load_run(samples, key)
            row = ProbeResult.from_dict(results["summary"])
            if not config.get("by") and not too_weak(row) and not not_a_label(row.field, kinds.get(row.field, "")):
                fields.append(row.field)
    run = verbs.by_command("disagreements").load()
    for key in store.list_runs(samples, schema.DISAGREEMENT_RUN_PREFIX):
        earlier = store.load_run(samples, key)[0]["field"]
        if earlier not in fields:
            run(samples, earlier, progress=progress, **parameters)  # takes back what its probe no longer carries
    if not fields:
        return f"no label has a probe whose AUC is surely {SPEAKS_FROM:g} or more: no sample is spoken of"
    parameters = {"level": LEVEL / len(fields), **parameters}
    said = {name: run(samples, name, progress=progress, **parameters) for name in fields}
    return "; ".join(f"{name}: {result.line}" for name, result in said.items())


def of_probes_that_hold(rows: list[Finding], settled: list[Finding]) -> list[Finding]:
    """Without single samples of which a probe speaks that does not hold, may be weak, or misses more than a fifth."""
    probes = {f.field: f for f in settled if f.key == f"probe:{f.field}"}

    def strong(row: Finding) -> bool:
        probe = probes.get(row.field)
        if probe is None or probe.verdict in ("not found", "unconfirmed", "not tested", "older version"):
            return False
        surely = probe.evidence.measure == "AUC" and probe.evidence.interval[0] >= SPEAKS_FROM
        return surely and row.n_samples <= MOST_MISSED * probe.n_samples

    return [r for r in rows if r.kind not in ("opposite", "disagreements") or strong(r)]


def owned(facts: store.RunFacts, fields: set[str]) -> dict[str, list[str]]:
    """What goes with a run of an older version, which does not say so itself: the tags of its verdicts."""
    field = facts.config.get("field", "")
    if not field or "owns" in facts.config:
        return {}
    return {"tags": [f"{schema.TAG_PREFIX}{kind}:{field}" for kind in (*KINDS.values(), *FORMER)]}
