"""Windows of images: at a random scale, for classifiers and for semantic maps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from tapetum.data.transforms.geometric import place, rounded
from tapetum.data.transforms.movements import MEAN_COLOUR, Colour, Framing
from tapetum.data.transforms.transform import (
    Size,
    Transform,
    expect_range,
    expect_share,
    uniform,
)


@dataclass(frozen=True)
class RandomResizedCrop(Transform):
    """A window at a random place, of a random share of the area and of random proportions, brought
    to `size` (height, width): Szegedy et al. 2015, section 6.

    least: the smallest share of the image's area. ratio: how far width / height may be from 1,
    either way, even in its logarithm. A window that would be higher or wider than the image is
    cut to it, rather than drawn anew, so every draw takes the same random numbers.
    """

    size: Size
    least: float = 0.35
    ratio: float = 4 / 3
    min_visible: float = 0.25

    def __post_init__(self) -> None:
        expect_share("least", self.least)
        expect_range("least", self.least, 1.0, 1e-3)
        expect_range("ratio", 1.0, self.ratio, 1.0)
        expect_share("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> Framing:
        area = uniform(self.least, 1.0, generator) * size[0] * size[1]
        most = math.log(self.ratio)
        ratio = math.exp(uniform(-most, most, generator))
        height, width = math.sqrt(area / ratio), math.sqrt(area * ratio)
        grow = [max(1.0, whole / part) for whole, part in zip(size, (height, width), strict=True)]
        scaled = rounded(self.size[0] * grow[0], self.size[1] * grow[1])
        top, left = place(scaled, self.size, generator)
        return Framing(scaled, top, left, self.size, min_visible=self.min_visible)


@dataclass(frozen=True)
class ZoomedCrop(Transform):
    """Grow or shrink the image by a factor between low and high, even in its logarithm; then a
    window of `size` (height, width) at a random place. An image that became smaller than the
    window lies in it at random.
    """

    size: Size
    low: float = 0.5
    high: float = 2.0
    min_visible: float = 0.25
    fill: Colour | None = MEAN_COLOUR

    def __post_init__(self) -> None:
        expect_range("low, high", self.low, self.high, 1e-3)
        expect_share("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> Framing:
        factor = math.exp(uniform(math.log(self.low), math.log(self.high), generator))
        scaled = rounded(size[0] * factor, size[1] * factor)
        top, left = place(scaled, self.size, generator)
        return Framing(scaled, top, left, self.size, self.fill, self.min_visible)
