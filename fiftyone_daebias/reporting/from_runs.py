"""Findings of explanations, mitigation, sensitivity and comparisons: each run's own sentences and figures."""

from __future__ import annotations

from collections.abc import Callable

from .. import schema, store
from .finding import Evidence, Finding, Selector, cluster_selector, tag_selector
from .formatting import count, number

_NAN = float("nan")


def run_findings(samples) -> list[Finding]:
    """One finding a stored run; runs say themselves what they show."""
    keys = store.list_runs(samples, "daebias_")
    out = []
    for prefix, kind, title, say in _KINDS:
        for key in keys:
            if key.startswith(prefix):
                config, results = store.load_run(samples, key)
                out.append(_finding(key, prefix, kind, title, say, config, results))
    return out


def _finding(key: str, prefix: str, kind: str, title: str, say: Callable, config: dict, results: dict) -> Finding:
    stem = key.removeprefix(prefix).strip("_")
    summary = results.get("summary", results.get("table"))
    facts = summary if isinstance(summary, dict) else results
    try:
        sentence, shown = say(facts)
    except (KeyError, TypeError, ValueError, IndexError):  # of another version, or of another room
        sentence, shown = "", True
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
        _ended(sentence or "Its figures and numbers are in the run"),
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
    )


def _explanation(facts: dict) -> tuple[str, bool]:
    said = [_ended(s) for s in facts["sentences"][:4]]
    tests = ", ".join(f"{part} {t['p_adjusted']:.3g}" for part, t in facts["tests"].items())
    return " ".join(said) + f" (p adjusted over the parts of the comparison: {tests})", bool(facts["found"])


def _counterfactual(facts: dict) -> tuple[str, bool]:
    if facts["reason"]:
        return f"{facts['comparison']}: no images could be made: {facts['reason']}", False
    return (
        f"{count(facts['n_samples'], 'image')} of {count(facts['n_subjects'], 'subject')} moved along the difference "
        "of "
        f"{facts['comparison']}; the groups are {number(_float(facts['distance']))} SD apart, and the directions "
        "found in "
        f"the two halves of the subjects agree by {number(_float(facts['agreement']), 2)} (cosine)"
    ), True


def _dynamics(facts: dict) -> tuple[str, bool]:
    parts = []
    for s in facts["sequences"]:
        name = f"{s['name']}: " if s["name"] else ""
        low, high = (_float(v) for v in s["interval"])
        parts.append(
            f"{name}{facts['field']} is learned with AUC {number(_float(s['auc']))} ({number(low)} to "
            f"{number(high)})" + ("" if s["learned"] else ", which is not beyond chance")
        )
    return f"Followed apart while a network learns: {facts['subgroup']}. " + "; ".join(parts), True


def _compare(facts: dict) -> tuple[str, bool]:
    return " ".join(_ended(s) for s in facts["sentences"]), True


#: prefix of a run's key, kind of finding, its title, and ``facts -> (sentence, whether there is anything to show)``
_KINDS = (
    (schema.EXPLAIN_RUN_PREFIX, "explain", "where the difference is", _explanation),
    (schema.COUNTERFACTUAL_RUN_PREFIX, "counterfactual", "what would have to change", _counterfactual),
    (schema.DYNAMICS_RUN_PREFIX, "dynamics", "how a group is learnt", _dynamics),
    (schema.MITIGATION_RUN_PREFIX, "mitigation", "what helps the worst-served group", lambda f: (f["verdict"], True)),
    (schema.LOCAL_RUN_PREFIX, "local", "a part of the image beside the whole", lambda f: (f["reading"], True)),
    (schema.SENSITIVITY_RUN, "sensitivity", "what would have been found", lambda f: (f["sentence"], True)),
    (schema.COMPARE_RUN, "compare", "embeddings beside one another", _compare),
)


def _total(value) -> int:
    """A count, or the sum of the counts of two groups."""
    if isinstance(value, (list, tuple)):
        return sum(int(v) for v in value)
    return int(value) if isinstance(value, (int, float)) and value == value else 0


def _float(value) -> float:
    return _NAN if value is None else float(value)


def _ended(sentence: str) -> str:
    sentence = sentence.strip()
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."


def _first_text(*values) -> str:
    for value in values:
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""
