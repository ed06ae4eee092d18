"""Several transforms, one after the other, or one for each part of a training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tapetum.data.transforms.transform import Change, Moment, Size, Transform
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

    def at(self, moment: Moment) -> Compose:
        return Compose(tuple(transform.at(moment) for transform in self.transforms))

    def draw(self, size: Size, generator: torch.Generator) -> InTurn:
        changes = []
        for transform in self.transforms:
            changes.append(transform.draw(size, generator))
            size = changes[-1].size_after(size)
        return InTurn(tuple(changes))


@dataclass(frozen=True)
class Stages(Transform):
    """Different transforms as a training goes on; outside of one, the last of them.

    stages: pairs of a share of the training, rising up to 1, and the transform until then.
    """

    stages: tuple[tuple[float, Transform], ...]

    def __post_init__(self) -> None:
        shares = [share for share, _ in self.stages]
        if not shares or shares != sorted(shares) or shares[-1] != 1:
            raise ValueError(f"stages: expected shares that rise to 1, got {shares}")

    def at(self, moment: Moment) -> Transform:
        own = next(transform for share, transform in self.stages if moment.done < share)
        return own.at(moment)

    def draw(self, size: Size, generator: torch.Generator) -> Change:
        return self.stages[-1][1].draw(size, generator)
