"""Greedy non-maximum suppression on the processor, without a compiled extension.

Boxes are taken in the order of their scores, in chunks: those of a chunk that survive among
themselves are kept, and all later boxes that they suppress are removed at once, so that crowded
boxes cost little. A large chunk is itself processed in small ones; the smallest fits one tile, a
table of conflicts. Where boxes turn out to be scattered, all conflicts are computed at once, among
neighbours only, and then resolved in order.

Tiles are written into buffers that are reused: broadcasts by PyTorch (NumPy's are four times
slower), the rest by NumPy (its calls cost less).
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np
import torch

TILE = 2**15 - 1
"""Pairs in a tile. PyTorch splits an operation over threads from 2 ** 15 elements on; so many
take some microseconds, but waiting for a thread takes milliseconds where the cores are busy."""
SIDE = math.isqrt(TILE)
"""Boxes whose pairs fit one tile: the smallest chunk."""
GROWTH = 16
LARGE = SIDE * GROWTH
"""The largest number of boxes whose conflicts are computed at once: half its square at most."""
SCATTERED = 0.7
"""Boxes of which the best leave more than this fraction are not crowded."""
SWEEP = 128
"""Rows of a tile in a search for neighbours."""
MANY = 2**19
"""From so many pairs on, sorting by the left edge costs less than comparing all of them."""
FEW = 512
"""Up to so many conflicts are settled one by one sooner than by arrays."""

_UPPER = ~np.tri(SIDE, dtype=bool)
_local = threading.local()


@dataclass(frozen=True)
class _Boxes:
    """table: (5, n) x1, y1, x2, y2, area. group: (n,) int32 or None. index: (n,) place among all.

    By falling score, but for the moment in which neighbours are searched.
    """

    table: np.ndarray
    group: np.ndarray | None
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, part: slice) -> _Boxes:
        group = None if self.group is None else self.group[part]
        return _Boxes(self.table[:, part], group, self.index[part])

    def take(self, places: np.ndarray) -> _Boxes:
        group = None if self.group is None else self.group.take(places)
        return _Boxes(self.table.take(places, axis=1), group, self.index.take(places))


def greedy(boxes: np.ndarray, groups: np.ndarray | None, threshold: float) -> np.ndarray:
    """Indices (K,) int64, rising, of the boxes that survive among boxes (N, 4), best first.

    A box is removed if a better survivor of the same group has IoU > `threshold` with it. The
    threshold is not negative.
    """
    valid = (boxes[:, 0] <= boxes[:, 2]) & (boxes[:, 1] <= boxes[:, 3])
    if not valid.all():
        # Corners swapped or NaN: suppresses none and is never suppressed, like a point.
        boxes = np.where(valid[:, None], boxes, boxes.dtype.type(0))
    limit = round_down(threshold, boxes.dtype)
    table = np.empty((5, len(boxes)), boxes.dtype)
    table[:4] = boxes.T
    lanes, chunk = _lanes(groups)
    # IoU of two boxes without area is 0 / 0, which is not above any threshold.
    with np.errstate(invalid="ignore", over="ignore"):
        np.multiply(table[2] - table[0], table[3] - table[1], out=table[4])
        all_boxes = _Boxes(table, lanes, np.arange(len(boxes)))
        return _survivors(all_boxes, limit, chunk).index


def _lanes(groups: np.ndarray | None) -> tuple[np.ndarray | None, int]:
    """Groups as small numbers, None where there is one only, and the size of the first chunk.

    That is a tile for every group, as long as the conflicts inside groups stay few.
    """
    if groups is None or len(groups) == 0 or (groups == groups[0]).all():
        return None, SIDE
    names, lanes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    chunk = SIDE * len(names)
    few = np.square(counts).sum() <= LARGE**2
    return lanes.astype(np.int32), chunk if few else min(chunk, LARGE)


def round_down(threshold: float, dtype: np.dtype) -> np.floating:
    """The largest number of `dtype` <= threshold: comparing with it is comparing with the latter.

    The nearest one will not do: 0.3 as float32 lies above 0.3, and an IoU can be just that.
    """
    nearest = dtype.type(threshold)
    if float(nearest) <= threshold:
        return nearest
    return np.nextafter(nearest, dtype.type(-1))


def _survivors(boxes: _Boxes, limit: np.floating, chunk: int) -> _Boxes:
    """Those that survive among themselves; `chunk` boxes, the best, are chosen first."""
    if len(boxes) <= SIDE:
        return boxes.take(_resolved(boxes, limit)) if len(boxes) > 1 else boxes
    if len(boxes) <= chunk:
        return boxes.take(_from_all_conflicts(boxes, limit))
    size = chunk
    while size * GROWTH < len(boxes):
        size *= GROWTH
    chosen = []
    while len(boxes):
        best, boxes = _survivors(boxes[:size], limit, chunk), boxes[size:]
        chosen.append(best)
        if len(boxes):
            left = (~_covered(best, boxes, limit)).nonzero()[0]
            if size == chunk and len(left) > SCATTERED * len(boxes):
                chunk = size = LARGE
            boxes = boxes.take(left)
    return _joined(chosen)


def _joined(parts: list[_Boxes]) -> _Boxes:
    groups = [part.group for part in parts if part.group is not None]
    return _Boxes(
        np.concatenate([part.table for part in parts], axis=1),
        np.concatenate(groups) if groups else None,
        np.concatenate([part.index for part in parts]),
    )


def _resolved(boxes: _Boxes, limit: np.floating) -> np.ndarray:
    """Places of the survivors among boxes that fit one tile."""
    count = len(boxes)
    mask = _conflicts(boxes, boxes, limit)
    mask &= _UPPER[:count, :count]  # each pair once: the better one, the worse one
    return _resolve(count, *np.divmod(mask.ravel().nonzero()[0], count))


def _from_all_conflicts(boxes: _Boxes, limit: np.floating) -> np.ndarray:
    """Places of the survivors among boxes, few of which overlap, from all conflicts at once.

    In the order of their left edges, a few boxes and all those right of them that they could meet
    are one run of columns.
    """
    ((low, high),) = _edges(boxes)
    rank = np.argsort(low)
    in_order, low, high = boxes.take(rank), low[rank], high[rank]
    rows = np.arange(0, len(boxes), SWEEP)
    stops = np.searchsorted(low, np.maximum.reduceat(high, rows), "right")
    first, second = [], []
    for row, stop in zip(rows.tolist(), stops.tolist(), strict=True):
        block = in_order[row : row + SWEEP]
        width = TILE // len(block)
        for column in range(row, stop, width):
            mask = _conflicts(block, in_order[column : min(column + width, stop)], limit)
            if column == row:
                mask[:, : len(block)] &= _UPPER[: len(block), : len(block)]
            i, j = np.divmod(mask.ravel().nonzero()[0], mask.shape[1])
            first.append(i + row)
            second.append(j + column)
    one, other = rank.take(np.concatenate(first)), rank.take(np.concatenate(second))
    better, worse = np.minimum(one, other), np.maximum(one, other)
    order = np.argsort(better, kind="stable")
    return _resolve(len(boxes), better.take(order), worse.take(order))


def _resolve(count: int, better: np.ndarray, worse: np.ndarray) -> np.ndarray:
    """Places of the survivors of `count` boxes, given all conflicts, by rising `better`."""
    keep = np.ones(count, bool)
    while len(worse) > FEW:
        # A box without a better conflicting one is kept, and all that it conflicts with go.
        has_better = np.zeros(count, bool)
        has_better[worse] = True
        removed = np.zeros(count, bool)
        removed[worse[~has_better[better]]] = True
        keep[removed] = False
        undecided = ~(removed[better] | removed[worse])
        better, worse = better[undecided], worse[undecided]
    suppressed: set[int] = set()
    for winner, loser in zip(better.tolist(), worse.tolist(), strict=True):
        if winner not in suppressed:
            suppressed.add(loser)
    keep[list(suppressed)] = False
    return keep.nonzero()[0]


def _covered(best: _Boxes, boxes: _Boxes, limit: np.floating) -> np.ndarray:
    """Which (n,) of the boxes conflict with any of `best`."""
    if len(best) * len(boxes) > MANY:
        return _covered_by_neighbors(best, boxes, limit)
    return _covered_by_any(best, boxes, limit)


def _covered_by_any(best: _Boxes, boxes: _Boxes, limit: np.floating) -> np.ndarray:
    covered = np.zeros(len(boxes), bool)
    for row in range(0, len(best), SIDE):
        rows = best[row : row + SIDE]
        width = TILE // len(rows)
        for column in range(0, len(boxes), width):
            mask = _conflicts(rows, boxes[column : column + width], limit)
            covered[column : column + width] |= np.bitwise_or.reduce(mask, axis=0)
    return covered


def _covered_by_neighbors(best: _Boxes, boxes: _Boxes, limit: np.floating) -> np.ndarray:
    """The same, comparing only boxes whose horizontal extents could meet.

    With both sets sorted by their left edges, what a few rows could meet is one run of columns,
    found by bisection: a tenth of all pairs, for boxes scattered over an image.
    """
    (low, high), (lows, highs) = _edges(best, boxes)
    across, along = np.argsort(low), np.argsort(lows)
    best, boxes = best.take(across), boxes.take(along)
    low, high, lows, highs = low[across], high[across], lows[along], highs[along]
    rows = np.arange(0, len(best), SWEEP)
    starts = np.searchsorted(np.maximum.accumulate(highs), low[rows], "left")
    stops = np.searchsorted(lows, np.maximum.reduceat(high, rows), "right")
    covered = np.zeros(len(boxes), bool)
    for row, start, stop in zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True):
        if start < stop:
            run = _covered_by_any(best[row : row + SWEEP], boxes[start:stop], limit)
            covered[start:stop] |= run
    answer = np.empty_like(covered)
    answer[along] = covered
    return answer


def _edges(*sets: _Boxes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Left and right edges of each set; of groups, moved so that they lie one behind another.

    They serve to find neighbours, not to compute IoU: rounding can only make two groups touch, and
    then the tile tells them apart.
    """
    edges = [(boxes.table[0], boxes.table[2]) for boxes in sets]
    groups = [boxes.group for boxes in sets if boxes.group is not None]
    if not groups:
        return edges
    largest = np.finfo(np.float32).max
    wide = [np.clip(pair, -largest, largest, dtype=np.float64) for pair in edges]
    span = max(pair.max() for pair in wide) - min(pair.min() for pair in wide)
    return [tuple(pair + span * group) for pair, group in zip(wide, groups, strict=True)]


def _conflicts(first: _Boxes, second: _Boxes, limit: np.floating) -> np.ndarray:
    """Where IoU > limit, (n, m) bool, in the same group; the next call overwrites it."""
    mask = _buffers(first.table.dtype).above(first.table, second.table, limit)
    if first.group is not None and second.group is not None:
        mask &= first.group[:, None] == second.group
    return mask


class _Buffers:
    """Room for one tile, as NumPy arrays and as PyTorch tensors over the same memory."""

    def __init__(self, dtype: np.dtype) -> None:
        self.arrays = [np.empty(TILE, dtype) for _ in range(3)]
        # Made in inference mode, they could not be written to outside of it.
        with torch.inference_mode(False):
            self.tensors = [torch.from_numpy(array) for array in self.arrays]
        self.mask = np.empty(TILE, bool)

    def above(self, first: np.ndarray, second: np.ndarray, limit: np.floating) -> np.ndarray:
        """Where IoU > limit, (n, m), for tables (5, n) and (5, m)."""
        shape = first.shape[1], second.shape[1]
        pairs = shape[0] * shape[1]
        width, height, other = (array[:pairs].reshape(shape) for array in self.arrays)
        strides = (shape[1], 1)
        width_, height_, other_ = (tensor.as_strided(shape, strides) for tensor in self.tensors)
        x1, y1, x2, y2, area = torch.from_numpy(first)[:, :, None].unbind(0)  # (n, 1)
        x1s, y1s, x2s, y2s, areas = torch.from_numpy(second).unbind(0)  # (m,)
        torch.minimum(x2, x2s, out=width_)
        torch.maximum(x1, x1s, out=other_)
        np.subtract(width, other, out=width)
        torch.minimum(y2, y2s, out=height_)
        torch.maximum(y1, y1s, out=other_)
        np.subtract(height, other, out=height)
        # A negative height may stay: the product is then at most 0, and below any threshold.
        intersection = np.multiply(width_.relu_().numpy(), height, out=width)
        torch.add(area, areas, out=other_)
        union = np.subtract(other, intersection, out=other)
        mask = self.mask[:pairs].reshape(shape)
        return np.greater(np.divide(intersection, union, out=width), limit, out=mask)


def _buffers(dtype: np.dtype) -> _Buffers:
    """This thread's buffers; fresh memory would cost more than the arithmetic."""
    known = _local.__dict__
    if dtype.char not in known:
        known[dtype.char] = _Buffers(dtype)
    buffers: _Buffers = known[dtype.char]
    return buffers
