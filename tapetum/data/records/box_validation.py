"""Validation of boxes, the same for all formats, for training and for checking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tapetum.data.records.findings import FindingCollector

ROUNDING = 0.1
"""Pixels by which a box may pass its image's border unremarked: files round their numbers."""


class Place(NamedTuple):
    """Where an object is written: its file, the line or id in it, and the image it is on."""

    file: Path
    where: str
    image: str


@dataclass(frozen=True, eq=False)
class Boxes:
    """N boxes on P images.

    xywh: (N, 4) float64. label, owner: (N,) int64, class and image. area: (N,) float64, NaN
    where none is stated. sizes: (P, 2) height, width, NaN if unknown. outlined: (N,) bool, is the
    stated area that of an outline, which is smaller than the box.
    """

    xywh: np.ndarray
    label: np.ndarray
    area: np.ndarray
    owner: np.ndarray
    sizes: np.ndarray
    outlined: np.ndarray


def validate_boxes(
    boxes: Boxes, place: Callable[[int], Place], collector: FindingCollector
) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes can be used, and their areas.

    Args:
        boxes: of many images.
        place: where the box of a row is written.
        collector: gets the findings.

    Returns:
        (N,) bool and (N,) float64.
    """
    with np.errstate(all="ignore"):
        keep = _valid(boxes, place, collector)
        clipped = clipped_sides(boxes.xywh, boxes.sizes[boxes.owner])  # (N, 2)
        keep &= _inside(boxes, clipped, keep, place, collector)
        _note_tiny(boxes, clipped, keep, place, collector)
        _note_duplicates(boxes, keep, place, collector)
        return keep, _areas(boxes, keep, place, collector)


def clipped_sides(xywh: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N, 2) width and height inside the image, as float32 corners have them: what training
    will see. sizes: (N, 2) height, width; NaN means no bound."""
    bounds = np.where(np.isnan(sizes), np.inf, sizes)[:, ::-1]  # (N, 2) width, height
    first = np.clip(xywh[:, :2], 0, bounds).astype(np.float32)
    second = np.clip(xywh[:, :2] + xywh[:, 2:], 0, bounds).astype(np.float32)
    return second - first


def _valid(boxes: Boxes, place: Callable[[int], Place], collector: FindingCollector) -> np.ndarray:
    """Finite, and of positive width and height."""
    sides = boxes.xywh[:, 2:]
    # A box may be finite and its far corner not: the sum decides as well.
    finite = np.isfinite(boxes.xywh).all(1) & np.isfinite(boxes.xywh[:, :2] + sides).all(1)
    negative = finite & (sides < 0).any(1)
    empty = finite & ~negative & (sides == 0).any(1)
    for code, flagged, text in (
        ("box-not-finite", ~finite, "is not finite"),
        ("box-negative", negative, "has a negative side"),
        ("box-zero-size", empty, "has no size"),
    ):
        for row in np.flatnonzero(flagged).tolist():
            _note(
                collector,
                code,
                place(row),
                f"box {_text(boxes.xywh[row])} {text}",
                boxes.xywh[row],
            )
    return finite & ~negative & ~empty


def _inside(
    boxes: Boxes,
    clipped: np.ndarray,
    valid: np.ndarray,
    place: Callable[[int], Place],
    collector: FindingCollector,
) -> np.ndarray:
    """Is a part of it inside the image?"""
    height, width = boxes.sizes[boxes.owner].T
    x, y, w, h = boxes.xywh.T
    # fmax and fmin pass over the NaN of an unknown size.
    beside_image = np.fmin(x + w, width) <= np.fmax(x, 0)
    above = np.fmin(y + h, height) <= np.fmax(y, 0)
    outside = valid & (beside_image | above)
    vanishing = valid & ~outside & ~(clipped > 0).all(1)
    over = np.fmax.reduce([-x, -y, x + w - width, y + h - height])
    partly = valid & ~outside & ~vanishing & (over > ROUNDING)
    for code, flagged, text in (
        ("box-outside", outside, "is outside its image of"),
        ("box-zero-size", vanishing, "has no size in single precision inside its image of"),
        ("box-partly-outside", partly, "crosses the border of its image of"),
    ):
        for row in np.flatnonzero(flagged).tolist():
            message = f"box {_text(boxes.xywh[row])} {text} {_size(width[row], height[row])}"
            _note(collector, code, place(row), message, boxes.xywh[row])
    return ~outside & ~vanishing


def _note_tiny(
    boxes: Boxes,
    clipped: np.ndarray,
    keep: np.ndarray,
    place: Callable[[int], Place],
    collector: FindingCollector,
) -> None:
    for row in np.flatnonzero(keep & (clipped < 1).any(1)).tolist():
        width, height = clipped[row]
        message = f"box {_text(boxes.xywh[row])} is {width:g} x {height:g} pixels in its image"
        _note(collector, "box-tiny", place(row), message, boxes.xywh[row])


def _note_duplicates(
    boxes: Boxes, keep: np.ndarray, place: Callable[[int], Place], collector: FindingCollector
) -> None:
    """The second and later of equal boxes of one class on one image."""
    rows = np.flatnonzero(keep)
    keys = np.column_stack((boxes.owner[rows], boxes.label[rows], boxes.xywh[rows]))  # (M, 6)
    order = np.lexsort(keys.T[::-1])
    keys, rows = keys[order], rows[order]
    same = (keys[1:] == keys[:-1]).all(1)
    first = 0
    for number, repeated in enumerate(same, start=1):
        first = first if repeated else number
        if repeated:
            where, xywh = place(rows[first]).where, boxes.xywh[rows[number]]
            message = f"the same box {_text(xywh)} and class as at {where}"
            _note(collector, "box-duplicate", place(rows[number]), message, xywh)


def _areas(
    boxes: Boxes, keep: np.ndarray, place: Callable[[int], Place], collector: FindingCollector
) -> np.ndarray:
    """The stated area where there is one, else width x height."""
    width, height = boxes.xywh[:, 2], boxes.xywh[:, 3]
    box_area, stated = width * height, boxes.area
    # Masks include the pixels on the border, and some count corners as pixels: one more a side.
    slack = width + height + 1
    given = keep & ~np.isnan(stated)
    invalid = given & ~((stated > 0) & (stated <= box_area + slack))
    small = given & ~invalid & ~boxes.outlined & (stated < box_area - slack)
    for row in np.flatnonzero(invalid).tolist():
        message = f"area {stated[row]:g} of a box {_text(boxes.xywh[row])} of {box_area[row]:g}"
        _note(collector, "area-mismatch", place(row), message, boxes.xywh[row])
    if small.any():  # one finding: a file whose outlines were taken out has it everywhere
        row = int(np.argmax(small))
        message = f"area {stated[row]:g} of a box of {box_area[row]:g} without an outline"
        message = f"{message}, {small.sum():,} like this"
        _note(collector, "area-mismatch", place(row), message, boxes.xywh[row])
    unusable = ~np.isfinite(stated) | (stated < 0)
    return np.where(unusable, box_area, stated)


def _note(
    collector: FindingCollector, code: str, place: Place, message: str, xywh: np.ndarray
) -> None:
    text = f"{message} (image {place.image})"
    box = xywh.tolist()
    collector.note(code, place.file, place.where, text, image=place.image, box=box)


def _text(xywh: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:g}" for value in xywh) + ")"


def _size(width: float, height: float) -> str:
    return "unknown size" if np.isnan(width) else f"{width:g} x {height:g}"
