"""Local energy: what it tells that pixels do not, and its place in the code."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from memory import MemorySource, train_tiny

from fiftyone_daebias.dae.checkpoint import load_model, read_facts
from fiftyone_daebias.dae.components import principal_components
from fiftyone_daebias.dae.config import ModelConfig, load_preset
from fiftyone_daebias.dae.energy import LocalEnergy, octaves_of, wavelets
from fiftyone_daebias.dae.evening import Evening, even_turn


def gratings(angles, size=64, wavelength=5.0, seed=0):
    """Stripes at angles with random phases (n, 1, size, size): their mean picture is grey whatever the angle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    phases = rng.uniform(0, 2 * np.pi, len(angles))
    waves = [
        np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / wavelength + p)
        for a, p in zip(angles, phases, strict=True)
    ]
    return torch.from_numpy(np.array(waves, np.float32) * 0.5)[:, None]


def nearest_mean_accuracy(train, test, labels):
    """Share of test rows that lie nearer to the mean of their own class."""
    means = torch.stack([train[labels == c].mean(0) for c in (0, 1)])
    return (torch.cdist(test, means).argmin(1) == torch.from_numpy(labels)).float().mean().item()


def test_texture_of_which_the_mean_picture_says_nothing_is_told():
    labels = np.arange(200) % 2
    angles = labels * np.pi / 8  # neighbouring orientations
    train, test = gratings(angles, seed=1), gratings(angles, seed=2)
    energy = LocalEnergy(64, 1, 4)
    assert nearest_mean_accuracy(train.flatten(1), test.flatten(1), labels) < 0.7
    assert nearest_mean_accuracy(energy.measure(train), energy.measure(test), labels) == 1.0


def test_a_shift_by_a_pixel_moves_energy_less_than_pixels():
    rng = torch.Generator().manual_seed(0)
    x = torch.nn.functional.avg_pool2d(torch.randn(32, 1, 70, 70, generator=rng), 3, 1, 1)
    one, two = x[..., :64, :64], x[..., 1:65, :64]
    energy = LocalEnergy(64, 1, 4)
    apart = {}
    for name, f in (("pixels", lambda v: v.flatten(1)), ("energy", energy.measure)):
        a, b = f(one), f(two)
        apart[name] = ((a - b).square().sum() / (a - a.mean(0)).square().sum()).item()
    assert apart["energy"] < 0.3 * apart["pixels"]


@pytest.mark.parametrize(("size", "channels", "octaves"), [(16, 1, 1), (64, 1, 3), (256, 1, 5), (32, 3, 2), (8, 1, 1)])
def test_any_size_and_number_of_channels(size, channels, octaves):
    assert octaves_of(size) == octaves
    energy, x = LocalEnergy(size, channels, 4), torch.rand(3, channels, size, size) * 2 - 1
    measured = energy.measure(x)
    assert measured.shape == (3, len(energy.mean)) and torch.isfinite(measured).all()
    alone = torch.cat([energy.measure(one[None]) for one in x])
    torch.testing.assert_close(alone, measured)
    assert torch.isfinite(energy.measure(torch.ones(1, channels, size, size))).all()


def test_wavelets_see_no_brightness_and_half_precision_does_not_reach_them():
    assert wavelets().sum(dim=(2, 3)).abs().max() < 1e-5
    energy, x = LocalEnergy(32, 1, 4), torch.rand(2, 1, 32, 32) * 2 - 1
    torch.testing.assert_close(energy.measure(x + 0.3), energy.measure(x), atol=1e-4, rtol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(energy.measure(x), LocalEnergy(32, 1, 4).measure(x))


def test_components_of_pixels_and_of_energy_share_evenly_and_learnt_values_get_a_tenth():
    rng = torch.Generator().manual_seed(0)
    spreads = [torch.logspace(1, -1, 4), torch.logspace(-3, -4, 4)]  # in units that have nothing to do with each other
    codes = torch.randn(4000, 16, generator=rng) @ torch.diag(torch.cat([torch.ones(8), torch.logspace(2, 0, 8)]))
    evening = Evening(16)
    evening.fit(codes, spreads)
    out = evening(codes)
    torch.testing.assert_close(evening.inverse(out), codes, atol=2e-3, rtol=1e-3)
    shares = (out.double() @ even_turn(16).T).square().mean(0)
    shares = torch.stack([shares[:4].sum(), shares[4:8].sum(), shares[8:].sum()]) / shares.sum()
    assert shares.numpy() == pytest.approx([0.45, 0.45, 0.1], abs=1e-3)


def test_a_trained_code_holds_the_components_of_its_images_energy(tiny, tmp_path):
    model, train = tiny
    model = replace(model, z_dim=16, components=4, energies=4, sketch=True, evened=True)
    source = MemorySource(n=64)
    train_tiny(source, tmp_path, model, replace(train, whole=True, images=64, save_every=64))
    loaded = load_model(tmp_path)
    x = torch.from_numpy(np.concatenate([source.read(i) for i in range(len(source))]))[:, None]
    rows = [i for i, s in enumerate(source.splits) if s == "train"]
    energy = LocalEnergy(model.image_size, 1, 4)
    mean, axes, spread = principal_components(energy.measure(x[rows]).numpy(), 4, 51)
    expected = (energy.measure(x).numpy() - mean) @ axes.T / spread
    np.testing.assert_allclose(loaded.raw_codes(x)[:, 4:8].numpy(), expected, atol=1e-3)
    torch.testing.assert_close(loaded.evening.inverse(loaded.encode(x)), loaded.raw_codes(x), atol=1e-3, rtol=1e-3)
    assert read_facts(tmp_path)["config"]["energies"] == 4 and read_facts(tmp_path)["version"] == 2
    assert "energies" not in ModelConfig(components=8).to_dict()  # older runs look as they did


def test_the_default_on_a_cpu_has_them():
    config = load_preset("cpu-lite").model
    assert config.energies and config.components + config.energies < config.z_dim
