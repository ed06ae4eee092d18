from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tapetum.layers.conv import ConvNorm, init_linear, init_small


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (7, 2)])
def test_it_is_a_convolution_then_a_norm(kernel: int, stride: int) -> None:
    layer = ConvNorm(3, 4, kernel, stride).eval()
    nn.init.normal_(layer.norm.running_mean)
    x = torch.randn(2, 3, 10, 12)
    expected = layer.norm(F.conv2d(x, layer.conv.weight, None, stride, kernel // 2))
    assert torch.equal(layer(x), expected)
    assert layer(x).shape == (2, 4, 10 // stride, 12 // stride)
    assert layer.conv.bias is None


def test_first_weights() -> None:
    conv = nn.Conv2d(64, 64, 3)
    init_small(conv, bias=-2.0)
    assert conv.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert (conv.bias == -2).all()
    init_linear(conv)  # variance 1 / fan-in
    assert conv.weight.std().item() == pytest.approx((64 * 9) ** -0.5, rel=0.05)
    assert (conv.bias == 0).all()
