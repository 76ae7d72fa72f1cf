"""Checkpoints as FiftyOne models and as a source of its zoo."""

import functools
import http.server
import pickle
import shutil
import threading
from pathlib import Path

import fiftyone as fo
import fiftyone.brain as fob
import fiftyone.zoo as foz
import numpy as np
import pytest
import torch
from PIL import Image

import fiftyone_daebias  # noqa: F401  adds the methods
from fiftyone_daebias.dae.checkpoint import save_model
from fiftyone_daebias.dae.config import ModelConfig
from fiftyone_daebias.dae.model import build
from fiftyone_daebias.demo.run import COHORT
from fiftyone_daebias.embeddings.fiftyone_model import EncoderModel
from fiftyone_daebias.embeddings.zoo import register_zoo_source
from fiftyone_daebias.errors import CheckpointError, InputError
from fiftyone_daebias.plugin import plugin_dir

WEIGHTS = plugin_dir() / "models" / "dae-cxr-64"


@pytest.fixture(scope="module")
def radiographs():
    dataset = fo.Dataset("test-fiftyone-model", overwrite=True)
    files = sorted((COHORT / "images").iterdir())[:20]
    dataset.add_samples([fo.Sample(filepath=str(f)) for f in files])
    yield dataset
    dataset.delete()


def test_fiftyone_embeds_with_a_checkpoint_as_this_package_does(radiographs):
    model = EncoderModel(WEIGHTS)
    radiographs.compute_embeddings(model, embeddings_field="theirs", batch_size=7, num_workers=0, skip_failures=False)
    theirs = np.array(radiographs.values("theirs"))
    radiographs.compute_dae_embeddings(checkpoint=WEIGHTS, progress=None)
    np.testing.assert_allclose(theirs, np.array(radiographs.values("dae_embedding")), atol=1e-4)
    assert theirs.shape == (20, 128) and theirs.std(axis=0).min() > 0
    # without a data loader, one image at a time, from a path, a picture and an array
    path = radiographs.first().filepath
    for image in (path, Image.open(path), np.asarray(Image.open(path))):
        np.testing.assert_allclose(model.embed(image), theirs[0], atol=1e-4)
    np.testing.assert_allclose(model.get_embeddings()[0], theirs[0], atol=1e-4)
    with pytest.raises(InputError, match="predicts no labels"):
        model.predict(path)


def test_a_similarity_index_takes_the_model(radiographs):
    fob.compute_similarity(
        radiographs,
        model=EncoderModel(WEIGHTS),
        embeddings="by_model",
        brain_key="by_model",
        batch_size=8,
        num_workers=0,
        progress=False,
    )
    near = radiographs.sort_by_similarity(radiographs.first().id, k=3, brain_key="by_model").values("id")
    assert len(near) == 3 and near[0] == radiographs.first().id


def test_the_loaders_part_can_be_pickled_and_reads_16_bits(tmp_path):
    model = EncoderModel(WEIGHTS)
    get = pickle.loads(pickle.dumps(model.build_get_item()))
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 60_000, (80, 64)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    x = get({"filepath": str(tmp_path / "deep.png")})
    assert x.shape == (1, 64, 64) and x.dtype == torch.float32
    side = round(64 * 0.9)
    top, left = (80 - side) // 2, (64 - side) // 2
    middle = deep[top : top + side, left : left + side].astype(np.float64) * 2 / deep.max() - 1
    assert x.mean().item() == pytest.approx(middle.mean(), abs=0.02)  # all 16 bits, under the fixed crop


def test_colour_models_read_colour(tmp_path):
    config = ModelConfig(
        image_size=16, in_channels=3, channels=8, multipliers=(1,), z_dim=4, encoder="lite", lite_encoder_channels=(8,)
    )
    save_model(tmp_path / "rgb", build(config).state_dict(), config)
    Image.new("RGB", (40, 30), (255, 0, 0)).save(tmp_path / "red.png")
    model = EncoderModel(tmp_path / "rgb")
    x = model.transforms(str(tmp_path / "red.png"))
    assert x.shape == (3, 16, 16) and x.mean((1, 2)).tolist() == [1, -1, -1]
    assert model.embed(str(tmp_path / "red.png")).shape == (4,)


def test_the_zoo_gives_the_model_by_name(radiographs):
    names = register_zoo_source()
    assert names == register_zoo_source() == ["dae-cxr-64", "dae-radiographs"]
    assert "dae-cxr-64" in foz.list_zoo_models()
    model = foz.load_zoo_model("dae-cxr-64")
    assert isinstance(model, EncoderModel)
    found = radiographs[:3].compute_embeddings(model, num_workers=0)
    assert np.asarray(found).shape == (3, 128)
    foz.delete_zoo_model("dae-cxr-64")
    shutil.rmtree(Path(fo.config.model_zoo_dir) / "daebias" / "dae-cxr-64")
    with pytest.raises(ValueError, match="register it again"):
        foz.load_zoo_model("dae-cxr-64", cache=False)
    register_zoo_source()
    foz.load_zoo_model("dae-cxr-64", cache=False)


def test_a_remote_source_is_registered_by_its_address(tmp_path, monkeypatch):
    """FiftyOne takes addresses of archives: one is really served and downloaded."""
    shutil.make_archive(str(tmp_path / "served" / "daebias"), "zip", plugin_dir(), "models")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *a: None)
    monkeypatch.setattr(fo.config, "model_zoo_dir", str(tmp_path / "zoo"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/daebias.zip"
        foz.register_zoo_model_source(url)
        assert url in foz.list_zoo_model_sources()
        model = foz.load_zoo_model("dae-cxr-64", cache=False)
        assert str(tmp_path / "zoo") in model.checkpoint
    finally:
        server.shutdown()
        server.server_close()


def test_what_is_in_the_zoos_place_is_not_overwritten(tmp_path, monkeypatch):
    monkeypatch.setattr(fo.config, "model_zoo_dir", str(tmp_path))
    (tmp_path / "daebias").mkdir()
    with pytest.raises(InputError, match="is not a model source of this package"):
        register_zoo_source()
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        EncoderModel(tmp_path)
