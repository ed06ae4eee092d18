"""Target: what is true of one image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self, overload

import torch
from torch import Tensor

from tapetum.structures.objects import Objects

IGNORE_INDEX = 255
"""The class of pixels of a semantic map that are neither trained on nor measured."""


@dataclass(frozen=True, eq=False)
class Target:
    """The annotations of one image; each part is optional.

    labels: (L,) int64, 0, 1 or several classes of the whole image.
    objects: the objects in it.
    semantic: (H, W) uint8 or int64, a class per pixel; IGNORE_INDEX, 255, to ignore it.
    label_weights: (L,) float from 0 on, the fraction of each label (soft labels, as mixup
        makes them); they sum up to 1. None: all labels of an image weigh the same.
    proposals: boxes from elsewhere, for models that classify given regions; may have scores.
    """

    labels: Tensor | None = None
    objects: Objects | None = None
    semantic: Tensor | None = None
    label_weights: Tensor | None = None
    proposals: Objects | None = None

    def __post_init__(self) -> None:
        labels, semantic = self.labels, self.semantic
        if labels is not None and (labels.ndim != 1 or labels.dtype != torch.int64):
            raise ValueError(
                f"labels: expected (L,) int64, got {tuple(labels.shape)} {labels.dtype}"
            )
        if semantic is not None and (
            semantic.ndim != 2 or semantic.dtype not in (torch.uint8, torch.int64)
        ):
            raise ValueError(
                f"semantic: expected (H, W) uint8 or int64, "
                f"got {tuple(semantic.shape)} {semantic.dtype}"
            )
        _check_weights(self.label_weights, labels)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same with `function` of every tensor, those of the objects too."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        mapped: dict[str, Any] = {
            name: function(value) if isinstance(value, Tensor) else value.map(function)
            for name, value in values.items()
            if isinstance(value, Tensor | Objects)
        }
        return replace(self, **mapped)

    def to(self, device: torch.device | str) -> Self:
        """The same with every tensor on `device`."""
        return self.map(lambda values: values.to(device))

    @overload
    def require(self, name: Literal["objects", "proposals"]) -> Objects: ...

    @overload
    def require(self, name: Literal["labels", "semantic", "label_weights"]) -> Tensor: ...

    def require(self, name: str) -> Objects | Tensor:
        """The field of that name, where it must not be None.

        Args:
            name: of the field.

        Returns:
            Its tensor or objects.

        Raises:
            ValueError: it is None.
        """
        return self._required(name)

    def _required(self, name: str) -> Objects | Tensor:
        value: Objects | Tensor | None = getattr(self, name)
        if value is None:
            raise ValueError(f"{name}: expected a value, got None")
        return value


def _check_weights(weights: Tensor | None, labels: Tensor | None) -> None:
    if weights is None:
        return
    count = 0 if labels is None else len(labels)
    if weights.shape != (count,) or not weights.is_floating_point():
        raise ValueError(
            f"label_weights: expected ({count},) float, one a label, "
            f"got {tuple(weights.shape)} {weights.dtype}"
        )
