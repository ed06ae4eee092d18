"""Target: what is true of one image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tapetum.structures.objects import Objects


@dataclass(frozen=True, eq=False)
class Target:
    """The truth of one image; each part is optional.

    labels: (L,) int64, 0, 1 or several classes of the whole image.
    objects: the objects in it.
    semantic: (H, W) uint8 or int64, a class per pixel, 255 = ignore.
    """

    labels: Tensor | None = None
    objects: Objects | None = None
    semantic: Tensor | None = None

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

    def to(self, device: torch.device | str) -> Target:
        """The same truth with every tensor on `device`."""
        return replace(
            self,
            labels=None if self.labels is None else self.labels.to(device),
            objects=None if self.objects is None else self.objects.to(device),
            semantic=None if self.semantic is None else self.semantic.to(device),
        )
