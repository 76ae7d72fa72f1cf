"""Checkpoints in the authors' published format."""

import collections
import os

import published_layout
import pytest
import torch

from fiftyone_daebias.dae.checkpoint import load_model, read_facts
from fiftyone_daebias.dae.import_checkpoint import import_checkpoint
from fiftyone_daebias.errors import CheckpointError

# base width, the U-Net's and the encoder's multipliers as in the authors' templates.py
TEMPLATES = {
    "official-64": (64, 64, (1, 2, 4, 8), (1, 2, 4, 8, 8)),
    "official-128": (128, 128, (1, 1, 2, 3, 4), (1, 1, 2, 3, 4, 4)),
    "official-256": (256, 128, (1, 1, 2, 2, 4, 4), (1, 1, 2, 2, 4, 4, 4)),
}


def published(preset, channels=3):
    """Weights of the authors' layout, and what it computes on small images (the network takes any size)."""
    size, width, unet, encoder = TEMPLATES[preset]
    weights = published_layout.Weights()
    side = 64 if size == 256 else 32
    x = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    t = torch.tensor([437])
    with torch.no_grad():
        z = published_layout.encoder(weights, x, size, width, encoder)
        out = published_layout.unet(weights, x, t, z, size, width, unet)
    return weights, x, t, z, out


class Callback:
    """Stands for a class of the training framework that such a file names."""


@pytest.mark.parametrize("preset, channels", [("official-256", 3), ("official-64", 1)])
def test_published_weights_give_the_same_output(preset, channels, tmp_path):
    weights, x, t, z, out = published(preset, channels)
    ckpt = {
        "state_dict": collections.OrderedDict(
            [(f"ema_model.{k}", v) for k, v in weights.items()]
            + [
                ("model.out.2.weight", torch.zeros(1)),
                ("x_T", torch.zeros(1)),
                ("ema_model.latent_net.a", torch.zeros(1)),
            ]
        ),
        "epoch": 3,
        "callbacks": {Callback: {"best": None}},
        "hyper_parameters": {"lr": 1e-4},
    }
    torch.save(ckpt, tmp_path / "last.ckpt")
    del ckpt
    result = import_checkpoint(tmp_path / "last.ckpt", folder=tmp_path / "ours")
    assert (result.preset, result.channels) == (preset, channels) and preset in str(result)
    model = load_model(tmp_path / "ours")
    assert read_facts(tmp_path / "ours")["sha256"] == result.checkpoint_hash
    assert model.config.prediction == "epsilon" and model.in_channels == channels
    with torch.no_grad():
        torch.testing.assert_close(model.encoder(x), z, atol=2e-4, rtol=1e-3)
        torch.testing.assert_close(model.unet(x, t, z), out, atol=2e-3, rtol=1e-3)
        changed = model.unet(x, t, z + 0.3)
    assert (changed - out).abs().mean() > 1e-2 * out.abs().mean()  # the comparison is not blind to z


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/daebias-was-executed",)


@pytest.mark.parametrize("kind", ["cut", "other", "evil", "text", "missing", "narrow"])
def test_files_that_do_not_fit_are_refused(kind, tmp_path):
    path = tmp_path / "last.ckpt"
    message = "is damaged"
    if kind == "cut":
        torch.save({"state_dict": {"ema_model.a": torch.zeros(1000)}}, path)
        path.write_bytes(path.read_bytes()[:-900])
    elif kind == "other":
        torch.save({"state_dict": {"net.a": torch.zeros(10)}}, path)
        message = "not a checkpoint of phizaz/diffae"
    elif kind == "evil":
        torch.save({"state_dict": {"ema_model.a": torch.zeros(3)}, "x": Evil()}, path)
    elif kind == "text":
        path.write_text("not found")
    elif kind == "missing":
        message = "there is no file"
    else:
        torch.save({"state_dict": {"ema_model.input_blocks.0.0.weight": torch.zeros(32, 3, 3, 3)}}, path)
        message = "of another architecture .official-64 differs in .* weights"
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(path, folder=tmp_path / "ours")
    assert not (tmp_path / "ours").exists()
    assert not os.path.exists("/tmp/daebias-was-executed")


def test_the_command_takes_a_checkpoint_over_and_says_in_one_line_when_it_cannot(tmp_path, monkeypatch, capsys):
    from dataclasses import replace

    from fiftyone_daebias.cli import main
    from fiftyone_daebias.dae import config, import_checkpoint

    monkeypatch.setenv("DAEBIAS_HOME", str(tmp_path / "home"))
    assert main(["import-checkpoint", str(tmp_path / "none.ckpt")]) == 2
    assert "there is no file" in capsys.readouterr().err

    # an architecture of the same kind that is small
    def small(name):
        published = config.load_preset(name)
        model = replace(published.model, image_size=32, channels=32, multipliers=(1, 2), encoder_multipliers=(1, 2))
        return replace(published, model=model)

    monkeypatch.setattr(import_checkpoint, "load_preset", small)
    weights = published_layout.Weights()
    with torch.no_grad():
        x = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
        z = published_layout.encoder(weights, x, 32, 32, (1, 2))
        published_layout.unet(weights, x, torch.tensor([3]), z, 32, 32, (1, 2))
    torch.save({"state_dict": {f"ema_model.{k}": v for k, v in weights.items()}}, tmp_path / "tiny.ckpt")
    assert main(["import-checkpoint", str(tmp_path / "tiny.ckpt"), "--quiet"]) == 0
    assert "images of 1 channel" in capsys.readouterr().out
    torch.testing.assert_close(load_model(tmp_path / "home" / "imported" / "tiny").encoder(x), z, atol=1e-4, rtol=1e-3)
