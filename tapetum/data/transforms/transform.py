"""Operation and Transform: what happens to a sample, and how that is drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tapetum.structures import Sample

Size = tuple[int, int]


class Operation(Protocol):
    """What is done to a sample, with its parameters: a `Dihedral`, a `ResizeCrop`, ..."""

    def size_after(self, size: Size) -> Size:
        """The size of the result.

        Args:
            size: (height, width) of the image in pixels.
        """
        ...

    def matrix(self, size: Size) -> Tensor:
        """Where coordinates of the image lie in the result.

        Args:
            size: (height, width) of the image in pixels.

        Returns:
            3 x 3 float64, for (x, y, 1). Coordinates are continuous: pixel i covers [i, i + 1).
        """
        ...

    def apply(self, sample: Sample) -> Sample:
        """The changed sample; the given one stays as it is."""
        ...


@dataclass(frozen=True)
class EpochContext:
    """Where in a training an image is seen, and the dataset's other samples.

    A transform that needs other samples (mosaic, mixup) gets them from here: `Transform.at` is
    called with the context before `draw`.

    Args:
        epoch: counted from 0, of `epochs`.
        epochs: how many the training has.
        index: of the image in the dataset.
        seed: of the training.
        count: how many samples the dataset has.
        sample_at: the sample at an index in [0, count), decoded, before any transform.
    """

    epoch: int
    epochs: int
    index: int
    seed: int
    count: int
    sample_at: Callable[[int], Sample]

    @property
    def done(self) -> float:
        """The fraction of the training, in [0, 1), that is done."""
        return self.epoch / self.epochs


class Transform:
    """A random change of samples.

    Subclasses implement `draw`, and `at` where they need the epoch or other samples.
    """

    def at(self, context: EpochContext) -> Transform:
        """The transform for one image in one epoch; itself, unless a subclass needs the context.

        Args:
            context: the epoch, the image and the dataset.
        """
        return self

    def draw(self, size: Size, generator: torch.Generator) -> Operation:
        """Draw the parameters at random, from the size of the image alone.

        Args:
            size: (height, width) of the image in pixels.
            generator: the source of all random numbers.
        """
        raise NotImplementedError

    def matrix(self, params: Operation, size: Size) -> Tensor:
        """3 x 3 float64: where `params` moves the coordinates of an image of `size`."""
        return params.matrix(size)

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """The sample, changed at random.

        Args:
            sample: stays as it is.
            generator: the source of all random numbers.
        """
        return self.draw(sample.size, generator).apply(sample)


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """A random number between low and high."""
    fraction = torch.rand((), dtype=torch.float64, generator=generator).item()
    return low + (high - low) * fraction


def random_integer(low: int, high: int, generator: torch.Generator) -> int:
    """A random integer from low to high, both possible."""
    return int(torch.randint(low, high + 1, (), generator=generator).item())


def expect_fraction(name: str, value: float) -> None:
    """Raise ValueError unless `value` lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: expected 0 ... 1, got {value}")


def expect_range(name: str, low: float, high: float, minimum: float) -> None:
    """Raise ValueError unless minimum <= low <= high."""
    if not minimum <= low <= high:
        raise ValueError(f"{name}: expected {minimum} <= low <= high, got {low}, {high}")
