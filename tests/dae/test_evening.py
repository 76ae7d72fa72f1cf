"""Codes in which no few directions outweigh all others, and codes that begin with principal components."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from memory import MemorySource, train_tiny

from fiftyone_daebias.dae.checkpoint import load_model, read_facts
from fiftyone_daebias.dae.components import principal_components
from fiftyone_daebias.dae.config import ModelConfig, RunConfig
from fiftyone_daebias.dae.evening import Evening, even_turn
from fiftyone_daebias.dae.model import build


@pytest.fixture(scope="module")
def evened(tiny, tmp_path_factory):
    """A tiny model with everything on, trained shortly, with its source and folder."""
    model, train = tiny
    model = replace(model, z_dim=16, components=8, sketch=True, evened=True)
    source = MemorySource(n=64)
    folder = tmp_path_factory.mktemp("evened")
    train_tiny(source, folder, model, replace(train, whole=True))
    return load_model(folder), source, folder


def images_of(source, rows=None):
    rows = range(len(source)) if rows is None else rows
    return torch.from_numpy(np.concatenate([source.read(i) for i in rows]))[:, None]


@pytest.mark.parametrize("n", [16, 12])
def test_evening_halves_the_spectrum_shares_spread_out_and_can_be_undone(n):
    rng = torch.Generator().manual_seed(0)
    codes = torch.randn(5000, n, generator=rng) @ torch.diag(torch.logspace(2, -1, n)) + 7
    evening = Evening(n)
    torch.testing.assert_close(evening(codes), codes)  # nothing, before it is fitted
    evening.fit(codes)
    out = evening(codes)
    torch.testing.assert_close(evening.inverse(out), codes, atol=2e-3, rtol=1e-4)
    assert out.mean(dim=0).abs().max() < 1e-2 and out.square().mean().item() == pytest.approx(1, abs=1e-3)
    before = torch.linalg.svdvals(codes - codes.mean(0))
    after = torch.linalg.svdvals(out - out.mean(0))
    assert (after / after[0]).log().numpy() == pytest.approx(((before / before[0]).log() / 2).numpy(), abs=1e-2)
    ratio = (out.std(0).max() / out.std(0).min()).item()
    assert ratio < 1.01


def test_directions_are_judged_by_how_subjects_differ_at_one_place_not_by_the_way_through_the_volume():
    rng = torch.Generator().manual_seed(0)
    places = torch.arange(12).repeat(300) - 6
    subjects = torch.randn(300, 8, generator=rng).repeat_interleave(12, 0) * torch.logspace(1, -1, 8)
    way = torch.zeros(3600, 8)
    way[:, 7] = places * 50.0  # where a slice lies moves the code most where subjects differ least
    codes = subjects + way
    told, untold = Evening(8), Evening(8)
    told.fit(codes, places=places)
    untold.fit(codes)

    def spectrum(evening):
        one = evening(codes).reshape(300, 12, 8)
        spread = torch.linalg.svdvals((one - one.mean(0))[:, 0])
        return (spread / spread[0]).log().numpy()

    alone = torch.linalg.svdvals(subjects[::12] - subjects[::12].mean(0))
    half = ((alone / alone[0]).log() / 2).numpy()
    assert spectrum(told) == pytest.approx(half, abs=0.02)
    assert abs(spectrum(untold) - half).max() > 0.3
    torch.testing.assert_close(told.inverse(told(codes)), codes, atol=1e-2, rtol=1e-4)


def test_a_place_that_one_volume_has_tells_nothing():
    rng = torch.Generator().manual_seed(0)
    codes = torch.randn(40, 4, generator=rng)
    codes[0] += 1e6
    evening = Evening(4)
    evening.fit(codes, places=torch.tensor([9] + [0] * 39))
    assert evening(codes[1:]).std(0).min() > 0.5
    evening.fit(codes[1:5], places=torch.arange(4))  # nor do places that are all alone: then no place is told apart
    assert torch.isfinite(evening(codes)).all()


@pytest.mark.parametrize("n", [1, 2, 8, 256, 12, 20, 48, 320, 5, 36])
def test_turns_are_orthogonal_and_exactly_even_where_there_is_a_hadamard_matrix(n):
    turn = even_turn(n)
    torch.testing.assert_close(turn @ turn.T, torch.eye(n, dtype=torch.float64))
    if n not in (5, 36):
        assert turn.abs().numpy() == pytest.approx(n**-0.5)


def test_learnt_values_get_a_tenth_beside_principal_components():
    rng = torch.Generator().manual_seed(0)
    spread = torch.logspace(1, -1, 8)
    codes = torch.randn(4000, 16, generator=rng) @ torch.diag(torch.cat([torch.ones(8), torch.logspace(2, 0, 8)]))
    evening = Evening(16)
    evening.fit(codes, [spread])
    out = evening(codes)
    torch.testing.assert_close(evening.inverse(out), codes, atol=2e-3, rtol=1e-4)
    assert (out.std(0).max() / out.std(0).min()).item() < 1.05
    turned = out.double() @ even_turn(16).T
    shares = turned.square().mean(0)
    assert (shares[8:].sum() / shares.sum()).item() == pytest.approx(0.1, abs=1e-3)
    # components are weighted by the square root of their spread in pixels, as they would be alone
    ratio = torch.sort(turned[:, :8].std(0), descending=True).values
    assert (ratio / ratio[0]).log().numpy() == pytest.approx(((spread / spread[0]).log() / 2).numpy(), abs=0.1)


def test_codes_that_are_all_components_are_evened_by_their_spread_in_pixels_too():
    rng = torch.Generator().manual_seed(0)
    spread = torch.logspace(1, -1, 8)
    codes = torch.randn(4000, 8, generator=rng)
    evening = Evening(8)
    evening.fit(codes, [spread])
    ratio = torch.linalg.svdvals(evening(codes))
    assert (ratio / ratio[0]).log().numpy() == pytest.approx(((spread / spread[0]).log() / 2).numpy(), abs=0.1)


def test_equal_codes_do_no_harm():
    evening = Evening(4)
    evening.fit(torch.ones(10, 4))
    assert torch.isfinite(evening(torch.randn(3, 4))).all()


def test_the_code_begins_with_the_principal_components_of_the_training_images(evened):
    model, source, _ = evened
    train = [i for i, s in enumerate(source.splits) if s == "train"]
    x = images_of(source)
    mean, axes, spread = principal_components(images_of(source, train).flatten(1).numpy(), 8, 51)
    expected = (x.flatten(1).numpy() - mean) @ axes.T / spread
    np.testing.assert_allclose(model.raw_codes(x)[:, :8].numpy(), expected, atol=1e-4)
    # and they can be read from what is stored
    codes = model.encode(x).numpy()
    weights = np.linalg.lstsq(np.c_[codes, np.ones(len(codes))], expected, rcond=None)[0]
    np.testing.assert_allclose(np.c_[codes, np.ones(len(codes))] @ weights, expected, atol=1e-3)


def test_stored_codes_are_even_and_decode_to_what_the_networks_own_codes_decode_to(evened):
    model, source, _ = evened
    x = images_of(source)
    z = model.encode(x)
    assert z.square().mean().item() == pytest.approx(1, abs=0.2)
    raw = model.raw_codes(x)
    torch.testing.assert_close(model.evening.inverse(z), raw, atol=1e-3, rtol=1e-3)
    shown = model.decode(z[:4], steps=3)
    model.evening, kept = None, model.evening
    try:
        torch.testing.assert_close(model.decode(raw[:4], steps=3), shown, atol=1e-3, rtol=1e-3)
    finally:
        model.evening = kept


def test_before_training_the_picture_is_that_of_the_principal_components():
    config = ModelConfig(
        image_size=16,
        patch=2,
        channels=16,
        multipliers=(1,),
        blocks=1,
        attention=(),
        dropout=0.0,
        embed_dim=16,
        z_dim=12,
        encoder="lite",
        lite_encoder_channels=(8,),
        prediction="x0",
        components=6,
        sketch=True,
    )
    model, x = build(config), images_of(MemorySource(n=32))
    parts = principal_components(x.flatten(1).numpy(), 6, 0)
    model.encoder.set_components(*map(torch.from_numpy, parts))
    mean, axes, _ = parts
    flat = x.flatten(1).numpy() - mean
    drawn = torch.from_numpy(mean + flat @ axes.T @ axes).reshape(x.shape)
    out = model.predict(torch.randn(x.shape), torch.full((32,), 500), model.encoder(x))
    torch.testing.assert_close(out, drawn, atol=1e-4, rtol=1e-4)


def test_fewer_images_than_components():
    config = ModelConfig(
        image_size=16,
        patch=2,
        channels=16,
        multipliers=(1,),
        blocks=1,
        attention=(),
        embed_dim=16,
        z_dim=72,
        encoder="lite",
        lite_encoder_channels=(8,),
        prediction="x0",
        components=64,
        evened=True,
    )
    model, x = build(config), images_of(MemorySource(n=10))
    model.encoder.set_components(*map(torch.from_numpy, principal_components(x.flatten(1).numpy(), 64, 0)))
    model.evening.fit(model.raw_codes(x), model.encoder.spreads)
    assert torch.isfinite(model.encode(x)).all() and not model.raw_codes(x)[:, 9:64].any()


def test_a_run_goes_on_with_its_components_and_older_settings_look_as_they_did(tiny, evened, tmp_path):
    model, train = tiny
    model = replace(model, z_dim=16, components=8, sketch=True, evened=True)
    source = MemorySource(n=64)
    train_tiny(source, tmp_path, model, replace(train, whole=True, images=96, save_every=32))
    before = load_model(tmp_path).encoder.axes.clone()
    assert before.abs().sum() > 0
    from fiftyone_daebias.dae import trainer
    from fiftyone_daebias.dae.learn_dae import DaeLearner

    learner = DaeLearner(model, replace(train, whole=True, images=96, save_every=32), seed=51)
    assert not learner.model.encoder.axes.any()
    trainer.train(source, tmp_path, learner, replace(train, whole=True, images=96, save_every=32), seed=51)
    assert read_facts(tmp_path)["version"] == 2 and ModelConfig().version == 1  # older packages say what they lack
    assert "components" not in ModelConfig().to_dict() and "whole" not in RunConfig().to_dict()
    assert replace(model).to_dict()["components"] == 8
    torch.testing.assert_close(load_model(tmp_path).encoder.axes, before)
