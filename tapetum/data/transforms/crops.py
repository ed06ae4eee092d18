"""Windows of images: at a random scale, for classifiers and for semantic maps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from tapetum.data.transforms.geometric import random_place, rounded
from tapetum.data.transforms.operations import MEAN_COLOR, Color, ResizeCrop
from tapetum.data.transforms.transform import (
    Size,
    Transform,
    expect_fraction,
    expect_range,
    uniform,
)


@dataclass(frozen=True)
class RandomResizedCrop(Transform):
    """A window at a random place, of a random fraction of the area and a random aspect ratio,
    resized to `size`: Szegedy et al. 2015, section 6.

    A window that would be higher or wider than the image is cut to it, rather than drawn anew, so
    every draw takes the same random numbers.

    Args:
        size: (height, width) of the result in pixels.
        min_area: the smallest fraction of the image's area, in (0, 1].
        ratio: the largest width / height, and height / width; uniform in its logarithm.
        min_visible: an object of whose box less than this fraction stays is dropped.
    """

    size: Size
    min_area: float = 0.35
    ratio: float = 4 / 3
    min_visible: float = 0.25

    def __post_init__(self) -> None:
        expect_fraction("min_area", self.min_area)
        expect_range("min_area", self.min_area, 1.0, 1e-3)
        expect_range("ratio", 1.0, self.ratio, 1.0)
        expect_fraction("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> ResizeCrop:
        area = uniform(self.min_area, 1.0, generator) * size[0] * size[1]
        limit = math.log(self.ratio)
        ratio = math.exp(uniform(-limit, limit, generator))
        height, width = math.sqrt(area / ratio), math.sqrt(area * ratio)
        grow = [max(1.0, full / part) for full, part in zip(size, (height, width), strict=True)]
        scaled = rounded(self.size[0] * grow[0], self.size[1] * grow[1])
        top, left = random_place(scaled, self.size, generator)
        return ResizeCrop(scaled, top, left, self.size, min_visible=self.min_visible)


@dataclass(frozen=True)
class RandomScaledCrop(Transform):
    """Grow or shrink the image by a factor between low and high, even in its logarithm; then a
    window of `size` (height, width) at a random place. An image that became smaller than the
    window lies in it at random.
    """

    size: Size
    low: float = 0.5
    high: float = 2.0
    min_visible: float = 0.25
    fill: Color | None = MEAN_COLOR

    def __post_init__(self) -> None:
        expect_range("low, high", self.low, self.high, 1e-3)
        expect_fraction("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> ResizeCrop:
        factor = math.exp(uniform(math.log(self.low), math.log(self.high), generator))
        scaled = rounded(size[0] * factor, size[1] * factor)
        top, left = random_place(scaled, self.size, generator)
        return ResizeCrop(scaled, top, left, self.size, self.fill, self.min_visible)
