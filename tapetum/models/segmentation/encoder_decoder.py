"""The two halves of a U-Net: encoders that make maps of many sizes, a decoder that joins them.

Maps are named by their size: c5 of an encoder and d5 of a decoder are at 1 / 2^5 of the image's,
c0 and d0 at full size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.backbones import make_backbone, resnet
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


class PaperEncoder(nn.Module):
    """Images (B, 3, H, W) to maps c0 to c4 at 1, 1/2, 1/4, 1/8, 1/16 of the size.

    channels: number of channels of each map by name, finest first: `width`, then twice as many.
    """

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        self.channels = {f"c{level}": width * 2**level for level in range(5)}
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


class ResNetEncoder(nn.Module):
    """A ResNet's maps c2 to c5, and c1, at half the size, which is its stem before pooling."""

    def __init__(self, body: resnet.ResNet) -> None:
        super().__init__()
        self.body = body
        self.channels = {"c1": body.stem.conv.out_channels, **body.channels}

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        maps = {"c1": self.body.relu(self.body.stem(pixels))}
        x = F.max_pool2d(maps["c1"], kernel_size=3, stride=2, padding=1)
        for stage, name in enumerate(self.body.channels, start=1):
            x = self.body.get_submodule(f"stage{stage}")(x)
            maps[name] = x
        return maps


class Stage(nn.Module):
    """One step up: twice as large, joined with the encoder's map of that size, two convolutions.

    learnt: enlarge by a 2 x 2 transposed convolution to half the channels, or repeat pixels.
    """

    def __init__(
        self, in_channels: int, skip_channels: int, channels: int, norm: str, *, learnt: bool
    ) -> None:
        super().__init__()
        up_channels = in_channels // 2 if learnt else in_channels
        self.up = (
            nn.ConvTranspose2d(in_channels, up_channels, 2, stride=2)
            if learnt
            else nn.Upsample(scale_factor=2, mode="nearest")
        )
        self.convs = DoubleConv(up_channels + skip_channels, channels, norm)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        x = self.up(x)  # (B, C, 2 h, 2 w)
        return self.convs(x if skip is None else torch.cat((x, skip), dim=1))


class Decoder(nn.Module):
    """Maps c0, c1, ... of an encoder to maps d(n - 1), d(n - 2), ..., coarsest first.

    encoder_channels: of each encoder map, finest first; the last, c(n), is the bottleneck.
    channels: of each map to make.
    """

    def __init__(
        self,
        encoder_channels: Mapping[str, int],
        channels: Sequence[int],
        norm: str,
        *,
        learnt: bool,
    ) -> None:
        super().__init__()
        self.bottleneck, before = list(encoder_channels.items())[-1]
        top = int(self.bottleneck.removeprefix("c"))
        self.levels = [top - depth for depth in range(1, len(channels) + 1)]
        stages = []
        for level, after in zip(self.levels, channels, strict=True):
            skip = encoder_channels.get(f"c{level}", 0)
            stages.append(Stage(before, skip, after, norm, learnt=learnt))
            before = after
        self.stages = nn.ModuleList(stages)

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x, made = maps[self.bottleneck], {}
        for level, stage in zip(self.levels, self.stages, strict=True):
            x = stage(x, maps.get(f"c{level}"))
            made[f"d{level}"] = x
        return made


def make_encoder(name: str, width: int, norm: str) -> PaperEncoder | ResNetEncoder:
    """The paper's encoder, or a ResNet by its name in BACKBONES.

    Raises:
        UsageError: an unknown name, or a backbone without a stem to take c1 from.
    """
    if name == "paper":
        encoder = PaperEncoder(width, norm)
        for part in encoder.modules():
            init_relu(part)
        return encoder
    body = make_backbone(name, width=width, norm=norm)
    if not isinstance(body, resnet.ResNet):
        raise UsageError(f"unet cannot have the encoder {name!r}", hint="paper, or a ResNet")
    return ResNetEncoder(body)


def init_relu(module: nn.Module) -> None:
    """Section 3.1 of the paper: deviation sqrt(2 / inputs), which keeps the variance."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
