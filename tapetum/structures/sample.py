"""Sample: an image, its target, its name."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from tapetum.structures.target import Target


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with what is known of it.

    image: (3, H, W) RGB, uint8 or float in [0, 1].
    target: the annotations, in the frame of `image`.
    name: the name that people know it by (the file name in its dataset); used in messages.
    """

    image: Tensor
    target: Target = field(default_factory=Target)
    name: str = ""

    def __post_init__(self) -> None:
        image = self.image
        if image.ndim != 3 or image.shape[0] != 3:
            raise ValueError(f"image: expected (3, H, W), got {tuple(image.shape)}")
        if image.dtype != torch.uint8 and not image.is_floating_point():
            raise ValueError(f"image: expected uint8 or float in [0, 1], got {image.dtype}")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[-2], self.image.shape[-1]
