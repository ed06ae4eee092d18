"""Convolution followed by normalisation, the brick of residual networks; and first weights."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.layers.norm import make_norm

_NARROW = 16
"""Input channels under which oneDNN (torch 2.13, AVX-512) writes behind its buffers in the backward
pass of a 1 x 1 convolution with a stride: the process crashes, or goes on with damaged memory."""


class ConvNorm(nn.Module):
    """A convolution without bias that keeps the size (divided by `stride`), then a norm."""

    def __init__(
        self, in_channels: int, channels: int, kernel: int, stride: int = 1, norm: str = "batch"
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, bias=False)
        self.norm = make_norm(norm, channels)

        self.narrow_stride = stride if kernel == 1 and in_channels < _NARROW else 1

    def forward(self, x: Tensor) -> Tensor:
        if self.narrow_stride == 1:
            return self.norm(self.conv(x))
        step = self.narrow_stride  # the same pixels, picked before the convolution
        return self.norm(F.conv2d(x[..., ::step, ::step], self.conv.weight))


def init_small(layer: nn.Conv2d | nn.Linear, bias: float = 0.0) -> None:
    """Draw weights near 0 (standard deviation 0.01), so that a fresh head gives `bias` at all
    places.

    Args:
        layer: changed in place; it has a bias.
        bias: the value of all biases.
    """
    assert layer.bias is not None
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, bias)


def init_linear(conv: nn.Conv2d) -> None:
    """Draw uniform weights that keep the variance (Kaiming with slope 1), and set biases to 0.

    Args:
        conv: changed in place; it has a bias.
    """
    assert conv.bias is not None
    nn.init.kaiming_uniform_(conv.weight, a=1)
    nn.init.zeros_(conv.bias)
