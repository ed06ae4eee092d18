"""Masks: COCO's run lengths, its compressed strings, its way of drawing polygons, and boxes.

A run-length code, {"size": [height, width], "counts": [...]}, walks down the columns from left to
right and counts pixels outside, inside, outside, ... The format and the rule by which a polygon
covers pixels are those of the COCO mask API (Lin et al. 2014); every function here gives the same
bits, because an area or an overlap that is one pixel off changes a published number.

Inside this file a mask is mostly its toggles: the sorted places, counted down the columns, where
it changes from outside to inside or back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Polygons = Sequence[Sequence[float] | np.ndarray] | None

MAX_PIXELS = 2**31
"""The most pixels a mask may have; codes that claim more are refused unread."""

_FINE = 5  # polygons are walked on a grid five times as fine as the pixels
_FAR = 4e8  # pixels; beyond it fine coordinates would leave 32 bits
_PASSINGS = 2**20  # edges x columns computed at a time, so a forged outline cannot fill the memory
_GROUPS = 7  # groups of 5 bits that a difference of two counts can need


def rle_encode(mask: np.ndarray) -> dict[str, Any]:
    """The run-length code of a mask (H, W) bool; its counts are a list of int.

    ValueError if the mask is not two-dimensional or not bool.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"expected a mask (H, W) of bool, got {mask.shape} of {mask.dtype}")
    return _code(_mask_toggles(mask), *mask.shape)


def rle_decode(rle: Mapping[str, Any]) -> np.ndarray:
    """The mask (H, W) bool, in column-major memory, of a code with counts as list, str or bytes.

    ValueError, before anything of the mask's size is allocated, if the counts are unreadable or
    negative, do not sum to height x width, or if that exceeds 2**31.
    """
    height, width = _size(rle["size"])
    return _paint(_counts(rle["counts"], height * width), height, width)


def rle_to_string(counts: Sequence[int] | np.ndarray) -> str:
    """COCO's compressed string of run lengths, each below 2**32.

    From the fourth on, a count is stored as its difference to the count two before. A number is
    cut into groups of 5 bits, lowest first, two's complement; bit 6 says that more groups follow;
    48 is added to make it printable.
    """
    numbers = np.array(counts, dtype=np.int64).reshape(-1)  # (R,)
    if ((numbers < 0) | (numbers >= 2**32)).any():
        raise ValueError("expected run lengths from 0 to 2**32 - 1")
    numbers[3:] -= numbers[1:-2].copy()
    places = np.arange(_GROUPS)
    groups = (numbers[:, None] >> (5 * places)) & 31  # (R, G)
    # n groups hold what lies in [-2**(5n - 1), 2**(5n - 1)).
    magnitude = np.where(numbers < 0, ~numbers, numbers)
    follows = magnitude[:, None] >= (1 << (5 * places + 4))  # (R, G): is there another after it?
    used = np.ones_like(follows)
    used[:, 1:] = follows[:, :-1]
    letters = (groups + 32 * follows + 48)[used]
    return letters.astype(np.uint8).tobytes().decode("ascii")


def rle_from_string(text: str | bytes) -> list[int]:
    """The run lengths in COCO's compressed string: the inverse of `rle_to_string`.

    They are as the string says: a forged one may hold negative counts, which `rle_decode` refuses.
    ValueError for characters outside '0' to 'o', a number without end, or one above 35 bits.
    """
    return _read_string(text).tolist()


def polygons_to_rle(polygons: Polygons, size: tuple[int, int]) -> dict[str, Any]:
    """The run-length code of the union of polygons on a picture of `size` (height, width).

    A polygon is x, y, x, y, ... in pixels, at least three points, anywhere; it is closed by
    itself. Even-odd within a polygon. ValueError for fewer points, an odd number of coordinates,
    one that is not finite, or a picture of more than 2**31 pixels. Beyond 4e8 pixels from the
    origin a point is moved back to there. No polygon (or None), no pixel.
    """
    height, width = _size(size)
    return _code(_polygons_toggles(polygons, height, width), height, width)


def polygons_to_mask(polygons: Polygons, size: tuple[int, int]) -> np.ndarray:
    """As `polygons_to_rle`, drawn: (H, W) bool, in column-major memory."""
    height, width = _size(size)
    toggles = _polygons_toggles(polygons, height, width)
    return _paint(np.diff(toggles, prepend=0, append=height * width), height, width)


def rle_area(rle: Mapping[str, Any]) -> int:
    """Pixels inside. ValueError as for `rle_decode`."""
    height, width = _size(rle["size"])
    return int(_counts(rle["counts"], height * width)[1::2].sum())


def rle_to_box(rle: Mapping[str, Any]) -> np.ndarray:
    """x, y, width, height (4,) float64 of the mask in COCO's convention; zeros if it is empty.

    As in the COCO mask API, a run that goes on into the next column makes the box as high as
    the picture. ValueError as for `rle_decode`.
    """
    height, width = _size(rle["size"])
    counts = _counts(rle["counts"], height * width)
    inside = np.flatnonzero(counts[1::2]) * 2 + 1
    if len(inside) == 0:
        return np.zeros(4)
    ends = np.cumsum(counts)
    x1, y1 = np.divmod(ends[inside - 1], height)  # first pixels
    x2, y2 = np.divmod(ends[inside] - 1, height)  # last pixels
    left, right, top, bottom = x1.min(), x2.max(), y1.min(), y2.max()
    if (x1 < x2).any():
        top, bottom = 0, height - 1
    return np.array([left, top, right - left + 1, bottom - top + 1], dtype=np.float64)


def masks_to_boxes(masks: Tensor) -> Tensor:
    """Tight boxes (N, 4) float32, x1 y1 x2 y2, half open, of masks (N, H, W) bool.

    A mask without pixels gets zeros.
    """
    if masks.numel() == 0:
        return torch.zeros(len(masks), 4, device=masks.device)
    x1, x2 = _extent(masks.any(dim=1))  # (N, W)
    y1, y2 = _extent(masks.any(dim=2))  # (N, H)
    return torch.stack((x1, y1, x2, y2), dim=1).to(torch.float32)


def _extent(hit: Tensor) -> tuple[Tensor, Tensor]:
    """First and one past the last hit (N,) in every row of (N, L); 0 and 0 where there is none."""
    length = hit.shape[1]
    places = torch.arange(length, device=hit.device)
    last = torch.where(hit, places + 1, 0).amax(dim=1)
    first = torch.where(hit, places, length).amin(dim=1)
    return torch.minimum(first, last), last


def _size(size: Sequence[int]) -> tuple[int, int]:
    if len(size) != 2 or not all(isinstance(side, (int, np.integer)) for side in size):
        raise ValueError(f"expected a size (height, width) of integers, got {size!r}")
    height, width = int(size[0]), int(size[1])
    if min(height, width) < 0 or height * width > MAX_PIXELS:
        raise ValueError(f"expected 0 to 2**31 pixels, got {height} x {width}")
    return height, width


def _counts(value: Any, total: int) -> np.ndarray:
    """(R,) int64, none negative, with the sum `total`."""
    counts = _read_string(value) if isinstance(value, (str, bytes)) else np.asarray(value)
    if counts.ndim != 1 or (counts.size and counts.dtype.kind not in "iu"):
        raise ValueError("expected run lengths as a list of integers or a compressed string")
    if counts.size and (counts.min() < 0 or counts.max() > MAX_PIXELS):  # so the sum fits 64 bits
        raise ValueError(f"expected run lengths from 0 to {total:,}")
    counts = counts.astype(np.int64)
    if counts.sum() != total:
        raise ValueError(f"run lengths sum to {counts.sum():,}, the mask has {total:,} pixels")
    return counts


def _read_string(text: str | bytes) -> np.ndarray:
    """(R,) int64."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    letters = np.frombuffer(raw, dtype=np.uint8).astype(np.int64) - 48  # (L,)
    if letters.size == 0:
        return letters
    if letters.min() < 0 or letters.max() > 63:
        raise ValueError("a character that no compressed run length has")
    ends = np.flatnonzero(letters < 32)  # (R,) where a number's last group stands
    if len(ends) == 0 or ends[-1] != len(letters) - 1:
        raise ValueError("the compressed run lengths end within a number")
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > _GROUPS:
        raise ValueError(f"a compressed run length of more than {_GROUPS} groups")
    starts = ends - lengths + 1
    places = np.arange(len(letters)) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((letters & 31) << (5 * places), starts)
    numbers -= np.where(letters[ends] & 16, 1 << (5 * lengths), 0)  # two's complement
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _mask_toggles(mask: np.ndarray) -> np.ndarray:
    """(T,) places, down the columns, where the mask differs from the pixel before."""
    flat = mask.T.reshape(-1)  # a copy unless column-major; still cheaper than sorting what changed
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return np.concatenate(([0], changes)) if flat[:1].any() else changes


def _code(toggles: np.ndarray, height: int, width: int) -> dict[str, Any]:
    counts = np.diff(toggles, prepend=0, append=height * width)
    return {"size": [height, width], "counts": counts.tolist()}


def _paint(counts: np.ndarray, height: int, width: int) -> np.ndarray:
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T  # (H, W)


def _polygons_toggles(polygons: Polygons, height: int, width: int) -> np.ndarray:
    """(T,) of the union: a place is inside while at least one polygon is switched on."""
    each = [_polygon_toggles(_fine_points(polygon), height, width) for polygon in polygons or ()]
    if len(each) < 2:
        return each[0] if each else np.zeros(0, dtype=np.int64)
    places = np.concatenate(each)
    steps = np.concatenate([1 - 2 * (np.arange(len(toggles)) % 2) for toggles in each])
    order = np.argsort(places, kind="stable")
    places, depth = places[order], np.cumsum(steps[order])
    settled = np.diff(places, append=height * width) > 0  # after all that happens at a place
    places, inside = places[settled], depth[settled] > 0
    return places[np.diff(inside, prepend=False)]


def _fine_points(polygon: Sequence[float] | np.ndarray) -> np.ndarray:
    """(P, 2) int64: x, y on the fine grid, rounded as C does (half up, then towards zero)."""
    flat = np.asarray(polygon, dtype=np.float64).reshape(-1)
    if len(flat) < 6 or len(flat) % 2:
        raise ValueError(f"expected x, y of three points or more, got {len(flat)} numbers")
    if not np.isfinite(flat).all():
        raise ValueError("expected finite coordinates")
    near = np.clip(flat, -_FAR, _FAR)
    return np.trunc(_FINE * near + 0.5).astype(np.int64).reshape(-1, 2)


def _polygon_toggles(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """(T,) of one closed outline (P, 2) on the fine grid.

    An outline toggles a column where it passes the column's middle, which on the fine grid is
    the step between 5c + 2 and 5c + 3. Only these steps are computed, not the walk between them,
    so a point far outside costs nothing. What toggles twice stays as it was.
    """
    following = np.roll(points, -1, axis=0)
    toggles = np.zeros(0, dtype=np.int64)
    share = max(1, _PASSINGS // max(1, width))
    for start in range(0, len(points), share):
        part = slice(start, start + share)
        passed = _passings(points[part], following[part], height, width)
        places, times = np.unique(np.concatenate((toggles, passed)), return_counts=True)
        toggles = places[times % 2 == 1]
    return toggles[toggles < height * width]


def _passings(points: np.ndarray, following: np.ndarray, height: int, width: int) -> np.ndarray:
    """(C,) places, unsorted, that the edges from `points` to `following` toggle."""
    run = np.abs(following - points)  # (E, 2)
    steep = run[:, 0] < run[:, 1]
    axis = steep.astype(np.int64)  # the one that advances by 1 a step
    edges = np.arange(len(points))
    back = (points[edges, axis] > following[edges, axis])[:, None]
    first, last = np.where(back, following, points), np.where(back, points, following)
    edge, column = _passed_columns(first[:, 0], last[:, 0], width)  # (C,), (C,)
    fine = np.empty(len(edge))
    flat, sheer = ~steep[edge], steep[edge]
    fine[flat] = _flat_rows(first[edge[flat]], last[edge[flat]], column[flat])
    fine[sheer] = _steep_rows(first[edge[sheer]], last[edge[sheer]], column[sheer])
    row = np.ceil(np.clip((fine + 0.5) / _FINE - 0.5, 0, height)).astype(np.int64)
    return column * height + row


def _passed_columns(x1: np.ndarray, x2: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(C,) edge and (C,) column of every passing of a column's middle within the picture."""
    first = np.maximum(-((2 - np.minimum(x1, x2)) // _FINE), 0)
    last = np.minimum((np.maximum(x1, x2) - 3) // _FINE, width - 1)
    counts = np.maximum(last - first + 1, 0)  # (E,)
    edge = np.repeat(np.arange(len(x1)), counts)
    return edge, np.arange(len(edge)) + (first - np.cumsum(counts) + counts)[edge]


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
