"""The header of an image file: format, orientation, metadata and size, each within the limits."""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from tapetum.base.errors import FileAccessError, ImageError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.images.codecs.blocks import FORMATS, describe, sniff, walk, webp_size
from tapetum.data.images.codecs.heic import KIND as HEIC
from tapetum.data.images.codecs.heic import can_read, decoded, is_heic, open_heic
from tapetum.data.images.codecs.source import stream_of
from tapetum.data.images.codecs.warnings_capture import captured
from tapetum.data.images.orientation import UPRIGHT, turned_size

# What Pillow's decoders raise on damaged files, seen by mutating thousands of them.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class ImageSize(NamedTuple):
    """size: (height, width) once upright; raw_size: as stored; orientation: EXIF, 1 to 8."""

    size: tuple[int, int]
    raw_size: tuple[int, int]
    orientation: int


def image_size(source: str | Path | bytes, limits: Limits = DEFAULT_LIMITS) -> ImageSize:
    """Height and width of an image from its header alone; the header passes the checks of
    `read_image`.

    Args:
        source: a file, or its content.
        limits: what a file may measure; see `tapetum.Limits`.

    Returns:
        The size upright and as stored, in pixels, and EXIF's orientation.

    Raises:
        ImageError: as for `read_image`, as far as the header shows it.
    """
    file = str(source) if isinstance(source, str | Path) else "image"
    with refusing(file), stream_of(source, limits) as stream, captured():
        kind, orientation, _ = inspect_header(stream, file, limits)
        raw_size = _header_size(stream, kind, file, limits)
    return ImageSize(turned_size(raw_size, orientation), raw_size, orientation)


@contextlib.contextmanager
def refusing(file: str) -> Iterator[None]:
    """Turn whatever a decoder raises into an ImageError that names the file.

    Args:
        file: the name in messages.

    Yields:
        None.
    """
    try:
        yield
    except FileAccessError as error:
        raise ImageError(error.why, file=file, hint=error.hint) from error
    except MemoryError as error:
        raise ImageError("not enough memory to decode it", file=file) from error
    except Image.DecompressionBombError as error:
        why = str(error).split(", could be")[0]
        raise ImageError(why, file=file, hint="PIL.Image.MAX_IMAGE_PIXELS") from error
    except Image.UnidentifiedImageError as error:
        raise ImageError("its header is damaged", file=file) from error
    except _DECODER_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"cannot be decoded: {reason}", file=file) from error


def inspect_header(stream: BinaryIO, file: str, limits: Limits) -> tuple[str, int, list[str]]:
    """Format, EXIF orientation and notes, with the metadata counted."""
    head = stream.read(512)
    kind = sniff(head)
    if kind is None and is_heic(head):
        if not can_read():
            hint = "pip install 'tapetum[heic]', or convert it to JPEG"
            raise ImageError("it is a HEIC image", file=file, hint=hint)
        stream.seek(0)
        return HEIC, UPRIGHT, []
    if kind is None:
        hint = "images may be " + ", ".join(FORMATS)
        raise ImageError(f"it is {describe(head)}", file=file, hint=hint)
    orientation, total, notes = UPRIGHT, 0, []
    for block in walk(kind, stream):
        total += block.size
        if total > limits.metadata_bytes:
            why = f"its metadata ({block.kind}) passes the limit of {limits.metadata_bytes:,} bytes"
            raise ImageError(why, file=file, hint="raise it with tapetum.Limits")
        if block.orientation is not None:
            orientation = block.orientation
    if not 1 <= orientation <= 8:
        notes.append(f"EXIF orientation {orientation} is not 1 to 8; taken as 1")
        orientation = UPRIGHT
    stream.seek(0)
    return kind, orientation, notes


def open_image(stream: BinaryIO, kind: str, file: str, limits: Limits) -> Image.Image:
    """Pillow's image with its header read, its pixels not yet."""
    if kind == HEIC:
        opened = open_heic(stream)
        check_size(opened.size[::-1], file, limits)
        return decoded(opened)
    if kind == "WEBP":
        _webp_size(stream, file, limits)
        stream.seek(0)
    image = Image.open(stream, formats=[kind])
    check_size(image.size[::-1], file, limits)
    return image


def _header_size(stream: BinaryIO, kind: str, file: str, limits: Limits) -> tuple[int, int]:
    if kind == HEIC:
        size: tuple[int, int] = open_heic(stream).size[::-1]
        check_size(size, file, limits)
        return size
    if kind == "WEBP":
        return _webp_size(stream, file, limits)
    return raw_size_of(open_image(stream, kind, file, limits))


def _webp_size(stream: BinaryIO, file: str, limits: Limits) -> tuple[int, int]:
    size = webp_size(stream.read(30)) or (0, 0)
    check_size(size, file, limits)
    return size


def check_size(size: tuple[int, int], file: str, limits: Limits) -> None:
    height, width = size
    if min(size) < 1:
        raise ImageError("its header is damaged: no width or height", file=file)
    if max(size) > limits.image_side or height * width > limits.image_pixels:
        why = (
            f"{width:,} x {height:,} pixels, more than the limit of {limits.image_pixels:,} "
            f"in all or {limits.image_side:,} a side"
        )
        raise ImageError(why, file=file, hint="raise it with tapetum.Limits")


def raw_size_of(image: Image.Image) -> tuple[int, int]:
    """(height, width) as stored. Newer Pillow gives a TIFF's size as it will be once turned."""
    if image.format == "TIFF" and hasattr(image, "tag_v2"):
        return int(image.tag_v2[257]), int(image.tag_v2[256])
    return image.size[1], image.size[0]
