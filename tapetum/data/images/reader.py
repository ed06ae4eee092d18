"""Image files decoded to RGB pixels with metadata, or refused with one error.

Checks come in a fixed order, each before the work that it guards: size in bytes, format by its
first bytes, metadata blocks, width and height, decoding, orientation, colors. Training, the
checker, prediction and drawing all come through here, so they see the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tapetum.base.files import read_bytes
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.images.codecs.levels import gray_step, to_levels
from tapetum.data.images.codecs.modes import to_rgb
from tapetum.data.images.codecs.source import bytes_of
from tapetum.data.images.codecs.warnings_capture import captured
from tapetum.data.images.header import check_size, inspect_header, open_image, raw_size_of, refusing
from tapetum.data.images.orientation import UPRIGHT, turn_array

Source = str | Path | bytes | Image.Image | np.ndarray

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif"),
)
"""Names (in lower case) under which a dataset's images are searched; the content decides."""


@dataclass(frozen=True, eq=False)
class ImageFile:
    """A decoded image with its metadata.

    Args:
        pixels: (3, H, W) uint8 RGB, upright, contiguous.
        name: of the file, in messages.
        format: one of JPEG PNG BMP GIF WEBP TIFF PPM HEIC, or "pixels" if it was decoded before.
        mode: Pillow's name of the stored pixels, as in "CMYK" or "I;16".
        orientation: the EXIF value, 1 to 8, that has been applied to `pixels`.
        raw_size: (height, width) as stored, before that.
        warnings: of the decoder.
    """

    pixels: Tensor
    name: str
    format: str
    mode: str
    orientation: int
    raw_size: tuple[int, int]
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of `pixels`."""
        return self.pixels.shape[1], self.pixels.shape[2]


class _Facts(NamedTuple):
    """As the fields of `ImageFile`."""

    format: str
    mode: str
    orientation: int
    raw_size: tuple[int, int]
    warnings: tuple[str, ...]


def read_image(
    source: Source,
    limits: Limits = DEFAULT_LIMITS,
    *,
    name: str | None = None,
    at_least: int | None = None,
) -> ImageFile:
    """Decode an image to 8-bit RGB, upright; of an animation the first frame.

    How each pixel mode becomes RGB is a table in
    tapetum/data/images/codecs/modes.py: 16 bits are scaled, not cut, and alpha is laid on white.
    Color profiles are not applied. Values of EXIF orientation outside 1 to 8 count as 1.
    Nothing is written or printed, and no setting of Pillow is changed; its bound
    (178,956,970 pixels, as it ships) holds beside `limits`.

    Args:
        source: a path, the bytes of a file, a Pillow image, or an array (H, W) or (H, W, 3 or 4),
            uint8 in RGB order or (H, W) uint16.
        limits: on bytes, sides and pixels.
        name: of `source` in messages, where it is not a path.
        at_least: pixels that suffice for the shorter side: a JPEG may be decoded at 1/2, 1/4 or
            1/8 of its size, which is faster. `raw_size` stays that of the file, `size` is that of
            the pixels; sides are rounded up.

    Returns:
        The image.

    Raises:
        ImageError: not a file, not one of the formats, over a limit, cut short or damaged.
    """
    if isinstance(source, Image.Image | np.ndarray):
        return _from_pixels(source, limits, name or "image")
    file = name or (str(source) if isinstance(source, str | Path) else "image")
    rgb, facts = _decode(source, limits, file, to_rgb, at_least)
    return ImageFile(_to_tensor(rgb), file, *facts)


def read_levels(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> np.ndarray:
    """The values that a class map stores, upright, with the same checks as `read_image`.

    Args:
        path: the file.
        limits: what a file may measure; see `tapetum.Limits`.

    Returns:
        (H, W) integers, indices where the file has a palette; or (H, W, 3) uint8 colors.

    Raises:
        ImageError: as for `read_image`, or pixels that are neither numbers nor colors.
    """
    file = str(path)
    with refusing(file):
        data = read_bytes(path, limits.image_bytes)
    levels = _decode(data, limits, file, to_levels)[0]
    return levels // gray_step(data) if levels.ndim == 2 else levels


def _decode(
    source: str | Path | bytes,
    limits: Limits,
    file: str,
    convert: Callable[[Image.Image], np.ndarray],
    at_least: int | None = None,
) -> tuple[np.ndarray, _Facts]:
    """What `convert` makes of the loaded image, upright, and what else was learnt."""
    with refusing(file), captured() as notes:
        stream = BytesIO(bytes_of(source, limits))
        kind, orientation, notes[:0] = inspect_header(stream, file, limits)
        with captured(native=kind == "TIFF") as loud:
            image = open_image(stream, kind, file, limits)
            mode, raw_size = image.mode, raw_size_of(image)
            if at_least is not None and kind == "JPEG":
                image.draft(None, (at_least, at_least))
            image.load()
            notes += loud
        left = UPRIGHT if _already_turned(image, kind) else orientation
        pixels = turn_array(convert(image), left)
    return pixels, _Facts(kind, mode, orientation, raw_size, tuple(notes))


def _already_turned(image: Image.Image, kind: str) -> bool:
    """Did loading turn the image? Newer Pillow does so for TIFF, and then drops the tag."""
    return kind == "TIFF" and 0x0112 not in getattr(image, "tag_v2", {})


def _to_tensor(rgb: np.ndarray) -> Tensor:
    return torch.from_numpy(rgb.transpose(2, 0, 1).copy(order="C"))  # (H, W, 3) -> (3, H, W)


def _from_pixels(source: Image.Image | np.ndarray, limits: Limits, name: str) -> ImageFile:
    if isinstance(source, np.ndarray):
        source = _from_array(source)
    with refusing(name), captured() as notes:
        check_size(source.size[::-1], name, limits)
        orientation = _orientation_of(source)
        mode, raw_size = source.mode, raw_size_of(source)
        source.load()
        kind = source.format or "pixels"
        left = UPRIGHT if _already_turned(source, kind) else orientation
        pixels = _to_tensor(turn_array(to_rgb(source), left))
    return ImageFile(pixels, name, kind, mode, orientation, raw_size, tuple(notes))


def _from_array(array: np.ndarray) -> Image.Image:
    layers = array.shape[2:] in ((), (3,), (4,))
    right = array.dtype == np.uint8 or (array.dtype == np.uint16 and array.ndim == 2)
    if array.ndim not in (2, 3) or not layers or not right or 0 in array.shape:
        raise ValueError(
            "expected an array (H, W) or (H, W, 3 or 4) of uint8 in RGB order, or (H, W) of "
            f"uint16, got {array.shape} {array.dtype}"
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _orientation_of(image: Image.Image) -> int:
    value = image.getexif().get(0x0112, UPRIGHT)
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT
