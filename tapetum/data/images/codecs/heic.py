"""HEIC, which phones keep photographs in: read where the extra of that name is installed."""

from __future__ import annotations

import importlib.util
from typing import Any, BinaryIO

from PIL import Image

KIND = "HEIC"
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def is_heic(head: bytes) -> bool:
    """Do these first bytes begin such a file? (ISO/IEC 23008-12, section 10)"""
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS


def can_read() -> bool:
    """Is the decoder installed?"""
    return importlib.util.find_spec("pillow_heif") is not None


def open_heic(stream: BinaryIO) -> Any:
    """The file with its header read: `size` (width, height), upright, since the format's own turns
    are applied, and EXIF's, which repeat them, are not."""
    import pillow_heif

    return pillow_heif.open_heif(stream, convert_hdr_to_8bit=True)


def decoded(opened: Any) -> Image.Image:
    """Its first image."""
    image: Image.Image = opened[0].to_pillow()
    return image
