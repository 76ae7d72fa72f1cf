"""From images to a map in a real database."""

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_daebias  # noqa: F401  adds the methods
from fiftyone_daebias import schema, store
from fiftyone_daebias.errors import CheckpointError, InputError


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """40 images of two kinds, in colour and of uneven size: nothing that this package registered."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for k in range(40):
        height, width = 60 + k % 3 * 10, 70
        y, x = np.mgrid[:height, :width]
        disc = np.hypot(y - height * (0.3 if k % 2 else 0.7), x - 35) < 14
        pixels = np.clip(disc * 150 + rng.normal(60, 10, (height, width)), 0, 255).astype(np.uint8)
        Image.fromarray(np.stack([pixels, pixels // 2, pixels], -1)).save(folder / f"{k:02d}.png")
    return folder


@pytest.fixture
def dataset(pictures, dataset_name, daebias_home):
    dataset = fo.Dataset.from_images_dir(str(pictures), name=dataset_name)
    dataset.set_values("kind", ["high" if int(p[-6:-4]) % 2 else "low" for p in dataset.values("filepath")])
    return dataset


def test_any_image_dataset_can_be_embedded_in_one_line(dataset):
    dataset.daebias.train(preset="cpu-lite", images=320, progress=None)
    result = fo.load_dataset(dataset.name).compute_dae_embeddings(progress=None)
    assert result.samples == 40 and result.dimensions == 320
    assert result.perplexity == 13 and any("lowered" in n for n in result.notes)

    dataset = fo.load_dataset(dataset.name)
    info = dataset.get_brain_info("dae_map")
    assert info.config.cls.startswith("fiftyone.brain.visualization")
    assert "dae_similarity" in dataset.list_brain_runs(type="similarity")
    assert len(dataset.first()["dae_map_points"]) == 2
    similar = dataset.sort_by_similarity(dataset.first().id, k=5, brain_key="dae_similarity")
    assert similar.count() == 5
    config, _ = store.load_run(dataset, "dae_provenance")
    assert config["checkpoint_hash"] == result.checkpoint_hash and config["seed"] == 51
    assert config["data_hash"] and config["versions"]["torch"]

    first = np.array(dataset.values("dae_embedding"))
    again = dataset.compute_dae_embeddings(progress=None)
    np.testing.assert_array_equal(np.array(dataset.values("dae_embedding")), first)
    assert again.kl_divergence == result.kl_divergence


def test_an_interrupted_embedding_goes_on(dataset, monkeypatch):
    from fiftyone_daebias.embeddings import samples as compute

    folder = dataset.daebias.train(preset="cpu-lite", images=32, progress=None).folder
    encoded = []
    real = compute.encode_volumes

    def breaking(model, source, rows, **settings):
        for i, vector in real(model, source, rows, **settings):
            if len(encoded) == 25:
                raise KeyboardInterrupt
            encoded.append(i)
            yield i, vector

    monkeypatch.setattr(compute, "WRITE_EVERY", 10)
    monkeypatch.setattr(compute, "encode_volumes", breaking)
    with pytest.raises(KeyboardInterrupt):
        dataset.compute_dae_embeddings(progress=None)
    assert dataset.count("dae_embedding") == 25
    rest = []
    monkeypatch.setattr(
        compute,
        "encode_volumes",
        lambda model, source, rows, **s: (rest.append(i) or (i, v) for i, v in real(model, source, rows, **s)),
    )
    dataset.compute_dae_embeddings(progress=None)
    assert sorted(encoded + rest) == list(range(40))
    # One that replaces these and is interrupted: nobody takes its vectors for those that the run names.
    first = np.array(dataset.values("dae_embedding"))
    other = dataset.train_dae(preset="cpu-lite", images=48, progress=None).folder
    encoded.clear()
    monkeypatch.setattr(compute, "encode_volumes", breaking)
    with pytest.raises(KeyboardInterrupt):
        dataset.compute_dae_embeddings(checkpoint=other, progress=None)
    with pytest.raises(InputError, match="was interrupted: run 'daebias embed' again"):
        store.read_vectors(dataset, "dae_embedding")
    monkeypatch.setattr(compute, "encode_volumes", real)
    dataset.compute_dae_embeddings(checkpoint=folder, progress=None)
    np.testing.assert_array_equal(np.array(dataset.values("dae_embedding")), first)
    assert len(store.read_vectors(dataset, "dae_embedding")[0]) == 40
    # another setting does not mix with what is there
    dataset.compute_dae_embeddings(checkpoint=folder, perplexity=5, progress=None)
    assert dataset.count("dae_embedding") == 40


def test_without_a_checkpoint_one_is_trained_and_it_says_so(dataset, monkeypatch):
    from dataclasses import replace

    from fiftyone_daebias.dae import config

    real = config.load_preset
    small = lambda name: replace(real(name), train=replace(real(name).train, images=64))  # noqa: E731
    monkeypatch.setattr("fiftyone_daebias.dae.train.load_preset", small)
    result = dataset.compute_dae_embeddings(progress=None)
    assert "no checkpoint for this dataset yet: trained one (64 images)" in result.notes[0]


def test_a_view_is_embedded_without_losing_the_rest_of_the_dataset(dataset):
    dataset.daebias.train(preset="cpu-lite", images=32, progress=None)
    view = dataset.match(fo.ViewField("kind") == "low")
    assert view.compute_dae_embeddings(progress=None).samples == 20
    assert dataset.count("dae_embedding") == 20 and len(dataset) == 40


def test_bad_input_leaves_the_database_as_it_was(dataset, dataset_name, tmp_path):
    before = (set(dataset.get_field_schema()), dataset.list_brain_runs(), dataset.list_runs())
    cases = [
        (InputError, "at least 8 samples; got 3", lambda: dataset.limit(3).compute_dae_embeddings(progress=None)),
        (
            InputError,
            "perplexity must be at least 2",
            lambda: dataset.compute_dae_embeddings(perplexity=1, progress=None),
        ),
        (InputError, "there is no preset 'big'", lambda: dataset.daebias.train(preset="big", progress=None)),
        (InputError, "images must be at least 1; got 0", lambda: dataset.daebias.train(images=0, progress=None)),
        (InputError, "device 'cuda:77' cannot be used", lambda: dataset.daebias.train(device="cuda:77", progress=None)),
        (
            CheckpointError,
            "there is no checkpoint in",
            lambda: dataset.compute_dae_embeddings(checkpoint=tmp_path, progress=None),
        ),
        (InputError, "fewer than 12 slices", lambda: _with_checkpoint(dataset, n_slices=12)),
        (
            InputError,
            "has no samples",
            lambda: fo.Dataset(dataset_name + "-none").compute_dae_embeddings(progress=None),
        ),
    ]
    for error, message, call in cases:
        with pytest.raises(error, match=message):
            call()
        assert (set(dataset.get_field_schema()), dataset.list_brain_runs(), dataset.list_runs()) == before
    gone = fo.Sample(filepath=str(tmp_path / "gone.png"))
    dataset.add_sample(gone)
    with pytest.raises(InputError, match="gone.png of this dataset does not exist"):
        dataset.daebias.train(preset="cpu-lite", images=32, progress=None)


def _with_checkpoint(dataset, **settings):
    return dataset.compute_dae_embeddings(progress=None, **settings)


def test_names_in_the_database_are_those_of_the_schema(dataset):
    dataset.daebias.train(preset="cpu-lite", images=32, progress=None)
    result = dataset.compute_dae_embeddings(progress=None)
    assert result.field == schema.embedding_field("dae") == "dae_embedding"
    assert (result.map_key, result.similarity_key, result.provenance_key) == (
        "dae_map",
        "dae_similarity",
        "dae_provenance",
    )


def test_new_samples_join_the_map_and_nothing_moves(dataset, tmp_path):
    dataset.daebias.train(preset="cpu-lite", images=64, progress=None)
    with pytest.raises(InputError, match="embed once without extend first"):
        dataset.compute_dae_embeddings(extend=True, progress=None)
    dataset.compute_dae_embeddings(progress=None)
    ids, before = store.load_map(dataset, "dae_map")
    rng = np.random.default_rng(9)
    twin = Image.open(dataset.first().filepath)
    twin.save(tmp_path / "twin.png", compress_level=1)
    other = Image.fromarray(rng.integers(0, 255, (60, 70), dtype=np.uint8))
    other.save(tmp_path / "other.png")
    dataset.add_samples([fo.Sample(filepath=str(tmp_path / n)) for n in ("twin.png", "other.png")])
    vectors = dict(zip(store.sample_ids(dataset), dataset.values("dae_embedding")))
    result = dataset.compute_dae_embeddings(extend=True, progress=None)
    assert result.samples == 42 and "40 kept their place" in str(result)
    after = dict(zip(*store.load_map(dataset, "dae_map")))
    np.testing.assert_array_equal([after[i] for i in ids], before)
    first = np.linalg.norm(np.array(after[dataset.last().id]) - before.mean(axis=0))
    near = np.linalg.norm(after[store.sample_ids(dataset)[40]] - after[ids[0]])
    assert np.isfinite(first) and near < 0.25 * before.std(axis=0).max()
    now = dict(zip(store.sample_ids(dataset), dataset.values("dae_embedding")))
    assert all(np.array_equal(now[i], vectors[i]) for i in ids)  # old vectors were not encoded again


def test_a_device_that_fails_while_encoding_keeps_what_was_encoded(dataset, monkeypatch):
    import torch

    from fiftyone_daebias.dae.model import DiffusionAutoencoder
    from fiftyone_daebias.errors import TrainingError
    from fiftyone_daebias.plugin import plugin_dir

    real, calls = DiffusionAutoencoder.encode, []

    def failing(self, x):
        calls.append(len(x))
        if len(calls) == 3:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")
        return real(self, x)

    monkeypatch.setattr(DiffusionAutoencoder, "encode", failing)
    settings = {"checkpoint": plugin_dir() / "models" / "dae-cxr-64", "batch_size": 10, "progress": None}
    with pytest.raises(TrainingError, match="the device cpu failed .*what was encoded is kept in the database"):
        dataset.compute_dae_embeddings(**settings)
    assert dataset.count("dae_embedding") == 20
    dataset.compute_dae_embeddings(**settings)
    assert dataset.count("dae_embedding") == 40 and sum(calls) == 50  # the 20 that were there were not encoded again


def test_checkpoints_of_other_channels_and_images_that_are_too_small(dataset, tmp_path):
    from fiftyone_daebias.dae.checkpoint import save_model
    from fiftyone_daebias.dae.config import ModelConfig
    from fiftyone_daebias.dae.model import build
    from fiftyone_daebias.plugin import plugin_dir

    config = ModelConfig(
        image_size=16, in_channels=3, channels=8, multipliers=(1,), z_dim=4, encoder="lite", lite_encoder_channels=(8,)
    )
    save_model(tmp_path / "rgb", build(config).state_dict(), config)
    before = set(dataset.get_field_schema())
    with pytest.raises(InputError, match="takes 3 channels, the slices have 1; train one"):
        dataset.compute_dae_embeddings(checkpoint=tmp_path / "rgb", progress=None)
    with pytest.raises(InputError, match="is one of the model 'dae', not 'beta-vae'; pass model='dae'"):
        dataset.compute_dae_embeddings(model="beta-vae", checkpoint=tmp_path / "rgb", progress=None)
    with pytest.raises(InputError, match="there is no model 'dea'; models: dae, "):
        dataset.compute_dae_embeddings(model="dea", progress=None)
    assert set(dataset.get_field_schema()) == before
    Image.new("L", (20, 25), 90).save(tmp_path / "small.png")
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "small.png")))
    result = dataset.compute_dae_embeddings(checkpoint=plugin_dir() / "models" / "dae-cxr-64", progress=None)
    assert any("1 samples have less than half the 64 pixels" in n and "with 18 under" in n for n in result.notes)
