"""An embedding beside principal components."""

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import fiftyone_daebias  # noqa: F401  adds the methods
from fiftyone_daebias import schema, store
from fiftyone_daebias.embeddings.guard import beside_pca, safe_vectors
from fiftyone_daebias.embeddings.reading import Question, draws_of, interval, predictions, score


def cohort(n=160, seed=0):
    """A label and a number, and vectors that know them well, badly or not at all."""
    rng = np.random.default_rng(seed)
    sex, age = rng.integers(0, 2, n), rng.uniform(20, 80, n)
    signal = np.c_[sex - 0.5, (age - 50) / 30, (sex - 0.5) * 0.5]
    good = np.c_[signal + rng.normal(0, 0.3, signal.shape), rng.normal(0, 0.3, (n, 5))].astype(np.float32)
    bad = np.c_[signal + rng.normal(0, 1.5, signal.shape), rng.normal(0, 1.5, (n, 5))].astype(np.float32)
    noise = rng.normal(size=(n, 8)).astype(np.float32)
    questions = [Question("sex", np.arange(n), sex, ("F", "M")), Question("age", np.arange(n), age)]
    return good, bad, noise, questions, [f"s{k}" for k in range(n)]


def test_scores_are_those_of_the_textbook_and_the_first_draw_is_the_sample():
    good, _, _, (sex, age), subjects = cohort()
    margins, chosen = predictions(good, 1, sex, subjects)
    draws = draws_of(sex, subjects, 50)
    assert score(sex, margins, draws)[0] == pytest.approx(roc_auc_score(sex.values, margins[:, 1]), abs=1e-6)
    assert score(sex, margins, draws)[0] > 0.9 and sum(chosen.values()) == 10
    values, _ = predictions(good, 1, age, subjects)
    assert score(age, values, draws)[0] == pytest.approx(np.abs(values[:, 0] - age.values).mean(), rel=1e-5)
    value, low, high = interval(score(age, values, draws))
    assert low < value < high < np.abs(age.values - np.median(age.values)).mean()


def test_a_held_out_subject_is_never_learnt_from():
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(60), 4).astype(str)
    labels = np.repeat(rng.integers(0, 2, 60), 4)
    # vectors that name the subject and nothing else: only whoever learns from the subject itself knows its label
    vectors = np.repeat(rng.normal(size=(60, 20)), 4, axis=0) + rng.normal(0, 0.01, (240, 20))
    question = Question("x", np.arange(240), labels, ("a", "b"))
    margins, _ = predictions(vectors.astype(np.float32), 1, question, list(subjects))
    assert score(question, margins, draws_of(question, subjects, 1))[0] < 0.72


def test_a_worse_embedding_is_told_and_a_better_one_is_not_blamed():
    good, bad, noise, questions, subjects = cohort()
    lost = beside_pca(bad, good, 1, questions, subjects)
    assert {r.field for r in lost.worse} == {"sex", "age"} and "worse in sex (AUC" in str(lost)
    won = beside_pca(good, bad, 1, questions, subjects)
    assert not won.worse and all(r.interval[0] > 0 for r in won.rows) and "better in" in str(won)
    same = beside_pca(good, good, 1, questions, subjects)
    assert not same.worse and [r.gain for r in same.rows] == [0, 0] and "not told apart in" in str(same)
    nothing = beside_pca(noise, noise[:, :4], 1, questions, subjects)
    assert not nothing.worse and (nothing.reason or all(r.interval[0] < 0 < r.interval[1] for r in nothing.rows))


def test_two_equally_good_embeddings_are_seldom_told_apart():
    """False alarms: 95 % intervals and a margin; 30 cohorts of two fields, expected below 2.5 %."""
    alarms = 0
    for seed in range(30):
        rng = np.random.default_rng([seed, 5])
        good, _, _, questions, subjects = cohort(100, seed)
        other = good + rng.normal(0, 0.2, good.shape).astype(np.float32)
        both = good + rng.normal(0, 0.2, good.shape).astype(np.float32)
        alarms += len(beside_pca(other, both, 1, questions, subjects).worse)
    assert alarms <= 6  # P(more) < .002 at 2.5 %


def test_embed_says_how_it_stands_and_keeps_pca_where_it_loses(dataset_name, daebias_home, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    for k in range(80):
        disc = np.hypot(y - 24, x - (14 if k % 2 else 34)) < 9
        Image.fromarray(np.clip(disc * 120 + rng.normal(60, 8, (48, 48)), 0, 255).astype(np.uint8)).save(
            tmp_path / f"{k:02d}.png"
        )
    dataset = fo.Dataset.from_images_dir(str(tmp_path), name=dataset_name)
    dataset.set_values("sex", ["M" if int(p[-6:-4]) % 2 else "F" for p in dataset.values("filepath")])
    dataset.set_values("age", [float(a) for a in rng.uniform(20, 90, 80)])
    dataset.daebias.train(preset="cpu-lite", images=64, progress=None)
    result = dataset.compute_dae_embeddings(progress=None)
    assert any(n.startswith("beside PCA, 80 subjects: ") and "sex (AUC" in n for n in result.notes)
    config, _ = store.load_run(dataset, schema.provenance_key())
    assert config["guard"]["rows"][0]["field"] == "sex" and safe_vectors(dataset) == ["dae_embedding"]

    # an embedding that knows nothing loses
    from fiftyone_daebias.embeddings import embed as compute

    real = compute.guarded
    monkeypatch.setattr(
        compute,
        "guarded",
        lambda samples, source, vectors, *a: real(samples, source, rng.normal(size=vectors.shape), *a),
    )
    result = dataset.compute_dae_embeddings(progress=None)
    assert any("worse in sex" in n and "'pca_embedding'" in n for n in result.notes)
    assert safe_vectors(dataset) == ["dae_embedding", "pca_embedding"]
    ids, matrix = store.read_vectors(dataset, "pca_embedding")
    assert matrix.shape[0] == 80 and np.isfinite(matrix).all()
    assert store.load_run(dataset, schema.provenance_key("pca"))[0]["n_slices"] == 1
