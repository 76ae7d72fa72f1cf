"""Findings of explanations, mitigation, sensitivity and comparisons: each run's own sentence and figures."""

from __future__ import annotations

from collections.abc import Iterable

from .. import schema, store
from .finding import Evidence, Finding, Selector, cluster_selector

#: prefix of a run's key, kind of finding, and its title
_KINDS = (
    (schema.EXPLAIN_RUN_PREFIX, "explain", "where the difference is"),
    (schema.COUNTERFACTUAL_RUN_PREFIX, "counterfactual", "what would have to change"),
    (schema.DYNAMICS_RUN_PREFIX, "dynamics", "how a group is learnt"),
    (schema.MITIGATION_RUN_PREFIX, "mitigation", "what helps"),
    (schema.LOCAL_RUN_PREFIX, "local", "a part of the image beside the whole"),
    (schema.SENSITIVITY_RUN, "sensitivity", "what would have been found"),
    (schema.COMPARE_RUN, "compare", "embeddings beside one another"),
)


def run_findings(samples) -> list[Finding]:
    """One finding a stored run; runs say themselves what they show."""
    keys = store.list_runs(samples, "daebias_")
    out = []
    for prefix, kind, title in _KINDS:
        for key in keys:
            if key.startswith(prefix):
                config, results = store.load_run(samples, key)
                out.append(_finding(key, prefix, kind, title, config, results))
    return out


def _finding(key: str, prefix: str, kind: str, title: str, config: dict, results: dict) -> Finding:
    stem = key.removeprefix(prefix).strip("_")
    summary = results.get("summary")
    facts = summary if isinstance(summary, dict) else {}
    sentence = _first_text(results.get("sentence"), summary, facts.get("sentence"), results.get("text"))
    cluster = _first_text(config.get("cluster"), facts.get("cluster"))
    about = _first_text(config.get("field"), facts.get("field"))
    subject = config.get("title") or facts.get("title") or cluster or about or stem.replace("_", " ")
    figures = tuple(f for f in results.get("figures") or () if isinstance(f, dict) and "png" in f)
    ids = results.get("sample_ids")
    ids = ids if isinstance(ids, (list, tuple)) else []
    selector = Selector()
    if cluster:
        selector = cluster_selector(cluster)
    elif ids:
        selector = Selector("ids", sample_ids=tuple(map(str, ids)))
    notes = results.get("notes") or facts.get("notes") or ()
    return Finding(
        f"{kind}:{stem}" if stem else kind, kind, f"{subject}: {title}" if subject else title,
        sentence or "Its figures and numbers are in the run.", "shown",
        Evidence(), int(facts.get("n_subjects") or results.get("n_subjects") or 0),
        int(facts.get("n_samples") or results.get("n_samples") or len(ids)), selector, field=about, cluster=cluster,
        figures=figures, run_key=key, notes=tuple(map(str, notes)) if isinstance(notes, Iterable) else (),
    )


def _first_text(*values) -> str:
    for value in values:
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""
