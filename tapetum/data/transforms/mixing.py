"""Transforms that combine samples of a dataset: MixUp and CutMix, and what they have in common
with `mosaic` and `copy_paste`.

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
from tapetum.data.transforms.joining import blend_targets
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

SEEDS = 2**62


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
        return Partner(context, index, random_integer(0, SEEDS, generator), transform)

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
class MixingTransform(Transform):
    """A transform that combines two samples, after `transform` of each.

    Args:
        transform: done to both images first.
        p: how often, in [0, 1].
        context: of one image in one epoch, see `Transform.at`.
    """

    transform: Transform = field(default_factory=lambda: Compose(()))
    p: float = 1.0
    context: EpochContext | None = field(default=None, kw_only=True)

    def at(self, context: EpochContext) -> Transform:
        """The same, bound to an image and a dataset."""
        return replace(self, transform=self.transform, context=context)

    def begin(self, size: Size, generator: torch.Generator) -> tuple[Operation, Partner | None]:
        """What happens to the sample itself, and the partner where there is to be one."""
        context = self.context
        inner = self.transform if context is None else self.transform.at(context)
        first = inner.draw(size, generator)
        mixes = uniform(0, 1, generator) < self.p
        if context is None or not mixes:
            return first, None
        return first, Partner.draw(context, self.transform, generator)


@dataclass(frozen=True)
class MixUp(MixingTransform):
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
        first, partner = self.begin(size, generator)
        if partner is None:
            return first
        return Blend(first, partner, _beta(self.alpha, generator))


@dataclass(frozen=True)
class CutMix(MixingTransform):
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
        first, partner = self.begin(size, generator)
        if partner is None:
            return first
        height, width = first.size_after(size)
        half = math.sqrt(1 - _beta(self.alpha, generator)) / 2
        y, x = (random_integer(0, side - 1, generator) for side in (height, width))
        top, bottom = _span(y, half * height, height)
        left, right = _span(x, half * width, width)
        weight = 1 - (bottom - top) * (right - left) / (height * width)
        return Blend(first, partner, weight, (top, left, bottom, right))


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
