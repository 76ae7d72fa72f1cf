import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fiftyone_daebias.dae.norm import normalised


def by_hand(norm, x, gain, shift, silu):
    y = F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
    y = y if gain is None else y * gain[..., None, None]
    y = y if shift is None else y + shift[..., None, None]
    return F.silu(y) if silu else y


@pytest.mark.parametrize("channels, groups", [(32, 32), (48, 16), (64, 32)])
@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_values_and_gradients_are_those_of_torch_in_double_precision(channels, groups, modulated, silu, layout):
    rng = torch.Generator().manual_seed(channels + silu)

    def draw(*shape):
        return torch.randn(*shape, generator=rng)

    norm = nn.GroupNorm(groups, channels)
    norm.weight.data, norm.bias.data = draw(channels), draw(channels)
    x = 20 + draw(3, channels, 6, 5)  # a mean far from 0, where sums of squares would lose digits
    rest = [draw(3, channels), draw(3, channels)] if modulated else [None, None]
    weights = draw(*x.shape)

    def values_and_gradients(kind, function, module, layout):
        inputs = [None if t is None else t.to(kind).requires_grad_() for t in (x, *rest)]
        y = function(module, inputs[0].contiguous(memory_format=layout), *inputs[1:], silu=silu)
        (y * weights.to(kind)).sum().backward()
        return y, *(t.grad for t in inputs if t is not None), *(p.grad for p in module.parameters())

    exact = nn.GroupNorm(groups, channels).double()
    exact.load_state_dict(norm.state_dict())
    expected = values_and_gradients(torch.float64, by_hand, exact, torch.contiguous_format)
    got = values_and_gradients(torch.float32, normalised, norm, layout)
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-4, atol=1e-4)


def test_it_leaves_its_input_and_the_layout_alone():
    norm = nn.GroupNorm(4, 8)
    x = torch.randn(2, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    before = x.clone()
    with torch.no_grad():
        y = normalised(norm, x)
    assert torch.equal(x, before)
    assert y.is_contiguous(memory_format=torch.channels_last)
