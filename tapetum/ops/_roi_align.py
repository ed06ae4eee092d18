"""RoI Align, forward and backward, as bags of rows of a channels-last map.

Forward sums rows of cells into bins, backward rows of bins into cells: the same operation, and no
sum is ever shared between threads, so equal inputs give equal bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.ops import _roi_layout as layout
from tapetum.ops._roi_entries import Entries, align_axis, multiply_out
from tapetum.ops._roi_layout import Grid

_MANY_BINS = 2**18
"""Bins at a time where they lie in the right order: bounds the memory that the entries take."""


def align_forward(input: Tensor, rois: Tensor, grid: Grid) -> Tensor:
    """Features (K, C, h, w) of rois (K, 5) on a map (B, C, H, W); arithmetic as rois.dtype."""
    last = layout.is_channels_last(input)
    table = layout.cell_rows(input).to(rois.dtype)
    output = layout.empty_like_input(input, len(rois), grid)
    max_bins = _MANY_BINS if last else layout.FEW // max(1, input.shape[1])
    for part in layout.parts(len(rois), grid.bins, max_bins):
        entries = _entries(rois[part], input.shape, grid, bins_first=not last)
        sums = _sums(table, entries.cells, entries.weights, entries.offsets())  # (bins, C)
        if last and len(entries.counts) == len(rois) * grid.bins and sums.dtype == input.dtype:
            return layout.unflatten(sums, grid)
        layout.put_bin_rows(output[part], sums, grid, last)
    return output


def align_backward(
    grad: Tensor, rois: Tensor, shape: Sequence[int], grid: Grid, channels_last: bool
) -> Tensor:
    """Gradient (B, C, H, W) of the map, given that of the features (K, C, h, w)."""
    cells = shape[0] * shape[2] * shape[3]
    last = layout.is_channels_last(grad)
    total = torch.zeros(cells, shape[1], dtype=rois.dtype, device=grad.device)
    # Each part touches the whole map once: it should not be smaller than that.
    max_bins = _MANY_BINS if last else max(layout.FEW // max(1, shape[1]), 2 * cells)
    for part in layout.parts(len(rois), grid.bins, max_bins):
        entries = _entries(rois[part], shape, grid, bins_first=not last)
        bins, weights, offsets = entries.by_cell(cells)
        rows = layout.bin_rows(grad[part], last).to(rois.dtype)
        total += _sums(rows, bins, weights, offsets)
    return layout.as_map(total.to(grad.dtype), shape, channels_last)


@np.errstate(invalid="ignore", over="ignore")  # what is not finite has no weights
def _entries(rois: Tensor, shape: Sequence[int], grid: Grid, bins_first: bool) -> Entries:
    regions = rois.cpu().numpy()
    number = regions.dtype.type
    boxes = regions[:, 1:] * number(grid.scale) - number(0.5 if grid.aligned else 0)
    start, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    if not grid.aligned:
        size = np.maximum(size, number(1))
    ratio = grid.sampling_ratio
    rows = align_axis(start[:, 1], size[:, 1], grid.height, ratio, shape[2])  # (K, h, H)
    columns = align_axis(start[:, 0], size[:, 0], grid.width, ratio, shape[3])  # (K, w, W)
    return multiply_out(rows, columns, layout.image_of(regions, shape[0]), bins_first)


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
