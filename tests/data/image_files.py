"""Encoded images for the tests of the image door."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

from tapetum.data.images.reader import read_image

KINDS = {
    "JPEG": ("JPEG", {}),
    "JPEG progressive": ("JPEG", {"progressive": True}),
    "PNG": ("PNG", {}),
    "BMP": ("BMP", {}),
    "GIF": ("GIF", {}),
    "WEBP": ("WEBP", {}),
    "WEBP lossless": ("WEBP", {"lossless": True}),
    "TIFF": ("TIFF", {}),
    "TIFF LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF JPEG": ("TIFF", {"compression": "jpeg"}),
    "PPM": ("PPM", {}),
}


def rgb(data: bytes) -> np.ndarray:
    """(H, W, 3) pixels through the door."""
    return read_image(data).pixels.permute(1, 2, 0).numpy()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, extra: bytes = b"", bits: int = 1, color: int = 0) -> bytes:
    """A black image, as small as PNG can write it."""
    row = b"\0" * ((width * bits + 7) // 8 + 1)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    parts = [chunk(b"IHDR", head), extra, chunk(b"IDAT", body), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()
