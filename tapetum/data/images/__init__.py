"""Images: files to RGB pixels, upright, or one error that names the file."""

from __future__ import annotations

from tapetum.data.images.header import ImageSize, image_size
from tapetum.data.images.orientation import (
    UPRIGHT,
    turn_array,
    turn_boxes,
    turn_points,
    turned_size,
)
from tapetum.data.images.reader import SUFFIXES, ImageFile, read_image, read_levels

__all__ = [
    "SUFFIXES",
    "UPRIGHT",
    "ImageFile",
    "ImageSize",
    "image_size",
    "read_image",
    "read_levels",
    "turn_array",
    "turn_boxes",
    "turn_points",
    "turned_size",
]
