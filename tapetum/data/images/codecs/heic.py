"""HEIC, which phones keep photographs in: read where the extra of that name is installed."""

from __future__ import annotations

import importlib.util
from typing import Any, BinaryIO

from PIL import Image

KIND = "HEIC"
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def is_heic(head: bytes) -> bool:
    """Whether a file is HEIC or HEIF (ISO/IEC 23008-12, section 10).

    Args:
        head: the first 12 bytes.

    Returns:
        True if it is.
    """
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS


def can_read() -> bool:
    """Whether the decoder is installed.

    Returns:
        True if it is.
    """
    return importlib.util.find_spec("pillow_heif") is not None


def open_heic(stream: BinaryIO) -> Any:
    """Read the header of a HEIC file.

    Args:
        stream: the file.

    Returns:
        The opened file; `size` is (width, height), upright, since the turns of the format are
        applied, and those of EXIF, which repeat them, are not.
    """
    import pillow_heif

    return pillow_heif.open_heif(stream, convert_hdr_to_8bit=True)


def decoded(opened: Any) -> Image.Image:
    """Decode the first image of a file.

    Args:
        opened: see `open_heic`.

    Returns:
        The image, upright.
    """
    image: Image.Image = opened[0].to_pillow()
    return image
