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
_FAR = 2**30
"""Cells beyond which all coordinates are alike."""


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


def pool_forward(input: Tensor, rois: Tensor, grid: Grid) -> Tensor:
    """Features (K, C, h, w): the largest cell of each bin, 0 where a bin has none."""
    last = is_channels_last(input)
    table = _cell_rows(input)
    output = empty_like_input(input, len(rois), grid)
    for part in _parts(len(rois), grid, _FEW_BINS):
        entries = _pool_entries(rois[part], input.shape, grid, bins_first=not last)
        order, rounds = _rounds(entries, input.device)
        largest = table.new_zeros(len(order), table.shape[1])  # (bins, C), most cells first
        for number, cells in enumerate(rounds):
            values, head = table.index_select(0, cells), largest[: len(cells)]
            head.copy_(torch.maximum(head, values) if number else values)
        _put_bin_rows(output[part], largest[torch.argsort(order)], grid, last)
    return output


def pool_backward(
    grad: Tensor, input: Tensor, features: Tensor, rois: Tensor, grid: Grid
) -> Tensor:
    """Gradient (B, C, H, W) of the map: each bin's goes to its first largest cell."""
    last = is_channels_last(grad)
    table = _cell_rows(input)
    total = torch.zeros(table.shape, dtype=rois.dtype, device=grad.device)
    for part in _parts(len(rois), grid, _FEW_BINS):
        entries = _pool_entries(rois[part], input.shape, grid, bins_first=not last)
        order, rounds = _rounds(entries, input.device)
        largest = _bin_rows(features[part], last)[order]  # (bins, C)
        rows = _bin_rows(grad[part], last).to(rois.dtype)[order]
        given = torch.zeros(rows.shape, dtype=torch.bool, device=grad.device)
        for cells in rounds:
            head = slice(len(cells))
            first = (table.index_select(0, cells) == largest[head]) & ~given[head]
            given[head] |= first
            total.index_add_(0, cells, rows[head] * first)
    return _as_map(total.to(grad.dtype), input.shape, is_channels_last(input))


def _rounds(entries: Entries, device: torch.device) -> tuple[Tensor, list[Tensor]]:
    """Bins (n,) by falling number of cells; and the first cell of all that have one, the second
    of all that have two, and so on: prefixes of that order."""
    order = np.argsort(-entries.counts, kind="stable")
    counts, begins = entries.counts[order], entries.offsets()[:-1][order]
    rounds = []
    for number in range(int(counts.max(initial=0))):
        bins = np.searchsorted(-counts, -number, "left")  # so many have more than `number` cells
        rounds.append(torch.from_numpy(entries.cells[begins[:bins] + number].astype(np.int64)))
    return torch.from_numpy(order).to(device), [cells.to(device) for cells in rounds]


def _parts(regions: int, grid: Grid, bins: int) -> list[slice]:
    step = max(1, bins // grid.bins)
    return [slice(start, start + step) for start in range(0, regions, step)]


@np.errstate(invalid="ignore", over="ignore")  # what is not finite has no weights
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


def _pool_entries(rois: Tensor, shape: Sequence[int], grid: Grid, bins_first: bool) -> Entries:
    regions = rois.cpu().numpy()
    boxes = (regions[:, 1:] * regions.dtype.type(grid.scale)).astype(np.float64)
    boxes = np.nan_to_num(boxes, nan=0.0).clip(-_FAR, _FAR)
    edges = np.trunc(boxes + np.copysign(0.5, boxes)).astype(np.int64)  # halves away from 0
    rows = pool_axis(edges[:, 1], edges[:, 3], grid.height, shape[2])  # (K, h, H)
    columns = pool_axis(edges[:, 0], edges[:, 2], grid.width, shape[3])  # (K, w, W)
    return multiply_out(rows, columns, _pictures(regions, shape[0]), bins_first)


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
    if table.device.type not in ("cpu", "cuda"):
        return _sums_by_index(table, indices, weights, offsets)
    places, factors, borders = (
        torch.from_numpy(values).to(table.device) for values in (indices, weights, offsets)
    )
    return F.embedding_bag(
        places, table, borders, mode="sum", per_sample_weights=factors, include_last_offset=True
    )


def _sums_by_index(
    table: Tensor, indices: np.ndarray, weights: np.ndarray, offsets: np.ndarray
) -> Tensor:
    """The same where there is no embedding bag."""
    owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    places, factors, owner = (
        torch.from_numpy(values).to(table.device) for values in (indices, weights, owners)
    )
    total = table.new_zeros(len(offsets) - 1, table.shape[1])
    return total.index_add_(0, owner, table[places.long()] * factors[:, None])


def _cell_rows(input: Tensor) -> Tensor:
    """(B, C, H, W) -> (B * H * W, C)."""
    pictures, channels, height, width = input.shape
    if is_channels_last(input):
        return input.permute(0, 2, 3, 1).reshape(-1, channels)
    rows = input.new_empty(pictures, height * width, channels)
    for picture, target in zip(input, rows, strict=True):
        # A transposed matrix is the one change of order that PyTorch copies block by block.
        target.copy_(picture.reshape(channels, -1).t())
    return rows.view(-1, channels)


def _as_map(rows: Tensor, shape: Sequence[int], channels_last: bool) -> Tensor:
    """(B * H * W, C) -> (B, C, H, W), in one memory order or the other."""
    pictures, channels, height, width = shape
    if channels_last:
        return rows.view(pictures, height, width, channels).permute(0, 3, 1, 2)
    whole = rows.new_empty(pictures, channels, height * width)
    for target, part in zip(whole, rows.view(pictures, -1, channels), strict=True):
        target.copy_(part.t())
    return whole.view(pictures, channels, height, width)


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
