"""The blocks of an image file, read without decoding: format, size of the metadata, orientation.

Decoders read text, profiles and EXIF before a limit can be applied, so what a file declares is
counted here first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tapetum.data.images.codecs.exif import Directory, read_directory, read_exif

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What may be opened; Pillow reads some forty more formats, which are not tested here."""

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAX_BLOCK = 64 * 2**20  # bytes of a block that is read to find its parts
_STRAY_COST = 256  # a byte between blocks costs a decoder as much time as so many bytes inside one
_OTHER_FORMATS = (
    (b"ftyphei", "a HEIC image"),
    (b"ftypmif1", "a HEIF image"),
    (b"ftypavif", "an AVIF image"),
    (b"<svg", "an SVG drawing"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML text"),
    (b"%pdf", "a PDF document"),
    (b"%!ps", "a PostScript document"),
    (b"8bps", "a Photoshop file"),
    (b"jp  \r\n", "a JPEG 2000 image"),
    (b"pk\x03\x04", "a ZIP archive"),
)


@dataclass(frozen=True)
class Block:
    """A piece of metadata. size: what reading it costs, in bytes; orientation where it says."""

    kind: str
    size: int
    orientation: int | None = None


def sniff(head: bytes) -> str | None:
    """The format of an image file by its first bytes.

    Args:
        head: the first bytes; 32 are enough.

    Returns:
        One of FORMATS, or None.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:4] in _TIFF_STARTS:
        return "TIFF"
    if head[:2] == b"BM":
        return "BMP"
    netpbm = len(head) > 2 and head[:1] == b"P" and head[1] in b"123456" and head[2] in b" \t\r\n#"
    return "PPM" if netpbm else None


def describe(head: bytes) -> str:
    """Describe a file that has none of FORMATS, for a message.

    Args:
        head: the first bytes; 512 are enough.

    Returns:
        As "a PDF document".
    """
    if not head:
        return "an empty file"
    lowered = head[:512].lower()
    return next((name for mark, name in _OTHER_FORMATS if mark in lowered), "not a known image")


def walk(kind: str, stream: BinaryIO) -> Iterator[Block]:
    """The metadata blocks of an image. Stops without an error where the file is damaged, which the
    decoder reports.

    Args:
        kind: one of FORMATS.
        stream: the file.

    Yields:
        The blocks in order.
    """
    walkers = {
        "JPEG": _walk_jpeg,
        "PNG": _walk_png,
        "WEBP": _walk_webp,
        "GIF": _walk_gif,
        "TIFF": _walk_tiff,
    }
    if kind in walkers:
        stream.seek(0)
        try:
            yield from walkers[kind](stream)
        except (struct.error, IndexError):
            return


def webp_size(head: bytes) -> tuple[int, int] | None:
    """The size of a WebP file (RFC 9649).

    Read here because opening the file with Pillow allocates its canvas.

    Args:
        head: the first 30 bytes.

    Returns:
        (height, width) in pixels, or None.
    """
    chunk, content = head[12:16], head[20:30]
    if len(content) < 10:
        return None
    if chunk == b"VP8X":
        width, height = content[4:7], content[7:10]
        return int.from_bytes(height, "little") + 1, int.from_bytes(width, "little") + 1
    if chunk == b"VP8L" and content[0] == 0x2F:
        bits = int.from_bytes(content[1:5], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if chunk == b"VP8 " and content[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", content[6:10])
        return height & 0x3FFF, width & 0x3FFF
    return None


def _block(kind: str, found: Directory) -> Block:
    return Block(kind, found.cost, found.orientation)


def _walk_png(stream: BinaryIO) -> Iterator[Block]:
    """Chunks (PNG 1.2, section 3.2): length, kind, content, checksum."""
    stream.seek(8)
    while True:
        length, kind = struct.unpack(">I4s", stream.read(8))
        end = stream.tell() + length + 4
        if not kind.isalpha():
            return
        if kind == b"eXIf":
            yield _block("EXIF", read_exif(stream.read(min(length, _MAX_BLOCK))))
        elif kind not in (b"IDAT", b"fdAT"):
            yield Block(kind.decode("latin-1"), length)
        if kind == b"IEND":
            return
        stream.seek(end)


def _walk_jpeg(stream: BinaryIO) -> Iterator[Block]:
    """Segments up to the first scan. EXIF may be cut into several, which belong together."""
    exif: list[bytes] = []
    for marker, content in _jpeg_segments(stream):
        if marker == 0xE1 and content.startswith(b"Exif\0\0"):
            exif.append(content if not exif else content[6:])
        elif marker == 0xE2 and content.startswith(b"MPF\0"):
            yield Block("MPF", read_exif(content[4:]).cost)
        else:
            yield Block("stray bytes" if marker is None else f"segment {marker:02X}", len(content))
    if exif:
        yield _block("EXIF", read_exif(b"".join(exif)))


def _jpeg_segments(stream: BinaryIO) -> Iterator[tuple[int | None, bytes]]:
    stream.seek(2)
    while byte := stream.read(1):
        if byte != b"\xff":
            yield None, byte * _STRAY_COST
            continue
        while byte == b"\xff":
            byte = stream.read(1)
        if byte in (b"", b"\xda"):
            return
        marker = byte[0]
        # Markers without content: stuffing, restarts, start and end, and unused ones.
        if marker == 0 or 0xD0 <= marker <= 0xD9 or 0xF0 <= marker <= 0xFD or marker == 0xC8:
            continue
        size = int.from_bytes(stream.read(2), "big")
        yield marker, stream.read(max(0, size - 2))


def _walk_webp(stream: BinaryIO) -> Iterator[Block]:
    """RIFF chunks (RFC 9649, section 2.3): kind, length, content padded to even length."""
    stream.seek(12)
    while True:
        kind, length = struct.unpack("<4sI", stream.read(8))
        end = stream.tell() + length + (length & 1)
        if kind == b"EXIF":
            yield _block("EXIF", read_exif(stream.read(min(length, _MAX_BLOCK))))
        elif kind in (b"ICCP", b"XMP "):
            yield Block(kind.decode("latin-1").strip(), length)
        stream.seek(end)


def _walk_gif(stream: BinaryIO) -> Iterator[Block]:
    """Extensions before the first image (GIF89a, section 23 and after)."""
    flags = stream.read(13)[10]
    if flags & 0x80:
        stream.seek(3 << ((flags & 7) + 1), 1)
    while (byte := stream.read(1)) not in (b"", b",", b";"):
        if byte != b"!":
            yield Block("stray byte", _STRAY_COST)
            continue
        stream.seek(1, 1)
        size = 0
        while length := stream.read(1)[0]:
            size += length
            stream.seek(length, 1)
        yield Block("extension", size)


def _walk_tiff(stream: BinaryIO) -> Iterator[Block]:
    yield _block("tags", read_directory(stream))
