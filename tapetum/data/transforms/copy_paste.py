"""CopyPaste: objects of another image of a dataset pasted into an image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tapetum.data.transforms.joining import paste_objects
from tapetum.data.transforms.mixing import SEEDS, MixingTransform, Partner
from tapetum.data.transforms.operations import ResizeCrop
from tapetum.data.transforms.transform import (
    Operation,
    Size,
    expect_fraction,
    random_integer,
    uniform,
)
from tapetum.structures import Sample


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
class CopyPaste(MixingTransform):
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
        first, partner = self.begin(size, generator)
        if partner is None:
            return first
        seed = random_integer(0, SEEDS, generator)
        offset = uniform(0, 1, generator), uniform(0, 1, generator)
        return Paste(first, partner, seed, offset, self.min_visible)
