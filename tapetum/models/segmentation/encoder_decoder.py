"""Encoder and decoder of a U-Net: the encoder makes maps of many sizes, the decoder joins them.

Maps of the decoder are named by their size: d5 is at 1 / 2^5 of the image's, d0 at full size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.backbones import BACKBONES, make_backbone
from tapetum.backbones.backbone import Backbone
from tapetum.base.errors import UsageError
from tapetum.layers.conv import ConvNorm


class DoubleConv(nn.Module):
    """Two 3 x 3 convolutions, each with a norm (or "none") and a ReLU."""

    def __init__(self, in_channels: int, channels: int, norm: str) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, channels, norm)
        self.conv2 = _conv(channels, channels, norm)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv2(self.relu(self.conv1(x))))


def _conv(in_channels: int, channels: int, norm: str) -> nn.Module:
    if norm == "none":
        return nn.Conv2d(in_channels, channels, 3, padding=1)
    return ConvNorm(in_channels, channels, 3, 1, norm)


class PaperEncoder(Backbone):
    """Images (B, 3, H, W) to maps c0 to c4 at 1, 1/2, 1/4, 1/8, 1/16 of the size.

    Args:
        width: channels of c0; each coarser map has twice as many.
        norm: kind of norm, see `layers.norm`, or "none".
    """

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        self.channels = {f"c{level}": width * 2**level for level in range(5)}
        self.strides = {f"c{level}": 2**level for level in range(5)}
        before = (3, *self.channels.values())
        self.stages = nn.ModuleList(
            DoubleConv(n, channels, norm)
            for n, channels in zip(before, self.channels.values(), strict=False)
        )

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        x, maps = pixels, {}
        for name, stage in zip(self.channels, self.stages, strict=True):
            x = stage(x if name == "c0" else F.max_pool2d(x, 2))
            maps[name] = x
        return maps


class DecoderBlock(nn.Module):
    """One step up: twice as large, joined with the encoder's map of that size, two convolutions.

    Args:
        in_channels: of the coarser map.
        skip_channels: of the encoder's map; 0 without.
        channels: of the result.
        norm: kind of norm, or "none".
        transposed: enlarge by a 2 x 2 transposed convolution to half the channels, not by repeated
            pixels.
    """

    def __init__(
        self, in_channels: int, skip_channels: int, channels: int, norm: str, *, transposed: bool
    ) -> None:
        super().__init__()
        up_channels = in_channels // 2 if transposed else in_channels
        self.up = (
            nn.ConvTranspose2d(in_channels, up_channels, 2, stride=2)
            if transposed
            else nn.Upsample(scale_factor=2, mode="nearest")
        )
        self.convs = DoubleConv(up_channels + skip_channels, channels, norm)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        x = self.up(x)  # (B, C, 2 h, 2 w)
        return self.convs(x if skip is None else torch.cat((x, skip), dim=1))


class Decoder(nn.Module):
    """Maps of an encoder to maps at 1/2, 1/4, ... of its largest stride, coarsest first.

    Args:
        encoder_channels: channels of the encoder's map of each stride.
        channels: of each map to make.
        norm: kind of norm, or "none".
        transposed: see `DecoderBlock`.

    Attributes:
        levels: n of each map d(n), at 1 / 2^n of the image's size.
    """

    def __init__(
        self,
        encoder_channels: Mapping[int, int],
        channels: Sequence[int],
        norm: str,
        *,
        transposed: bool,
    ) -> None:
        super().__init__()
        self.bottleneck = max(encoder_channels)
        top = self.bottleneck.bit_length() - 1
        self.levels = [top - depth for depth in range(1, len(channels) + 1)]
        before, blocks = encoder_channels[self.bottleneck], []
        for level, after in zip(self.levels, channels, strict=True):
            skip = encoder_channels.get(2**level, 0)
            blocks.append(DecoderBlock(before, skip, after, norm, transposed=transposed))
            before = after
        self.stages = nn.ModuleList(blocks)

    def forward(self, maps: Mapping[int, Tensor]) -> dict[str, Tensor]:
        """Encoder maps by stride to decoder maps by name, coarsest first."""
        x, made = maps[self.bottleneck], {}
        for level, block in zip(self.levels, self.stages, strict=True):
            x = block(x, maps.get(2**level))
            made[f"d{level}"] = x
        return made


def map_of_stride(encoder: Backbone) -> dict[int, str]:
    """The name of the map of each stride; of several the last one.

    Args:
        encoder: any backbone.

    Returns:
        Stride -> name of the map.

    Raises:
        UsageError: a stride is not a power of 2.
    """
    odd = [stride for stride in encoder.strides.values() if stride & (stride - 1)]
    if odd:
        raise UsageError(f"the strides of an encoder must be powers of 2, got {odd[0]}")
    return {stride: name for name, stride in encoder.strides.items()}


def make_encoder(name: str, width: int, norm: str) -> Backbone:
    """The paper's encoder, or a backbone.

    Args:
        name: "paper", or a name in BACKBONES.
        width: channels of the first convolution.
        norm: kind of norm, see `layers.norm`; for the paper's encoder also "none".

    Returns:
        The encoder, with fresh weights.

    Raises:
        UsageError: an unknown name.
    """
    if name in BACKBONES:
        return make_backbone(name, width=width, norm=norm)
    if name != "paper":
        hint = "one of paper, " + ", ".join(BACKBONES)
        raise UsageError(f"unknown encoder {name!r}", hint=hint)
    encoder = PaperEncoder(width, norm)
    for part in encoder.modules():
        init_relu(part)
    return encoder


def init_relu(module: nn.Module) -> None:
    """Initialize a convolution as section 3.1 of the paper: deviation sqrt(2 / inputs).

    It keeps the variance from layer to layer.

    Args:
        module: a convolution; others stay as they are.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
