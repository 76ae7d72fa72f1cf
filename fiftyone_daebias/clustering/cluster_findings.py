"""Findings of clusters: the clusters themselves, and what they have in common."""

from __future__ import annotations

from collections import Counter

import numpy as np

from .. import schema, store
from ..findings.among_alike import among_alike, left_among_alike
from ..findings.finding import BUILT_IN, Evidence, Finding, Known, cluster_selector, existing, read_verdict
from ..findings.formatting import count, listed, number, score
from ..findings.multiplicity import HypothesisTest, away_from_zero
from ..serialize import or_nan
from ..statistics.cells import read_cells
from .cluster import Cluster, read_clusters, run_key

FAMILY = "pairs of cluster and field"
_NAN = float("nan")


def cluster_findings(samples, known: Known) -> list[Finding]:
    """One finding a cluster: how many are in it and where it comes from, and who named it."""
    owners = known.owners
    tested, n_all = set(), len(set(owners.values()))
    if schema.ASSOCIATION_RUN in store.list_runs(samples, schema.ASSOCIATION_RUN):
        tested = set(store.load_run(samples, schema.ASSOCIATION_RUN)[0].get("clusters", ()))
    out = []
    for cluster in read_clusters(samples).values():
        members = [i for i in cluster.members if i in owners]
        n_subjects = len({owners[i] for i in members})
        step = existing("test-clusters", "What have they in common?", names=[cluster.name])
        if cluster.name in tested:
            step = existing("explain", "Where in the image is the difference?", cluster=cluster.name) or step
        out.append(
            Finding(
                f"cluster:{cluster.name}",
                "cluster",
                f"cluster {cluster.name}",
                _origin(cluster, len(members), n_subjects, known.authors),
                "shown",
                Evidence("samples", float(len(members))),
                n_subjects,
                len(members),
                cluster_selector(cluster.name),
                cluster=cluster.name,
                next_step=step,
                run_key=run_key(cluster.name),
                notes=(cluster.note,) if cluster.note else (),
                cells={"": (n_subjects, n_all - n_subjects)},
            )
        )
    return out


def association_claims(samples) -> list[HypothesisTest]:
    """One claim a tested pair of cluster and field."""
    if schema.ASSOCIATION_RUN not in store.list_runs(samples, schema.ASSOCIATION_RUN):
        return []
    config, results = store.load_run(samples, schema.ASSOCIATION_RUN)
    tests = results["tests"]
    clusters = read_clusters(samples)
    rows = [{**row, "verdict": read_verdict(row["verdict"])} for row in tests["rows"]]
    return [_claim(row, clusters, tests.get("expected") or [], config) for row in rows]


def _claim(row: dict, clusters: dict[str, Cluster], expected: list[str], config: dict) -> HypothesisTest:
    verdict, name = row["verdict"], row["cluster"]
    tested = verdict not in ("not tested", BUILT_IN, "expected")
    low, high = (or_nan(v) for v in row["interval"])
    near = float(np.nan_to_num(away_from_zero((low, high)))) if verdict != "not tested" else 0.0
    unknown = name in (config.get("unknown") or ())
    evidence = Evidence(
        row["measure"],
        or_nan(row["effect"]),
        (low, high),
        0.0 if row["measure"] else _NAN,
        or_nan(row["p"]) if tested else _NAN,
        strength=near,
    )

    def judge(raw: bool, within: bool) -> str:
        if not tested:
            return verdict
        if not raw:
            return "not found"
        if not near or unknown:
            return "unconfirmed"
        return among_alike(row, within) if expected else "found"

    notes = [n for n in (row.get("note"),) if n]
    if unknown and tested:
        notes.append(f"it is not known what the cluster was drawn by; if by {row['field']}, this means nothing")
    if name not in clusters:
        notes.append("the cluster has been renamed or deleted since it was tested")
    finding = Finding(
        f"association:{name}:{row['field']}",
        "association",
        f"{name}: {row['field']}",
        _sentence(row, expected),
        "",
        evidence,
        row["n_inside"] + row["n_outside"],
        len(clusters[name].members) if name in clusters else 0,
        cluster_selector(name),
        field=row["field"],
        cluster=name,
        run_key=schema.ASSOCIATION_RUN,
        notes=tuple(notes),
        next_step=existing("explain", "Where in the image is the difference?", cluster=name),
        cells=read_cells(row.get("cells")),
    )
    # a test among subjects alike that was not possible tells nothing: it must not enter with the raw p-value
    within = or_nan(row["p_within"]) if tested and expected else _NAN
    if tested and expected and within != within:
        within = 1.0
    redo = "test-clusters" if store.is_outdated(config) else ""
    return HypothesisTest(finding, within, judge, FAMILY, int(config.get("n_permutations") or 0), redo)


def _sentence(row: dict, expected: list[str]) -> str:
    if row["verdict"] == "not tested":
        return f"{row['cluster']} was not tested for {row['field']}: {row['note']}"
    made = row.get("made_from")
    compared = f"Among subjects alike in {made}, " if made and row["verdict"] != BUILT_IN else ""
    text = (
        f"{compared}{row['cluster']} and the rest differ in {row['field']} by "
        f"{row['measure']} {score(or_nan(row['effect']))} (95 % interval {score(or_nan(row['interval'][0]))} to "
        f"{score(or_nan(row['interval'][1]))}): {row['words']}; {count(row['n_inside'], 'subject')} inside, "
        f"{row['n_outside']:,} outside."
    )
    if row["verdict"] == BUILT_IN:
        return text + " The cluster was made from this field or one that goes with it, so a test means nothing."
    if row["verdict"] == "expected":
        return text + " It was named as an expected difference."
    return text + left_among_alike(row, expected)


def _origin(cluster: Cluster, n: int, n_subjects: int, authors: bool) -> str:
    text = f"{count(n, 'sample')} of {count(n_subjects, 'subject')}; "
    text += {
        "suggested": "an island of the map",
        "lasso": "drawn with a lasso",
        "view": "named from a view",
        "alike": "samples that share something in one place",
        "merged": "merged from others",
        "subtracted": "what is left of another",
        "imported": "imported",
    }.get(cluster.origin, cluster.origin)
    if cluster.proposed:
        text += ", proposed and not yet accepted by anybody"
    if authors and cluster.author:
        text += f", by {cluster.author}"
    if cluster.stability == cluster.stability:
        text += f"; overlap {number(cluster.stability, 2)} with itself when subjects and map are drawn anew"
    return text + "."


def line(tests) -> str:
    """A result in a line."""
    verdicts = Counter(r.verdict for r in tests.rows)
    return f"{count(tests.n_tests, 'pair')} of cluster and field tested: " + listed(
        f"{n} {verdict}" for verdict, n in verdicts.items()
    )


def bias(f: Finding) -> str:
    """A finding that holds, for the data sheet."""
    e = f.evidence
    return f"A group of images that look alike differs in {f.field} ({e.measure} {score(e.value)}, q {e.q:.2g})."


def owned(facts: store.RunFacts, fields: set[str]) -> dict[str, list[str]]:
    """What goes with a cluster."""
    name = facts.config.get("cluster", {}).get("name", "")
    return {"tags": [schema.TAG_CLUSTER + name], "views": [f"cluster: {name}"]}
