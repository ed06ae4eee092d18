"""Maps and region features as tables: one row per cell, one row per bin, channels side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

FEW = 2**22
"""Numbers at a time where their memory order must change: 16 MB of float32, which the system does
not take back after every use, in steps large enough to be worth waiting for threads."""


class Grid(NamedTuple):
    """How regions become bins: the arguments of `roi_align`."""

    height: int
    width: int
    scale: float
    sampling_ratio: int = 0
    aligned: bool = False

    @property
    def bins(self) -> int:
        return self.height * self.width


def is_channels_last(values: Tensor) -> bool:
    """Is this the memory order, and not the usual one (both, where a size is 1)?"""
    return not values.is_contiguous() and values.is_contiguous(memory_format=torch.channels_last)


def empty_like_input(input: Tensor, regions: int, grid: Grid) -> Tensor:
    """Room for region features (K, C, h, w), in the dtype and the memory order of the map."""
    order = torch.channels_last if is_channels_last(input) else torch.contiguous_format
    shape = (regions, input.shape[1], grid.height, grid.width)
    return torch.empty(shape, dtype=input.dtype, device=input.device, memory_format=order)


def parts(regions: int, bins: int, max_bins: int) -> list[slice]:
    """Slices of the regions, of `max_bins` bins or fewer each unless one region has more."""
    step = max(1, max_bins // bins)
    return [slice(start, start + step) for start in range(0, regions, step)]


def image_of(rois: np.ndarray, count: int) -> np.ndarray:
    """Image index (K,) of each region; out of range, it would read another image's cells."""
    images = rois[:, 0].astype(np.int64)
    if len(images) and not (images.min() >= 0 and images.max() < count):
        raise ValueError(
            f"boxes: expected image indices in 0..{count - 1}, got {images.min()}..{images.max()}"
        )
    return images


def cell_rows(input: Tensor) -> Tensor:
    """(B, C, H, W) -> (B * H * W, C)."""
    images, channels, height, width = input.shape
    if is_channels_last(input):
        return input.permute(0, 2, 3, 1).reshape(-1, channels)
    rows = input.new_empty(images, height * width, channels)
    for image, target in zip(input, rows, strict=True):
        # A transposed matrix is the one change of order that PyTorch copies block by block.
        target.copy_(image.reshape(channels, -1).t())
    return rows.view(-1, channels)


def as_map(rows: Tensor, shape: Sequence[int], channels_last: bool) -> Tensor:
    """(B * H * W, C) -> (B, C, H, W), in one memory order or the other."""
    images, channels, height, width = shape
    if channels_last:
        return rows.view(images, height, width, channels).permute(0, 3, 1, 2)
    whole = rows.new_empty(images, channels, height * width)
    for target, part in zip(whole, rows.view(images, -1, channels), strict=True):
        target.copy_(part.t())
    return whole.view(images, channels, height, width)


def bin_rows(features: Tensor, last: bool) -> Tensor:
    """(K, C, h, w) -> (K * h * w, C), or unless `last` (h * w * K, C)."""
    regions, channels = features.shape[:2]
    if last:
        return features.permute(0, 2, 3, 1).reshape(-1, channels)
    return features.reshape(regions * channels, -1).t().contiguous().view(-1, channels)


def put_bin_rows(features: Tensor, rows: Tensor, grid: Grid, last: bool) -> None:
    """The way back: fill features (K, C, h, w) from rows as `bin_rows` makes them."""
    if last:
        features.copy_(unflatten(rows, grid))
    else:
        turned = rows.view(grid.bins, -1).t()  # (K * C, h * w)
        features.view(turned.shape).copy_(turned)


def unflatten(rows: Tensor, grid: Grid) -> Tensor:
    """(K * h * w, C) -> (K, C, h, w), in the same memory."""
    return rows.view(-1, grid.height, grid.width, rows.shape[1]).permute(0, 3, 1, 2)
