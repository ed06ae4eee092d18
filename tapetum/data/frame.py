"""A picture's record in the frame of its decoded pixels: right size, right way up, clipped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tapetum.base.errors import AnnotationError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.image import ImageSize, image_size
from tapetum.data.judge import clipped_sides
from tapetum.data.orientation import turn_boxes, turn_points
from tapetum.data.picture import Picture
from tapetum.data.segments import turn_segment
from tapetum.structures import Objects


def settle(picture: Picture, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """The record in the frame of the upright picture, by the header of its file.

    Raises:
        ImageError: the header cannot be read.
        AnnotationError: the recorded size is neither that of the upright nor of the stored pixels.
    """
    if picture.pixels is not None:
        return picture  # decoded already, and its size taken from there
    if picture.path is None:
        raise AnnotationError("its picture was not found", file=picture.name)
    return settle_in(picture, image_size(picture.path, limits))


def settle_in(picture: Picture, actual: ImageSize) -> Picture:
    """The record in the frame of a picture whose sizes are known.

    The recorded size says in which frame the boxes were drawn: if it is that of the stored
    pixels, before EXIF turned them, boxes and outlines are turned along. A record without a size
    gets the actual one, and loses the boxes that lie outside it.

    Raises:
        AnnotationError: the recorded size is neither.
    """
    if picture.size == actual.size:
        return picture
    if picture.size is None:
        return _inside(replace(picture, size=actual.size))
    if picture.size == actual.raw_size:
        return _inside(_turned(picture, actual))
    recorded, found = (f"{width} x {height}" for height, width in (picture.size, actual.size))
    why = f"recorded as {recorded} pixels, but it has {found}, so its boxes cannot be trusted"
    raise AnnotationError(why, file=picture.path or picture.name, hint="tapetum check lists all")


def to_objects(picture: Picture, size: tuple[int, int]) -> Objects:
    """The things of a settled record as tensors; boxes are clipped to `size` (height, width)."""
    height, width = size
    corners = picture.xywh.copy()
    corners[:, 2:] += corners[:, :2]  # (N, 4) x y w h -> x1 y1 x2 y2
    corners = np.clip(corners, 0, (width, height, width, height))
    return Objects(
        boxes=torch.from_numpy(corners.astype(np.float32)),
        labels=torch.from_numpy(picture.labels.copy()),
        crowd=torch.from_numpy(picture.crowd.copy()),
        difficult=torch.from_numpy(picture.difficult.copy()),
        area=torch.from_numpy(picture.area.astype(np.float32)),
        ids=picture.ids,
        keypoints=_present(picture.keypoints),
    )


def keep_things(picture: Picture, keep: np.ndarray) -> Picture:
    """The record with some of its things, (N,) bool."""
    rows = np.flatnonzero(keep).tolist()
    return replace(
        picture,
        xywh=picture.xywh[keep],
        labels=picture.labels[keep],
        crowd=picture.crowd[keep],
        difficult=picture.difficult[keep],
        area=picture.area[keep],
        ids=tuple(picture.ids[row] for row in rows),
        segments=tuple(picture.segments[row] for row in rows) if picture.segments else (),
        keypoints=None if picture.keypoints is None else picture.keypoints[keep],
    )


def _inside(picture: Picture) -> Picture:
    """Without the things of which nothing is left once they are clipped, in single precision."""
    sizes = np.tile(np.array(picture.size, dtype=np.float64), (len(picture), 1))  # (N, 2)
    inside = np.all(clipped_sides(picture.xywh, sizes) > 0, axis=1)
    return picture if inside.all() else keep_things(picture, inside)


def _turned(picture: Picture, actual: ImageSize) -> Picture:
    turn, size = actual.orientation, actual.raw_size
    return replace(
        picture,
        size=actual.size,
        xywh=turn_boxes(picture.xywh, turn, size),
        segments=tuple(turn_segment(segment, turn, size) for segment in picture.segments),
        keypoints=_turned_points(picture.keypoints, turn, size),
    )


def _turned_points(
    keypoints: np.ndarray | None, orientation: int, size: tuple[int, int]
) -> np.ndarray | None:
    """Keypoints (N, K, 3) of the stored picture of `size` on the upright one; absent ones stay."""
    if keypoints is None:
        return None
    turned = keypoints.copy()
    there = keypoints[..., 2] > 0  # (N, K)
    turned[there, :2] = turn_points(keypoints[there, :2], orientation, size)
    return turned


def _present(keypoints: np.ndarray | None) -> torch.Tensor | None:
    """Keypoints (N, K, 3) as tensors have them: absent ones are 0, 0, 0."""
    if keypoints is None:
        return None
    return torch.from_numpy((keypoints * (keypoints[..., 2:] > 0)).astype(np.float32))
