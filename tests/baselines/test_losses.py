"""Every objective against an independent computation."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fiftyone_daebias.baselines import gan_losses as losses
from fiftyone_daebias.baselines.augment import MOST, adapted, affine_maps, augment, geometry
from fiftyone_daebias.baselines.gan_layers import EqualLinear, MinibatchDeviation, ModulatedConv, StyledConv, down2, up2
from fiftyone_daebias.baselines.stylegan2 import Mapping, StyleGanConfig, mixed_styles
from fiftyone_daebias.baselines.supervised import supervised_loss
from fiftyone_daebias.baselines.targets import ask
from fiftyone_daebias.baselines.vae import kl_divergence, reconstruction_loss
from fiftyone_daebias.statistics.targets import make_target


def test_kl_and_reconstruction_against_distributions():
    mean, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    normal = torch.distributions.Normal
    expected = (
        torch.distributions.kl_divergence(normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0)).sum(dim=1).mean()
    )
    torch.testing.assert_close(kl_divergence(mean, log_variance), expected)
    x, again = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4)
    constant = normal(again, 0.3).log_prob(again)  # what is left where nothing is wrong
    nats = -(normal(again, 0.3).log_prob(x) - constant).sum(dim=(1, 2, 3)).mean()
    torch.testing.assert_close(reconstruction_loss(x, again, 0.3), nats)


def test_non_saturating_by_hand():
    real, fake = torch.tensor([0.0, 2.0]), torch.tensor([1.0, -1.0])

    def sigmoid(v):
        return 1 / (1 + math.exp(-v))

    d = -(math.log(sigmoid(0)) + math.log(sigmoid(2))) / 2 - (math.log(1 - sigmoid(1)) + math.log(1 - sigmoid(-1))) / 2
    assert float(losses.discriminator_loss(real, fake)) == pytest.approx(d, rel=1e-6)
    g = -(math.log(sigmoid(1)) + math.log(sigmoid(-1))) / 2
    assert float(losses.generator_loss(fake)) == pytest.approx(g, rel=1e-6)


def test_gradient_penalty_of_a_known_function():
    # D(x) = Σ a·x²: gradient 2·a·x, half its squared norm is 2·Σ a²x²
    a, x = torch.randn(1, 3, 3), torch.randn(5, 1, 3, 3, requires_grad=True)
    expected = (2 * (a * x.detach()).square()).sum(dim=(1, 2, 3)).mean()
    torch.testing.assert_close(losses.gradient_penalty((a * x.square()).sum(dim=(1, 2, 3)), x), expected)


def test_path_lengths_of_a_linear_generator():
    # image = A·[w₁ w₂]: Jᵀy = Aᵀy, whatever w
    torch.manual_seed(0)
    n, d, layers, side = 3, 4, 2, 5
    matrix = torch.randn(side * side, layers * d)
    styles = torch.randn(n, layers, d, requires_grad=True)
    images = (styles.flatten(1) @ matrix.T).view(n, 1, side, side)
    noise = torch.randn(n, 1, side, side)
    back = (noise.flatten(1) / side) @ matrix
    expected = back.view(n, layers, d).square().sum(dim=2).mean(dim=1).sqrt()
    lengths = losses.path_lengths(images, styles, noise)
    torch.testing.assert_close(lengths, expected)
    penalty, mean = losses.path_penalty(lengths, torch.tensor(1.0))
    new = 0.99 + 0.01 * float(expected.mean())
    assert float(mean) == pytest.approx(new, rel=1e-6)
    assert float(penalty) == pytest.approx(float((expected - new).square().mean()), rel=1e-5)


def test_delta_and_feature_distance_by_hand():
    styles = torch.tensor([[[1.0, 1.0], [4.0, 5.0], [1.0, 1.0]]])  # offsets (3, 4) and (0, 0)
    assert float(losses.delta_loss(styles)) == pytest.approx(5.0, abs=1e-5)
    a, b = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    a[0, :, 0, 0], b[0, :, 0, 0] = torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0])
    a[0, :, 0, 1] = b[0, :, 0, 1] = torch.tensor([1.0, 0.0])
    # (.6 − .8)² + (.8 − .6)² = .08 at one of two places; the same features a second time are at distance 0
    assert float(losses.feature_distance([a], [b])) == pytest.approx(0.04, abs=1e-6)
    assert float(losses.feature_distance([a, a], [b, a])) == pytest.approx(0.02, abs=1e-6)


def test_modulated_convolution_equals_one_with_weights_of_its_own_per_image():
    torch.manual_seed(0)
    conv = ModulatedConv(3, 5, 3, w_dim=4)
    x, w = torch.randn(2, 3, 6, 6), torch.randn(2, 4)
    style = conv.style(w)
    for b in range(2):
        weight = conv.weight * conv.scale * style[b][None, :, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        torch.testing.assert_close(conv(x, w)[b], F.conv2d(x[b : b + 1], weight, padding=1)[0], atol=1e-5, rtol=1e-4)


def test_equal_learning_rate_starts_with_unit_variance():
    torch.manual_seed(0)
    for lr_scale in (1.0, 0.01):
        y = EqualLinear(400, 300, lr_scale=lr_scale)(torch.randn(200, 400))
        assert float(y.detach().std()) == pytest.approx(1.0, abs=0.03)


def test_resampling_filters():
    x = torch.randn(1, 2, 8, 8)
    zeros = torch.zeros(1, 2, 16, 16)
    zeros[:, :, ::2, ::2] = x
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    kernel = (taps[:, None] * taps[None]).expand(2, 1, 4, 4)
    fir = F.conv2d(F.pad(zeros, (2, 1, 2, 1)), kernel, groups=2)
    torch.testing.assert_close(up2(x)[:, :, 2:-2, 2:-2], fir[:, :, 2:-2, 2:-2], atol=1e-6, rtol=1e-5)
    assert torch.allclose(down2(torch.ones(1, 1, 8, 8)), torch.ones(1, 1, 4, 4))


def test_minibatch_deviation_by_hand():
    x = torch.randn(8, 3, 2, 2)
    y = MinibatchDeviation(4)(x)
    assert y.shape == (8, 4, 2, 2) and torch.equal(y[:, :3], x)
    for first in range(2):
        members = x[first::2].numpy()
        expected = np.sqrt(members.var(axis=0) + 1e-8).mean()
        assert y[first::2, 3].numpy() == pytest.approx(expected, rel=1e-5)


def test_noise_and_mixing():
    torch.manual_seed(0)
    conv = StyledConv(2, 3, 4, 5)
    torch.nn.init.ones_(conv.strength)
    x, w = torch.randn(2, 2, 5, 5), torch.randn(2, 4)
    assert torch.equal(conv(x, w), conv(x, w)), "without a generator the noise is the fixed one"
    rng = torch.Generator().manual_seed(0)
    assert not torch.equal(conv(x, w, rng), conv(x, w, rng))
    config = StyleGanConfig(image_size=16, z_dim=4, w_dim=6)
    mapping = Mapping(config)
    z, other = torch.randn(2, 4), torch.randn(2, 4)
    styles = mixed_styles(mapping, z, other, torch.tensor([2, config.n_styles]), config.n_styles)
    assert styles.shape == (2, 6, 6)
    a, b = mapping(z), mapping(other)
    assert torch.equal(styles[0, :2], a[:1].expand(2, -1)) and torch.equal(styles[0, 2:], b[:1].expand(4, -1))
    assert torch.equal(styles[1], a[1:].expand(6, -1)), "a cut after the last style mixes nothing"


def test_augmentations_are_off_at_0_differentiable_and_adapt():
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(64, 1, 16, 16, requires_grad=True)
    assert augment(x, 0.0, rng) is x
    changed = augment(x, 0.5, rng)
    assert changed.shape == x.shape and torch.isfinite(changed).all()
    moved = (changed - x).abs().flatten(1).amax(dim=1) > 1e-3
    # eight draws a half: all off in 1 of 256 or so; at p = 0.02 most images are left alone
    assert moved.float().mean() > 0.9
    still = (augment(x, 0.02, rng) - x).abs().flatten(1).amax(dim=1) < 1e-3
    assert still.float().mean() > 0.7
    (gradient,) = torch.autograd.grad(changed.square().sum(), x)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0
    assert adapted(0.5, torch.ones(10), 0.6, 1000) == pytest.approx(0.51)
    assert adapted(0.5, torch.tensor([1.0, -1.0]), 0.6, 1000) == pytest.approx(0.498)
    assert adapted(MOST, torch.ones(10), 0.6, 10) == MOST and adapted(0.0, -torch.ones(10), 0.6, 10) == 0.0


def test_a_flip_is_a_flip_and_a_turn_is_a_turn():
    x = torch.rand(1, 1, 8, 8)
    flip = torch.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    turn = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    torch.testing.assert_close(geometry(x, flip), x.flip(3), atol=1e-5, rtol=0)
    turned = geometry(x, turn)
    assert any(torch.allclose(turned, torch.rot90(x, k, (2, 3)), atol=1e-5) for k in (1, 3))
    maps = affine_maps(500, 1.0, torch.Generator().manual_seed(0))
    areas = torch.linalg.det(maps[:, :, :2]).abs()
    assert float(areas.log2().std()) == pytest.approx(0.4, abs=0.05)  # scale 2^N(0, .2²) on both axes


def test_supervised_loss_by_hand():
    logits, values = torch.tensor([[0.0, 0.0], [2.0, 0.0], [9.0, 9.0]]), torch.tensor([[1.0], [0.5], [3.0]])
    truth = torch.tensor([[0.0, 0.0], [1.0, math.nan], [math.nan, 1.0]])
    weights = torch.tensor([[1.0, 1.0], [3.0, 0.0], [1.0, 3.0]])
    total, parts = supervised_loss([logits, values], truth, weights)
    ce = (math.log(2) + 3 * math.log(1 + math.exp(2))) / 4
    mae = (1 * 1 + 3 * 2) / 4
    assert parts == pytest.approx([ce, mae], rel=1e-5) and float(total) == pytest.approx(ce + mae, rel=1e-5)


def test_questions_balance_classes_and_ranges_and_know_only_the_training_rows():
    rng = np.random.default_rng(0)
    n = 300
    subjects = np.array([f"s{k // 2}" for k in range(n)])
    sex = ["f" if k // 2 % 5 else "m" for k in range(n)]
    age = np.where(rng.random(n) < 0.9, 50.0, 80.0) + rng.random(n)
    age[200:] += 1000  # not in the training part
    sex[10] = None
    targets = [make_target("sex", sex, subjects), make_target("age", list(age), subjects)]
    questions, truth, weights = ask(targets, subjects, np.arange(200))
    assert questions[0].classes == ("f", "m") and questions[1].classes == ()
    assert np.isnan(truth[10, 0]) and weights[10, 0] == 0 and (weights[200:] == 0).all()
    per_class = [weights[truth[:, 0] == c, 0].sum() for c in (0, 1)]
    assert per_class[0] == pytest.approx(per_class[1], rel=1e-5)
    assert questions[1].centre == pytest.approx(age[:200].mean()) and questions[1].spread < 20
    young, old = weights[:200, 1][age[:200] < 70], weights[:200, 1][age[:200] > 70]
    assert old.sum() / len(old) > 3 * young.sum() / len(young), "rare values weigh more"
