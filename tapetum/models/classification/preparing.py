"""Pictures of any size to squares of one size: how classifiers want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.models.pictures import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    as_float,
    check_pictures,
    resize_target,
)
from tapetum.structures import Batch, Target

_SHRINKS = 64
"""Pixels of a side that become one, up to which CUDA can average them."""


@dataclass(frozen=True)
class SquarePreparation:
    """Every picture becomes (size, size), squashed if it was no square, and normalised.

    Squashing shows the model the whole picture; a crop from the middle would lose what a label or
    a box is about. Bilinear; `antialias` averages over all pixels that fall together where a side
    shrinks (torchvision's `resize`, value for value), which plain sampling would skip. Values
    become (picture - mean) / std with pictures in [0, 1].
    """

    size: int = 224
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    antialias: bool = True

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"image_size: expected at least 1, got {self.size}")

    def __call__(
        self, pictures: Sequence[Tensor], targets: Sequence[Target] | None, like: Tensor
    ) -> Batch:
        """One batch of pictures (3, H, W), uint8 or float in [0, 1], and their targets moved along.

        Everything comes out on the device and in the dtype of `like` (boxes in float32 at least),
        the pixels channels last. Differentiable with respect to float pictures.

        Raises:
            ValueError: no pictures, a picture of another shape or dtype, or unequal counts.
        """
        check_pictures(pictures, targets)
        originals = [(p.shape[-2], p.shape[-1]) for p in pictures]
        truth = None
        if targets is not None:
            dtype = torch.promote_types(like.dtype, torch.float32)
            truth = tuple(
                resize_target(target.to(like.device), original, (self.size, self.size), dtype)
                for target, original in zip(targets, originals, strict=True)
            )
        return Batch(
            pixels=self._pixels(pictures, like),
            sizes=torch.full((len(pictures), 2), self.size, device=like.device),
            originals=torch.tensor(originals, device=like.device),
            truth=truth,
        )

    def _pixels(self, pictures: Sequence[Tensor], like: Tensor) -> Tensor:
        if self._fit(pictures):  # thousands of small ones are faster all at once
            squares = as_float(torch.stack(list(pictures)).to(like.device), like.dtype)
        else:
            moved = (as_float(p.to(like.device), like.dtype) for p in pictures)
            squares = torch.stack([self._square(picture) for picture in moved])
        mean = like.new_tensor(self.mean)[:, None, None]
        std = like.new_tensor(self.std)[:, None, None]
        pixels = (squares - mean) / std  # (B, 3, size, size)
        return pixels.contiguous(memory_format=torch.channels_last)

    def _fit(self, pictures: Sequence[Tensor]) -> bool:
        """Have all pictures the right size already, and the same dtype?"""
        first = pictures[0].dtype
        return all(p.shape[1:] == (self.size, self.size) and p.dtype == first for p in pictures)

    def _square(self, picture: Tensor) -> Tensor:
        size = (self.size, self.size)
        if picture.shape[-2:] == size:
            return picture
        # CUDA's antialiasing has no room for the many pixels that make one of a thumbnail.
        apart = picture.is_cuda and self.antialias
        apart = apart and max(picture.shape[-2:]) > _SHRINKS * self.size
        where = picture.cpu() if apart else picture
        found = F.interpolate(
            where[None], size, mode="bilinear", align_corners=False, antialias=self.antialias
        )
        return found[0].to(picture.device)
