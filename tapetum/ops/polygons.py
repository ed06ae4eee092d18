"""Polygons to run lengths, many at once, by COCO's rule of which pixels a polygon covers.

The rule is that of the COCO mask API (Lin et al. 2014): an outline is walked on a grid five times
as fine as the pixels, and toggles a column where it passes the column's middle. Every bit is that
of the API, because an area that is one pixel off changes a published number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from tapetum.ops.runs import Runs, slices

_FINE = 5  # steps of the walk in a pixel
_FAR = 4e8  # pixels; beyond it fine coordinates would leave 32 bits
_PASSINGS = 2**20  # edges x columns computed at a time, so a forged outline cannot fill the memory
_BITS = 32  # a place in an image takes no more


def checked_polygon(polygon: Sequence[float] | np.ndarray) -> np.ndarray:
    """Check a polygon.

    Args:
        polygon: x, y, x, y, ... in pixels.

    Returns:
        (2P,) float64.

    Raises:
        ValueError: fewer than three points, an odd number of coordinates, or one that is not
            finite.
    """
    flat = np.asarray(polygon, dtype=np.float64).reshape(-1)
    if len(flat) < 6 or len(flat) % 2:
        raise ValueError(f"expected x, y of three points or more, got {len(flat)} numbers")
    if not np.isfinite(flat).all():
        raise ValueError("expected finite coordinates")
    return flat


def polygons_to_runs(polygons: Sequence[np.ndarray], owner: np.ndarray, sizes: np.ndarray) -> Runs:
    """N masks, each the union of its polygons; even-odd within a polygon.

    A point farther than 4e8 pixels from the origin is moved to that distance.

    Args:
        polygons: M polygons, as `checked_polygon` gives them.
        owner: (M,) ascending, the mask of each polygon.
        sizes: (N, 2) int64, height and width of the masks in pixels.

    Returns:
        The run lengths of the masks.
    """
    lengths = np.fromiter(map(len, polygons), np.int64, len(polygons)) // 2
    flat = np.concatenate([np.zeros(0), *polygons])
    edges = _edges(_fine_points(flat), lengths, sizes[owner])
    keys = np.zeros(0, dtype=np.int64)
    for part in slices(edges.columns, _PASSINGS):
        passed = _toggles(edges.take(part))
        keys, times = np.unique(np.concatenate((keys, passed)), return_counts=True)
        keys = keys[times % 2 == 1]  # what toggles twice stays as it was
    pixels = sizes[:, 0] * sizes[:, 1]
    outline, place = keys >> _BITS, keys & ((1 << _BITS) - 1)
    within = place < pixels[owner[outline]]
    outline, place = outline[within], place[within]
    changes = (owner[outline] << _BITS) + place
    if (owner[1:] == owner[:-1]).any():
        changes = _union(outline, changes)
    return _runs(changes, pixels)


@dataclass(frozen=True, eq=False)
class _Edges:
    """E edges on the fine grid, from begin (E, 2) to end (E, 2), x and y.

    outline: (E,) the polygon. height: (E,) of the image. first, columns: (E,) which columns of it
    have their middle passed; on the fine grid that is the step from 5c + 2 to 5c + 3.
    """

    begin: np.ndarray
    end: np.ndarray
    outline: np.ndarray
    height: np.ndarray
    first: np.ndarray
    columns: np.ndarray

    def take(self, rows: np.ndarray | slice) -> _Edges:
        return _Edges(*(getattr(self, field.name)[rows] for field in fields(self)))


def _edges(points: np.ndarray, lengths: np.ndarray, sizes: np.ndarray) -> _Edges:
    """The edges that pass anything, of M closed polygons with `lengths` (M,) points each."""
    following = points[_following(lengths)]
    # The axis that advances by 1 goes upwards.
    rows, axis = np.arange(len(points)), _is_steep(points, following).astype(np.int64)
    back = (points[rows, axis] > following[rows, axis])[:, None]
    outline = np.repeat(np.arange(len(lengths)), lengths)
    x1, x2 = np.sort(np.stack((points[:, 0], following[:, 0])), axis=0)
    first = np.maximum(-((2 - x1) // _FINE), 0)
    last = np.minimum((x2 - 3) // _FINE, sizes[outline, 1] - 1)
    columns = np.maximum(last - first + 1, 0)
    begin, end = np.where(back, following, points), np.where(back, points, following)
    edges = _Edges(begin, end, outline, sizes[outline, 0], first, columns)
    return edges.take(np.flatnonzero(columns))


def _toggles(edges: _Edges) -> np.ndarray:
    """(C,) polygon << 32 plus place, unsorted, of every passing of a column's middle.

    Only these steps of the walk are computed, so a point far outside costs nothing.
    """
    edge = np.repeat(np.arange(len(edges.columns)), edges.columns)  # (C,)
    skipped = np.cumsum(edges.columns) - edges.columns
    column = np.arange(len(edge)) + (edges.first - skipped)[edge]
    steep = _is_steep(edges.begin, edges.end)[edge]
    fine = np.empty(len(edge))
    for kind, rows in ((~steep, _flat_rows), (steep, _steep_rows)):
        fine[kind] = rows(edges.begin[edge[kind]], edges.end[edge[kind]], column[kind])
    height = edges.height[edge]
    row = np.ceil(np.clip((fine + 0.5) / _FINE - 0.5, 0, height)).astype(np.int64)
    return (edges.outline[edge] << _BITS) + column * height + row


def _is_steep(begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    run = np.abs(end - begin)
    return run[:, 0] < run[:, 1]


def _fine_points(flat: np.ndarray) -> np.ndarray:
    """(P, 2) int64: x, y on the fine grid, rounded as C does (half up, then towards zero)."""
    near = np.clip(flat, -_FAR, _FAR)
    return np.trunc(_FINE * near + 0.5).astype(np.int64).reshape(-1, 2)


def _following(lengths: np.ndarray) -> np.ndarray:
    """(P,) the next point of each point; after the last of a polygon comes its first."""
    stops = np.cumsum(lengths)
    following = np.arange(1, lengths.sum() + 1)
    following[stops - 1] = stops - lengths
    return following


def _flat_rows(first: np.ndarray, last: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(C,) fine row of the upper of the two points beside a column's middle; x advances."""
    slope = (last[:, 1] - first[:, 1]) / (last[:, 0] - first[:, 0])
    step = _FINE * column + 2 - first[:, 0]
    before = np.floor(first[:, 1] + slope * step + 0.5)
    after = np.floor(first[:, 1] + slope * (step + 1) + 0.5)
    return np.minimum(before, after)


def _steep_rows(first: np.ndarray, last: np.ndarray, column: np.ndarray) -> np.ndarray:
    """As `_flat_rows` where y advances: the last point before x changes sides.

    The quotient may be a step off, so the walk's own rounding decides among its neighbours.
    """
    slope = (last[:, 0] - first[:, 0]) / (last[:, 1] - first[:, 1])
    middle = _FINE * column + 3
    about = np.ceil((middle - 0.5 - first[:, 0]) / slope)
    steps = about + np.arange(-2, 2)[:, None]  # (4, C)
    right = first[:, 0] + slope * steps + 0.5 >= middle
    unchanged = (right != (slope > 0)).sum(axis=0)
    return first[:, 1] + about - 2 + unchanged - 1


def _union(outline: np.ndarray, toggles: np.ndarray) -> np.ndarray:
    """Where masks of several polygons change, sorted: a place is inside while at least one of the
    mask's polygons is switched on.

    toggles: (T,) mask << 32 plus place, by polygon, sorted within it. outline: (T,) the polygon.
    """
    begins = np.flatnonzero(np.diff(outline, prepend=-1))
    number = np.arange(len(outline)) - np.repeat(begins, np.diff(begins, append=len(outline)))
    order = np.argsort(toggles, kind="stable")
    key = toggles[order]
    depth = np.cumsum((1 - 2 * (number % 2))[order])
    mask = key >> _BITS
    left = np.append(depth, 0)[np.searchsorted(mask, mask) - 1]  # what earlier masks leave on
    settled = np.diff(key, append=-1) != 0  # after all that happens at a place
    key, mask, inside = key[settled], mask[settled], (depth - left > 0)[settled]
    was_inside = np.append(False, inside[:-1]) & (np.diff(mask, prepend=-1) == 0)
    return key[inside != was_inside]


def _runs(changes: np.ndarray, pixels: np.ndarray) -> Runs:
    """Run lengths of masks that change at `changes`, sorted (mask << 32 plus place), and have
    `pixels` (N,)."""
    ends = (np.arange(len(pixels)) << _BITS) + pixels
    borders = np.sort(np.concatenate((changes, ends)))
    place = borders & ((1 << _BITS) - 1)
    first = np.zeros(len(pixels) + 1, dtype=np.int64)
    first[1:] = np.searchsorted(borders, ends, side="right")
    counts = place.copy()
    counts[1:] -= place[:-1]
    counts[first[:-1]] = place[first[:-1]]
    return Runs(counts, first)
