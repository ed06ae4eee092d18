"""Outlines as COCO writes them: validated, turned with their image, drawn as masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tapetum.data.images.orientation import turn_array, turn_points
from tapetum.data.records.image_record import ImageRecord, Segment
from tapetum.ops.masks import polygons_to_mask, rle_decode, rle_encode, rle_from_string


class Outline(NamedTuple):
    """A segment that can be used, if any, and what was wrong with the rest: (code, message)."""

    segment: Segment
    faults: tuple[tuple[str, str], ...] = ()


def parse_segment(value: Any, size: tuple[int, int] | None) -> Outline:
    """Parse COCO's `segmentation` entry of an object.

    Run lengths are summed before anything is allocated: where they exceed height x width, a decoder
    that trusts them writes past its buffer.

    Args:
        value: the entry: polygons, run lengths or None.
        size: (height, width) in pixels of the image, None if unknown.

    Returns:
        The outline, None inside if there is none, and what is wrong with it.
    """
    if value is None or value == []:
        return Outline(None)
    if isinstance(value, list):
        return _polygons(value)
    if isinstance(value, Mapping):
        return _run_lengths(value, size)
    return Outline(None, (("segment-malformed", "the outline is neither a list nor a mask"),))


def segments_to_masks(image: ImageRecord, size: tuple[int, int]) -> Tensor:
    """The masks of a record's objects.

    Args:
        image: a record of that size, with N objects.
        size: (height, width) in pixels.

    Returns:
        (N, H, W) bool, one mask per object; the filled box where an object has no outline.
    """
    masks = np.zeros((len(image), *size), dtype=bool)
    for row in range(len(image)):
        segment = image.segments[row] if image.segments else None
        if segment is None:
            fill_box(masks[row], image.xywh[row], True)
        else:
            masks[row] = segment_to_mask(segment, size)
    return torch.from_numpy(masks)


def turn_segment(segment: Segment, orientation: int, size: tuple[int, int]) -> Segment:
    """An outline drawn on the stored image of `size`, on the upright one."""
    if segment is None:
        return None
    if isinstance(segment, Mapping):
        return _from_mask(turn_array(segment_to_mask(segment, size), orientation))
    return [_turn_polygon(np.asarray(p, dtype=np.float64), orientation, size) for p in segment]


def plain_segment(segment: Segment) -> list[list[float]] | dict[str, Any]:
    """An outline in the types of JSON, as COCO writes it.

    Args:
        segment: polygons, run lengths or None.

    Returns:
        Lists of x y x y ..., or a dictionary of size and counts; [] for None.
    """
    if segment is None:
        return []
    if isinstance(segment, Mapping):
        counts = segment["counts"]
        plain = counts if isinstance(counts, str) else np.asarray(counts).tolist()
        return {"size": [int(side) for side in segment["size"]], "counts": plain}
    return [np.asarray(polygon, dtype=np.float64).tolist() for polygon in segment]


def _polygons(value: list[Any]) -> Outline:
    polygons: list[np.ndarray] = []
    faults: list[tuple[str, str]] = []
    for number, points in enumerate(value, start=1):
        polygon = _numbers(points)
        if polygon is None or len(polygon) % 2 or not np.isfinite(polygon).all():
            faults.append(("segment-malformed", f"polygon {number} is not a list of x, y pairs"))
        elif len(polygon) < 6:
            message = f"polygon {number} has {len(polygon) // 2} points, it needs 3"
            faults.append(("polygon-too-short", message))
        else:
            polygons.append(polygon)
    return Outline(polygons or None, tuple(faults))


def _numbers(value: Any) -> np.ndarray | None:
    """A flat float64 array of a list of numbers, or None."""
    if not isinstance(value, list) or not all(type(v) in (int, float) for v in value):
        return None
    try:
        return np.array(value, dtype=np.float64)
    except OverflowError:
        return None


def _run_lengths(value: Mapping[str, Any], size: tuple[int, int] | None) -> Outline:
    stated = _numbers(value.get("size"))
    if stated is None or len(stated) != 2 or not all(1 <= s <= 2**31 for s in stated):
        return Outline(None, (("segment-malformed", "the mask states no size [height, width]"),))
    height, width = (int(side) for side in stated)
    if size is not None and (height, width) != size:
        message = f"the mask is {width} x {height}, the image {size[1]} x {size[0]}"
        return Outline(None, (("rle-bad-counts", message),))
    counts = _counts(value.get("counts"))
    if counts is None:
        return Outline(None, (("segment-malformed", "the mask's run lengths cannot be read"),))
    total = sum(counts.tolist())  # Python's integers do not overflow
    if total != height * width or (counts < 0).any():
        message = f"run lengths sum to {total:,}, the image has {height * width:,} pixels"
        return Outline(None, (("rle-bad-counts", message),))
    kept = value["counts"] if isinstance(value["counts"], str) else counts
    return Outline({"size": (height, width), "counts": kept})


def _counts(value: Any) -> np.ndarray | None:
    if isinstance(value, str):
        try:
            return np.asarray(rle_from_string(value), dtype=np.int64)
        except (ValueError, OverflowError, IndexError):
            return None
    counts = _numbers(value)
    if counts is None or (counts != np.floor(counts)).any() or (np.abs(counts) > 2**53).any():
        return None
    return counts.astype(np.int64)


def segment_to_mask(segment: Segment, size: tuple[int, int]) -> np.ndarray:
    """The mask of an outline.

    Args:
        segment: polygons, as x y x y ... in absolute pixels, or run lengths.
        size: (height, width) in pixels.

    Returns:
        (H, W) bool.
    """
    if isinstance(segment, Mapping):
        return np.asarray(rle_decode(segment), dtype=bool)
    return np.asarray(polygons_to_mask(segment, size), dtype=bool)


def _from_mask(mask: np.ndarray) -> Mapping[str, Any]:
    return rle_encode(np.ascontiguousarray(mask))


def _turn_polygon(polygon: np.ndarray, orientation: int, size: tuple[int, int]) -> np.ndarray:
    return turn_points(polygon.reshape(-1, 2), orientation, size).reshape(-1)


def fill_box(pixels: np.ndarray, xywh: np.ndarray, value: int) -> None:
    """Set the pixels (H, W) whose centres lie in the box."""
    first = np.maximum(np.ceil(xywh[:2] - 0.5), 0).astype(int)
    last = np.maximum(np.ceil(xywh[:2] + xywh[2:] - 0.5), 0).astype(int)
    pixels[first[1] : last[1], first[0] : last[0]] = value
