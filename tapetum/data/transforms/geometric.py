"""Transforms that move objects: flips, turns, scales, crops, shifts and borders."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from tapetum.base.runtime import derive_seed
from tapetum.data.transforms.movements import MEAN_COLOUR, Colour, Framing, Pairs, Turn
from tapetum.data.transforms.transform import (
    Moment,
    Size,
    Transform,
    expect_range,
    expect_share,
    uniform,
    whole,
)


@dataclass(frozen=True)
class HorizontalFlip(Transform):
    """Left becomes right; `pairs` are the keypoints that trade places (left eye, right eye)."""

    probability: float = 0.5
    pairs: Pairs = ()

    def __post_init__(self) -> None:
        expect_share("probability", self.probability)

    def draw(self, size: Size, generator: torch.Generator) -> Turn:
        return Turn(flip_x=uniform(0, 1, generator) < self.probability, pairs=self.pairs)


@dataclass(frozen=True)
class AlternatingFlip(Transform):
    """Left becomes right in every other epoch, for half of the images in the even ones: each
    image is seen as often one way as the other, which a coin for each epoch only nears (Jordan
    2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", section 3.6)."""

    pairs: Pairs = ()

    def at(self, moment: Moment) -> HorizontalFlip:
        turned = derive_seed(moment.seed, "side", moment.index) % 2 != moment.epoch % 2
        return HorizontalFlip(float(turned), self.pairs)

    def draw(self, size: Size, generator: torch.Generator) -> Turn:
        """Outside of a training it is a coin."""
        return HorizontalFlip(0.5, self.pairs).draw(size, generator)


@dataclass(frozen=True)
class VerticalFlip(Transform):
    """Top becomes bottom."""

    probability: float = 0.5
    pairs: Pairs = ()

    def __post_init__(self) -> None:
        expect_share("probability", self.probability)

    def draw(self, size: Size, generator: torch.Generator) -> Turn:
        return Turn(flip_y=uniform(0, 1, generator) < self.probability, pairs=self.pairs)


@dataclass(frozen=True)
class Rotate90(Transform):
    """A quarter turn, half turn or none; with `mirror` any of the square's eight symmetries.

    For images without an up, as from a microscope or from above.
    """

    mirror: bool = True
    pairs: Pairs = ()

    def draw(self, size: Size, generator: torch.Generator) -> Turn:
        flip_x, flip_y, transpose = (whole(0, 1, generator) == 1 for _ in range(3))
        if not self.mirror:
            transpose = flip_x ^ flip_y  # the four of the eight that leave left and right alone
        return Turn(flip_x, flip_y, transpose, self.pairs)


@dataclass(frozen=True)
class Resize(Transform):
    """Scale to a size: (height, width), or the length of the shorter side, proportions kept.

    longest: the longer side never becomes longer than this; the shorter one then stays below.
    Objects are all kept, however small they become.
    """

    size: int | Size
    longest: int | None = None

    def draw(self, size: Size, generator: torch.Generator) -> Framing:
        scaled = fit(size, self.size, self.longest)
        return Framing(scaled, 0, 0, scaled)


@dataclass(frozen=True)
class RandomScale(Transform):
    """Scale so that the shorter side has a random length between low and high, both possible."""

    low: int
    high: int
    longest: int | None = None

    def __post_init__(self) -> None:
        expect_range("low, high", self.low, self.high, 1)

    def draw(self, size: Size, generator: torch.Generator) -> Framing:
        scaled = fit(size, whole(self.low, self.high, generator), self.longest)
        return Framing(scaled, 0, 0, scaled, min_visible=0.0)


@dataclass(frozen=True)
class RandomCrop(Transform):
    """A window of a fixed size at a random place; an image that is smaller lies in it at random.

    min_visible: an object of whose box less than this share stays in the window is dropped.
    """

    size: Size
    min_visible: float = 0.25
    fill: Colour = MEAN_COLOUR

    def __post_init__(self) -> None:
        expect_share("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> Framing:
        top, left = place(size, self.size, generator)
        return Framing(size, top, left, self.size, self.fill, self.min_visible)


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
    longest: int | None = None
    min_visible: float = 0.25
    fill: Colour = MEAN_COLOUR

    def __post_init__(self) -> None:
        expect_range("low, high", self.low, self.high, 1e-3)
        expect_share("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> Framing:
        frame = fit(size, self.size or size, self.longest)
        factor = math.exp(uniform(math.log(self.low), math.log(self.high), generator))
        scaled = rounded(frame[0] * factor, frame[1] * factor)
        top, left = place(scaled, frame, generator)
        return Framing(scaled, top, left, frame, self.fill, self.min_visible)


@dataclass(frozen=True)
class Translate(Transform):
    """Shift by up to `y` and `x` whole pixels either way; what leaves the frame is lost."""

    y: int
    x: int
    min_visible: float = 0.25
    fill: Colour | None = MEAN_COLOUR

    def __post_init__(self) -> None:
        expect_range("y, x", 0, min(self.y, self.x), 0)
        expect_share("min_visible", self.min_visible)

    def draw(self, size: Size, generator: torch.Generator) -> Framing:
        top, left = whole(-self.y, self.y, generator), whole(-self.x, self.x, generator)
        return Framing(size, top, left, size, self.fill, self.min_visible)


@dataclass(frozen=True)
class Pad(Transform):
    """Add pixels around the image."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0
    fill: Colour = MEAN_COLOUR

    def __post_init__(self) -> None:
        expect_range("sides", 0, min(self.top, self.left, self.bottom, self.right), 0)

    def draw(self, size: Size, generator: torch.Generator) -> Framing:
        height, width = self.top + size[0] + self.bottom, self.left + size[1] + self.right
        return Framing(size, -self.top, -self.left, (height, width), self.fill)


def fit(size: Size, wanted: int | Size, longest: int | None = None) -> Size:
    """`wanted` itself if it is a size, else `size` scaled to that shorter side (see `Resize`)."""
    if not isinstance(wanted, int):
        return wanted
    factor = wanted / min(size)
    if longest is not None:
        factor = min(factor, longest / max(size))
    return rounded(size[0] * factor, size[1] * factor)


def rounded(height: float, width: float) -> Size:
    """Whole pixels, one at least."""
    return max(1, math.floor(height + 0.5)), max(1, math.floor(width + 0.5))


def place(image: Size, window: Size, generator: torch.Generator) -> tuple[int, int]:
    """A random place (top, left) of a window on an image: one of the two lies in the other."""
    spare = [image[0] - window[0], image[1] - window[1]]
    top, left = (whole(min(room, 0), max(room, 0), generator) for room in spare)
    return top, left
