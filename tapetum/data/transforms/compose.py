"""Several transforms, one after the other, or one for each part of a training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tapetum.data.transforms.transform import EpochContext, Operation, Size, Transform
from tapetum.structures import Sample


@dataclass(frozen=True)
class OperationSequence:
    """Several operations, one after the other."""

    operations: tuple[Operation, ...]

    def size_after(self, size: Size) -> Size:
        for operation in self.operations:
            size = operation.size_after(size)
        return size

    def matrix(self, size: Size) -> Tensor:
        matrix = torch.eye(3, dtype=torch.float64)
        for operation in self.operations:
            matrix, size = operation.matrix(size) @ matrix, operation.size_after(size)
        return matrix

    def apply(self, sample: Sample) -> Sample:
        for operation in self.operations:
            sample = operation.apply(sample)
        return sample


@dataclass(frozen=True)
class Compose(Transform):
    """Several transforms, one after the other."""

    transforms: tuple[Transform, ...]

    def at(self, context: EpochContext) -> Compose:
        return Compose(tuple(transform.at(context) for transform in self.transforms))

    def draw(self, size: Size, generator: torch.Generator) -> OperationSequence:
        operations = []
        for transform in self.transforms:
            operations.append(transform.draw(size, generator))
            size = operations[-1].size_after(size)
        return OperationSequence(tuple(operations))


@dataclass(frozen=True)
class Stages(Transform):
    """One transform for each part of a training, one after the other; outside of one, the last.

    Args:
        stages: pairs of a fraction of the training, ascending to 1, and the transform until then.
    """

    stages: tuple[tuple[float, Transform], ...]

    def __post_init__(self) -> None:
        fractions = [fraction for fraction, _ in self.stages]
        if not fractions or fractions != sorted(fractions) or fractions[-1] != 1:
            raise ValueError(f"stages: expected fractions that rise to 1, got {fractions}")

    def at(self, context: EpochContext) -> Transform:
        current = next(transform for end, transform in self.stages if context.done < end)
        return current.at(context)

    def draw(self, size: Size, generator: torch.Generator) -> Operation:
        return self.stages[-1][1].draw(size, generator)
