"""Feature Pyramid Network: maps of all scales with the same number of channels.

Lin et al. 2017, "Feature Pyramid Networks for Object Detection" (arXiv 1612.03144). Coarse maps
have the semantics, fine maps the resolution: each coarse map is upsampled and added to the next
finer one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.layers.conv import init_linear


class Stride2Conv(nn.Conv2d):
    """A convolution that pads its input by one zero on each side by itself.

    Where a map is one pixel wide, PyTorch's own convolution leaves the gradient of the taps that
    see nothing but padding uncomputed in bfloat16 on a CPU (2.13): weights would learn from
    uninitialized memory.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Convolve maps (B, C, h, w)."""
        return super().forward(F.pad(values, (1, 1, 1, 1)))


class ConvTop(nn.Module):
    """Two coarser levels by convolutions of stride 2, as RetinaNet has them.

    They are called p6 and p7 here, as in torchvision and the paper, whatever the coarsest map is.
    """

    levels = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.p6 = Stride2Conv(channels, channels, 3, stride=2)
        self.p7 = Stride2Conv(channels, channels, 3, stride=2)
        init_linear(self.p6)
        init_linear(self.p7)

    def forward(self, coarsest: Tensor) -> tuple[Tensor, ...]:
        """The coarsest map (B, C, h, w) to two coarser ones, fine to coarse."""
        p6 = self.p6(coarsest)
        return p6, self.p7(F.relu(p6))


class PoolTop(nn.Module):
    """One coarser level, every second pixel, for the largest proposals of Faster R-CNN."""

    levels = 1

    def forward(self, coarsest: Tensor) -> tuple[Tensor, ...]:
        """The coarsest map (B, C, h, w) to one of half its size."""
        return (F.max_pool2d(coarsest, kernel_size=1, stride=2),)


class FeaturePyramid(nn.Module):
    """Feature maps of any backbone to pyramid maps that all have `channels` channels.

    Levels are named p2, p3, ...: in the paper level l has stride 2 ** l. The stride of the finest
    map, rounded to a power of two, names the first level; the others are numbered from there.

    Args:
        in_channels: channels of the backbone maps to use, by name, fine to coarse.
        strides: pixels between the cells of these maps, by name; may hold further maps.
        channels: of all pyramid maps.
        top: makes coarser levels from the coarsest map, each with twice the stride.

    Attributes:
        strides: pixels between the cells of each level, by name, fine to coarse.
        map_strides: those of the levels that come from backbone maps, without `top`.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        strides: Mapping[str, int],
        channels: int,
        top: ConvTop | PoolTop | None = None,
    ) -> None:
        super().__init__()
        self.names = tuple(in_channels)
        lateral = [nn.Conv2d(n, channels, 1) for n in in_channels.values()]
        output = [nn.Conv2d(channels, channels, 3, padding=1) for _ in in_channels]
        for conv in lateral + output:
            init_linear(conv)
        self.lateral = nn.ModuleList(lateral)
        self.output = nn.ModuleList(output)
        self.top = top
        self.map_strides = tuple(strides[name] for name in self.names)
        coarser = range(1, 1 + (top.levels if top else 0))
        all_strides = (*self.map_strides, *(self.map_strides[-1] * 2**i for i in coarser))
        first = round(math.log2(all_strides[0]))
        self.strides = {f"p{first + i}": stride for i, stride in enumerate(all_strides)}

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Backbone maps (B, C, h, w) by name to pyramid maps by name, fine to coarse."""
        merged = [conv(maps[name]) for conv, name in zip(self.lateral, self.names, strict=True)]
        for level in range(len(merged) - 2, -1, -1):
            size = merged[level].shape[-2:]
            merged[level] = merged[level] + F.interpolate(merged[level + 1], size, mode="nearest")
        levels = [conv(x) for conv, x in zip(self.output, merged, strict=True)]
        if self.top is not None:
            levels.extend(self.top(levels[-1]))
        return dict(zip(self.strides, levels, strict=True))
