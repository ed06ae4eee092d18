"""Which cells of a map make up each bin of each region, and with which weight.

A bin of a region is a weighted sum of cells, and its weights are a product: one factor from the
rows, one from the columns. The factors are found per axis, in small dense tables, where samples
that fall between the same cells merge. Only cells with a weight are then multiplied out: some six
entries a bin, where four samples with four neighbours each would make sixteen.

In NumPy on the processor whatever the device of the map: lists of uneven length are made of many
small steps, and a few hundred kilobytes travel fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MAX_SAMPLES = 4096


@dataclass(frozen=True)
class Entries:
    """Bins as weighted sums of cells, one bin after another.

    cells: (T,) int32, row of the flattened map (images, rows, columns). weights: (T,).
    counts: (bins,) int64, how many entries each bin has.
    """

    cells: np.ndarray
    weights: np.ndarray
    counts: np.ndarray

    def offsets(self) -> np.ndarray:
        """(bins + 1,) int32: where the entries of each bin begin, and the end of the last."""
        offsets = np.zeros(len(self.counts) + 1, np.int32)
        np.cumsum(self.counts, out=offsets[1:])
        return offsets

    def by_cell(self, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same sums turned round: bins (T,) int32 and weights by cell, offsets (cells + 1,)."""
        order = _stable_order(self.cells)
        bins = np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts)
        offsets = np.zeros(cells + 1, np.int32)
        np.cumsum(np.bincount(self.cells, minlength=cells), out=offsets[1:])
        return bins.take(order), self.weights.take(order), offsets


def align_axis(
    start: np.ndarray, length: np.ndarray, bins: int, sampling_ratio: int, size: int
) -> np.ndarray:
    """Weights (K, bins, size) of the cells along one axis, for extents start and length (K,).

    Every bin is the mean of samples at regular distances, each between two cells; samples more than
    one cell outside the map count as 0 (He et al. 2017, section 3, with the conventions of the
    published code). `sampling_ratio` <= 0: as many samples as a bin is cells long, rounded up.

    Raises:
        ValueError: an extent so long that it would take thousands of samples per bin.
    """
    step = length / start.dtype.type(bins)
    grid = np.full_like(start, sampling_ratio)
    if sampling_ratio <= 0:
        grid = np.nan_to_num(np.ceil(step), nan=0.0).clip(0)
    samples = grid.max(initial=0)
    if samples > _MAX_SAMPLES:
        raise ValueError(f"a region needs {samples:.0f} samples a bin: clip boxes to the image")
    weights = np.zeros((len(start), bins, size), start.dtype)
    rows = np.arange(0, weights.size, size).reshape(len(start), bins)  # (K, bins)
    places = np.arange(bins, dtype=start.dtype)
    begin = start[:, None] + places * step[:, None]  # (K, bins)
    weight = (1 / np.maximum(grid, 1))[:, None]
    for sample in range(int(samples)):
        at = begin + (start.dtype.type(sample + 0.5) * step / np.maximum(grid, 1))[:, None]
        inside = (at >= -1) & (at <= size) & (sample < grid)[:, None]
        at = np.where(inside, at, 0).clip(0, size - 1)
        low = at.astype(np.int64)
        part = at - low
        # One sample touches a bin once, so that no two additions meet in a cell.
        flat = weights.reshape(-1)
        flat[rows + low] += inside * weight * (1 - part)
        flat[rows + np.minimum(low + 1, size - 1)] += inside * weight * part
    return weights


def pool_axis(start: np.ndarray, stop: np.ndarray, bins: int, size: int) -> np.ndarray:
    """Which cells (K, bins, size) along one axis lie in each bin of start <= cell <= stop (K,).

    Bins of fractional length, each widened to whole cells (Girshick 2015, section 2.1).
    """
    step = np.maximum(stop - start + 1, 1).astype(np.float32) / np.float32(bins)
    edges = np.arange(bins + 1, dtype=np.float32) * step[:, None]  # (K, bins + 1)
    first = (np.floor(edges[:, :-1]).astype(np.int64) + start[:, None]).clip(0, size)
    last = (np.ceil(edges[:, 1:]).astype(np.int64) + start[:, None]).clip(0, size)
    cells = np.arange(size)
    return (cells >= first[..., None]) & (cells < last[..., None])


def multiply_out(
    rows: np.ndarray, columns: np.ndarray, image: np.ndarray, bins_first: bool = False
) -> Entries:
    """Entries of all bins from weights of rows (K, h, H) and columns (K, w, W), image (K,).

    Bins are numbered in the order (K, h, w), or with `bins_first` in the order (h, w, K).
    """
    (count, high, height), (wide, width) = rows.shape, columns.shape[1:]

    def every_bin(values: np.ndarray, *shape: int) -> np.ndarray:
        table = np.broadcast_to(values.reshape(shape), (count, high, wide))
        return (table.transpose(1, 2, 0) if bins_first else table).ravel()

    row, column = _lists(rows), _lists(columns)
    per_row = every_bin(row.counts, count, high, 1)
    per_column = every_bin(column.counts, count, 1, wide)
    # First one entry for each row of a bin ...
    bins = np.repeat(np.arange(len(per_row), dtype=np.int32), per_row)  # (T1,)
    which = _runs(every_bin(row.begins, count, high, 1), per_row, bins)
    pixels = every_bin(image.astype(np.int32) * np.int32(height * width), count, 1, 1)
    base = row.cells.take(which) * np.int32(width) + pixels.take(bins)
    # ... then one for each column of those.
    repeats = per_column.take(bins)
    owner = np.repeat(np.arange(len(bins), dtype=np.int32), repeats)  # (T,)
    begins = every_bin(column.begins, count, 1, wide).take(bins)
    other = _runs(begins, repeats, owner)
    cells = base.take(owner) + column.cells.take(other)
    weights = row.weights.take(which).take(owner) * column.weights.take(other)
    return Entries(cells, weights, per_row * per_column)


@dataclass(frozen=True)
class _Lists:
    cells: np.ndarray
    weights: np.ndarray
    counts: np.ndarray
    begins: np.ndarray


def _lists(table: np.ndarray) -> _Lists:
    """The entries that are not 0 of each of the K * bins rows of a table (K, bins, size)."""
    flat = (table != 0).ravel().nonzero()[0]
    line, cell = np.divmod(flat, table.shape[2])
    counts = np.bincount(line, minlength=table.shape[0] * table.shape[1])
    begins = np.cumsum(counts) - counts
    return _Lists(cell.astype(np.int32), table.ravel().take(flat), counts, begins)


def _runs(begins: np.ndarray, counts: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Runs begin, begin + 1, ... of `counts` numbers each; `owner` says which run each is in."""
    shift = begins - (np.cumsum(counts) - counts)
    return shift.astype(np.int32).take(owner) + np.arange(len(owner), dtype=np.int32)


def _stable_order(values: np.ndarray) -> np.ndarray:
    """The argsort of values >= 0, stable. NumPy sorts 16 bits by counting: two rounds beat one."""
    order = (values & 0xFFFF).astype(np.uint16).argsort(kind="stable")
    high = (values >> 16).astype(np.uint16)
    if high.any():
        order = order.take(high.take(order).argsort(kind="stable"))
    return order
