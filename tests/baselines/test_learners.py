"""Training: each model learns eight images by heart, goes on bit for bit, and is read again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_images import MadeSource
from memory import Interrupt
from safetensors.torch import load_file

from fiftyone_daebias.baselines.encoder import from_dict
from fiftyone_daebias.baselines.learn_gan import GanTrain, StyleGanLearner
from fiftyone_daebias.baselines.learn_vae import BetaVaeLearner, PlainTrain
from fiftyone_daebias.baselines.presets import TRAINED, baseline_presets, load_baseline_preset
from fiftyone_daebias.baselines.stylegan2 import StyleGanConfig
from fiftyone_daebias.baselines.supervised import NETWORKS, SupervisedConfig
from fiftyone_daebias.baselines.train_baseline import load_baseline, supervised_learner
from fiftyone_daebias.baselines.vae import BetaVaeConfig
from fiftyone_daebias.dae import trainer
from fiftyone_daebias.errors import CheckpointError, InputError
from fiftyone_daebias.statistics.targets import Target

VAE = BetaVaeConfig(
    image_size=16,
    patch=2,
    channels=(16, 32),
    decoder_channels=(32, 16),
    z_dim=8,
    beta=0.5,
    sigma=0.1,
    kl_warmup=800,
    hessian=0.01,
    hessian_images=2,
)
GAN = StyleGanConfig(
    image_size=16,
    patch=2,
    z_dim=8,
    w_dim=16,
    mapping_layers=2,
    base=256,
    most=24,
    encoder_channels=(16, 32, 32),
    gan_share=0.5,
    r1=1.0,
    ada_images=2000,
)


@pytest.fixture(scope="module")
def eight():
    return MadeSource(8)


def eight_images(source):
    return torch.from_numpy(np.stack(source.images))


def test_beta_vae_learns_eight_images(eight, tmp_path):
    recipe = PlainTrain(images=1_600, batch_size=8, lr=4e-3, warmup=10, ema=0.98, crop=1.0, save_every=1_600)
    learner = BetaVaeLearner(VAE, recipe)
    trainer.train(eight, tmp_path, learner, recipe)
    images = eight_images(eight)
    error = (learner.reconstruct(images) - images).square().mean()
    assert error < 0.1 * images.var(), f"mse {error:.4f} of variance {images.var():.4f}"
    line = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert line["kl"] > 1 and line["hessian_penalty"] >= 0
    model = load_baseline(tmp_path)
    codes = model.encode(images)
    assert codes.shape == (8, 8) and torch.equal(codes, learner.averaged.posterior(images)[0]), "the posterior's mean"
    assert torch.equal(model.decode(codes), learner.reconstruct(images))
    with pytest.raises(InputError, match=r"takes images of shape \(n, 1, 16, 16\)"):
        model.encode(torch.zeros(1, 1, 8, 8))


def test_kl_warms_up_and_the_penalty_moves_only_the_decoder():
    recipe = PlainTrain(images=800, batch_size=8)
    learner = BetaVaeLearner(VAE, recipe)
    assert [learner.beta(s) for s in (0, 50, 100, 500)] == pytest.approx([0.0, 0.25, 0.5, 0.5])
    from fiftyone_daebias.baselines.hessian import hessian_penalty, rademacher

    z = learner.model.posterior(torch.randn(2, 1, 16, 16))[0].detach()
    hessian_penalty(learner.model.decoder.activations, z, rademacher((2, 2, 8))).backward()
    assert all(p.grad is None for p in learner.model.convs.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in learner.model.decoder.parameters())


def test_stylegan_makes_and_inverts_eight_images(eight, tmp_path):
    recipe = GanTrain(images=6_400, batch_size=8, lr=3e-3, encoder_lr=4e-3, ema=0.95, crop=1.0, save_every=6_400)
    learner = StyleGanLearner(replace(GAN, ada_target=0.0), recipe)  # augmentation is against learning by heart
    trainer.train(eight, tmp_path, learner, recipe)
    images = eight_images(eight)
    again = learner.reconstruct(images)
    error = (again - images).square().mean()
    assert error < 0.35 * images.var(), f"mse {error:.4f} of variance {images.var():.4f}"
    distances = (again[:, None] - images[None]).square().mean(dim=(2, 3, 4))
    assert (distances.argmin(dim=1) // 2 % 2 == torch.arange(8) // 2 % 2).all(), "inverted to the right place"
    made = learner.averaged.generate(64)
    assert made.shape == (64, 1, 16, 16)
    nearest = (made[:, None] - images[None]).square().mean(dim=(2, 3, 4)).amin(dim=1)
    assert nearest.median() < images.var(), "the prior's images resemble the eight"
    model = load_baseline(tmp_path)
    codes = model.encode(images)
    assert codes.shape == (8, GAN.n_styles * GAN.w_dim)
    assert torch.allclose(model.decode(codes), again, atol=1e-5)
    assert torch.isfinite(learner.model.path_mean) and learner.model.path_mean > 0


def test_offsets_are_unlocked_one_by_one():
    learner = StyleGanLearner(GAN, GanTrain(images=1600, batch_size=8))
    assert (learner.gan_steps, learner.encoder_steps) == (100, 100)
    steps = [learner.unlocked(s) for s in range(100)]
    assert steps[0] == 0 and steps == sorted(steps) and steps[50] == GAN.n_styles - 1 and set(steps) == set(range(4))
    styles = learner.model.encoder(torch.randn(2, 1, 16, 16), unlocked=1)
    assert torch.equal(styles[:, 2], styles[:, 0]) and not torch.equal(styles[:, 1], styles[:, 0])


def supervised(source, network, images):
    n = len(source)
    targets = [
        Target("place", "binary", np.arange(n), source.classes, ("low", "high")),
        Target("radius", "numeric", np.arange(n), source.numbers * 100),
    ]
    recipe = PlainTrain(images=images, batch_size=8, lr=2e-3, warmup=10, ema=0.9, crop=1.0, save_every=images)
    rows = [k for k, s in enumerate(source.splits) if s == "train"]
    config, make = supervised_learner(
        source, targets, rows, SupervisedConfig(network=network, image_size=source.images[0].shape[-1]), recipe, 51
    )
    return make(config, recipe, seed=51, device="cpu"), recipe


@pytest.mark.parametrize("network", NETWORKS)
def test_supervised_networks_learn_eight_images(network, tmp_path):
    source = MadeSource(8, size=32)
    learner, recipe = supervised(source, network, {"resnet10": 400, "resnet34": 320, "densenet121": 240}[network])
    trainer.train(source, tmp_path, learner, recipe)
    model = load_baseline(tmp_path)
    place, radius = model.predict(eight_images(source))
    assert (place.argmax(dim=1).numpy() == source.classes).all()
    found, true = radius[:, 0].numpy(), source.numbers * 100
    assert (
        np.corrcoef(found, true)[0, 1] > 0.9 and np.abs(found - true).mean() < 0.6 * np.abs(true - true.mean()).mean()
    )
    assert model.encode(eight_images(source)).shape == (8, 1024 if network == "densenet121" else 512)


def test_supervised_rows_are_those_of_the_batch():
    source = MadeSource(8)
    learner, recipe = supervised(source, "resnet10", 64)
    from fiftyone_daebias.dae.batches import TrainingBatches

    batches = TrainingBatches(source, range(8), 16, recipe.batch_size, recipe.crop, 51)
    for step in (0, 3):
        for image, row in zip(batches.batch(step), learner.rows_of(step), strict=True):
            assert np.array_equal(image[0].numpy(), source.images[row][0])


@pytest.mark.parametrize("model", ["beta-vae", "stylegan2"])
def test_an_interrupted_run_equals_an_uninterrupted_one(model, tmp_path):
    source = MadeSource(32, splits=["train"] * 24 + ["val"] * 8)
    if model == "beta-vae":
        recipe = PlainTrain(images=128, batch_size=8, save_every=64)

        def make():
            return BetaVaeLearner(VAE, recipe)
    else:  # the interrupts fall into the GAN's and into the encoder's training
        recipe = GanTrain(images=192, batch_size=8, save_every=64)

        def make():
            return StyleGanLearner(replace(GAN, r1_every=4, path_every=3), recipe)

    whole = trainer.train(source, tmp_path / "whole", make(), recipe)
    for after in (40, 80):
        with pytest.raises(KeyboardInterrupt):
            trainer.train(source, tmp_path / "parts", make(), recipe, progress=Interrupt(after))
    rest = trainer.train(source, tmp_path / "parts", make(), recipe)
    assert 0 < rest.resumed_at < rest.images == whole.images
    assert rest.checkpoint_hash == whole.checkpoint_hash

    def state(folder):
        return load_file(next(Path(folder).glob("state-*/*.safetensors")))

    a, b = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    assert list((tmp_path / "whole" / "grids").glob("*.png"))


def test_presets_fit_the_autoencoders_and_build():
    assert {"beta-vae", "stylegan2", "supervised", "beta-vae-128", "stylegan2-256"} <= set(baseline_presets())
    from fiftyone_daebias.baselines.e4e import StyleGan
    from fiftyone_daebias.baselines.vae import BetaVae
    from fiftyone_daebias.dae.config import load_preset

    lite = load_preset("cpu-lite")
    for name in TRAINED:
        preset = load_baseline_preset(name)
        assert (preset.config.image_size, preset.train.images, preset.train.batch_size) == (
            lite.model.image_size,
            lite.train.images,
            lite.train.batch_size,
        )
    for name in baseline_presets():
        kind = name.split("-")[0]
        if kind == "supervised":
            continue
        config = load_baseline_preset("beta-vae" if kind == "beta" else "stylegan2", name).config
        with torch.device("meta"):
            model = (BetaVae if kind == "beta" else StyleGan)(config)
            x = torch.empty(2, 1, config.image_size, config.image_size)
            if kind == "beta":
                z = model.code(x)
                assert z.shape == (2, config.z_dim) and model.decoder(z).shape == x.shape
            else:
                styles = model.encoder(x)
                assert styles.shape == (2, config.n_styles, config.w_dim)
                assert model.generator(styles).shape == x.shape and model.discriminator(x).shape == (2,)
    with pytest.raises(InputError, match="there is no baseline 'vae'; baselines: beta-vae"):
        load_baseline_preset("vae")
    with pytest.raises(InputError, match="no preset 'stylegan2-9' for stylegan2; presets: stylegan2, stylegan2-128"):
        load_baseline_preset("stylegan2", "stylegan2-9")
    with pytest.raises(InputError, match="is for stylegan2, not for beta-vae"):
        load_baseline_preset("beta-vae", "stylegan2")
    with pytest.raises(InputError, match="images must be above 0; got -5"):
        load_baseline_preset("beta-vae", images=-5)
    with pytest.raises(InputError, match=r"unknown keys \['depth'\]"):
        from_dict(BetaVaeConfig, {"depth": 3})


def test_a_damaged_checkpoint_is_named(eight, tmp_path):
    recipe = PlainTrain(images=16, batch_size=8, crop=1.0)
    trainer.train(eight, tmp_path, BetaVaeLearner(VAE, recipe), recipe)
    facts = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**facts, "config": {**facts["config"], "z_dim": 4}}))
    with pytest.raises(CheckpointError, match="does not hold the weights"):
        load_baseline(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({**facts, "format": "daebias-other"}))
    with pytest.raises(CheckpointError, match="damaged"):
        load_baseline(tmp_path)
