from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tapetum.layers.conv import ConvNorm, init_linear, init_small


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)])
def test_it_is_a_convolution_then_a_norm(kernel: int, stride: int) -> None:
    layer = ConvNorm(3, 4, kernel, stride).eval()
    nn.init.normal_(layer.norm.running_mean)
    x = torch.randn(2, 3, 10, 12)
    expected = layer.norm(F.conv2d(x, layer.conv.weight, None, stride, kernel // 2))
    torch.testing.assert_close(layer(x), expected)
    assert layer(x).shape == (2, 4, 10 // stride, 12 // stride)
    assert layer.conv.bias is None


def test_narrow_shortcuts_learn_without_a_crash() -> None:
    """In a process of its own, since oneDNN ends the process that it fails in."""
    code = """
import torch
from tapetum.layers.conv import ConvNorm

torch.set_num_threads(1)
layer = ConvNorm(8, 16, 1, 2).to(memory_format=torch.channels_last)
for _ in range(20):
    x = torch.randn(4, 8, 64, 64).to(memory_format=torch.channels_last).requires_grad_()
    layer(x).square().sum().backward()
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_first_weights() -> None:
    conv = nn.Conv2d(64, 64, 3)
    init_small(conv, bias=-2.0)
    assert conv.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert (conv.bias == -2).all()
    init_linear(conv)  # variance 1 / fan-in
    assert conv.weight.std().item() == pytest.approx((64 * 9) ** -0.5, rel=0.05)
    assert (conv.bias == 0).all()
