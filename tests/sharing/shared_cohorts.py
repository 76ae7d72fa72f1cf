"""Two copies of one real cohort that share nothing but pictures, and an audit of the first."""

from __future__ import annotations

import random
import shutil

import numpy as np
import pandas as pd
from small_cohort import copy_cohort

from fiftyone_daebias import register, schema, store
from fiftyone_daebias.embeddings.map import fit_map

N_SUBJECTS = 48


def register_two(folder, names, missing=0):
    """The cohort under two names: files, ids, order and subject names differ; ``missing`` images lack in the second."""
    images, table = copy_cohort(folder / "a", N_SUBJECTS, 2)
    register(names[0], images, table=table, subject="subject_id")
    frame = pd.read_csv(table)
    other = folder / "b" / "elsewhere"
    other.mkdir(parents=True)
    files = sorted(images.iterdir())
    random.Random(3).shuffle(files)
    rows = []
    for n, file in enumerate(files[missing:]):
        shutil.copy(file, other / f"scan{n:04d}{file.suffix}")
        row = frame[frame["image_id"] == file.name].iloc[0] if (frame["image_id"] == file.name).any() else None
        if row is None:
            row = frame[frame["image_id"].astype(str).str.startswith(file.stem)].iloc[0]
        rows.append(
            {**row.to_dict(), "image_id": f"scan{n:04d}{file.suffix}", "subject_id": f"their-{row['subject_id']}"}
        )
    pd.DataFrame(rows).to_csv(folder / "b" / "table.csv", index=False)
    register(names[1], other, table=folder / "b" / "table.csv", subject="subject_id")


def audit(dataset, seed=0):
    """Vectors with sex and persons in them, a map, probes, clusters, tests, a view and a review."""
    import fiftyone as fo

    rng = np.random.default_rng(seed)
    ids, subjects = store.sample_ids(dataset), store.read_subjects(dataset)
    sex = [s == "F" for s in dataset.values("sex")]
    person = {s: rng.standard_normal(16) for s in sorted(set(subjects))}
    vectors = np.array([person[s] + 0.3 * rng.standard_normal(16) for s in subjects])
    vectors[:, 0] += 3 * np.array(sex)
    field = schema.embedding_field()
    store.write_vectors(dataset, field, ids, vectors)
    store.save_map(dataset, schema.map_key(), ids, fit_map(vectors, perplexity=10).points, schema.points_field())
    store.save_run(
        dataset,
        schema.provenance_key(),
        {
            "model": "dae",
            "checkpoint": "/home/ada/secret place/run",
            "checkpoint_hash": "c" * 64,
            "data_hash": "d" * 64,
            "n_slices": 1,
            "pool": "concat",
            "crop": 1.0,
            "seed": 51,
            "notes": [f"first: {ids[0]}"],
        },
        {"sample_ids": ids, "content": dataset.values(schema.CACHE_FIELD)},
    )
    dataset.daebias.probe_all(fields=["sex", "age"], n_permutations=99, n_bootstrap=100, repeats=1, progress=None)
    dataset.match({"sex": "F"}).daebias.name_cluster(
        "women",
        note=f"see {subjects[0]} and {dataset.first().filepath}",
        author="ada",
        coloured_by="nothing",
        color="red",
    )
    few = [i for i, s in zip(ids, subjects, strict=True) if s in sorted(set(subjects))[:3]]
    dataset.select(few).daebias.name_cluster("three people", author="ada")
    rest = [i for i in ids if i not in set(few)]
    dataset.select(rest).daebias.name_cluster("all but three", author="ada")
    dataset.daebias.test_clusters(names=["women"], fields=["sex", "age", "view"], n_permutations=199, progress=None)
    store.save_view(dataset, "older", dataset.match(fo.ViewField("age") > 40), description="above 40", color="#009E73")
    store.save_view(dataset, "two", dataset.limit(2), description="two images")
    dataset.daebias.review(
        "probe:sex", status="confirmed", note="seen in <b>every</b> reading", author="grace", progress=None
    )
    dataset.daebias.review("cluster:women", status="refuted", note="2 patients only", author="grace", progress=None)
    return dataset
