"""A class for every pixel: read from a map, or painted from the outlines of objects."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tapetum.base.errors import AnnotationError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.images.header import ImageSize
from tapetum.data.images.orientation import turn_array
from tapetum.data.images.reader import read_levels
from tapetum.data.records.image_record import ImageRecord
from tapetum.data.records.label_map import MapCode
from tapetum.data.records.segments import fill_box, segment_to_mask
from tapetum.structures import IGNORE_INDEX

MAX_CLASSES = 255
"""As many classes as a map of bytes can hold beside 255."""


class MapSizeError(AnnotationError):
    """A class map that is not of its image's size."""


def read_semantic(
    image: ImageRecord, code: MapCode, size: ImageSize, limits: Limits = DEFAULT_LIMITS
) -> Tensor:
    """Read the class map of an image, in the frame of the image's pixels.

    A map of the size that the image had before EXIF turned it is turned along.

    Args:
        image: a record with a map file.
        code: which value or color of the map is which class.
        size: of the image.
        limits: what a file may measure; see `tapetum.Limits`.

    Returns:
        (H, W) uint8, 255 to ignore.

    Raises:
        ImageError: the map cannot be decoded.
        AnnotationError: it is of another size, or holds a value that is no class.
    """
    assert image.semantic is not None
    levels = read_levels(image.semantic, limits)
    if levels.shape[:2] == size.raw_size != size.size:
        levels = turn_array(levels, size.orientation)
    if levels.shape[:2] != size.size:
        (map_height, map_width), (height, width) = levels.shape[:2], size.size
        why = f"the map has {map_width} x {map_height} pixels, its image {width} x {height}"
        raise MapSizeError(why, file=image.semantic)
    try:
        return torch.from_numpy(np.ascontiguousarray(code.classes(levels)))
    except ValueError as error:
        raise AnnotationError(str(error), file=image.semantic) from error


def paint_semantic(image: ImageRecord, size: tuple[int, int]) -> Tensor:
    """Paint the objects of a settled record as a class map.

    Large objects are painted first, by area, so that small ones lie on top; crowds like all others.
    An object that has no outline is ignored inside its box, 255: its pixels are not known.

    Args:
        image: a record after `settle`.
        size: (height, width) in pixels.

    Returns:
        (H, W) uint8: 0 is background, an object's pixels hold its label + 1.
    """
    canvas = np.zeros(size, dtype=np.uint8)
    for row in np.argsort(-image.area, kind="stable").tolist():
        segment = image.segments[row] if image.segments else None
        if segment is None:
            fill_box(canvas, image.xywh[row], IGNORE_INDEX)
        else:
            canvas[segment_to_mask(segment, size)] = image.labels[row] + 1
    return torch.from_numpy(canvas)
