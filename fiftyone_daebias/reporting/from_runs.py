"""Findings of explanations, mitigation, sensitivity and comparisons: each run's own sentences and figures."""

from __future__ import annotations

from collections.abc import Callable

from .. import schema, store
from ..errors import InputError
from ..statistics.cells import Cells, read_cells
from .finding import Evidence, Finding, Selector, cluster_selector, tag_selector
from .formatting import count, number

_NAN = float("nan")


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
        cells=counted,
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


def _explanation_cells(facts: dict) -> Cells | None:
    """The two groups, and the classes of each field that its sentences may name."""
    cells = {"": tuple(map(int, facts["n_subjects"]))}
    for contrast in (*facts["fields"], *facts["appearance"]):
        of = read_cells(contrast.get("cells"))
        if of is None:
            return None
        cells |= {f"{contrast['name']}: {value}": pair for value, pair in of.items()}
    classifier = facts.get("classifier")
    if classifier and classifier.get("reason"):
        return None  # it may speak of few
    if classifier:
        cells["classified"] = tuple(map(int, classifier["n_subjects"]))
    return cells


def _counterfactual_cells(facts: dict) -> Cells | None:
    # a reason may speak of few
    return None if facts["reason"] else {"": (int(facts["n_subjects"]), 0)}


def _dynamics_cells(facts: dict) -> Cells | None:
    cells = {s["name"]: (int(s["n_subjects"]), 0) for s in facts["sequences"]}
    for s in facts["sequences"]:
        cells |= {f"{s['name']}: {c['part']}": (int(c["n_subgroup"]), int(c["n_others"])) for c in s["curves"]}
    return cells or None


def _mitigation_cells(facts: dict) -> Cells:
    return {f"{g}: {c}": (int(n), 0) for g, per in facts["counts"].items() for c, n in per.items()}


def _compare_cells(facts: dict) -> Cells:
    """The subjects of each field; of an accuracy, those answered right and wrong."""
    cells = {}
    for column in (c for c in facts["columns"] if not c["reason"]):
        n = int(column["n_subjects"])
        cells[column["field"]] = n, 0
        for row in facts["rows"]:
            cell = row["cells"].get(column["field"])
            if cell and column["metric"] == "accuracy":
                right = round(n * float(cell["score"]))
                cells[f"{column['field']}: {row['name']}"] = right, n - right
    return cells


def _everybody(facts: dict) -> Cells:
    return {"": (int(facts["n_subjects"]), 0)}


def _of(prefix: str, kind: str, title: str, say: Callable, cells: Callable) -> Callable:
    """``samples -> findings``, one a stored run of an analysis; runs say themselves what they show.

    Args:
        prefix: of a run's key
        kind: of the findings
        title: of the findings
        say: ``facts -> (sentence, whether there is anything to show)``
        cells: ``facts -> counts behind it``
    """

    def read(samples) -> list[Finding]:
        keys = store.list_runs(samples, prefix)
        return [_finding(key, prefix, kind, title, say, cells, *store.load_run(samples, key)) for key in keys]

    return read


explanations = _of(schema.EXPLAIN_RUN_PREFIX, "explain", "where the difference is", _explanation, _explanation_cells)
counterfactuals = _of(
    schema.COUNTERFACTUAL_RUN_PREFIX,
    "counterfactual",
    "what would have to change",
    _counterfactual,
    _counterfactual_cells,
)
dynamics = _of(schema.DYNAMICS_RUN_PREFIX, "dynamics", "how a group is learnt", _dynamics, _dynamics_cells)
mitigations = _of(
    schema.MITIGATION_RUN_PREFIX,
    "mitigation",
    "what helps the worst-served group",
    lambda f: (f["verdict"], True),
    _mitigation_cells,
)
local_views = _of(
    schema.LOCAL_RUN_PREFIX, "local", "a part of the image beside the whole", lambda f: (f["reading"], True), _everybody
)
sensitivities = _of(
    schema.SENSITIVITY_RUN, "sensitivity", "what would have been found", lambda f: (f["sentence"], True), _everybody
)
comparisons = _of(schema.COMPARE_RUN, "compare", "embeddings beside one another", _compare, _compare_cells)


def explain_strongest(samples, *, top: int = 3, progress=None, **parameters) -> str:
    """Explains the clusters and the misclassified groups behind the strongest findings."""
    from .. import verbs
    from .findings import collect_findings

    targets: dict[str, dict] = {}
    for finding in collect_findings(samples).rows:
        if finding.verdict not in ("found", "inseparable", "explained") and finding.kind != "opposite":
            continue
        if finding.cluster:
            targets.setdefault(f"cluster {finding.cluster}", {"cluster": finding.cluster})
        elif finding.kind == "opposite":
            targets.setdefault(finding.title, {"tag": finding.selector.name})
    if not targets:
        raise InputError("nothing was found that could be explained: no tested cluster, no group on the other side")
    run, said = verbs.by_command("explain").load(), []
    for name, target in list(targets.items())[:top]:
        try:
            run(samples, progress=progress, **target, **parameters)
        except InputError as error:
            said.append(f"{name}: not possible here: {error}")
        else:
            said.append(name)
    return "explained: " + "; ".join(said)


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


def explanation_owned(facts: store.RunFacts, fields: set[str]) -> dict[str, list[str]]:
    """What goes with an explanation."""
    return {"fields": [schema.EXPLAIN_FIELD_PREFIX + facts.key.removeprefix(schema.EXPLAIN_RUN_PREFIX)]}
