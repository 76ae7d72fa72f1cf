"""Findings of clusters: the clusters themselves, and what they have in common."""

from __future__ import annotations

import numpy as np

from .. import schema, store
from ..clusters.named import Cluster, read_clusters, run_key
from ..plain import or_nan
from .finding import Evidence, Finding, cluster_selector, existing
from .pool import Claim, away_from_zero
from .wording import count, number, score

FAMILY = "pairs of cluster and field"
_NAN = float("nan")


def cluster_findings(samples, owners: dict[str, str]) -> list[Finding]:
    """One finding a cluster: how many are in it and where it comes from."""
    tested = set()
    if schema.ASSOCIATION_RUN in store.list_runs(samples, schema.ASSOCIATION_RUN):
        tested = set(store.load_run(samples, schema.ASSOCIATION_RUN)[0].get("clusters", ()))
    out = []
    for cluster in read_clusters(samples).values():
        members = [i for i in cluster.members if i in owners]
        n_subjects = len({owners[i] for i in members})
        step = existing("test-clusters", "What have they in common?", names=[cluster.name])
        if cluster.name in tested:
            step = existing("explain", "Where in the image is the difference?", cluster=cluster.name) or step
        out.append(Finding(
            f"cluster:{cluster.name}", "cluster", f"cluster {cluster.name}", _origin(cluster, len(members), n_subjects),
            "shown", Evidence("samples", float(len(members))), n_subjects, len(members),
            cluster_selector(cluster.name), cluster=cluster.name, next_step=step, run_key=run_key(cluster.name),
            notes=(cluster.note,) if cluster.note else (),
        ))
    return out


def association_claims(samples) -> list[Claim]:
    """One claim a tested pair of cluster and field."""
    if schema.ASSOCIATION_RUN not in store.list_runs(samples, schema.ASSOCIATION_RUN):
        return []
    config, results = store.load_run(samples, schema.ASSOCIATION_RUN)
    tests = results["tests"]
    clusters = read_clusters(samples)
    expected = tests.get("expected") or []
    drawn = int(config.get("n_permutations") or 0)
    return [_claim(row, clusters, expected, tests.get("shown") or {}, drawn) for row in tests["rows"]]


def _claim(row: dict, clusters: dict[str, Cluster], expected: list[str], shown: dict, drawn: int) -> Claim:
    verdict, name = row["verdict"], row["cluster"]
    counts = verdict not in ("not tested", "not blind", "expected")
    low, high = (or_nan(v) for v in row["interval"])
    effect = or_nan(row["effect"])
    near = away_from_zero((low, high))
    evidence = Evidence(
        row["measure"], effect, (low, high), 0.0 if row["measure"] else _NAN, or_nan(row["p"]) if counts else _NAN,
        strength=float(np.nan_to_num(near)) if verdict != "not tested" else 0.0,
    )

    def judge(raw: bool, within: bool) -> str:
        if not counts:
            return verdict
        if raw and within:
            return "found"
        if raw:
            return "explained" if expected else "unconfirmed"
        # its own table, with fewer tests, or the exploration half shows it
        return "unconfirmed" if verdict in ("found", "explained", "unconfirmed") else "not found"

    notes = [n for n in (row.get("note"),) if n]
    overlap = shown.get(name)
    if overlap is not None and overlap < 0.5:
        notes.append(f"the confirmation half alone does not show the cluster as an island (overlap {overlap:.2f})")
    if name not in clusters:
        notes.append("the cluster has been renamed or deleted since it was tested")
    finding = Finding(
        f"association:{name}:{row['field']}", "association", f"{name}: {row['field']}", _sentence(row, expected), "",
        evidence, row["n_inside"] + row["n_outside"],
        len(clusters[name].members) if name in clusters else 0, cluster_selector(name), field=row["field"],
        cluster=name, run_key=schema.ASSOCIATION_RUN, notes=tuple(notes),
        next_step=existing("explain", "Where in the image is the difference?", cluster=name),
    )
    within = or_nan(row["p_within"]) if counts and expected else _NAN
    return Claim(finding, within, judge, FAMILY, drawn)


def _sentence(row: dict, expected: list[str]) -> str:
    if row["verdict"] == "not tested":
        return f"{row['cluster']} was not tested for {row['field']}: {row['note']}"
    text = (
        f"On subjects kept apart from drawing it, {row['cluster']} and the rest differ in {row['field']} by "
        f"{row['measure']} {score(or_nan(row['effect']))} (95 % interval {score(or_nan(row['interval'][0]))} to "
        f"{score(or_nan(row['interval'][1]))}): {row['words']}; {count(row['n_inside'], 'subject')} inside, "
        f"{row['n_outside']:,} outside."
    )
    if row["verdict"] == "not blind":
        text += " The cluster was drawn while the map was coloured by this field, so a test means nothing."
    if row["verdict"] == "explained":
        text += f" Among subjects alike in {', '.join(expected)} the difference is not seen."
    if row["verdict"] == "expected":
        text += " It was named as an expected difference."
    return text


def _origin(cluster: Cluster, n: int, n_subjects: int) -> str:
    text = f"{count(n, 'sample')} of {count(n_subjects, 'subject')}; "
    text += {
        "suggested": "an island of the map", "lasso": "drawn with a lasso", "view": "named from a view",
        "alike": "samples that share something in one place",
        "merged": "merged from others", "subtracted": "what is left of another", "imported": "imported",
    }.get(cluster.origin, cluster.origin)
    if cluster.proposed:
        text += ", proposed and not yet accepted by anybody"
    if cluster.author:
        text += f", by {cluster.author}"
    if cluster.stability == cluster.stability:
        text += f"; overlap {number(cluster.stability, 2)} with itself when subjects and map are drawn anew"
    return text + "."
