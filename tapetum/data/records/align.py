"""An image's record in the frame of its decoded pixels: right size, right way up, clipped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tapetum.base.errors import AnnotationError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.images.header import ImageSize, image_size
from tapetum.data.images.orientation import turn_boxes, turn_points
from tapetum.data.records.box_validation import clipped_sides
from tapetum.data.records.image_record import ImageRecord
from tapetum.data.records.segments import turn_segment
from tapetum.structures import Objects


def settle(image: ImageRecord, limits: Limits = DEFAULT_LIMITS) -> ImageRecord:
    """The record in the frame of the upright image, by the header of its file.

    Args:
        image: a record.
        limits: what a file may measure; see `tapetum.Limits`.

    Returns:
        The record with the size of the upright image.

    Raises:
        ImageError: the header cannot be read.
        AnnotationError: the recorded size is neither that of the upright nor of the stored pixels.
    """
    if image.pixels is not None:
        return image  # decoded already, and its size taken from there
    if image.path is None:
        raise AnnotationError("its image was not found", file=image.name)
    return settle_in(image, image_size(image.path, limits))


def settle_in(image: ImageRecord, actual: ImageSize) -> ImageRecord:
    """The record in the frame of an image whose sizes are known.

    The recorded size says in which frame the boxes were drawn: if it is that of the stored
    pixels, before EXIF turned them, boxes and outlines are turned along. A record without a size
    gets the actual one, and loses the boxes that lie outside it.

    Args:
        image: a record.
        actual: the sizes of its image file.

    Returns:
        The record with the size of the upright image.

    Raises:
        AnnotationError: the recorded size is neither.
    """
    if image.size == actual.size:
        return image
    if image.size is None:
        return _inside(replace(image, size=actual.size))
    if image.size == actual.raw_size:
        return _inside(_turned(image, actual))
    recorded, actual_text = (f"{width} x {height}" for height, width in (image.size, actual.size))
    why = f"recorded as {recorded} pixels, but it has {actual_text}, so its boxes may not fit"
    raise AnnotationError(why, file=image.path or image.name, hint="tapetum check lists all")


def to_objects(image: ImageRecord, size: tuple[int, int]) -> Objects:
    """The objects of a settled record as tensors.

    Args:
        image: a record after `settle`.
        size: (height, width) in pixels, to which boxes are clipped.

    Returns:
        N objects; boxes (N, 4) xyxy float32, absolute pixels.
    """
    height, width = size
    corners = image.xywh.copy()
    corners[:, 2:] += corners[:, :2]  # (N, 4) x y w h -> x1 y1 x2 y2
    corners = np.clip(corners, 0, (width, height, width, height))
    return Objects(
        boxes=torch.from_numpy(corners.astype(np.float32)),
        labels=torch.from_numpy(image.labels.copy()),
        crowd=torch.from_numpy(image.crowd.copy()),
        difficult=torch.from_numpy(image.difficult.copy()),
        area=torch.from_numpy(image.area.astype(np.float32)),
        ids=image.ids,
        keypoints=_present(image.keypoints),
    )


def keep_objects(image: ImageRecord, keep: np.ndarray) -> ImageRecord:
    """The record with some of its N objects.

    Args:
        image: the record.
        keep: (N,) bool.

    Returns:
        A new record.
    """
    rows = np.flatnonzero(keep).tolist()
    return replace(
        image,
        xywh=image.xywh[keep],
        labels=image.labels[keep],
        crowd=image.crowd[keep],
        difficult=image.difficult[keep],
        area=image.area[keep],
        ids=tuple(image.ids[row] for row in rows),
        segments=tuple(image.segments[row] for row in rows) if image.segments else (),
        keypoints=None if image.keypoints is None else image.keypoints[keep],
    )


def _inside(image: ImageRecord) -> ImageRecord:
    """Without the objects of which nothing is left once they are clipped, in single precision."""
    sizes = np.tile(np.array(image.size, dtype=np.float64), (len(image), 1))  # (N, 2)
    inside = np.all(clipped_sides(image.xywh, sizes) > 0, axis=1)
    return image if inside.all() else keep_objects(image, inside)


def _turned(image: ImageRecord, actual: ImageSize) -> ImageRecord:
    turn, size = actual.orientation, actual.raw_size
    return replace(
        image,
        size=actual.size,
        xywh=turn_boxes(image.xywh, turn, size),
        segments=tuple(turn_segment(segment, turn, size) for segment in image.segments),
        keypoints=_turned_points(image.keypoints, turn, size),
    )


def _turned_points(
    keypoints: np.ndarray | None, orientation: int, size: tuple[int, int]
) -> np.ndarray | None:
    """Keypoints (N, K, 3) of the stored image of `size` on the upright one; absent ones stay."""
    if keypoints is None:
        return None
    turned = keypoints.copy()
    present = keypoints[..., 2] > 0  # (N, K)
    turned[present, :2] = turn_points(keypoints[present, :2], orientation, size)
    return turned


def _present(keypoints: np.ndarray | None) -> torch.Tensor | None:
    """Keypoints (N, K, 3) as tensors have them: absent ones are 0, 0, 0."""
    if keypoints is None:
        return None
    return torch.from_numpy((keypoints * (keypoints[..., 2:] > 0)).astype(np.float32))
