"""A planted cohort in a database, and a short audit of it."""

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import schema, store

#: an audit of vectors that are there already, quick enough for tests
SHORT = {
    "steps": {
        "duplicates": False,
        "train": False,
        "embed": False,
        "explain": False,
        "sensitivity": False,
        "probe-all": {"n_permutations": 199, "n_bootstrap": 100, "repeats": 1},
        "suggest-clusters": {"resamples": 0},
        "test-clusters": {"n_permutations": 199},
        "drift": {"n_permutations": 99},
        "reidentify": {"n_bootstrap": 100},
    }
}


def make_cohort(name, planted=True, n_subjects=100, extra=None, seed=0):
    """Two images a subject; planted: site B's images lie apart from 2018 on, and sex shifts one dimension."""
    rng = np.random.default_rng(seed)
    n = 2 * n_subjects
    subject = np.repeat(np.arange(n_subjects), 2)
    site = np.where(rng.random(n_subjects) < 0.5, "B", "A")[subject]
    sex = np.where(rng.random(n_subjects) < 0.5, "F", "M")[subject]
    year = (2016 + 4 * rng.random(n_subjects))[subject]
    weight = np.round(rng.normal(70, 9, n_subjects), 1)[subject]
    vectors = rng.standard_normal((n, 16)) + 0.5 * rng.standard_normal((n_subjects, 16))[subject]
    if planted:
        vectors[(site == "B") & (year >= 2018), :6] += 5
        vectors[:, 7] += 2.5 * (sex == "F")
    dataset = fo.Dataset(name)
    columns = {k: v(rng, subject) for k, v in (extra or {}).items()}
    dataset.add_samples(
        [
            fo.Sample(
                filepath=f"/nowhere/{name}/{k:03d}.png",
                subject_id=f"P{subject[k]:03d}",
                site=site[k],
                sex=sex[k],
                acquisition_date_years=float(year[k]),
                weight=float(weight[k]),
                **{c: v[k] for c, v in columns.items()},
            )
            for k in range(n)
        ],
        progress=False,
    )
    ids = store.sample_ids(dataset)
    store.write_vectors(dataset, schema.embedding_field(), ids, vectors.astype(np.float32))
    points = vectors[:, [0, 7]] + 0.1 * rng.standard_normal((n, 2))
    store.save_map(dataset, schema.map_key(), ids, points, schema.points_field())
    return dataset


@pytest.fixture(scope="module")
def short():
    return {"steps": {k: dict(v) if isinstance(v, dict) else v for k, v in SHORT["steps"].items()}}


@pytest.fixture(scope="module")
def cohort_maker():
    made = []

    def make(name, **options):
        made.append(name)
        return make_cohort(name, **options)

    yield make
    for name in made:
        if fo.dataset_exists(name):
            fo.delete_dataset(name)


@pytest.fixture(scope="module")
def audited(cohort_maker, short, tmp_path_factory):
    """The planted cohort after its audit, with the audit's result."""
    dataset = cohort_maker("test-report-" + tmp_path_factory.mktemp("a").name)
    out = tmp_path_factory.mktemp("report") / "audit.html"
    result = dataset.daebias.audit(config=short, out=out, fail_on=["site.auc>0.6", "leak.subjects>0"], progress=None)
    return dataset, result
