"""Training that starts from the weights of a checkpoint."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from memory import MemorySource

from fiftyone_daebias.dae import trainer
from fiftyone_daebias.dae.checkpoint import load_model
from fiftyone_daebias.dae.config import load_preset
from fiftyone_daebias.dae.init import fitting, packaged, read_start
from fiftyone_daebias.dae.learn_dae import DaeLearner
from fiftyone_daebias.errors import CheckpointError, InputError


def test_training_goes_on_from_the_weights_of_another_cohort(trained, tiny, tmp_path):
    model, source, folder = trained
    start = read_start(str(folder), tiny[0])
    assert start.images == 4000
    config = replace(tiny[1], images=32, save_every=32, crop=1.0)
    other = MemorySource(n=40, seed=9)
    held_out = {}
    for name, given in (("warm", start), ("cold", None)):
        learner = DaeLearner(tiny[0], config, seed=51, start=given)
        held_out[name] = trainer.train(other, tmp_path / name, learner, config, seed=51).metrics["reconstruction_mse"]
    assert held_out["warm"] < 0.5 * held_out["cold"]
    for key, value in DaeLearner(tiny[0], config, start=start).ema().items():
        torch.testing.assert_close(value, model.state_dict()[key])


class Circling(MemorySource):
    """Discs on a circle, where two principal components see no more than two axes."""

    def __init__(self, n=96, size=16, seed=0):
        super().__init__(n, size, seed=seed)
        y, x = np.mgrid[:size, :size] / size
        angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, n)
        discs = [np.hypot(y - 0.5 - 0.3 * np.sin(a), x - 0.5 - 0.3 * np.cos(a)) < 0.2 for a in angles]
        self.volumes = [(d[None] * 1.2 - 0.6).astype(np.float32) for d in discs]
        self.data_hash = f"circling {n} {size} {seed}"


@pytest.fixture(scope="module")
def with_components(tiny, tmp_path_factory):
    """A tiny network beside principal components, trained on one cohort, with its configuration and its folder."""
    config = replace(tiny[0], z_dim=16, components=2, sketch=True, evened=True)
    train = replace(tiny[1], images=3200, save_every=3200, crop=1.0, whole=True)
    folder = tmp_path_factory.mktemp("one")
    trainer.train(Circling(), folder, DaeLearner(config, train), train)
    return config, replace(train, images=32, save_every=32), folder


def test_principal_components_are_the_cohorts_own_whatever_training_starts_from(with_components, tmp_path):
    config, train, folder = with_components
    start, other = read_start(str(folder), config), Circling(seed=4)
    for name, kept in (("warm", start), ("cold", None)):
        trainer.train(other, tmp_path / name, DaeLearner(config, train, start=kept), train)
    one, warm, cold = (load_model(f).encoder for f in (folder, tmp_path / "warm", tmp_path / "cold"))
    torch.testing.assert_close(warm.axes, cold.axes)
    assert not torch.allclose(warm.axes, one.axes)
    # the convolutions went on from where they were
    apart = [
        sum(float((p - q).detach().abs().sum()) for p, q in zip(one.parameters(), e.parameters(), strict=True))
        for e in (warm, cold)
    ]
    assert apart[0] < 0.5 * apart[1]


def test_a_start_that_was_picked_is_not_picked_again_after_an_interrupt(with_components, tmp_path, monkeypatch):
    config, train, folder = with_components
    good, calls, real = replace(read_start(str(folder), config), name="good"), [], DaeLearner.step
    whole = trainer.train(Circling(), tmp_path / "whole", DaeLearner(config, train, candidates=(good,)), train)

    def step(self, *args):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return real(self, *args)

    monkeypatch.setattr(DaeLearner, "step", step)
    with pytest.raises(KeyboardInterrupt):
        trainer.train(Circling(), tmp_path / "parts", DaeLearner(config, train, candidates=(good,)), train)
    rest = trainer.train(Circling(), tmp_path / "parts", DaeLearner(config, train, candidates=(good,)), train)
    assert rest.begun == whole.begun != "" and rest.checkpoint_hash == whole.checkpoint_hash


def test_the_start_is_picked_by_held_out_images_and_said(with_components, tmp_path):
    config, train, folder = with_components
    good = replace(read_start(str(folder), config), name="good")
    generator = torch.Generator().manual_seed(0)
    bad = replace(good, name="bad", weights={k: _drawn(v, generator) for k, v in good.weights.items()})
    results = {}
    for name, candidates in (("both", (bad, good)), ("bad", (bad,)), ("none", ())):
        learner = DaeLearner(config, train, candidates=candidates)
        results[name] = trainer.train(Circling(), tmp_path / name, learner, train)
    assert "started from 'good', which comes with the package: reconstruction mse of held-out" in str(results["both"])
    assert "note: started from scratch: no weights that come with the package" in str(results["bad"])
    assert results["none"].begun == ""
    assert results["bad"].checkpoint_hash == results["none"].checkpoint_hash  # declined weights leave no trace
    assert results["both"].metrics["reconstruction_mse"] < 0.95 * results["none"].metrics["reconstruction_mse"]
    learner = DaeLearner(config, train, candidates=(bad, good))
    again = trainer.train(Circling(), tmp_path / "both", learner, train)
    assert again.begun == results["both"].begun


def _drawn(values, generator):
    return torch.randn(values.shape, generator=generator) if values.is_floating_point() else values


def test_only_packaged_weights_with_components_are_tried_by_default():
    model = load_preset("cpu-lite").model
    for start in fitting(model):
        assert start.name in packaged() and start.images > 0
    assert fitting(replace(model, channels=48)) == () and fitting(load_preset("official-64").model) == ()


def test_what_cannot_be_started_from_is_named(trained, tiny, tmp_path):
    with pytest.raises(InputError, match=r"init: there is no checkpoint 'nowhere'; pass a folder .*dae-cxr-64"):
        read_start("nowhere", tiny[0])
    with pytest.raises(InputError, match=r"another architecture than the preset \(z_dim 8 instead of 12\)"):
        read_start(str(trained[2]), replace(tiny[0], z_dim=12))
    shutil.copytree(trained[2], tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="missing or damaged"):
        read_start(str(tmp_path / "copy"), tiny[0])


def test_every_packaged_checkpoint_loads_and_states_what_it_was_trained_on():
    from fiftyone_daebias.dae.checkpoint import read_facts
    from fiftyone_daebias.plugin import plugin_dir

    assert "dae-cxr-64" in packaged()
    for name in packaged():
        folder = plugin_dir() / "models" / name
        model, facts = load_model(folder), read_facts(folder)
        x = torch.zeros(2, 1, model.image_size, model.image_size)
        assert torch.isfinite(model.encode(x)).all()
        assert facts["trained_on"] and facts["images"] > 0
        if facts["version"] > 1:
            assert facts["licence"] and read_start(name, load_preset(facts["preset"]).model).sha256 == facts["sha256"]
