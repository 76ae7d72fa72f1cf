"""Every step on columns and vectors that no textbook has: it ends with a result or one line, never with a traceback."""

import datetime

import fiftyone as fo
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import schema, store
from fiftyone_daebias.clustering.neighbours import telling
from fiftyone_daebias.embeddings.map import fit_map
from fiftyone_daebias.errors import DaebiasError
from fiftyone_daebias.quality_control.measures import MEANINGS, MEASURES
from fiftyone_daebias.quality_control.quality import Columns, field_row
from fiftyone_daebias.statistics.targets import make_target, upper_half

N = 60
QUICK = {
    "steps": {
        "duplicates": False,
        "train": False,
        "embed": False,
        "quality": False,
        "explain": False,
        "sensitivity": False,
        "case-mix": {"n_permutations": 99},
        "probe-all": {"n_permutations": 99, "n_bootstrap": 100, "repeats": 1},
        "suggest-clusters": {"resamples": 0},
        "test-clusters": {"n_permutations": 99},
        "drift": {"n_permutations": 99},
        "reidentify": {"n_bootstrap": 50},
    }
}


def repeated(values):
    return [values[k % len(values)] for k in range(N)]


#: {name: (kind, values)}
COLUMNS = {
    "one value": ("string", ["a"] * N),
    "two values": ("string", repeated("ab")),
    "median is maximum": ("float", [1.0] * (N - 20) + list(np.linspace(0, 0.9, 20))),
    "median is minimum": ("integer", [0] * (N - 10) + list(range(10))),
    "all missing": ("float", [None] * N),
    "huge integers": ("integer", [2**62 - k for k in range(N)]),
    "1e300": ("float", [1e300 * k for k in range(N)]),
    "infinite": ("float", [float("inf") if k % 5 == 0 else float(k) for k in range(N)]),
    "NaN": ("float", [float("nan")] * N),
    "mostly NaN": ("float", [float("nan")] * (N - 3) + [1.0, 2.0, 3.0]),
    "every value once": ("string", [f"v{k}" for k in range(N)]),
    "boolean": ("boolean", repeated([True, False])),
    "before 1900": ("date", [datetime.date(1850 + k % 40, 1, 1) for k in range(N)]),
    "one date": ("date", [datetime.date(2020, 2, 29)] * N),
    "year 9999": ("date", [datetime.date(9999, 12, 31)] * N),
    "lists": ("list", [[1, 2]] * N),
    "dicts": ("dict", [{"a": k} for k in range(N)]),
    "one rare": ("string", ["a"] * (N - 1) + ["b"]),
    "denormal": ("float", [5e-324 * k for k in range(N)]),
    "signs": ("string", repeated(["", " ", "é☃", "<b>", "{}", "a'b\"c", "\x00", "$where"])),
}


def make(name, subjects, vectors, column):
    kind, values = column
    dataset = fo.Dataset(name)
    rng = np.random.default_rng(1)
    dataset.add_samples(
        [
            fo.Sample(
                filepath=f"/nowhere/{k}.png",
                subject_id=subjects(k),
                site="ABC"[k // 2 % 3],
                sex="MF"[k // 6 % 2],
                study_date=datetime.date(2015 + k % 6, 1 + k % 12, 1),
            )
            for k in range(N)
        ],
        progress=False,
    )
    ids = store.sample_ids(dataset)
    if kind == "list":
        dataset.set_values("odd", values)
    else:
        store.write_values(dataset, "odd", dict(zip(ids, values, strict=True)), kind)
    matrix = vectors(rng).astype(np.float32)
    store.write_vectors(dataset, schema.embedding_field(), ids, matrix)
    store.save_map(
        dataset,
        schema.map_key(),
        ids,
        fit_map(matrix).points if np.isfinite(matrix).all() and np.ptp(matrix) else np.zeros((N, 2)),
        schema.points_field(),
    )
    return dataset


def audit_ends(dataset, fields=("odd",), **options):
    steps = dict(QUICK["steps"])
    if set(fields) <= set(store.metadata_fields(dataset)):
        steps["probe-all"] = {**steps["probe-all"], "fields": list(fields)}
    else:
        steps["probe-all"] = False
    result = dataset.daebias.audit(config={"steps": steps}, progress=None, **options)
    failed = [str(s) for s in result.steps if s.outcome == "failed"]
    assert not failed and result.exit_code == 0
    return {s.name: s for s in result.steps}


@pytest.mark.parametrize("what", COLUMNS)
def test_an_audit_ends_on_every_kind_of_column(what, dataset_name, daebias_home, tmp_path):
    dataset = make(dataset_name, lambda k: f"p{k // 2}", lambda rng: rng.normal(size=(N, 6)), COLUMNS[what])
    steps = audit_ends(dataset, out=tmp_path / "a.html")
    assert steps["report"].outcome == "done" and (tmp_path / "a.html").exists()


@pytest.mark.parametrize(
    "subjects",
    [lambda k: "p", lambda k: f"p{k}", lambda k: None, lambda k: f"p{k // 30}"],
    ids=["one subject", "each its own", "none", "two subjects"],
)
@pytest.mark.parametrize(
    "vectors",
    [
        lambda rng: rng.normal(size=(N, 6)),
        lambda rng: np.ones((N, 3)),
        lambda rng: np.repeat(rng.normal(size=(N // 2, 4)), 2, 0),
        lambda rng: rng.normal(size=(N, 1)),
        lambda rng: np.c_[rng.normal(size=(N, 2)), np.zeros((N, 2))] * 1e6,
    ],
    ids=["noise", "all equal", "copies", "one number", "flat"],
)
def test_an_audit_ends_on_every_kind_of_subject_and_vector(subjects, vectors, dataset_name, daebias_home):
    odd = ("string", [f"s{k // 2}" for k in range(N)])
    dataset = make(dataset_name, subjects, vectors, odd)
    dataset.rename_sample_field("odd", "scanner")
    audit_ends(dataset, skip=["report", "probe-all"])


def test_every_subject_a_site_of_its_own_can_be_audited_and_tells_nothing(dataset_name, daebias_home):
    odd = ("string", [f"s{k // 2}" for k in range(N)])
    dataset = make(dataset_name, lambda k: f"p{k // 2}", lambda rng: rng.normal(size=(N, 6)), odd)
    dataset.delete_sample_field("site")
    dataset.rename_sample_field("odd", "site")
    result = dataset.daebias.reidentify(n_bootstrap=50)
    assert "only 0 samples share their value with another person" in result.skipped["site"]
    from fiftyone_daebias.sharing.risk import measure

    rows = measure(dataset, {schema.embedding_field(): store.read_vectors(dataset, schema.embedding_field())}, 5)
    assert all(r["what"] != "site" for r in rows)


@pytest.mark.parametrize("what", [w for w, (kind, _) in COLUMNS.items() if kind not in ("list", "dict")])
def test_image_quality_of_every_kind_of_column(what):
    """Its default audit once ended in a traceback on a number whose median is its maximum."""
    rng = np.random.default_rng(0)
    z, subjects = rng.normal(size=(N, 15)).astype(np.float32), np.array([f"p{k // 2}" for k in range(N)])
    values = COLUMNS[what][1]
    columns = Columns(MEASURES, MEANINGS, z, z.astype(float), subjects)
    row = field_row("odd", values, columns, None, 99, rng)
    assert row.note or 0 < row.p <= 1 and "nan" not in row.words
    if "median is maximum" in what:
        assert "in values of 1 (median" in row.words
    assert upper_half(np.array([1.0, 1, 1, 0])).tolist() == [True, True, True, False]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(2**53, 2**62),
    st.floats(),
    st.text(max_size=4),
    st.dates(),
    st.datetimes(),
    st.sampled_from([0.0, 1.0, "", "a", float("nan"), float("inf")]),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.lists(VALUES, min_size=1, max_size=60), st.lists(st.sampled_from([0, 1, 2.5]), min_size=40, max_size=60)
    ),
    st.integers(1, 40),
    st.sampled_from(["auto", "classes", "ordinal", "numeric"]),
)
def test_any_field_is_a_target_or_refused_in_one_line(values, n_subjects, scale):
    subjects = [f"p{k % n_subjects}" for k in range(len(values))]
    try:
        target = make_target("x", values, subjects, scale)
    except DaebiasError as error:
        assert str(error)
    else:
        assert np.isfinite(target.values).all() and len(target.values) == len(target.rows) > 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(2, 40),
    st.integers(1, 4),
    st.lists(st.integers(-1, 5), min_size=40, max_size=40),
    st.lists(st.integers(0, 6), min_size=40, max_size=40),
    st.booleans(),
    st.booleans(),
)
def test_neighbours_of_anything_are_numbers_or_nobody(n, d, values, subjects, same, flat):
    rng = np.random.default_rng(n)
    vectors = np.zeros((n, d)) if flat else rng.normal(size=(n, d))
    told = telling(
        vectors,
        np.array(values[:n]),
        np.array(subjects[:n]),
        same_subject=same,
        n_bootstrap=20,
        n_permutations=9,
        rng=rng,
    )
    assert told.n_samples == 0 or 0 <= told.top1 <= told.top5 + 1e-9 <= 1 + 1e-9
    assert told.n_samples == 0 or np.isnan(told.p) or 0 < told.p <= 1  # NaN: too few could change places
