"""Transforms that move objects: flips, turns, scales, crops, shifts and borders."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from tapetum.base.seeds import derive_seed
from tapetum.data.transforms.keypoints import Pairs
from tapetum.data.transforms.operations import MEAN_COLOR, Color, Dihedral, ResizeCrop
from tapetum.data.transforms.transform import (
    EpochContext,
    Size,
    Transform,
    expect_fraction,
    expect_range,
    random_integer,
    uniform,
)


@dataclass(frozen=True)
class RandomHorizontalFlip(Transform):
    """Left becomes right; `pairs` are the keypoints that trade places (left eye, right eye)."""

    p: float = 0.5
    pairs: Pairs = ()

    def __post_init__(self) -> None:
        expect_fraction("p", self.p)

    def draw(self, size: Size, generator: torch.Generator) -> Dihedral:
        return Dihedral(flip_x=uniform(0, 1, generator) < self.p, pairs=self.pairs)


@dataclass(frozen=True)
class AlternatingFlip(Transform):
    """Left becomes right in every other epoch, for half of the images in the even ones: each
    image is seen as often one way as the other, which a coin for each epoch only nears (Jordan
    2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", section 3.6)."""

    pairs: Pairs = ()

    def at(self, context: EpochContext) -> RandomHorizontalFlip:
        turned = derive_seed(context.seed, "side", context.index) % 2 != context.epoch % 2
        return RandomHorizontalFlip(float(turned), self.pairs)

    def draw(self, size: Size, generator: torch.Generator) -> Dihedral:
        """Outside of a training it is a coin."""
        return RandomHorizontalFlip(0.5, self.pairs).draw(size, generator)


@dataclass(frozen=True)
class RandomVerticalFlip(Transform):
    """Top becomes bottom."""

    p: float = 0.5
    pairs: Pairs = ()

    def __post_init__(self) -> None:
        expect_fraction("p", self.p)

    def draw(self, size: Size, generator: torch.Generator) -> Dihedral:
        return Dihedral(flip_y=uniform(0, 1, generator) < self.p, pairs=self.pairs)


@dataclass(frozen=True)
class RandomRotate90(Transform):
    """A quarter turn, half turn or none; with `mirror` any of the square's eight symmetries.

    For images without an up, as from a microscope or from above.
    """

    mirror: bool = True
    pairs: Pairs = ()

    def draw(self, size: Size, generator: torch.Generator) -> Dihedral:
        flip_x, flip_y, transpose = (random_integer(0, 1, generator) == 1 for _ in range(3))
        if not self.mirror:
            transpose = flip_x ^ flip_y  # the four of the eight that leave left and right alone
        return Dihedral(flip_x, flip_y, transpose, self.pairs)


@dataclass(frozen=True)
class Resize(Transform):
    """Scale to a size: (height, width), or the length of the shorter side, proportions kept.

    max_size: the longer side never becomes longer than this; the shorter one then stays below.
    Objects are all kept, however small they become.
    """

    size: int | Size
    max_size: int | None = None

    def draw(self, size: Size, generator: torch.Generator) -> ResizeCrop:
        scaled = fit(size, self.size, self.max_size)
        return ResizeCrop(scaled, 0, 0, scaled)


@dataclass(frozen=True)
class RandomShortestSize(Transform):
    """Scale so that the shorter side has a random length between low and high, both possible."""

    low: int
    high: int
    max_size: int | None = None

    def __post_init__(self) -> None:
        expect_range("low, high", self.low, self.high, 1)

    def draw(self, size: Size, generator: torch.Generator) -> ResizeCrop:
        scaled = fit(size, random_integer(self.low, self.high, generator), self.max_size)
        return ResizeCrop(scaled, 0, 0, scaled, min_visible=0.0)


@dataclass(frozen=True)
class RandomCrop(Transform):
    """A window of a fixed size at a random place; an image that is smaller lies in it at random.

    min_visible: an object of whose box less than this fraction stays in the window is dropped.
    """

    size: Size
    min_visible: float = 0.25
    fill: Color = MEAN_COLOR

    def __post_init__(self) -> None:
        expect_fraction("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> ResizeCrop:
        top, left = random_place(size, self.size, generator)
        return ResizeCrop(size, top, left, self.size, self.fill, self.min_visible)


@dataclass(frozen=True)
class ScaleJitter(Transform):
    """Grow or shrink at random in a frame that stays: grown is cropped, shrunk is padded around.

    The frame is the image fitted to `size` as `Resize` does it, or the image's own; the
    factor lies between low and high, even in its logarithm; the place is random both ways. With
    0.1 and 2 this is the large-scale jitter of Ghiasi et al. 2021 (Copy-Paste, section 4), which
    pays in long trainings only.
    """

    low: float = 0.8
    high: float = 1.25
    size: int | Size | None = None
    max_size: int | None = None
    min_visible: float = 0.25
    fill: Color = MEAN_COLOR

    def __post_init__(self) -> None:
        expect_range("low, high", self.low, self.high, 1e-3)
        expect_fraction("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> ResizeCrop:
        frame = fit(size, self.size or size, self.max_size)
        factor = math.exp(uniform(math.log(self.low), math.log(self.high), generator))
        scaled = rounded(frame[0] * factor, frame[1] * factor)
        top, left = random_place(scaled, frame, generator)
        return ResizeCrop(scaled, top, left, frame, self.fill, self.min_visible)


@dataclass(frozen=True)
class RandomTranslate(Transform):
    """Shift by up to `y` and `x` whole pixels either way; what leaves the frame is lost."""

    y: int
    x: int
    min_visible: float = 0.25
    fill: Color | None = MEAN_COLOR

    def __post_init__(self) -> None:
        expect_range("y, x", 0, min(self.y, self.x), 0)
        expect_fraction("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> ResizeCrop:
        top, left = (
            random_integer(-self.y, self.y, generator),
            random_integer(-self.x, self.x, generator),
        )
        return ResizeCrop(size, top, left, size, self.fill, self.min_visible)


@dataclass(frozen=True)
class Pad(Transform):
    """Add pixels around the image."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0
    fill: Color = MEAN_COLOR

    def __post_init__(self) -> None:
        expect_range("sides", 0, min(self.top, self.left, self.bottom, self.right), 0)

    def draw(self, size: Size, generator: torch.Generator) -> ResizeCrop:
        height, width = self.top + size[0] + self.bottom, self.left + size[1] + self.right
        return ResizeCrop(size, -self.top, -self.left, (height, width), self.fill)


def fit(size: Size, wanted: int | Size, max_size: int | None = None) -> Size:
    """`wanted` itself if it is a size, else `size` scaled to that shorter side (see `Resize`)."""
    if not isinstance(wanted, int):
        return wanted
    factor = wanted / min(size)
    if max_size is not None:
        factor = min(factor, max_size / max(size))
    return rounded(size[0] * factor, size[1] * factor)


def rounded(height: float, width: float) -> Size:
    """Whole pixels, one at least."""
    return max(1, math.floor(height + 0.5)), max(1, math.floor(width + 0.5))


def random_place(image: Size, window: Size, generator: torch.Generator) -> tuple[int, int]:
    """A random place (top, left) of a window on an image: one of the two lies in the other."""
    spare = [image[0] - window[0], image[1] - window[1]]
    top, left = (random_integer(min(room, 0), max(room, 0), generator) for room in spare)
    return top, left
