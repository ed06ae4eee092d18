"""Several transforms, one after the other, or one for each part of a training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tapetum.data.transforms.change import Change, Size, Transform
from tapetum.structures import Sample


@dataclass(frozen=True)
class InTurn:
    """Several changes, one after the other."""

    changes: tuple[Change, ...]

    def size_after(self, size: Size) -> Size:
        for change in self.changes:
            size = change.size_after(size)
        return size

    def matrix(self, size: Size) -> Tensor:
        whole = torch.eye(3, dtype=torch.float64)
        for change in self.changes:
            whole, size = change.matrix(size) @ whole, change.size_after(size)
        return whole

    def apply(self, sample: Sample) -> Sample:
        for change in self.changes:
            sample = change.apply(sample)
        return sample


@dataclass(frozen=True)
class Compose(Transform):
    """Several transforms, one after the other."""

    transforms: tuple[Transform, ...]

    def draw(self, size: Size, generator: torch.Generator) -> InTurn:
        changes = []
        for transform in self.transforms:
            changes.append(transform.draw(size, generator))
            size = changes[-1].size_after(size)
        return InTurn(tuple(changes))


@dataclass(frozen=True)
class Stages:
    """Different transforms as a training goes on.

    stages: pairs of a share of the training, rising up to 1, and the transform until then.
    """

    stages: tuple[tuple[float, Transform], ...]

    def __post_init__(self) -> None:
        shares = [share for share, _ in self.stages]
        if not shares or shares != sorted(shares) or shares[-1] != 1:
            raise ValueError(f"stages: expected shares that rise to 1, got {shares}")

    def at(self, done: float) -> Transform:
        """The transform when the share `done` of the training, in [0, 1), lies behind."""
        return next(transform for share, transform in self.stages if done < share)

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """As the last stage does it."""
        return self.stages[-1][1](sample, generator)
