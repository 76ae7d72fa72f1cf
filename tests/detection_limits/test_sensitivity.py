"""Sensitivity of a real, small cohort: from images and a trained model to probabilities, figures and a finding."""

import json

import fiftyone as fo
import numpy as np
import plotly.graph_objects as go
import pytest
from small_cohort import copy_cohort

import fiftyone_daebias  # noqa: F401  puts the verbs on datasets
from fiftyone_daebias import register, schema, store
from fiftyone_daebias.cohort.slice_cache import SliceCache
from fiftyone_daebias.detection_limits import sensitivity as verb
from fiftyone_daebias.detection_limits.regions import Places
from fiftyone_daebias.errors import Cancelled, CheckpointError, InputError
from fiftyone_daebias.figures import figure_path
from fiftyone_daebias.findings.collect import collect_findings
from fiftyone_daebias.progress import CallbackProgress

NAME = "test-sensitivity"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """56 radiographs of 56 people, and a model that has seen a few batches."""
    images, table = copy_cohort(tmp_path_factory.mktemp("cohort"), 56)
    register(NAME, images, table=table, subject="subject_id")
    dataset = fo.load_dataset(NAME)
    dataset.daebias.train(preset="cpu-lite", images=320, progress=None)
    dataset.compute_dae_embeddings(progress=None)
    yield dataset
    fo.delete_dataset(NAME)


@pytest.fixture(scope="module")
def result(embedded):
    return embedded.daebias.sensitivity(
        effects=["contrast"], strengths=[0.01, 3], prevalences=[0.1, 0.2, 0.3], repeats=8, n_tests=1, progress=None
    )


def row(result, effect, strength, share):
    return next(r for r in result.rows if (r.effect, r.strength, r.prevalence) == (effect, strength, share))


def test_a_plain_effect_is_found_and_none_is_not(embedded, result):
    strong, none = row(result, "contrast", 3, 0.3), row(result, "none", 0, 0.3)
    assert strong.probability >= 0.9 and strong.n_affected == 17 and strong.n_subjects == 56
    assert strong.interval[0] > 0.6 and none.repeats == 8
    alarms, trials = result.false_alarms
    # two shares of 8 trials at 0.05: four alarms or more have a probability below 0.01
    assert trials == 16 and alarms <= 3
    assert row(result, "contrast", 0.01, 0.3).found <= none.found + 3
    # 10 % of 56 subjects are fewer than a probe takes
    small = row(result, "contrast", 3, 0.1)
    assert small.reason.startswith("10% of 56 subjects are 6") and np.isnan(small.probability)
    assert "In 20% of the subjects (11)" in result.sentence and f"raised {alarms} alarm" in result.sentence
    text = str(result)
    assert "in 20% (11)" in text and "not tested: 10% of 56" in text and "contrast" in text
    json.dumps(result.to_dict(), allow_nan=False)


def test_run_figures_and_finding_are_there(embedded, result):
    config, results = store.load_run(embedded, schema.SENSITIVITY_RUN)
    assert config["level"] == 0.05 and config["repeats"] == 8 and len(results["rows"]) == 9
    assert results["sentence"] == result.sentence
    names = [f["name"] for f in results["figures"]]
    assert names == ["sensitivity", "sensitivity_examples"]
    for figure in results["figures"]:
        assert figure_path(NAME, figure).stat().st_size > 5000
    json.dumps(results["figures"][0]["plotly"], allow_nan=False)
    drawn = go.Figure(results["figures"][0]["plotly"])
    assert [list(t.y) for t in drawn.data] == [
        [row(result, "none", 0, s).probability, *(row(result, "contrast", c, s).probability for c in (0.01, 3))]
        for s in (0.2, 0.3)
    ]
    (finding,) = collect_findings(embedded).of("sensitivity")
    assert finding.sentence == result.sentence and len(finding.figures) == 2


def test_it_goes_on_where_it_was_and_gives_the_same(embedded, result, monkeypatch):
    settings = {"effects": ["contrast"], "strengths": [0.01, 3], "prevalences": [0.1, 0.2, 0.3], "n_tests": 1}
    monkeypatch.setattr(verb, "encode_volumes", lambda *a, **k: pytest.fail("encoded again"))
    trials = []
    real = verb.run_trial
    monkeypatch.setattr(verb, "run_trial", lambda *a, **k: trials.append(1) or real(*a, **k))
    again = embedded.daebias.sensitivity(repeats=8, progress=None, **settings)
    assert again.to_dict()["rows"] == result.to_dict()["rows"] and not trials
    said = []

    def stop(share, text):
        said.append(text)
        if len(trials) == 5:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        embedded.daebias.sensitivity(repeats=10, progress=CallbackProgress(stop), **settings)
    assert any("trials" in s and "/90" in s for s in said)
    trials.clear()
    more = embedded.daebias.sensitivity(repeats=10, progress=None, **settings)
    # 6 rows of 2 more trials, five of which were done before it was stopped
    assert len(trials) == 12 - 5 and row(more, "contrast", 3, 0.3).repeats == 10
    islands = embedded.daebias.sensitivity(repeats=5, islands=True, progress=None, **settings)
    assert 0 <= row(islands, "contrast", 3, 0.3).island <= 1 and "island in 30%" in str(islands)
    assert row(islands, "none", 0, 0.3).island == 0 and "island" not in str(result)


def test_a_larger_cohort_is_tested_in_part_and_says_so(embedded):
    found = embedded.daebias.sensitivity(
        effects=["contrast"], strengths=[3], repeats=5, max_samples=50, n_tests=1, progress=None
    )
    assert found.n_samples == found.n_subjects == 50 and "tested on 50 of 56 samples" in found.notes[-1]
    # without shares named, a larger one is added for so small a cohort
    assert [r.prevalence for r in found.rows if r.effect == "contrast"] == [0.02, 0.05, 0.1, 0.2]
    assert [bool(r.reason) for r in found.rows if r.effect == "contrast"] == [True, True, True, False]


def test_lengths_are_pixels_where_the_spacing_is_unknown(embedded, monkeypatch):
    seen = []
    real = verb.PerturbedSource
    monkeypatch.setattr(
        verb,
        "PerturbedSource",
        lambda source, e, s, spacing, seed: seen.append(spacing) or real(source, e, s, spacing, seed),
    )
    found = embedded.daebias.sensitivity(
        effects=["shift"], strengths=[4], prevalences=[0.2], repeats=5, n_subjects=12, n_tests=1, progress=None
    )
    assert found.rows[-1].unit == "pixels towards the head" and "pixels of the cached slices, not mm" in found.notes[0]
    assert set(seen[0]) == {(1.0, 1.0)}
    ids = store.sample_ids(embedded)
    try:
        store.write_values(embedded, schema.GEOMETRY_FIELD, {i: {"spacing_mm": [0.5, 0.25]} for i in ids}, kind="dict")
        # volumes of which the cache lost nothing need no file again
        found = embedded.daebias.sensitivity(
            effects=["shift"], strengths=[2, 4], prevalences=[0.2], repeats=5, n_subjects=12, n_tests=1, progress=None
        )
        assert found.rows[-1].unit == "mm towards the head" and set(seen[-1]) == {(0.5, 0.25)}
        # 64 rows of 0.5 mm: a tenth of the picture is 3.2 mm
        assert "more than 3.2 " in found.notes[0] and "from 4 on" in found.notes[0] and len(found.notes) == 1
    finally:
        store.write_values(embedded, schema.GEOMETRY_FIELD, dict.fromkeys(ids))


def test_bad_input_says_so(embedded, dataset_name):
    for settings, message in (
        ({"effects": ["blur"]}, "effects must be of shift, .*; got \\['blur'\\]"),
        ({"strengths": [1.0]}, "name one effect"),
        ({"effects": ["noise"], "strengths": [-1.0]}, "must be above 0"),
        ({"effects": ["noise"], "strengths": [0.0]}, "other than 0"),
        ({"prevalences": [0.9]}, "at most 0.5"),
        ({"prevalences": [0.05]}, "too few subjects: a probe needs 10 .* of 200; there are 56"),
        ({"n_subjects": 3}, "at least 10"),
        ({"repeats": 1}, "repeats must be at least 5"),
        ({"max_samples": 9}, "max_samples must be at least 50"),
        ({"effects": ["flip"], "prevalences": [0.2]}, "need volumes"),
        ({"model": "pca"}, "run 'daebias embed' first"),
    ):
        with pytest.raises(InputError, match=message):
            embedded.daebias.sensitivity(progress=None, **settings)
    bare = fo.Dataset(dataset_name)
    bare.add_sample(fo.Sample(filepath=embedded.first().filepath))
    with pytest.raises(InputError, match="run 'daebias embed' first"):
        bare.daebias.sensitivity(progress=None)


def test_vectors_of_another_making_are_refused(embedded):
    field = schema.embedding_field()
    ids, vectors = store.read_vectors(embedded, field)
    try:
        store.write_vectors(embedded, field, ids, vectors + vectors.std() * 2)
        with pytest.raises(CheckpointError, match="another vector than their checkpoint gives"):
            embedded.daebias.sensitivity(
                effects=["contrast"], strengths=[3], prevalences=[0.2], repeats=5, progress=None
            )
    finally:
        store.write_vectors(embedded, field, ids, vectors)
    assert SliceCache().keys()


def test_shares_of_strange_places_are_given_and_kept(embedded, result, monkeypatch):
    assert all(0 <= r.places <= 1 for r in result.rows if not r.reason)
    assert row(result, "none", 0, 0.3).places < 0.15 and "strange places" in str(result)
    asked = {"effects": ["contrast"], "strengths": [3], "prevalences": [0.3], "repeats": 5, "progress": None}
    once = embedded.daebias.sensitivity(**asked)
    made = []
    monkeypatch.setattr(Places, "__init__", lambda *args: made.append(args))
    again = embedded.daebias.sensitivity(**asked)
    assert [r.places for r in again.rows] == [r.places for r in once.rows] and not made
