"""One cohort of ``planted.py``: written, registered, embedded by every model, audited and scored."""

from __future__ import annotations

import json
import resource
import time
import uuid
from pathlib import Path

import fiftyone as fo
import numpy as np
from planted import result_file

from fiftyone_daebias import (
    case_mix,
    disagreements,
    drift,
    duplicates,
    embed,
    phantom,
    probe_all,
    quality,
    register,
    reidentify,
    schema,
    store,
    suggest_clusters,
    tag,
    test_clusters,
    train,
)
from fiftyone_daebias.embeddings.map import fit_map, principal_components
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.explanation.explain import explain
from fiftyone_daebias.findings.collect import collect_findings
from fiftyone_daebias.phantoms.places import difference_map, localisation_error, side_mm
from fiftyone_daebias.phantoms.score import AuditScore, score_audit
from fiftyone_daebias.quality_control.measures import vectors_of
from fiftyone_daebias.quality_control.stored import read_measures

EXPECTED = ["body_part", "sex"]
REGION = {"CSPINE": "neck", "TSPINE": "chest", "LSPINE": "lumbar"}
#: kinds of findings that claim something of the cohort; what is merely shown is none
CLAIMS = (
    "probe",
    "quality",
    "case-mix",
    "association",
    "drift",
    "reidentify",
    "disagreements",
    "duplicates",
    "leak",
    "conflicts",
)


def run_cohort(spec: dict) -> None:
    """Runs a cohort and writes its result file."""
    began = time.perf_counter()
    scale, models = spec["scale"], spec["models"]
    name = f"planted-{uuid.uuid4().hex[:10]}"
    folder = Path(spec["out"]) / "cohorts" / result_file(spec).stem
    times: dict[str, float] = {}

    def timed(step: str, call, *args, **kwargs):
        at = time.perf_counter()
        out = call(*args, **kwargs)
        times[step] = round(time.perf_counter() - at, 1)
        print(f"{step}: {times[step]} s", flush=True)
        return out

    timed(
        "phantom",
        phantom,
        folder,
        subjects=scale["subjects"],
        plants=spec["plants"],
        format="nifti",
        regions=list(scale["regions"]),
        matrix=scale["matrix"],
        workers=1,
        seed=spec["seed"],
    )
    truth = json.loads((folder / "truth.json").read_text())
    timed("register", register, name, folder / "images", workers=1, seed=spec["seed"])
    dataset = fo.load_dataset(name)
    out = {
        "suite": spec["suite"],
        "cohort": spec["cohort"],
        "seed": spec["seed"],
        "plants": spec["plants"],
        "scale": scale,
        "models": {},
        "times": times,
    }
    try:
        for model in models:
            copy = dataset.clone(f"{name}-{model}")
            try:
                if model == "brain":
                    out["models"][model] = timed(model, _brain, copy, truth)
                    continue
                timed(f"{model}: embed", _embed, copy, model, scale, spec["seed"])
                score, localised = timed(f"{model}: audit", _audit, copy, model, scale, spec["seed"], truth)
                out["models"][model] = {**score.to_dict(), "localised": localised}
            finally:
                copy.delete()
    finally:
        dataset.delete()
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    out["seconds"], out["cpu_seconds"] = time.perf_counter() - began, sum(u.ru_utime + u.ru_stime for u in used)
    result_file(spec).write_text(json.dumps(out, indent=1))


def _embed(dataset, model: str, scale: dict, seed: int) -> None:
    if model == "iqm":
        ids, measures = read_measures(dataset)
        vectors = vectors_of(measures)
        spread = vectors.std(axis=0)
        z = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1)
        store.write_vectors(dataset, schema.embedding_field("iqm"), ids, z.astype(np.float32))
        store.save_map(dataset, schema.map_key("iqm"), ids, fit_map(z, seed=seed).points, schema.points_field("iqm"))
        return
    if model == "dae":
        train(dataset, preset="cpu-lite", images=scale["images"], seed=seed)
    embed(dataset, model=model, seed=seed)


def _audit(dataset, model: str, scale: dict, seed: int, truth: dict) -> tuple[AuditScore, list[dict]]:
    """The steps of an audit on one model's vectors, and its score."""
    vectors, map_key = schema.embedding_field(model), schema.map_key(model)
    probe_all(
        dataset,
        vectors=vectors,
        adjust_for=EXPECTED,
        by=scale["by"] or None,
        n_permutations=scale["permutations"],
        n_bootstrap=500,
        repeats=2,
        seed=seed,
    )
    tag(dataset, vectors=vectors)
    duplicates(dataset)
    if model == "dae":  # the audit as it is shipped
        quality(dataset, expected=["sex"], by="body_part", seed=seed)
        case_mix(dataset, expected=["sex", "age", "weight", "height"], seed=seed)
    try:
        disagreements(dataset, "sex", by="body_part", vectors=vectors)
    except InputError as error:
        print(f"disagreements: {error}")
    suggest_clusters(dataset, map_key=map_key, vectors=vectors, by="body_part", resamples=scale["resamples"], seed=seed)
    try:
        test_clusters(dataset, expected=EXPECTED, seed=seed)
    except InputError as error:
        print(f"test-clusters: {error}")
    drift(dataset, by=["site", "body_part"], vectors=vectors, seed=seed)
    reidentify(dataset, vectors=vectors, seed=seed)
    found = collect_findings(dataset)
    volumes = _volumes(dataset)
    findings = [(f.key, f.field, _part(f.key)) for f in found.rows if f.verdict == "found" and f.kind in CLAIMS]
    groups = {f.cluster: list(f.selector.ids(dataset)) for f in found.rows if f.kind == "cluster"}
    for f in found.rows:
        if f.kind in ("outliers", "opposite", "disagreements", "duplicates") and f.n_samples:
            groups[f.key] = list(f.selector.ids(dataset))
    table = store.read_table(dataset).reindex(list(volumes))
    score = score_audit(
        truth,
        volumes,
        {c: table[c].tolist() for c in table.columns},
        findings,
        groups,
        _rankings(dataset, vectors, groups),
        np.random.default_rng(seed),
    )
    print(json.dumps(score.to_dict()), flush=True)
    return score, [r for r in (_localised(dataset, n, p, score, truth, seed) for n, p in _planted(truth)) if r]


def _part(key: str) -> tuple[str, ...]:
    """The part of the cohort that a finding speaks of: "drift:B, CSPINE:software", "probe:sex@body_part=CSPINE"."""
    text = key.split(":")[1] if key.startswith("drift:") else key.partition("@")[2].rpartition("=")[2]
    return tuple(REGION.get(t, t) for t in text.split(", ") if t)


def _planted(truth: dict):
    return [(n, p) for n, p in enumerate(truth["plants"]) if p["volumes"]]


def _volumes(dataset) -> dict[str, tuple[str, str]]:
    parts = store.read_table(dataset, ["body_part"])["body_part"]
    people = dict(zip(store.sample_ids(dataset), store.read_subjects(dataset), strict=True))
    return {i: (people[i], REGION[parts[i]]) for i in parts.index}


def _rankings(dataset, vectors: str, groups: dict[str, list[str]]) -> dict[str, dict[str, float]]:
    """What the audit ranks samples by: strangeness, the margin to the other sex, and nearness to each group."""
    out = {}
    ids = store.sample_ids(dataset)
    for name, field in (("outliers", schema.OUTLIER_FIELD), ("strange places", schema.LOCAL_FIELD)):
        if store.has_field(dataset, field):
            scores = store.read_field(dataset, field)
            out[name] = {i: s for i, s in zip(ids, scores, strict=True) if s is not None}
    if store.has_field(dataset, schema.PROBE_FIELD_PREFIX + "sex"):
        labels = store.read_labels(dataset, schema.PROBE_FIELD_PREFIX + "sex", ("margin",))
        out["other sex"] = {i: -v[0] for i, v in labels.items() if v[0] is not None}
    v_ids, matrix = store.read_vectors(dataset, vectors)
    z = principal_components(matrix)
    for name, members in groups.items():
        inside = np.isin(v_ids, members)
        if inside.any():
            distance = np.linalg.norm(z - z[inside].mean(axis=0), axis=1)
            out[name] = dict(zip(v_ids, -distance, strict=True))
    return out


def _localised(dataset, number: int, plant: dict, score: AuditScore, truth: dict, seed: int) -> dict | None:
    """Explains a found plant the way a user would, and measures how far off the explanation is, in mm."""
    mine = next(s for s in score.plants if s.plant == plant["text"])
    region = next((r for r in plant["regions"] if r in truth["phantom"]["regions"]), None)
    target = None
    for said in mine.by:
        if said.startswith("group ") and said[6:] in [f.name for f in _clusters(dataset)]:
            target = {"cluster": said[6:]}
    if target is None and "site" in plant["where"]:
        target = {"field": "site", "value": plant["where"]["site"]}
    if not mine.found or target is None or region is None:
        return None
    shown = difference_map(truth["phantom"], number, region)
    view = store.view_of_ids(dataset, [i for i, v in _volumes(dataset).items() if v[1] == region])
    try:
        got = explain(view, **target, train=False, n_permutations=99, seed=seed)
    except InputError as error:
        print(f"explain {plant['text']}: {error}")
        return None
    _, results = store.load_run(dataset, got.run_key)
    row = {
        "plant": plant["text"],
        "kind": plant["kind"],
        "target": target,
        "down_mm": got.displacement.shift[0],
        "error_mm": None,
        "shift_error_mm": None,
        "sentence": got.sentences[0] if got.sentences else "",
    }
    # the explanation's place: the largest difference of the mean pictures among the significant ones
    difference = np.abs(np.asarray(results["mean_inside"]) - np.asarray(results["mean_outside"]))
    difference = difference * (np.abs(np.asarray(results["t"])) >= got.means.threshold)
    if shown is not None and difference.any():
        row["error_mm"] = localisation_error(
            difference, float(results["grid"]["pixel"]), shown, side_mm(region) / len(shown)
        )
    if plant["kind"] == "shift":
        # planning differs from scan to scan, so the groups' true distance is not quite what was planted
        inside = dict(zip(results["sample_ids"], np.asarray(results["labels"], bool), strict=True))
        volumes = _volumes(dataset)
        moved = {i: truth["moved_mm"][volumes[i][0]][region][1] for i in inside}
        row["true_mm"] = float(
            np.mean([moved[i] for i, k in inside.items() if k])
            - np.mean([moved[i] for i, k in inside.items() if not k])
        )
        row["shift_error_mm"] = abs(got.displacement.shift[0] - row["true_mm"])
    return row


def _clusters(dataset):
    from fiftyone_daebias.clustering.cluster import read_clusters

    return list(read_clusters(dataset).values())


def _brain(dataset, truth: dict) -> dict:
    """FiftyOne's own brain methods where they need no download: exact copies as they are, the others on pixels.

    By default uniqueness, representativeness and near duplicates fetch a network trained on photographs.
    """
    import fiftyone.brain as fob

    embed(dataset, model="pixels")
    ids, pixels = store.read_vectors(dataset, schema.embedding_field("pixels"))
    view = store.view_of_ids(dataset, ids, ordered=True)
    groups, rankings = {}, {}
    fob.compute_uniqueness(view, embeddings=pixels)
    fob.compute_representativeness(view, embeddings=pixels)
    for field in ("uniqueness", "representativeness"):
        sign = 1 if field == "uniqueness" else -1
        rankings[field] = {i: sign * v for i, v in zip(ids, view.values(field), strict=True)}
    copies = {"exact duplicates": fob.compute_exact_duplicates(dataset)}
    copies["near duplicates"] = {
        k: [n for n, _ in v] for k, v in fob.compute_near_duplicates(view, embeddings=pixels).neighbors_map.items()
    }
    for name, found in copies.items():
        members = [i for first, others in found.items() for i in (first, *others)]
        groups |= {name: members} if members else {}
    volumes = _volumes(dataset)
    table = store.read_table(dataset).reindex(list(volumes))
    score = score_audit(
        truth, volumes, {c: table[c].tolist() for c in table.columns}, [], groups, rankings, np.random.default_rng(0)
    )
    return {**score.to_dict(), "localised": []}
