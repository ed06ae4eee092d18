"""Masks: COCO's run lengths, its compressed strings, its way of drawing polygons, and boxes.

A run-length code, {"size": [height, width], "counts": [...]}, walks down the columns from left to
right and counts pixels outside, inside, outside, ... The format and the rule by which a polygon
covers pixels are those of the COCO mask API (Lin et al. 2014); every function here gives the same
bits, because an area or an overlap that is one pixel off changes a published number. Many codes at
once are the business of `tapetum.ops.runs`, the drawing of polygons of `tapetum.ops.polygons`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tapetum.ops.polygons import checked_polygon, polygons_to_runs
from tapetum.ops.runs import GROUPS, MAX_PIXELS, Runs, runs_from_lists, string_numbers

Polygons = Sequence[Sequence[float] | np.ndarray] | None


def rle_encode(mask: np.ndarray) -> dict[str, Any]:
    """Encode a mask as run lengths.

    Args:
        mask: (H, W) bool.

    Returns:
        COCO's "size" (height, width) and "counts", a list of int.

    Raises:
        ValueError: the mask is not two-dimensional or not bool.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"expected a mask (H, W) of bool, got {mask.shape} of {mask.dtype}")
    return {"size": list(mask.shape), "counts": _mask_counts(mask).tolist()}


def masks_to_runs(masks: np.ndarray) -> Runs:
    """Encode masks as run lengths, as `rle_encode` does.

    Args:
        masks: (N, H, W) bool.

    Returns:
        N masks, counts uint32.

    Raises:
        ValueError: not three dimensions of bool.
    """
    if masks.ndim != 3 or masks.dtype != np.bool_:
        raise ValueError(f"expected masks (N, H, W) of bool, got {masks.shape} of {masks.dtype}")
    runs = runs_from_lists([_mask_counts(mask) for mask in masks])
    return Runs(runs.counts.astype(np.uint32), runs.first)


def rle_decode(rle: Mapping[str, Any]) -> np.ndarray:
    """Decode run lengths.

    Args:
        rle: COCO's "size" (height, width) and "counts", a list, str or bytes.

    Returns:
        (H, W) bool, in column-major memory.

    Raises:
        ValueError: the counts are unreadable or negative, do not sum to height x width, or exceed
            2**31 pixels; checked before a mask is allocated.
    """
    height, width = _size(rle["size"])
    return _paint(_counts(rle["counts"], height * width), height, width)


def rle_to_string(counts: Sequence[int] | np.ndarray) -> str:
    """Write run lengths as COCO's compressed string.

    From the fourth on, a count is stored as its difference to the count two before. A number is cut
    into groups of 5 bits, lowest first, two's complement; bit 6 is set if more groups follow; 48 is
    added to make it printable.

    Args:
        counts: run lengths, each below 2**32.

    Returns:
        The string.
    """
    numbers = np.array(counts, dtype=np.int64).reshape(-1)  # (R,)
    if ((numbers < 0) | (numbers >= 2**32)).any():
        raise ValueError("expected run lengths from 0 to 2**32 - 1")
    numbers[3:] -= numbers[1:-2].copy()
    places = np.arange(GROUPS)
    groups = (numbers[:, None] >> (5 * places)) & 31  # (R, G)
    # n groups hold what lies in [-2**(5n - 1), 2**(5n - 1)).
    magnitude = np.where(numbers < 0, ~numbers, numbers)
    follows = magnitude[:, None] >= (1 << (5 * places + 4))  # (R, G): is there another after it?
    used = np.ones_like(follows)
    used[:, 1:] = follows[:, :-1]
    letters = (groups + 32 * follows + 48)[used]
    return letters.astype(np.uint8).tobytes().decode("ascii")


def rle_from_string(text: str | bytes) -> list[int]:
    """Read COCO's compressed string: the inverse of `rle_to_string`.

    The counts are not checked: a forged string may hold negative ones, which `rle_decode` refuses.

    Args:
        text: the string.

    Returns:
        The run lengths.

    Raises:
        ValueError: characters outside '0' to 'o', a number without end, or one above 35 bits.
    """
    return _read_string(text).tolist()


def polygons_to_rle(polygons: Polygons, size: tuple[int, int]) -> dict[str, Any]:
    """Encode the union of polygons as run lengths; even-odd within a polygon.

    A polygon is closed automatically. A point farther than 4e8 pixels from the origin is moved to
    that distance.

    Args:
        polygons: each x, y, x, y, ... in pixels, at least three points; None or none: an empty
            mask.
        size: (height, width) in pixels of the image.

    Returns:
        COCO's "size" and "counts".

    Raises:
        ValueError: fewer points, an odd number of coordinates, one that is not finite, or an image
            of more than 2**31 pixels.
    """
    height, width = _size(size)
    return {"size": [height, width], "counts": _polygons_counts(polygons, height, width).tolist()}


def polygons_to_mask(polygons: Polygons, size: tuple[int, int]) -> np.ndarray:
    """Draw the union of polygons; see `polygons_to_rle`.

    Args:
        polygons: each x, y, x, y, ... in pixels.
        size: (height, width) in pixels of the image.

    Returns:
        (H, W) bool, in column-major memory.

    Raises:
        ValueError: as for `polygons_to_rle`.
    """
    height, width = _size(size)
    return _paint(_polygons_counts(polygons, height, width), height, width)


def rle_area(rle: Mapping[str, Any]) -> int:
    """The number of pixels in a mask.

    Args:
        rle: COCO's "size" and "counts".

    Returns:
        Pixels.

    Raises:
        ValueError: as for `rle_decode`.
    """
    height, width = _size(rle["size"])
    return int(_counts(rle["counts"], height * width)[1::2].sum())


def rle_to_box(rle: Mapping[str, Any]) -> np.ndarray:
    """The box of a mask, in COCO's convention.

    As in the COCO mask API, a run that goes on into the next column makes the box as high as the
    image.

    Args:
        rle: COCO's "size" and "counts".

    Returns:
        (4,) float64 x, y, width, height in pixels; zeros for an empty mask.

    Raises:
        ValueError: as for `rle_decode`.
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
    """First and last column and row that each mask touches, as torchvision gives them.

    Unlike all other boxes here these end with the last pixel, not behind it: for half-open boxes
    add 1 to x2 and y2 of the masks that have pixels.

    Args:
        masks: (N, H, W) bool, or numbers, of which those that are not 0 count as inside.

    Returns:
        (N, 4) float32 x1 y1 x2 y2 in pixels, 0 <= x1 <= x2 < W; zeros for a mask without pixels.

    Raises:
        ValueError: masks of another number of dimensions.
    """
    if masks.ndim != 3:
        raise ValueError(f"masks: expected shape (N, H, W), got {tuple(masks.shape)}")
    if masks.numel() == 0:
        return torch.zeros(len(masks), 4, device=masks.device)
    inside = masks.bool()
    x1, x2 = _extent(inside.any(dim=1))  # (N, W)
    y1, y2 = _extent(inside.any(dim=2))  # (N, H)
    return torch.stack((x1, y1, x2, y2), dim=1).to(torch.float32)


def _extent(hit: Tensor) -> tuple[Tensor, Tensor]:
    """First and last hit (N,) in every row of (N, L); 0 and 0 where there is none."""
    length = hit.shape[1]
    places = torch.arange(length, device=hit.device)
    last = torch.where(hit, places, 0).amax(dim=1)
    first = torch.where(hit, places, length).amin(dim=1)
    return torch.minimum(first, last), last


def _polygons_counts(polygons: Polygons, height: int, width: int) -> np.ndarray:
    """(R,) int64."""
    checked = [checked_polygon(polygon) for polygon in polygons or ()]
    owner = np.zeros(len(checked), dtype=np.int64)
    return polygons_to_runs(checked, owner, np.array([[height, width]])).counts


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
    numbers = string_numbers([raw]).counts
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _mask_toggles(mask: np.ndarray) -> np.ndarray:
    """(T,) places, down the columns, where the mask differs from the pixel before."""
    flat = mask.T.reshape(-1)  # a copy unless column-major; still cheaper than sorting what changed
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return np.concatenate(([0], changes)) if flat[:1].any() else changes


def _mask_counts(mask: np.ndarray) -> np.ndarray:
    """(R,) int64."""
    return np.diff(_mask_toggles(mask), prepend=0, append=mask.size)


def _paint(counts: np.ndarray, height: int, width: int) -> np.ndarray:
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T  # (H, W)
