"""Several transforms, one after the other."""

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
