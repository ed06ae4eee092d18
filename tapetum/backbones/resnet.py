"""ResNet: layers learn what to add to their input.

He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385). A block computes
a correction and adds it to its input, so that a deep network is at worst the shallow one plus
nothing, and gradients reach the first layer through the sums. Bottleneck blocks compute in a
quarter of the channels.

Differs from the paper as all current versions do: the 3 x 3 convolution of a bottleneck has the
stride, not the first 1 x 1 ("v1.5", half a percent better on ImageNet). Without the classifier:
the network returns its maps by name. `resnet10` has one basic block a stage and is for tests,
demonstrations and small machines. The stem "small" (section 4.2: CIFAR-10) is for images under 64
pixels, of which the usual one would leave a map of a pixel or two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.backbones.backbone import Backbone
from tapetum.layers.conv import ConvNorm
from tapetum.structures.renames import Renames

REFERENCE = {
    "torchvision": Renames(
        (
            ("stem.conv.*", "conv1.*"),
            ("stem.norm.*", "bn1.*"),
            ("stage#.#.conv#.conv.*", "layer#.#.conv#.*"),
            ("stage#.#.conv#.norm.*", "layer#.#.bn#.*"),
            ("stage#.#.shortcut.conv.*", "layer#.#.downsample.0.*"),
            ("stage#.#.shortcut.norm.*", "layer#.#.downsample.1.*"),
        )
    )
}


STEMS = ("imagenet", "small")


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, norm: str) -> None:
        super().__init__()
        self.conv1 = ConvNorm(in_channels, width, 3, stride, norm)
        self.conv2 = ConvNorm(width, width, 3, 1, norm)
        self.shortcut = _shortcut(in_channels, width, stride, norm)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        correction = self.conv2(self.relu(self.conv1(x)))
        return self.relu(self.shortcut(x) + correction)


class Bottleneck(nn.Module):
    """1 x 1 down to `width` channels, 3 x 3, 1 x 1 up to four times as many."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, norm: str) -> None:
        super().__init__()
        self.conv1 = ConvNorm(in_channels, width, 1, 1, norm)
        self.conv2 = ConvNorm(width, width, 3, stride, norm)
        self.conv3 = ConvNorm(width, width * self.expansion, 1, 1, norm)
        self.shortcut = _shortcut(in_channels, width * self.expansion, stride, norm)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        correction = self.conv3(self.relu(self.conv2(self.relu(self.conv1(x)))))
        return self.relu(self.shortcut(x) + correction)


def _shortcut(in_channels: int, channels: int, stride: int, norm: str) -> nn.Module:
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    return ConvNorm(in_channels, channels, 1, stride, norm)


class ResNet(Backbone):
    """Images (B, in_channels, H, W) to maps c1 to c5 at 1/2, 1/4, 1/8, 1/16, 1/32 of the size.

    c1 comes from the stem before it pools, and is there with the stem "imagenet" alone.

    Args:
        block: what the stages consist of.
        blocks: how many of them each stage has.
        width: channels of the stem and inside the blocks of the first stage.
        norm: kind of norm, see `layers.norm`.
        in_channels: of the images.
        stem: "imagenet" (7 x 7 with stride 2, then pooling) or "small" (3 x 3, no pooling: maps c2
            to c5 are at 1, 1/2, 1/4, 1/8 of the size).

    Raises:
        ValueError: an unknown stem.
    """

    references: ClassVar[Mapping[str, Renames]] = REFERENCE

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        blocks: Sequence[int],
        width: int = 64,
        norm: str = "batch",
        in_channels: int = 3,
        stem: str = "imagenet",
    ) -> None:
        super().__init__()
        if stem not in STEMS:
            raise ValueError(f"stem: expected one of {', '.join(STEMS)}, got {stem!r}")
        self.pools = stem == "imagenet"
        kernel, stride = (7, 2) if self.pools else (3, 1)
        self.stem = ConvNorm(in_channels, width, kernel, stride, norm)
        self.relu = nn.ReLU()
        self.channels = {"c1": width} if self.pools else {}
        self.strides = {"c1": stride} if self.pools else {}
        channels, stride = width, 4 if self.pools else 1
        for stage, count in enumerate(blocks, start=1):
            inner, step = width * 2 ** (stage - 1), 1 if stage == 1 else 2
            layers = []
            for i in range(count):
                layers.append(block(channels, inner, step if i == 0 else 1, norm))
                channels = inner * block.expansion
            stride *= step
            self.add_module(f"stage{stage}", nn.Sequential(*layers))
            self.channels[f"c{stage + 1}"] = channels
            self.strides[f"c{stage + 1}"] = stride
        self.apply(_init)

        self.stages = len(blocks)

    def layer_groups(self) -> list[tuple[str, ...]]:
        """The stem, then the stages of blocks."""
        return [("stem",), *((f"stage{i}",) for i in range(1, self.stages + 1))]

    def first_convolutions(self) -> tuple[str, ...]:
        """That of the stem."""
        return ("stem.conv.weight",)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        x, maps = self.relu(self.stem(pixels)), {}
        if self.pools:
            maps["c1"] = x
            x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        for stage in range(1, self.stages + 1):
            x = self.get_submodule(f"stage{stage}")(x)
            maps[f"c{stage + 1}"] = x
        return maps


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def resnet10(
    width: int = 64, norm: str = "batch", in_channels: int = 3, stem: str = "imagenet"
) -> ResNet:
    """ResNet with one basic block a stage: 4.9 million weights, 0.08 million at width 8.

    Args:
        width: channels of the stem.
        norm: kind of norm, one of `tapetum.layers.norm.NORMS`.
        in_channels: of the images.
        stem: "imagenet" or "small".

    Returns:
        The backbone with fresh weights.
    """
    return ResNet(BasicBlock, (1, 1, 1, 1), width, norm, in_channels, stem)


def resnet18(
    width: int = 64, norm: str = "batch", in_channels: int = 3, stem: str = "imagenet"
) -> ResNet:
    """ResNet of 18 layers (He et al. 2016, table 1).

    Args:
        width: channels of the stem.
        norm: kind of norm, one of `tapetum.layers.norm.NORMS`.
        in_channels: of the images.
        stem: "imagenet" or "small".

    Returns:
        The backbone with fresh weights.
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), width, norm, in_channels, stem)


def resnet34(
    width: int = 64, norm: str = "batch", in_channels: int = 3, stem: str = "imagenet"
) -> ResNet:
    """ResNet of 34 layers (He et al. 2016, table 1).

    Args:
        width: channels of the stem.
        norm: kind of norm, one of `tapetum.layers.norm.NORMS`.
        in_channels: of the images.
        stem: "imagenet" or "small".

    Returns:
        The backbone with fresh weights.
    """
    return ResNet(BasicBlock, (3, 4, 6, 3), width, norm, in_channels, stem)


def resnet50(
    width: int = 64, norm: str = "batch", in_channels: int = 3, stem: str = "imagenet"
) -> ResNet:
    """ResNet of 50 layers (He et al. 2016, table 1).

    Args:
        width: channels of the stem.
        norm: kind of norm, one of `tapetum.layers.norm.NORMS`.
        in_channels: of the images.
        stem: "imagenet" or "small".

    Returns:
        The backbone with fresh weights.
    """
    return ResNet(Bottleneck, (3, 4, 6, 3), width, norm, in_channels, stem)


def resnet101(
    width: int = 64, norm: str = "batch", in_channels: int = 3, stem: str = "imagenet"
) -> ResNet:
    """ResNet of 101 layers (He et al. 2016, table 1).

    Args:
        width: channels of the stem.
        norm: kind of norm, one of `tapetum.layers.norm.NORMS`.
        in_channels: of the images.
        stem: "imagenet" or "small".

    Returns:
        The backbone with fresh weights.
    """
    return ResNet(Bottleneck, (3, 4, 23, 3), width, norm, in_channels, stem)


def resnet152(
    width: int = 64, norm: str = "batch", in_channels: int = 3, stem: str = "imagenet"
) -> ResNet:
    """ResNet of 152 layers (He et al. 2016, table 1).

    Args:
        width: channels of the stem.
        norm: kind of norm, one of `tapetum.layers.norm.NORMS`.
        in_channels: of the images.
        stem: "imagenet" or "small".

    Returns:
        The backbone with fresh weights.
    """
    return ResNet(Bottleneck, (3, 8, 36, 3), width, norm, in_channels, stem)
