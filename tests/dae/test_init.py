"""Training that starts from the weights of a checkpoint."""

import shutil
from dataclasses import replace

import pytest
import torch
from memory import MemorySource

from fiftyone_daebias.dae import trainer
from fiftyone_daebias.dae.checkpoint import load_model
from fiftyone_daebias.dae.config import load_preset
from fiftyone_daebias.dae.init import packaged, read_start
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


def test_principal_components_are_kept_with_the_weights_that_were_trained_on_them(tiny, tmp_path):
    config = replace(tiny[0], z_dim=16, components=8, sketch=True, evened=True)
    train = replace(tiny[1], images=32, save_every=32, whole=True)
    trainer.train(MemorySource(), tmp_path / "one", DaeLearner(config, train), train)
    start = read_start(str(tmp_path / "one"), config)
    trainer.train(MemorySource(seed=4), tmp_path / "two", DaeLearner(config, train, start=start), train)
    one, two = (load_model(tmp_path / n).encoder.axes for n in ("one", "two"))
    torch.testing.assert_close(one, two)
    assert one.abs().sum() > 0


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
