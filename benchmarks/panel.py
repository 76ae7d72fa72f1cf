"""How long the audit panel takes on a large audited dataset: every tab, first and again, and the forms.

    python benchmarks/panel.py --samples 30000

The runs are synthetic, but stored by the same functions and as large as real ones: vectors, a map, one probe a field
with predictions of every sample, clusters and their tests.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import fiftyone as fo
import fiftyone.operators as foo
import numpy as np
from fiftyone.operators.executor import ExecutionContext, Executor
from PIL import Image

from fiftyone_daebias import schema, store
from fiftyone_daebias.clustering import cluster as named
from fiftyone_daebias.clustering.test_clusters import Association, ClusterTests
from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin
from fiftyone_daebias.probes.result import ProbeResult
from fiftyone_daebias.rendering import Table, as_text

TABS = ("findings", "probes", "clusters", "time", "explain", "sensitivity", "runs")


def make_dataset(name: str, n: int, n_fields: int, folder: Path, rng: np.random.Generator) -> fo.Dataset:
    """A dataset with synthetic stored runs."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "one.png"
    Image.fromarray((rng.random((64, 64)) * 255).astype("uint8")).save(picture)
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    dataset = fo.Dataset(name)
    fields = [f"field_{k}" for k in range(n_fields)]
    values = {f: rng.integers(0, 3, n) for f in fields}
    dataset.add_samples(
        [
            fo.Sample(filepath=str(picture), subject_id=f"s{k // 2}", **{f: "abc"[values[f][k]] for f in fields})
            for k in range(n)
        ],
        progress=False,
    )
    ids = store.sample_ids(dataset)
    store.write_vectors(dataset, "dae_embedding", ids, rng.normal(size=(n, 32)))
    store.save_map(dataset, "dae_map", ids, rng.normal(size=(n, 2)), schema.points_field())
    for field in fields:
        result = ProbeResult(
            field,
            "dae_embedding",
            kind="binary",
            metric="AUC",
            score=0.5 + 0.4 * rng.random(),
            interval=(0.45, 0.95),
            chance=0.5,
            better=(0.1, 0.4),
            detectable=0.55,
            p=0.001,
            q=0.001,
            n_subjects=n // 2,
            n_samples=n,
        )
        store.save_run(
            dataset,
            schema.PROBE_RUN_PREFIX + field,
            {"field": field, "vectors": "dae_embedding"},
            {"summary": result.to_dict(), "sample_ids": ids, "scores": rng.normal(size=(n, 2)).astype(np.float32)},
        )
    clusters = [
        named.Cluster(f"group {k}", tuple(np.array(ids)[rng.random(n) < 0.1]), "suggested", created=named.now())
        for k in range(12)
    ]
    named.write(dataset, clusters)
    tests = ClusterTests(
        tuple(
            Association(
                c.name,
                f,
                "found" if rng.random() < 0.2 else "not found",
                measure="Cramér's V",
                effect=rng.random(),
                interval=(0.1, 0.6),
                p=0.001,
                q=0.01,
                p_within=0.001,
                q_within=0.01,
                n_inside=n // 20,
                n_outside=n // 2,
            )
            for c in clusters
            for f in fields
        ),
        (),
        len(clusters) * len(fields),
    )
    store.save_run(dataset, schema.ASSOCIATION_RUN, {"fields": fields}, {"tests": tests.to_dict(), "sample_ids": ids})
    return dataset


def event(dataset: fo.Dataset, method: str, state: dict, **params) -> tuple[float, float, int]:
    """Seconds and CPU seconds of one event of the panel (without the database's), and bytes that the browser gets."""
    uri = f"{PLUGIN_NAME}/{schema.PANEL_NAME}"
    request = {
        "dataset_name": dataset.name,
        "view": [],
        "params": {"__method__": method, "panel_id": "p", "panel_state": dict(state), **params},
    }
    ctx = ExecutionContext(request_params=request, executor=Executor(), operator_uri=uri)
    panel = foo.get_operator(uri)
    began, cpu = time.perf_counter(), time.process_time()
    panel.execute(ctx)
    taken = time.perf_counter() - began, time.process_time() - cpu
    return *taken, len(json.dumps(ctx.executor.to_json()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=30_000)
    parser.add_argument("--fields", type=int, default=25)
    parser.add_argument("--name", default="daebias-panel-benchmark")
    parser.add_argument("--keep", action="store_true", help="use the dataset of that name if there is one, and keep it")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "panel.json")
    args = parser.parse_args()
    link_plugin()
    if args.keep and fo.dataset_exists(args.name):
        dataset = fo.load_dataset(args.name)
    else:
        dataset = make_dataset(args.name, args.samples, args.fields, args.out.parent, np.random.default_rng(51))
    measured = {"samples": len(dataset), "load_first": event(dataset, "on_load", {})}
    measured["load_again"] = event(dataset, "on_load", {})
    for tab in TABS:
        measured[tab] = event(dataset, "refresh", {"tab": tab})
    measured["select a cluster"] = event(dataset, "choose_row", {"tab": "clusters"}, row=3)
    cells = [("what", "seconds", "CPU seconds", "bytes to the browser")]
    cells += [(k, f"{v[0]:.3f}", f"{v[1]:.3f}", f"{v[2]:,}") for k, v in measured.items() if isinstance(v, tuple)]
    print(f"{len(dataset):,} samples")
    print(as_text([Table.of(cells)]))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(measured, indent=2))
    if not args.keep:
        dataset.delete()


if __name__ == "__main__":
    main()
