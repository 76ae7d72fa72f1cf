"""What is one thing and what is two: planted causes in vectors, and associations with known answers."""

import itertools
from functools import cache

import fiftyone as fo
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from fiftyone_daebias import schema, store
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.stories.binding import bind, decided, levels_of
from fiftyone_daebias.stories.given import Conditional
from fiftyone_daebias.stories.grouping import Cue, bundle_fields
from fiftyone_daebias.stories.matched import matched_examples


def column(name, values):
    return pd.Series(values, name=name)


def people(n):
    return np.array([f"P{k}" for k in range(n)])


def test_independent_fields_are_rarely_bound():
    rng, hits, runs = np.random.default_rng(0), 0, 300
    for _ in range(runs):
        a, b = rng.integers(0, 5, 120).astype(str), rng.integers(0, 4, 120).astype(str)
        hits += bind(column("a", a), column("b", b), people(120)).interval[0] > 0
    assert hits <= binom.ppf(0.9999, runs, 0.05)


def test_an_interval_of_v_covers_and_grows_with_repeated_images():
    rng, runs, covered = np.random.default_rng(1), 200, 0
    for _ in range(runs):
        a = rng.integers(0, 2, 150)
        b = np.where(rng.random(150) < 0.3, 1 - a, a)  # V = 0.4
        low, high = bind(column("a", a.astype(str)), column("b", b.astype(str)), people(150)).interval
        covered += low <= 0.4 <= high
    assert covered >= binom.ppf(0.0001, runs, 0.9)
    one = bind(column("a", a.astype(str)), column("b", b.astype(str)), people(150))
    rep = [np.repeat(x, 3) for x in (a.astype(str), b.astype(str), people(150))]
    three = bind(column("a", rep[0]), column("b", rep[1]), rep[2])
    assert three.n_subjects == 150 and three.interval == pytest.approx(one.interval, abs=1e-9)


def test_what_decides_what_is_computed_by_hand():
    # 40 devices' rows: device 0, 1 -> mode x; device 2 -> half x, half y
    device = np.repeat(["d0", "d1", "d2"], 200)
    mode = np.r_[np.repeat("x", 400), np.tile(["x", "y"], 100)]
    share, low = decided(column("mode", mode), column("device", device), people(600))
    # Goodman-Kruskal tau: 1 - E[Var(mode | device)] / Var(mode) = 1 - (1/3 * 1/4) / (5/6 * 1/6)
    assert share == pytest.approx(1 - (1 / 12) / (5 / 36), abs=0.01) and 0.2 < low < share
    assert decided(column("device", device), column("mode", mode), people(600))[0] < 0.3


def test_levels_of_lumpy_and_smooth_numbers():
    codes, names = levels_of(column("rows", [2048, 2500, 2048, 3000] * 20))
    assert names == ("2048", "2500", "3000") and codes[1] == 1
    codes, names = levels_of(column("age", list(np.linspace(20, 80, 100)) + [None]))
    assert len(names) == 6 and codes[-1] == -1 and names[0].startswith("20 to")
    assert levels_of(column("none", [None, None]))[1] == ()
    lumps = np.r_[np.linspace(1, 2, 50), np.linspace(90, 91, 50)]
    codes, names = levels_of(column("bytes", lumps))
    assert set(codes) == set(range(len(names))) and not (set(codes[:50]) & set(codes[51:]))


@pytest.fixture
def cohort_of():
    made = []

    def make(columns, vectors):
        name = f"test-stories-{len(made)}"
        if fo.dataset_exists(name):
            fo.delete_dataset(name)
        dataset = fo.Dataset(name)
        made.append(name)
        n = len(vectors)
        dataset.add_samples(
            [
                fo.Sample(
                    filepath=f"/nowhere/{k}.png", subject_id=f"P{k}", **{c: v[k].item() for c, v in columns.items()}
                )
                for k in range(n)
            ],
            progress=False,
        )
        store.write_vectors(dataset, schema.embedding_field(), store.sample_ids(dataset), vectors.astype(np.float32))
        return dataset

    yield make
    for name in made:
        fo.delete_dataset(name)


def bundles_of(dataset, strengths):
    table, subjects = store.read_table(dataset), np.array(store.read_subjects(dataset))
    pairs = list(itertools.combinations(strengths, 2))
    bindings = {frozenset(p): bind(table[p[0]], table[p[1]], subjects, len(pairs)) for p in pairs}
    asked = Conditional(dataset, schema.embedding_field(), n_permutations=199, subject_field=None, seed=0)
    cues = [Cue(name, strength) for name, strength in strengths.items()]
    return bundle_fields(
        cues, bindings, cache(lambda b, a: decided(table[b], table[a], subjects)), cache(lambda c, a: asked(c.field, a))
    )


def shifted(rng, n, effects):
    vectors = rng.standard_normal((n, 16))
    for k, (where, size) in enumerate(effects):
        vectors[:, k] += size * where
    return vectors


def test_one_cause_is_one_story(cohort_of):
    rng = np.random.default_rng(3)
    device = rng.integers(0, 3, 300)
    spacing = np.array([0.143, 0.168, 0.139])[device]
    mode = np.where(rng.random(300) < 0.15, rng.integers(0, 2, 300), device == 2).astype(int)
    rows = np.array([2991, 2048, 2544])[device] + rng.integers(-40, 40, 300)
    columns = {
        "device": np.array(["a", "b", "c"])[device],
        "spacing": spacing,
        "mode": np.array(["RGB", "RGBA"])[mode],
        "rows": rows,
    }
    vectors = shifted(rng, 300, [(device == 1, 4), (device == 2, 4)])
    (one,) = bundles_of(cohort_of(columns, vectors), {"device": 0.9, "spacing": 0.88, "rows": 0.6, "mode": 0.5})
    assert {j.field for j in one.joined} == {"spacing", "mode", "rows"} and not one.ties
    answers = {j.field: j.left.answer for j in one.joined}
    assert answers["spacing"] == "inseparable" and answers["mode"] == "nothing"


def test_of_fields_told_equally_well_the_one_that_decides_the_others_leads(cohort_of):
    rng = np.random.default_rng(6)
    source = rng.integers(0, 4, 240)
    columns = {
        "field_strength": np.array(["1.5", "3", "1.5", "3"])[source],
        "maker": np.array(["a", "b", "b", "b"])[source],
        "source": np.array(["w", "x", "y", "z"])[source],
    }
    vectors = shifted(rng, 240, [(source == k, 6) for k in range(3)])
    strengths = {"field_strength": 1.0, "maker": 0.999, "source": 0.998}
    (one,) = bundles_of(cohort_of(columns, vectors), strengths)
    assert one.lead.field == "source" and {j.field for j in one.joined} == {"field_strength", "maker"}


def test_two_independent_causes_are_two_stories(cohort_of):
    rng = np.random.default_rng(4)
    site, view = rng.integers(0, 2, 300), rng.integers(0, 2, 300)
    columns = {"site": np.array(["A", "B"])[site], "view": np.array(["AP", "PA"])[view]}
    vectors = shifted(rng, 300, [(site, 4), (view, 4)])
    two = bundles_of(cohort_of(columns, vectors), {"site": 0.9, "view": 0.8})
    assert [b.lead.field for b in two] == ["site", "view"] and not any(b.joined or b.ties for b in two)


def test_causes_that_go_together_are_told_with_each_other_and_not_joined(cohort_of):
    rng = np.random.default_rng(5)
    icu = rng.random(400) < 0.4
    view = np.where(rng.random(400) < 0.15, ~icu, icu)  # most ICU films are AP, and both show in the image
    columns = {"ward": np.where(icu, "ICU", "other"), "view": np.where(view, "AP", "PA")}
    vectors = shifted(rng, 400, [(icu, 4), (view, 4)])
    two = bundles_of(cohort_of(columns, vectors), {"ward": 0.9, "view": 0.8})
    assert [b.lead.field for b in two] == ["ward", "view"]
    for bundle, other in zip(two, ("view", "ward"), strict=True):
        (tie,) = bundle.ties
        assert tie.field == other and tie.left.answer == tie.of_lead.answer == "left"


def test_pairs_side_by_side_are_alike_in_what_is_expected(cohort_of):
    rng = np.random.default_rng(7)
    site = rng.integers(0, 2, 80)
    columns = {
        "site": np.array(["A", "B"])[site],
        "age": rng.normal(60, 10, 80).round(1) + 8 * site,
        "sex": np.array(["F", "M"])[rng.integers(0, 2, 80)],
    }
    dataset = cohort_of(columns, rng.standard_normal((80, 4)))
    ids, names = matched_examples(dataset, "site", ("age", "sex"), n=5)
    view = store.view_of_ids(dataset, ids, ordered=True)
    sites, ages, sexes = (view.values(f) for f in ("site", "age", "sex"))
    assert sites == list(names) * 5 and sexes[0::2] == sexes[1::2]
    assert max(abs(a - b) for a, b in zip(ages[0::2], ages[1::2], strict=True)) < 4
    with pytest.raises(InputError, match="fewer than two groups"):
        matched_examples(dataset.match({"site": "A"}), "site")


def test_nothing_is_asked_where_there_is_nobody_to_ask(cohort_of):
    rng = np.random.default_rng(6)
    columns = {"site": np.array(["A", "B"])[rng.integers(0, 2, 30)], "one": np.full(30, "x")}
    dataset = cohort_of(columns, rng.standard_normal((30, 4)))
    asked = Conditional(dataset, "no_such_vectors", n_permutations=99, subject_field=None, seed=0)
    assert asked("site", "one").answer == "unknown"
    table = store.read_table(dataset)
    assert bind(table["site"], table["one"], np.array(store.read_subjects(dataset))) is None
