"""RoI Pool, forward and backward: the largest of the cells in each bin.

Cells are compared in rounds: the first of every bin, the second of all bins that have two, and so
on. In NumPy on the processor whatever the device of the map: many steps on small tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from tapetum.ops import _roi_layout as layout
from tapetum.ops._roi_entries import Entries, multiply_out, pool_axis
from tapetum.ops._roi_layout import Grid

_FAR = 2**30
"""Cells beyond which all coordinates are alike."""


def pool_forward(input: Tensor, rois: Tensor, grid: Grid) -> Tensor:
    """Features (K, C, h, w): the largest cell of each bin, 0 where a bin has none."""
    last = layout.is_channels_last(input)
    table = _numbers(layout.cell_rows(input), rois.dtype)
    output = layout.empty_like_input(input, len(rois), grid)
    for part in _parts(rois, grid, table):
        entries = _entries(rois[part], input.shape, grid, bins_first=not last)
        order, rounds = _rounds(entries)
        largest = np.zeros((len(order), table.shape[1]), table.dtype)  # (bins, C), in `order`
        for number, cells in enumerate(rounds):
            head, values = largest[: len(cells)], table.take(cells, axis=0)
            np.maximum(head if number else values, values, out=head)
        rows = torch.from_numpy(largest.take(np.argsort(order), axis=0)).to(output)
        layout.put_bin_rows(output[part], rows, grid, last)
    return output


def pool_backward(
    grad: Tensor, input: Tensor, features: Tensor, rois: Tensor, grid: Grid
) -> Tensor:
    """Gradient (B, C, H, W) of the map: each bin's goes to its first largest cell."""
    last = layout.is_channels_last(grad)
    table = _numbers(layout.cell_rows(input), rois.dtype)
    total = torch.zeros(table.shape, dtype=rois.dtype)
    for part in _parts(rois, grid, table):
        entries = _entries(rois[part], input.shape, grid, bins_first=not last)
        order, rounds = _rounds(entries)
        largest = _numbers(layout.bin_rows(features[part], last), rois.dtype).take(order, axis=0)
        rows = _numbers(layout.bin_rows(grad[part], last), rois.dtype).take(order, axis=0)
        _add_by_cell(total, _cells_and_rows(table, rounds, largest, rows))
    total = total.to(grad.device, grad.dtype)
    return layout.as_map(total, input.shape, layout.is_channels_last(input))


def _cells_and_rows(
    table: np.ndarray, rounds: list[np.ndarray], largest: np.ndarray, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cells (n,) of each round, and what they get (n, C) of the gradient rows (bins, C)."""
    given = np.zeros(rows.shape, bool)
    for cells in rounds:
        head = slice(len(cells))
        first = (table.take(cells, axis=0) == largest[head]) & ~given[head]
        given[head] |= first
        yield cells, rows[head] * first


def _add_by_cell(total: Tensor, cells_and_rows: Iterator[tuple[np.ndarray, np.ndarray]]) -> None:
    """Add rows to the rows of total that their cells name, many rounds at a time."""
    waiting: list[tuple[np.ndarray, np.ndarray]] = []

    def add() -> None:
        cells, rows = (np.concatenate(values) for values in zip(*waiting, strict=True))
        total.index_add_(0, torch.from_numpy(cells), torch.from_numpy(rows))
        waiting.clear()

    for pair in cells_and_rows:
        waiting.append(pair)
        if sum(rows.size for _, rows in waiting) > layout.FEW:
            add()
    if waiting:
        add()


def _rounds(entries: Entries) -> tuple[np.ndarray, list[np.ndarray]]:
    """Bins (n,) by falling number of cells; then the first cell of all bins that have one, the
    second of all that have two, and so on: each round is a prefix of that order."""
    order = np.argsort(-entries.counts, kind="stable")
    counts, begins = entries.counts[order], entries.offsets()[:-1][order]
    rounds = []
    for number in range(int(counts.max(initial=0))):
        bins = np.searchsorted(-counts, -number, "left")  # so many have more than `number` cells
        rounds.append(entries.cells[begins[:bins] + number])
    return order, rounds


def _parts(rois: Tensor, grid: Grid, table: np.ndarray) -> list[slice]:
    return layout.parts(len(rois), grid.bins, layout.FEW // 4 // max(1, table.shape[1]))


def _numbers(rows: Tensor, dtype: torch.dtype) -> np.ndarray:
    """As an array of `dtype`, which holds the narrower ones exactly."""
    array: np.ndarray = rows.to("cpu", dtype).numpy()
    return array


def _entries(rois: Tensor, shape: Sequence[int], grid: Grid, bins_first: bool) -> Entries:
    regions = rois.cpu().numpy()
    boxes = (regions[:, 1:] * regions.dtype.type(grid.scale)).astype(np.float64)
    boxes = np.nan_to_num(boxes, nan=0.0).clip(-_FAR, _FAR)
    edges = np.trunc(boxes + np.copysign(0.5, boxes)).astype(np.int64)  # halves away from 0
    rows = pool_axis(edges[:, 1], edges[:, 3], grid.height, shape[2])  # (K, h, H)
    columns = pool_axis(edges[:, 0], edges[:, 2], grid.width, shape[3])  # (K, w, W)
    return multiply_out(rows, columns, layout.image_of(regions, shape[0]), bins_first)
