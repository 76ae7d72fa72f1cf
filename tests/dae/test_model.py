"""Architecture, diffusion and what z_sem is used for."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fiftyone_daebias.dae.blocks import ResBlock, group_norm, timestep_embedding
from fiftyone_daebias.dae.config import ModelConfig, TrainConfig, load_preset, presets
from fiftyone_daebias.dae.cost import cost_of
from fiftyone_daebias.dae.diffusion import Diffusion
from fiftyone_daebias.dae.model import DiffusionAutoencoder, build, count_parameters
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.plugin import plugin_dir


@pytest.mark.parametrize(
    "name, total, encoder", [("official-64", 90.8, 19.3), ("official-128", 128.5, 24.7), ("official-256", 168.5, 30.2)]
)
def test_official_presets_have_the_published_sizes(name, total, encoder):
    with torch.device("meta"):
        model = DiffusionAutoencoder(load_preset(name).model)
    assert count_parameters(model) / 1e6 == pytest.approx(total, abs=0.06)
    assert count_parameters(model.encoder) / 1e6 == pytest.approx(encoder, abs=0.06)


@pytest.mark.parametrize("name", presets())
def test_every_preset_builds_and_its_shapes_fit(name):
    config = load_preset(name).model
    with torch.device("meta"):
        model = DiffusionAutoencoder(config)
        x = torch.empty(2, 1, config.image_size, config.image_size)
        z = model.encoder(x)
        assert z.shape == (2, config.z_dim)
        assert model.predict(x, torch.zeros(2, dtype=torch.long), z).shape == x.shape


@pytest.mark.parametrize("name", ["cpu-lite", "gpu-256", "official-64", "official-256"])
def test_presets_state_what_they_cost(name):
    preset = load_preset(name)
    counted = cost_of(preset.model, preset.train).to_dict()
    stated = {k: preset.cost[k] for k in counted}
    assert stated == pytest.approx(counted, rel=0.02)
    assert preset.cost["expected"] and preset.cost["expected_basis"]


def test_operations_are_counted_as_by_hand():
    config = ModelConfig(
        image_size=64,
        channels=32,
        multipliers=(1,),
        attention=(),
        embed_dim=4,
        z_dim=64,
        encoder="lite",
        lite_encoder_channels=(64, 128),
    )
    cost = cost_of(config, TrainConfig(batch_size=1))
    # strided convolutions 64 x 64 -> 32 x 32 -> 16 x 16, then a linear map to 64
    by_hand = 2 * 9 * 64 * 32 * 32 + 2 * 9 * 64 * 128 * 16 * 16 + 2 * 128 * 16 * 16 * 64
    assert cost.encoder_gflop * 1e9 == pytest.approx(by_hand, abs=1e6)  # stated in 10^6
    weights = 9 * 64 + 64 + 9 * 64 * 128 + 128 + 128 * 16 * 16 * 64 + 64
    assert cost.encoder_parameters == weights + 2 * 64 + 2 * 128  # and the norms' scales and shifts


def test_encoding_does_not_depend_on_how_many_are_encoded_at_once(trained):
    model, source, _ = trained
    x = torch.from_numpy(np.concatenate([source.read(i) for i in range(64)]))[:, None].repeat(5, 1, 1, 1)
    torch.testing.assert_close(model.encode(x)[:7], model.encode(x[:7]), atol=1e-5, rtol=1e-5)


def test_block_modulates_by_time_then_by_z_as_in_equation_7():
    torch.manual_seed(0)
    block = ResBlock(8, 8, 0.0, time_dim=6, cond_dim=5)
    torch.nn.init.normal_(block.out_layers[-1].weight)
    x, emb, cond = torch.randn(2, 8, 4, 4), torch.randn(2, 6), torch.randn(2, 5)
    h = block.in_layers(x)
    scale, shift = block.emb_layers(emb).chunk(2, dim=1)
    z_scale = block.cond_emb_layers(cond)
    h = block.out_layers[0](h) * (1 + scale[..., None, None]) + shift[..., None, None]
    h = torch.nn.functional.silu(h * (1 + z_scale[..., None, None]))
    expected = x + torch.nn.functional.conv2d(h, block.out_layers[-1].weight, block.out_layers[-1].bias, padding=1)
    torch.testing.assert_close(block(x, emb, cond), expected)


def test_group_norm_takes_widths_that_32_does_not_divide():
    assert group_norm(48).num_groups == 16


def test_timestep_embedding_is_cosines_then_sines():
    got = timestep_embedding(torch.tensor([3]), 4)
    expected = torch.tensor([[np.cos(3), np.cos(3 * 0.01), np.sin(3), np.sin(3 * 0.01)]], dtype=torch.float32)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("prediction", ["epsilon", "v", "x0"])
def test_targets_and_their_inverse_agree(prediction):
    diffusion = Diffusion(prediction=prediction)
    x0, noise, t = torch.randn(4, 1, 3, 3), torch.randn(4, 1, 3, 3), torch.tensor([1, 250, 600, 900])
    x_t = diffusion.add_noise(x0, noise, t)
    got_x0, got_noise = diffusion.split(diffusion.target(x0, noise, t), x_t, t)
    torch.testing.assert_close(got_x0, x0, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(got_noise, noise, atol=2e-3, rtol=1e-3)


def test_ddim_with_a_perfect_predictor_recovers_the_image_and_inverts():
    diffusion = Diffusion(prediction="x0")
    x0 = torch.rand(2, 1, 4, 4) * 1.6 - 0.8
    noise = torch.randn(2, 1, 4, 4)
    got = diffusion.sample(lambda x, t: x0, noise, 20)
    torch.testing.assert_close(got, x0, atol=1e-4, rtol=0)
    # Gaussian data has a closed-form optimal ε, for which DDIM is a linear map that the inversion must undo.
    gauss = Diffusion(prediction="epsilon")
    predict = lambda x, t: gauss.coefficients(t)[1] * x  # noqa: E731
    code = gauss.invert(predict, x0, 250)
    a = torch.full((2,), 999)
    assert torch.isfinite(code).all() and gauss.coefficients(a)[0].max() < 0.01
    torch.testing.assert_close(gauss.sample(predict, code, 250), x0, atol=0.02, rtol=0)
    with pytest.raises(InputError, match="steps must be between 1 and 1000"):
        gauss.times(0)


def test_z_sem_is_used(trained):
    model, source, _ = trained
    x = torch.from_numpy(np.concatenate([source.read(i) for i in range(len(source))]))[:, None]
    z = model.encode(x)
    right = (model.decode(z, steps=10) - x).square().mean()
    wrong = (model.decode(z.roll(1, 0), steps=10) - x).square().mean()  # the next image is of the other class
    assert wrong > 3 * right


def test_a_probe_on_z_sem_beats_probes_on_random_features():
    """The demo's weights beside untrained encoders of the same architecture, subjects never on both sides."""
    import pandas as pd

    from fiftyone_daebias.demo.run import COHORT
    from fiftyone_daebias.embeddings.fiftyone_model import EncoderModel

    table = pd.read_csv(COHORT / "metadata.csv")
    shipped = EncoderModel(plugin_dir() / "models" / "dae-cxr-64")
    x = torch.stack([shipped.prepare(str(COHORT / f)) for f in table["filepath"]])
    encoders = [shipped.encoder, *(build(shipped.encoder.config, seed).eval() for seed in (0, 1))]
    codes = [e.encode(x).numpy() for e in encoders]
    folds = list(GroupKFold(4).split(x, groups=table["subject_id"]))

    def auc(z, field, c):
        truth = (table[field] == table[field][0]).to_numpy()
        score = np.empty(len(z))
        for fit, rest in folds:
            probe = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=200)).fit(z[fit], truth[fit])
            score[rest] = probe.decision_function(z[rest])
        return roc_auc_score(truth, score)

    learnt, *random = (np.mean([auc(z, f, c) for f in ("sex", "view") for c in (1e-3, 1e-2, 1e-1)]) for z in codes)
    assert learnt > 0.87 and all(learnt > r + 0.01 for r in random), (learnt, random)


def test_moving_along_a_direction_keeps_the_rest(trained):
    model, source, _ = trained
    x = torch.from_numpy(source.read(0))[None]
    z = model.encode(torch.from_numpy(np.stack([source.read(i) for i in range(len(source))])))
    classes = torch.from_numpy(source.classes)
    direction = z[classes == 1].mean(0) - z[classes == 0].mean(0)
    strip = model.move_along(x, direction, [0.0, 1.0], steps=10, invert_steps=20)
    assert strip.shape == (1, 2, 1, 16, 16)
    moved = model.encode(strip[:, 1])
    assert (moved @ direction > model.encode(strip[:, 0]) @ direction).all()


def test_wrong_shapes_and_settings_are_named():
    model = DiffusionAutoencoder(ModelConfig(image_size=16, channels=8, multipliers=(1,), encoder_multipliers=(1, 1)))
    with pytest.raises(InputError, match=r"shape \(n, 1, 16, 16\); got \(2, 3, 16, 16\)"):
        model.encode(torch.zeros(2, 3, 16, 16))
    with pytest.raises(InputError, match="prediction must be"):
        Diffusion(prediction="noise")
    with pytest.raises(InputError, match="there is no preset 'huge'"):
        load_preset("huge")
    with pytest.raises(InputError, match="unknown keys"):
        ModelConfig.from_dict({"colour": 3})
