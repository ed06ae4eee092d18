"""RoI Align and RoI Pool, forward and backward, as bags of rows of a channels-last map.

A map is taken as a table with one row per cell, region features as a table with one row per bin.
Forward sums rows of cells into bins, backward rows of bins into cells: the same operation, and no
sum is ever shared between threads, so equal inputs give equal bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.ops._roi_entries import Entries, align_axis, multiply_out, pool_axis

_FEW_BINS = 2**13
"""Bins at a time where their memory order must change: few enough to stay in the cache."""
_MANY_BINS = 2**18
"""Bins at a time otherwise: bounds the memory that the entries take."""


class Grid(NamedTuple):
    """How regions become bins: the arguments of `roi_align`, and whether they are averaged."""

    height: int
    width: int
    scale: float
    sampling_ratio: int
    aligned: bool

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


def align_forward(input: Tensor, rois: Tensor, grid: Grid) -> Tensor:
    """Features (K, C, h, w) of rois (K, 5) on a map (B, C, H, W); arithmetic as rois.dtype."""
    last = is_channels_last(input)
    table = _cell_rows(input).to(rois.dtype)
    output = empty_like_input(input, len(rois), grid)
    for part in _parts(len(rois), grid, _MANY_BINS if last else _FEW_BINS):
        entries = _align_entries(rois[part], input.shape, grid, bins_first=not last)
        sums = _sums(table, entries.cells, entries.weights, entries.offsets())  # (bins, C)
        if last and len(entries.counts) == len(rois) * grid.bins and sums.dtype == input.dtype:
            return _unflatten(sums, grid)
        _put_bin_rows(output[part], sums, grid, last)
    return output


def align_backward(
    grad: Tensor, rois: Tensor, shape: Sequence[int], grid: Grid, channels_last: bool
) -> Tensor:
    """Gradient (B, C, H, W) of the map, given that of the features (K, C, h, w)."""
    cells = shape[0] * shape[2] * shape[3]
    last = is_channels_last(grad)
    total = torch.zeros(cells, shape[1], dtype=rois.dtype, device=grad.device)
    # Each part touches the whole map once: it should not be smaller than that.
    for part in _parts(len(rois), grid, _MANY_BINS if last else max(_FEW_BINS, 2 * cells)):
        entries = _align_entries(rois[part], shape, grid, bins_first=not last)
        bins, weights, offsets = entries.by_cell(cells)
        rows = _bin_rows(grad[part], last).to(rois.dtype)
        total += _sums(rows, bins, weights, offsets)
    return _as_map(total.to(grad.dtype), shape, channels_last)


def pool_forward(input: Tensor, rois: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Features (K, C, h, w), and the cell (K * h * w, C) int64 each came from, -1 for none."""
    entries = _pool_entries(rois, input.shape, grid)
    table = _cell_rows(input)
    device = input.device if input.device.type in ("cpu", "cuda") else torch.device("cpu")
    cells, offsets = torch.from_numpy(entries.cells), torch.from_numpy(entries.offsets())
    maxima = torch.ops.aten._embedding_bag(
        table.to(device), cells.to(device), offsets.to(device), False, 2, False, None, True
    )
    empty = torch.from_numpy(entries.counts == 0).to(device)
    winners = maxima[3].long().masked_fill(empty[:, None], -1)
    features = maxima[0].masked_fill(empty[:, None], 0)
    output = empty_like_input(input, len(rois), grid)
    return output.copy_(_unflatten(features, grid)), winners.to(input.device)


def pool_backward(
    grad: Tensor, winners: Tensor, shape: Sequence[int], channels_last: bool
) -> Tensor:
    """Gradient (B, C, H, W) of the map: each bin's goes to the cell that it came from."""
    rows = _bin_rows(grad, True).masked_fill(winners < 0, 0)
    total = rows.new_zeros(shape[0] * shape[2] * shape[3], shape[1])
    return _as_map(total.scatter_add_(0, winners.clamp(min=0), rows), shape, channels_last)


def _parts(regions: int, grid: Grid, bins: int) -> list[slice]:
    step = max(1, bins // grid.bins)
    return [slice(start, start + step) for start in range(0, regions, step)]


def _align_entries(rois: Tensor, shape: Sequence[int], grid: Grid, bins_first: bool) -> Entries:
    regions = rois.cpu().numpy()
    number = regions.dtype.type
    boxes = regions[:, 1:] * number(grid.scale) - number(0.5 if grid.aligned else 0)
    start, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    if not grid.aligned:
        size = np.maximum(size, number(1))
    ratio = grid.sampling_ratio
    rows = align_axis(start[:, 1], size[:, 1], grid.height, ratio, shape[2])  # (K, h, H)
    columns = align_axis(start[:, 0], size[:, 0], grid.width, ratio, shape[3])  # (K, w, W)
    return multiply_out(rows, columns, _pictures(regions, shape[0]), bins_first)


def _pool_entries(rois: Tensor, shape: Sequence[int], grid: Grid) -> Entries:
    regions = rois.cpu().numpy()
    boxes = (regions[:, 1:] * regions.dtype.type(grid.scale)).astype(np.float64)
    edges = np.trunc(boxes + np.copysign(0.5, boxes)).astype(np.int64)  # halves away from 0
    rows = pool_axis(edges[:, 1], edges[:, 3], grid.height, shape[2])  # (K, h, H)
    columns = pool_axis(edges[:, 0], edges[:, 2], grid.width, shape[3])  # (K, w, W)
    return multiply_out(rows, columns, _pictures(regions, shape[0]))


def _pictures(regions: np.ndarray, count: int) -> np.ndarray:
    """Picture index (K,) of each region; out of range, it would read another picture's cells."""
    pictures = regions[:, 0].astype(np.int64)
    if len(pictures) and not (pictures.min() >= 0 and pictures.max() < count):
        raise ValueError(
            f"boxes: expected picture indices in 0..{count - 1}, "
            f"got {pictures.min()}..{pictures.max()}"
        )
    return pictures


def _sums(table: Tensor, indices: np.ndarray, weights: np.ndarray, offsets: np.ndarray) -> Tensor:
    """Weighted sums (len(offsets) - 1, C) of runs of rows of a table (n, C)."""
    places, factors, borders = (
        torch.from_numpy(values).to(table.device) for values in (indices, weights, offsets)
    )
    if table.device.type in ("cpu", "cuda"):
        return F.embedding_bag(
            places,
            table,
            borders,
            mode="sum",
            per_sample_weights=factors,
            include_last_offset=True,
        )
    owner = torch.repeat_interleave(borders.diff())
    total = table.new_zeros(len(offsets) - 1, table.shape[1])
    return total.index_add_(0, owner, table[places.long()] * factors[:, None])


def _cell_rows(input: Tensor) -> Tensor:
    """(B, C, H, W) -> (B * H * W, C)."""
    channels = input.shape[1]
    if is_channels_last(input):
        return input.permute(0, 2, 3, 1).reshape(-1, channels)
    # A transposed matrix is the one change of order that PyTorch copies block by block.
    return torch.cat([picture.reshape(channels, -1).t().contiguous() for picture in input])


def _as_map(rows: Tensor, shape: Sequence[int], channels_last: bool) -> Tensor:
    """(B * H * W, C) -> (B, C, H, W), in one memory order or the other."""
    pictures, channels, height, width = shape
    if channels_last:
        return rows.view(pictures, height, width, channels).permute(0, 3, 1, 2)
    turned = [part.t().contiguous() for part in rows.view(pictures, -1, channels)]
    return torch.stack(turned).view(pictures, channels, height, width)


def _bin_rows(features: Tensor, last: bool) -> Tensor:
    """(K, C, h, w) -> (K * h * w, C), or unless `last` (h * w * K, C)."""
    regions, channels = features.shape[:2]
    if last:
        return features.permute(0, 2, 3, 1).reshape(-1, channels)
    return features.reshape(regions * channels, -1).t().contiguous().view(-1, channels)


def _put_bin_rows(features: Tensor, rows: Tensor, grid: Grid, last: bool) -> None:
    """The way back: fill features (K, C, h, w) from rows as `_bin_rows` makes them."""
    if last:
        features.copy_(_unflatten(rows, grid))
    else:
        turned = rows.view(grid.bins, -1).t()  # (K * C, h * w)
        features.view(turned.shape).copy_(turned)


def _unflatten(rows: Tensor, grid: Grid) -> Tensor:
    return rows.view(-1, grid.height, grid.width, rows.shape[1]).permute(0, 3, 1, 2)
