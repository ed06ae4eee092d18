"""Mosaic: four images of a dataset side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tapetum.data.transforms.compose import Compose
from tapetum.data.transforms.geometric import rounded
from tapetum.data.transforms.joining import join_targets, move_target
from tapetum.data.transforms.mixing import Partner
from tapetum.data.transforms.operations import MEAN_COLOR, Color, ResizeCrop
from tapetum.data.transforms.transform import (
    EpochContext,
    Operation,
    Size,
    Transform,
    expect_fraction,
    expect_range,
    random_integer,
    uniform,
)
from tapetum.structures import Sample


@dataclass(frozen=True)
class Tiles:
    """Four samples side by side, each cropped to its tile.

    Args:
        size: (height, width) of the whole.
        center: (y, x) where the four tiles meet.
        scales: of each image; 1 fits it into `size`, proportions kept.
        partners: of the tiles at the top right, bottom left and bottom right.
        fill: where an image does not cover its tile.
        min_visible: of the area of a box, below which its object is dropped.
    """

    size: Size
    center: tuple[int, int]
    scales: tuple[float, ...]
    partners: tuple[Partner, ...]
    fill: Color
    min_visible: float

    def size_after(self, size: Size) -> Size:
        """(height, width) of the mosaic."""
        return self.size

    def matrix(self, size: Size) -> Tensor:
        """3 x 3 float64, of the sample itself, at the top left."""
        return self._crop(0, size).matrix(size)

    def apply(self, sample: Sample) -> Sample:
        """The mosaic, with the objects and semantic maps of all four."""
        samples = [sample, *(partner.sample() for partner in self.partners)]
        tiles = [self._crop(n, each.size).apply(each) for n, each in enumerate(samples)]
        rows = [torch.cat([tile.image for tile in tiles[n : n + 2]], 2) for n in (0, 2)]
        targets = [
            move_target(tile.target, self._corner(n), tile.size, self.size)
            for n, tile in enumerate(tiles)
        ]
        return replace(sample, image=torch.cat(rows, 1), target=join_targets(targets))

    def _corner(self, number: int) -> tuple[int, int]:
        """(top, left) of a tile."""
        return (self.center[0] if number > 1 else 0), (self.center[1] if number % 2 else 0)

    def _crop(self, number: int, size: Size) -> ResizeCrop:
        """The part of an image that its tile shows: the corner of the image lies at the center."""
        factor = min(self.size[0] / size[0], self.size[1] / size[1]) * self.scales[number]
        scaled = rounded(size[0] * factor, size[1] * factor)
        below, right = number > 1, number % 2 == 1
        height = self.size[0] - self.center[0] if below else self.center[0]
        width = self.size[1] - self.center[1] if right else self.center[1]
        top = 0 if below else scaled[0] - height
        left = 0 if right else scaled[1] - width
        return ResizeCrop(scaled, top, left, (height, width), self.fill, self.min_visible)


@dataclass(frozen=True)
class Mosaic(Transform):
    """Four images around a random point: Bochkovskiy et al. 2020, arXiv 2004.10934, section 3.3.

    Args:
        size: (height, width) of the result in pixels, 2 at least each way.
        low, high: each image is fitted into `size` and scaled by a factor between these.
        p: how often, in [0, 1]; else the sample stays as it is.
        min_visible: an object of which less of the box's area is inside its tile is dropped.
        fill: color where an image does not cover its tile.
        context: of one image in one epoch, see `Transform.at`.
    """

    size: Size
    low: float = 0.5
    high: float = 1.0
    p: float = 1.0
    min_visible: float = 0.25
    fill: Color = MEAN_COLOR
    context: EpochContext | None = None

    def __post_init__(self) -> None:
        expect_range("size", 2, min(self.size), 2)
        expect_range("low, high", self.low, self.high, 1e-3)
        expect_fraction("p", self.p)
        expect_fraction("min_visible", self.min_visible)

    def at(self, context: EpochContext) -> Mosaic:
        """The same, bound to an image and a dataset."""
        return replace(self, context=context)

    def draw(self, size: Size, generator: torch.Generator) -> Operation:
        mixes = uniform(0, 1, generator) < self.p
        if self.context is None or not mixes:
            return Compose(()).draw(size, generator)
        y, x = (random_integer(max(1, s // 4), s - max(1, s // 4), generator) for s in self.size)
        scales = tuple(uniform(self.low, self.high, generator) for _ in range(4))
        as_it_is = Compose(())
        partners = tuple(Partner.draw(self.context, as_it_is, generator) for _ in range(3))
        return Tiles(self.size, (y, x), scales, partners, self.fill, self.min_visible)
