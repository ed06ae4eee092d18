"""A class for every pixel: read from a map, or painted from the outlines of objects."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tapetum.base.errors import AnnotationError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.images.orientation import turn_array
from tapetum.data.images.reader import ImageSize, read_levels
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
    """(H, W) uint8, 255 to ignore, from the image's map file, in the frame of its pixels.

    size: of the image. A map of the size that the image had before EXIF turned it is turned
    along.

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
    """(H, W) uint8 of a settled record: 0 is background, an object's pixels hold its label + 1.

    Large objects come first, by area, so that small ones lie on top; crowds are painted like any
    other. What has a box alone is ignored there, 255: its pixels are not known.
    """
    canvas = np.zeros(size, dtype=np.uint8)
    for row in np.argsort(-image.area, kind="stable").tolist():
        segment = image.segments[row] if image.segments else None
        if segment is None:
            fill_box(canvas, image.xywh[row], IGNORE_INDEX)
        else:
            canvas[segment_to_mask(segment, size)] = image.labels[row] + 1
    return torch.from_numpy(canvas)
