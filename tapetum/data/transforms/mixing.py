"""Transforms that combine several samples of a dataset: MixUp, CutMix, Mosaic, CopyPaste.

The other samples come from the `EpochContext`, and everything random is drawn from the generator
of (seed, epoch, index), so a sample does not depend on workers or on a restart. Without a context,
that is outside of a training, nothing is combined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from scipy.special import betaincinv
from torch import Tensor

from tapetum.data.transforms.compose import Compose
from tapetum.data.transforms.geometric import rounded
from tapetum.data.transforms.joining import blend_targets, join_targets, move_target, paste_objects
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

_SEEDS = 2**62


@dataclass(frozen=True)
class Partner:
    """Another sample of the dataset, and its own random view of `transform`.

    Args:
        context: gives the sample, and is passed on to `transform` with the partner's index.
        index: of the sample.
        seed: of the view.
        transform: applied to the sample.
    """

    context: EpochContext
    index: int
    seed: int
    transform: Transform

    @staticmethod
    def draw(context: EpochContext, transform: Transform, generator: torch.Generator) -> Partner:
        """Any sample of the dataset, itself included, each as likely."""
        index = random_integer(0, context.count - 1, generator)
        return Partner(context, index, random_integer(0, _SEEDS, generator), transform)

    def sample(self) -> Sample:
        """The decoded and transformed sample."""
        transform = self.transform.at(replace(self.context, index=self.index))
        random = torch.Generator().manual_seed(self.seed)
        return transform(self.context.sample_at(self.index), random)


@dataclass(frozen=True)
class Blend:
    """`first`, then a blend with `partner`: a weighted mean, or a box of the partner's pixels.

    Args:
        first: done to the sample itself.
        partner: what is mixed in; its view must have the same size.
        weight: of the sample itself in a mean, in [0, 1].
        box: (top, left, bottom, right) of the partner's pixels in a CutMix; None for a mean.
    """

    first: Operation
    partner: Partner
    weight: float
    box: tuple[int, int, int, int] | None = None

    def size_after(self, size: Size) -> Size:
        """(height, width) of the result of `first`."""
        return self.first.size_after(size)

    def matrix(self, size: Size) -> Tensor:
        """3 x 3 float64, of `first`."""
        return self.first.matrix(size)

    def apply(self, sample: Sample) -> Sample:
        """The blended sample; its labels weigh as much as their pixels.

        Raises:
            ValueError: the two differ in size, or have objects or semantic maps.
        """
        sample, other = self.first.apply(sample), self.partner.sample()
        if sample.size != other.size:
            why = f"expected images of one size, got {sample.size} and {other.size}"
            raise ValueError(f"mixing: {why}")
        target = blend_targets(sample.target, other.target, self.weight)
        if self.box is None:
            return replace(
                sample, image=_mean(sample.image, other.image, self.weight), target=target
            )
        top, left, bottom, right = self.box
        image = sample.image.clone()
        image[:, top:bottom, left:right] = other.image[:, top:bottom, left:right]
        return replace(sample, image=image, target=target)


@dataclass(frozen=True)
class _Mixing(Transform):
    """What the transforms below share: the preceding transform, and the context."""

    transform: Transform = field(default_factory=lambda: Compose(()))
    p: float = 1.0
    context: EpochContext | None = field(default=None, kw_only=True)

    def at(self, context: EpochContext) -> Transform:
        """The same, bound to an image and a dataset."""
        return replace(self, transform=self.transform, context=context)

    def _begin(self, size: Size, generator: torch.Generator) -> tuple[Operation, Partner | None]:
        """What happens to the sample itself, and the partner where there is to be one."""
        context = self.context
        inner = self.transform if context is None else self.transform.at(context)
        first = inner.draw(size, generator)
        mixes = uniform(0, 1, generator) < self.p
        if context is None or not mixes:
            return first, None
        return first, Partner.draw(context, self.transform, generator)


@dataclass(frozen=True)
class MixUp(_Mixing):
    """The weighted mean of two images and of their labels: Zhang et al. 2018, arXiv 1710.09412.

    Args:
        transform: done to both images first; must give one size.
        p: how often, in [0, 1].
        alpha: the weight is drawn from Beta(alpha, alpha); 0.2 as in torchvision's references.
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        expect_fraction("p", self.p)
        expect_range("alpha", self.alpha, self.alpha, 1e-3)

    def draw(self, size: Size, generator: torch.Generator) -> Operation:
        first, partner = self._begin(size, generator)
        if partner is None:
            return first
        return Blend(first, partner, _beta(self.alpha, generator))


@dataclass(frozen=True)
class CutMix(_Mixing):
    """A box of another image, and its label by the box's area: Yun et al. 2019, arXiv 1905.04899.

    Args:
        transform: done to both images first; must give one size.
        p: how often, in [0, 1].
        alpha: the area outside of the box is drawn from Beta(alpha, alpha) before the box is cut
            at the border of the image; the labels weigh by what is left.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        expect_fraction("p", self.p)
        expect_range("alpha", self.alpha, self.alpha, 1e-3)

    def draw(self, size: Size, generator: torch.Generator) -> Operation:
        first, partner = self._begin(size, generator)
        if partner is None:
            return first
        height, width = first.size_after(size)
        half = math.sqrt(1 - _beta(self.alpha, generator)) / 2
        y, x = (random_integer(0, side - 1, generator) for side in (height, width))
        top, bottom = _span(y, half * height, height)
        left, right = _span(x, half * width, width)
        weight = 1 - (bottom - top) * (right - left) / (height * width)
        return Blend(first, partner, weight, (top, left, bottom, right))


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


@dataclass(frozen=True)
class Paste:
    """`first`, then some objects of `partner` pasted on top.

    Args:
        first: done to the sample itself.
        partner: whose objects are pasted, at their own places, moved by `offset`.
        seed: of the choice among its objects, each with probability 1/2.
        offset: two fractions in [0, 1] of the free room, down and to the right.
        min_visible: of the area of an object, below which it is dropped.
    """

    first: Operation
    partner: Partner
    seed: int
    offset: tuple[float, float]
    min_visible: float

    def size_after(self, size: Size) -> Size:
        """(height, width) of the result of `first`."""
        return self.first.size_after(size)

    def matrix(self, size: Size) -> Tensor:
        """3 x 3 float64, of `first`."""
        return self.first.matrix(size)

    def apply(self, sample: Sample) -> Sample:
        """The sample with what was pasted.

        Raises:
            ValueError: one of the two has no `objects`.
        """
        sample, other = self.first.apply(sample), self.partner.sample()
        spare = [ours - theirs for ours, theirs in zip(sample.size, other.size, strict=True)]
        top, left = (-math.floor(s * o + 0.5) for s, o in zip(spare, self.offset, strict=True))
        window = ResizeCrop(other.size, top, left, sample.size, min_visible=self.min_visible)
        random = torch.Generator().manual_seed(self.seed)
        return paste_objects(sample, window.apply(other), random, self.min_visible)


@dataclass(frozen=True)
class CopyPaste(_Mixing):
    """Objects of another image pasted into this one: Ghiasi et al. 2021, arXiv 2012.07177.

    Objects are cut out along their masks, or their boxes where there are no masks. What they hide
    of the others is taken from those objects' masks, and their boxes follow.

    Args:
        transform: done to both images first.
        p: how often, in [0, 1].
        min_visible: an object of which less of the area is left is dropped.
    """

    p: float = 0.5
    min_visible: float = 0.25

    def __post_init__(self) -> None:
        expect_fraction("p", self.p)
        expect_fraction("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> Operation:
        first, partner = self._begin(size, generator)
        if partner is None:
            return first
        seed = random_integer(0, _SEEDS, generator)
        offset = uniform(0, 1, generator), uniform(0, 1, generator)
        return Paste(first, partner, seed, offset, self.min_visible)


def _beta(alpha: float, generator: torch.Generator) -> float:
    """A number from Beta(alpha, alpha), by the inverse of its distribution function."""
    return float(betaincinv(alpha, alpha, uniform(0, 1, generator)))


def _span(middle: int, half: float, side: int) -> tuple[int, int]:
    """The pixels from middle - half to middle + half, inside [0, side]."""
    return max(0, round(middle - half)), min(side, round(middle + half))


def _mean(first: Tensor, second: Tensor, weight: float) -> Tensor:
    """The sum weight x first + (1 - weight) x second; uint8 stays uint8, rounded."""
    if first.is_floating_point():
        return weight * first + (1 - weight) * second
    mean = weight * first.float() + (1 - weight) * second.float()
    return mean.round_().clamp_(0, 255).to(first.dtype)
