"""The Hessian penalty against Hessians computed in another way."""

import itertools

import pytest
import torch

from fiftyone_daebias.baselines.hessian import hessian_penalty, rademacher
from fiftyone_daebias.baselines.vae import BetaVaeConfig, VaeDecoder


def test_quadratic_toy_by_hand():
    # G(z) = 3·z₀·z₁ + 5·z₀²: H = [[10, 3], [3, 0]], vᵀHv = 10·v₀² + 6·v₀v₁ = 10 ± 6; of (1, 1) and (1, −1): 16 and 4,
    # whose unbiased variance is ((16 − 10)² + (4 − 10)²) / 1 = 72
    def g(z):
        return [3 * z[:, :1] * z[:, 1:] + 5 * z[:, :1] ** 2]

    z = torch.tensor([[0.3, -0.7]], dtype=torch.float64)
    v = torch.tensor([[[1.0, 1.0]], [[1.0, -1.0]]], dtype=torch.float64)
    assert float(hessian_penalty(g, z, v, epsilon=0.1)) == pytest.approx(72.0, abs=1e-8)
    # over all four sign patterns the biased variance is 2·Σ_{i≠j} H_ij² = 2·(9 + 9) = 36
    every = torch.tensor(list(itertools.product([1.0, -1.0], repeat=2)), dtype=torch.float64)[:, None]
    assert float(hessian_penalty(g, z, every)) * 3 / 4 == pytest.approx(36.0, abs=1e-8)


def test_a_diagonal_hessian_costs_nothing_and_layers_add_up():
    def separate(z):
        return [(z**2).sum(dim=1, keepdim=True)]

    def two(z):
        return [z[:, :1] * z[:, 1:2], torch.cat([2 * z[:, :1] * z[:, 1:2], z], dim=1)]

    z, v = torch.randn(4, 3, dtype=torch.float64), rademacher((2, 4, 3)).double()
    assert float(hessian_penalty(separate, z, v)) == pytest.approx(0.0, abs=1e-10)
    v[:, 0] = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 1.0]])
    # vᵀHv = ±2, variance 8; doubled ±4, variance 32; the largest of each layer, summed
    assert float(hessian_penalty(two, z, v)) == pytest.approx(40.0, abs=1e-8)


def test_decoder_against_autograds_hessian():
    torch.manual_seed(0)
    decoder = VaeDecoder(BetaVaeConfig(image_size=8, patch=2, decoder_channels=(4, 4), z_dim=5)).double()
    z, v = torch.randn(2, 5, dtype=torch.float64), rademacher((3, 2, 5)).double()
    expected = 0.0
    for layer in range(len(decoder.activations(z))):
        found = []
        for b in range(2):

            def flat(code, layer=layer):
                return decoder.activations(code[None])[layer].flatten()

            hessian = torch.func.hessian(flat)(z[b])
            found.append(torch.einsum("ki,oij,kj->ko", v[:, b], hessian, v[:, b]).var(dim=0, unbiased=True))
        expected += float(torch.stack(found).detach().max())
    assert expected > 0
    assert float(hessian_penalty(decoder.activations, z, v, epsilon=1e-3).detach()) == pytest.approx(expected, rel=1e-4)


def test_directions_are_signs():
    v = rademacher((2, 100, 50), torch.Generator().manual_seed(0))
    assert set(v.unique().tolist()) == {-1.0, 1.0} and abs(float(v.mean())) < 0.05
