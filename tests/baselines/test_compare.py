"""Embedding with baselines, and the comparison, on a small cohort of real radiographs with a field that means nothing."""

import json
from dataclasses import replace

import fiftyone as fo
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import fiftyone_daebias
from fiftyone_daebias import schema, store
from fiftyone_daebias.baselines.compare import NO_IMAGE
from fiftyone_daebias.baselines.user_models import save_module
from fiftyone_daebias.embeddings.encoders import load_encoder
from fiftyone_daebias.errors import CheckpointError, InputError
from fiftyone_daebias.figures import figure_path

IMAGES = 320


class Profile(nn.Module):
    """A module of somebody's own: means of rows and columns, scaled."""

    def __init__(self, factor: float = 1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return self.scale * torch.stack([x.mean(dim=2), x.mean(dim=3)], dim=1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    from small_cohort import copy_cohort

    folder = tmp_path_factory.mktemp("cohort")
    images, table = copy_cohort(folder, n_subjects=110, per_subject=1)
    name = "test-baselines-compare"
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    fiftyone_daebias.register(name, images, table=table, subject="subject_id", keep=["image_id"])
    dataset = fo.load_dataset(name)
    rng = np.random.default_rng(0)
    store.write_values(dataset, "coin", {i: str(rng.choice(["heads", "tails"])) for i in store.sample_ids(dataset)})
    means = [np.asarray(Image.open(p).convert("L")).mean() for p in dataset.values("filepath")]
    bright = {i: bool(m > np.median(means)) for i, m in zip(store.sample_ids(dataset), means, strict=True)}
    store.write_values(dataset, "bright", bright)
    yield dataset
    fo.delete_dataset(name)


@pytest.fixture(scope="module")
def compared(cohort):
    return cohort.daebias.compare(
        models=["dae", "beta-vae", "resnet10", "pca", "pixels", "random"],
        fields=["bright", "age", "coin", "image_id"],
        folds=3,
        images=IMAGES,
        n_permutations=499,
        n_bootstrap=500,
        progress=None,
    )


def cell(result, name, field):
    return next(r for r in result.rows if r.name == name).cells[field]


def test_rows_columns_and_budget(compared):
    assert [r.name for r in compared.rows] == [NO_IMAGE, "dae", "beta-vae", "resnet10", "pca", "pixels", "random"]
    by = {c.field: c for c in compared.columns}
    assert by["bright"].metric == "accuracy" and by["age"].metric == "l1" and by["bright"].n_subjects == 110
    assert "image_id" in by and "an id or free text" in by["image_id"].reason
    rows = {r.name: r for r in compared.rows}
    assert rows["dae"].images == rows["beta-vae"].images == rows["resnet10"].images == IMAGES
    assert all(rows[m].train_seconds > 0 for m in ("dae", "beta-vae", "resnet10")) and rows["pixels"].images == 0
    dimensions = {m: rows[m].dimensions for m in ("pixels", "dae", "beta-vae")}
    assert dimensions == {"pixels": 1024, "dae": 320, "beta-vae": 128}


def test_what_is_there_is_found_and_what_is_not_is_not(compared):
    dull = cell(compared, NO_IMAGE, "bright")
    for name in ("pca", "pixels"):
        found = cell(compared, name, "bright")
        assert found.score > dull.score + 0.1 and found.interval[0] < found.score < found.interval[1]
    for row in compared.rows:
        coin = row.cells["coin"]
        assert coin.score < 0.7
        assert not coin.q <= 0.05, f"{row.name} differs from the autoencoder in a field that means nothing"
        assert row.name == NO_IMAGE or not coin.q_dull <= 0.05
    assert np.isnan(cell(compared, "dae", "bright").difference)
    assert any(s.startswith("coin: no row answers better than without images") for s in compared.sentences)
    assert any(s.startswith("bright: best") for s in compared.sentences)
    assert cell(compared, "dae", "bright").q_dull <= 0.05


def test_paired_differences_by_hand(cohort, compared):
    _, results = store.load_run(cohort, schema.COMPARE_RUN)
    scores = results["subject_scores"]["age"]["scores"]
    assert len(results["subject_scores"]["age"]["subjects"]) == 110
    difference = np.asarray(scores["pca"]) - np.asarray(scores["dae"])
    found = cell(compared, "pca", "age")
    assert found.difference == pytest.approx(difference.mean()) and found.score == pytest.approx(scores["pca"].mean())
    error = difference.std(ddof=1) / np.sqrt(110)
    assert found.difference_interval[1] - found.difference_interval[0] == pytest.approx(2 * 1.96 * error, rel=0.25)
    z = abs(difference.mean()) / np.sqrt(np.mean(difference**2) / 110)
    from scipy.stats import norm

    assert found.p == pytest.approx(2 * norm.sf(z), abs=0.06)


def test_it_is_stored_with_maps_and_figures_and_shown(cohort, compared):
    config, results = store.load_run(cohort, schema.COMPARE_RUN)
    assert config["models"][0] == "dae" and results["table"]["rows"][1]["name"] == "dae"
    names = [f["name"] for f in results["figures"]]
    assert names == ["compare_scores", "compare_maps_bright", "compare_maps_coin", "compare_maps_age"]
    assert all(figure_path(cohort.name, f).stat().st_size > 5_000 for f in results["figures"])
    plotly = results["figures"][0]["plotly"]
    assert len(plotly["data"]) == 3 and plotly["data"][0]["y"][::-1] == [r.name for r in compared.rows]
    assert {"dae_map", "beta_vae_map", "pca_map", "pixels_map", "random_map"} <= set(store.map_runs(cohort))
    text, markdown = str(compared), compared.to_markdown()
    for word in ("beta-vae", "bright acc. %", "age l1", "image_id left out", f"{IMAGES:,}", "3 folds by subject"):
        assert word in text
    assert "| resnet10 |" in markdown and "Differences to dae, paired by subject" in markdown
    json.dumps(compared.to_dict())


def test_again_it_gives_the_same_and_trains_nothing(cohort, compared):
    again = cohort.daebias.compare(
        models=["dae", "pca"],
        fields=["bright", "age", "coin"],
        folds=3,
        images=IMAGES,
        n_permutations=499,
        n_bootstrap=500,
        progress=None,
    )
    for name in ("dae", "pca"):
        for field in ("bright", "age", "coin"):
            a, b = cell(compared, name, field), cell(again, name, field)
            assert a.score == b.score and a.interval == b.interval
            assert b.p == a.p or np.isnan(a.p)


def test_baselines_embed_as_the_autoencoder_does(cohort, compared):
    result = cohort.compute_dae_embeddings(model="beta-vae", progress=None)
    assert (result.field, result.map_key) == ("beta_vae_embedding", "beta_vae_map") and result.dimensions == 128
    config, _ = store.load_run(cohort, "beta_vae_provenance")
    assert config["model"] == "beta-vae" and config["checkpoint_hash"] == result.checkpoint_hash
    assert type(load_encoder(result.checkpoint)).__name__ == "BetaVae"


def test_a_module_of_ones_own_and_vectors_that_are_there(cohort, compared, tmp_path):
    name = save_module(tmp_path / "mine", Profile(2.0), image_size=32, arguments={"factor": 2.0})
    assert name == f"module:{__name__}:Profile"
    result = cohort.compute_dae_embeddings(model=name, checkpoint=tmp_path / "mine", progress=None)
    assert result.dimensions == 64
    found = cohort.daebias.compare(
        models=["pca"],
        vectors=[result.field],
        reference="pca",
        fields=["bright"],
        folds=3,
        n_permutations=99,
        n_bootstrap=100,
        progress=None,
    )
    assert [r.name for r in found.rows] == [NO_IMAGE, result.field, "pca"] and found.reference == "pca"
    assert cell(found, result.field, "bright").score > cell(found, NO_IMAGE, "bright").score
    with pytest.raises(InputError, match="is not this module"):
        save_module(tmp_path / "other", Profile(2.0), image_size=32, arguments={"factors": 2.0})
    facts = json.loads((tmp_path / "mine" / "model.json").read_text())
    facts["config"]["name"] = "module:os:system"
    (tmp_path / "mine" / "model.json").write_text(json.dumps(facts))
    with pytest.raises(CheckpointError, match="not a class of torch modules"):
        load_encoder(tmp_path / "mine")


def test_what_cannot_be_compared_is_said(cohort, compared):
    with pytest.raises(InputError, match="there is no model 'vae'"):
        cohort.daebias.compare(models=["dae", "vae"], progress=None)
    with pytest.raises(InputError, match="name at least two"):
        cohort.daebias.compare(models=["dae"], progress=None)
    with pytest.raises(InputError, match="reference 'pcb' is not among"):
        cohort.daebias.compare(models=["dae", "pca"], reference="pcb", progress=None)
    with pytest.raises(InputError, match="folds must be 0 .* or 2 to 55; got 1"):
        cohort.daebias.compare(models=["pca", "pixels"], folds=1, progress=None)
    with pytest.raises(InputError, match="'dae=' is not MODEL=PRESET"):
        cohort.daebias.compare(models=["dae", "pca"], presets=["dae="], progress=None)
    with pytest.raises(InputError, match="nothing here can be compared"):
        cohort.daebias.compare(models=["pca", "pixels"], fields=["image_id"], progress=None)
    with pytest.raises(InputError, match="learns from images alone"):
        cohort.daebias.train_baseline("beta-vae", fields=["bright"], progress=None)
    with pytest.raises(InputError, match="neither zoo:NAME nor module"):
        cohort.compute_dae_embeddings(model="hub:net", progress=None)
    with pytest.raises(InputError, match="needs its weights"):
        cohort.compute_dae_embeddings(model="module:torch.nn:Identity", progress=None)


def test_a_supervised_network_learns_the_fields_it_is_given(cohort, tmp_path):
    result = cohort.daebias.train_baseline("resnet10", fields=["bright", "age"], images=320, progress=None)
    assert set(result.metrics) == {"validation_loss", "bright_loss", "age_loss"} and result.images == 320
    model = load_encoder(result.folder)
    assert [q["field"] for q in model.config.questions] == ["bright", "age"]
    assert model.encode(torch.zeros(2, 1, 64, 64)).shape == (2, 512)
    again = cohort.daebias.train_baseline("resnet10", fields=["bright", "age"], images=320, progress=None)
    assert again.resumed_at == 320 and again.checkpoint_hash == result.checkpoint_hash
    other = replace(model.config, answers="x")
    assert other != model.config
