"""Convolution followed by normalisation, the brick of residual networks; and first weights."""

from __future__ import annotations

from torch import Tensor, nn

from tapetum.layers.norm import make_norm


class ConvNorm(nn.Module):
    """A convolution without bias that keeps the size (divided by `stride`), then a norm."""

    def __init__(
        self, in_channels: int, channels: int, kernel: int, stride: int = 1, norm: str = "batch"
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, bias=False)
        self.norm = make_norm(norm, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


def init_small(layer: nn.Conv2d | nn.Linear, bias: float = 0.0) -> None:
    """Weights near 0 (standard deviation 0.01), so that a fresh head says `bias` everywhere."""
    assert layer.bias is not None
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, bias)


def init_linear(conv: nn.Conv2d) -> None:
    """Uniform weights that keep the variance (Kaiming with slope 1), biases 0."""
    assert conv.bias is not None
    nn.init.kaiming_uniform_(conv.weight, a=1)
    nn.init.zeros_(conv.bias)
