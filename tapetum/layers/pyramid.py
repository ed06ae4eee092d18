"""Feature pyramid: every level sees far and sees fine.

Lin et al. 2017, "Feature Pyramid Networks for Object Detection" (arXiv 1612.03144). Coarse maps
know what an object is, fine maps know where; the pyramid carries the coarse maps down and adds
them.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.layers.conv import init_linear


class FeaturePyramid(nn.Module):
    """Maps c2, c3, ... of a backbone to maps p2, p3, ..., all of `channels` channels.

    in_channels: channels of each backbone map to use, by its name, finest first.
    top: makes further, coarser levels from the coarsest p map; None adds none.
    """

    def __init__(
        self, in_channels: Mapping[str, int], channels: int, top: nn.Module | None = None
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

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Backbone maps by name to pyramid maps by name, finest first."""
        merged = [conv(maps[name]) for conv, name in zip(self.lateral, self.names, strict=True)]
        for level in range(len(merged) - 2, -1, -1):
            size = merged[level].shape[-2:]
            merged[level] = merged[level] + F.interpolate(merged[level + 1], size, mode="nearest")
        levels = {
            name.replace("c", "p"): conv(x)
            for conv, name, x in zip(self.output, self.names, merged, strict=True)
        }
        if self.top is not None:
            levels.update(self.top(levels[self.names[-1].replace("c", "p")]))
        return levels


class Halving(nn.Conv2d):
    """A convolution that puts a border of one zero around its input by itself.

    Where a map is one pixel wide, the gradient of taps that see nothing but the border of PyTorch's
    own convolution is not computed in bfloat16 on a processor (2.13): whatever lay in memory would
    be learnt.
    """

    def forward(self, values: Tensor) -> Tensor:
        return super().forward(F.pad(values, (1, 1, 1, 1)))


class ConvTop(nn.Module):
    """p6 and p7 by convolutions of stride 2, as RetinaNet has them (computed from p5)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.p6 = Halving(channels, channels, 3, stride=2)
        self.p7 = Halving(channels, channels, 3, stride=2)
        init_linear(self.p6)
        init_linear(self.p7)

    def forward(self, p5: Tensor) -> dict[str, Tensor]:
        p6 = self.p6(p5)
        return {"p6": p6, "p7": self.p7(F.relu(p6))}


class PoolTop(nn.Module):
    """p6 as every second pixel of p5, for the largest proposals of Faster R-CNN."""

    def forward(self, p5: Tensor) -> dict[str, Tensor]:
        return {"p6": F.max_pool2d(p5, kernel_size=1, stride=2)}
