"""Findings of explanations, counterfactuals, training dynamics, local views and mitigation."""

from __future__ import annotations

from .. import schema, store
from ..errors import InputError
from ..findings.formatting import count, number
from ..findings.from_runs import ended, everybody, of_runs
from ..serialize import or_nan
from ..statistics.cells import Cells, read_cells


def _explanation(facts: dict) -> tuple[str, bool]:
    said = [ended(s) for s in facts["sentences"][:4]]
    tests = ", ".join(f"{part} {t['p_adjusted']:.3g}" for part, t in facts["tests"].items())
    return " ".join(said) + f" (p adjusted over the parts of the comparison: {tests})", bool(facts["found"])


def _counterfactual(facts: dict) -> tuple[str, bool]:
    if facts["reason"]:
        return f"{facts['comparison']}: no images could be made: {facts['reason']}", False
    return (
        f"{count(facts['n_samples'], 'image')} of {count(facts['n_subjects'], 'subject')} moved along the difference "
        "of "
        f"{facts['comparison']}; the groups are {number(or_nan(facts['distance']))} SD apart, and the directions "
        "found in "
        f"the two halves of the subjects agree by {number(or_nan(facts['agreement']), 2)} (cosine)"
    ), True


def _dynamics(facts: dict) -> tuple[str, bool]:
    parts = []
    for s in facts["sequences"]:
        name = f"{s['name']}: " if s["name"] else ""
        low, high = (or_nan(v) for v in s["interval"])
        parts.append(
            f"{name}{facts['field']} is learned with AUC {number(or_nan(s['auc']))} ({number(low)} to "
            f"{number(high)})" + ("" if s["learned"] else ", which is not beyond chance")
        )
    return f"Followed apart while a network learns: {facts['subgroup']}. " + "; ".join(parts), True


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


explanations = of_runs(
    schema.EXPLAIN_RUN_PREFIX, "explain", "where the difference is", _explanation, _explanation_cells
)
counterfactuals = of_runs(
    schema.COUNTERFACTUAL_RUN_PREFIX,
    "counterfactual",
    "what would have to change",
    _counterfactual,
    _counterfactual_cells,
)
dynamics = of_runs(schema.DYNAMICS_RUN_PREFIX, "dynamics", "how a group is learnt", _dynamics, _dynamics_cells)
mitigations = of_runs(
    schema.MITIGATION_RUN_PREFIX,
    "mitigation",
    "what helps the worst-served group",
    lambda f: (f["verdict"], True),
    _mitigation_cells,
)
local_views = of_runs(
    schema.LOCAL_RUN_PREFIX, "local", "a part of the image beside the whole", lambda f: (f["reading"], True), everybody
)


def explain_strongest(samples, *, top: int = 3, progress=None, **parameters) -> str:
    """Explains the clusters and the misclassified groups behind the strongest findings."""
    from .. import verbs
    from ..findings.collect import collect_findings

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


def owned(facts: store.RunFacts, fields: set[str]) -> dict[str, list[str]]:
    """What goes with an explanation."""
    return {"fields": [schema.EXPLAIN_FIELD_PREFIX + facts.key.removeprefix(schema.EXPLAIN_RUN_PREFIX)]}
