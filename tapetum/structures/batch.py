"""Batch: what `preprocess` makes of images and `forward` takes."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from tapetum.structures.target import Target


class Batch(NamedTuple):
    """Images of different sizes as one tensor; only its tensors reach `forward`.

    pixels: (B, 3, H, W) normalised, padded at the right and the bottom.
    sizes: (B, 2) int64, height and width of the content, without padding.
    originals: (B, 2) int64, height and width of the images as they came.
    targets: one Target per image in the frame of `pixels`, or None.
    windows: (B, 4) x1 y1 x2 y2 in the frame of each original, the part of it that the content
        shows where `preprocess` cuts the rest off; None: all of it.
    """

    pixels: Tensor
    sizes: Tensor
    originals: Tensor
    targets: tuple[Target, ...] | None = None
    windows: Tensor | None = None
