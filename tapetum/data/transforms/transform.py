"""Change and Transform: what happens to a sample, and how that is drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tapetum.structures import Sample

Size = tuple[int, int]


class Change(Protocol):
    """What is to happen to a sample: a `Turn`, a `Framing`, a `Recolour`, or several in a row."""

    def size_after(self, size: Size) -> Size:
        """(height, width) of what comes out of an image of `size`."""
        ...

    def matrix(self, size: Size) -> Tensor:
        """3 x 3 float64: coordinates (x, y, 1) in an image of `size` to those of the result.

        They are continuous: pixel i covers [i, i + 1).
        """
        ...

    def apply(self, sample: Sample) -> Sample:
        """The changed sample; the given one stays as it was."""
        ...


@dataclass(frozen=True)
class Moment:
    """When in a training an image is seen. epoch: of `epochs`, from 0. index: of the image.
    seed: of the training."""

    epoch: int
    epochs: int
    index: int
    seed: int

    @property
    def done(self) -> float:
        """The share of the training, in [0, 1), that lies behind."""
        return self.epoch / self.epochs


class Transform:
    """A way to change samples at random; its subclasses only say how to draw."""

    def at(self, moment: Moment) -> Transform:
        """What it does to one image in one epoch, for those that do not do the same always."""
        return self

    def draw(self, size: Size, generator: torch.Generator) -> Change:
        """Decide what is to happen to an image of `size` (height, width)."""
        raise NotImplementedError

    def matrix(self, params: Change, size: Size) -> Tensor:
        """3 x 3 float64: where `params` moves the coordinates of an image of `size`."""
        return params.matrix(size)

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """The sample, changed at random."""
        return self.draw(sample.size, generator).apply(sample)


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """A number between low and high."""
    share = torch.rand((), dtype=torch.float64, generator=generator).item()
    return low + (high - low) * share


def whole(low: int, high: int, generator: torch.Generator) -> int:
    """A whole number from low to high, both possible."""
    return int(torch.randint(low, high + 1, (), generator=generator).item())


def expect_share(name: str, value: float) -> None:
    """Raise ValueError unless `value` lies in 0 ... 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: expected 0 ... 1, got {value}")


def expect_range(name: str, low: float, high: float, least: float) -> None:
    """Raise ValueError unless least <= low <= high."""
    if not least <= low <= high:
        raise ValueError(f"{name}: expected {least} <= low <= high, got {low}, {high}")
