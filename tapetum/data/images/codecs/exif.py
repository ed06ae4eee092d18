"""The directory of a TIFF structure, which is also what EXIF is: its cost and its orientation.

Read here and not through Pillow, because a decoder copies what each tag refers to (65,535 tags
may refer to the same 200 MB), and because for PNG it would decode the image first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

_ORIENTATION = 0x0112
_SUBDIRECTORIES = (0x8769, 0x8825)  # EXIF, GPS: the ones that Pillow goes into
_TYPE_BYTES = (1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 1, 1, 8, 8, 8)
_WHOLE = {1: "B", 3: "H", 4: "I"}
_MAX_TAGS = 65_535


@dataclass(frozen=True)
class Directory:
    """cost: bytes that its tags refer to, shared ones counted each time. orientation: 1 to 8 as
    the file has it (or any other number), None where it has none."""

    cost: int
    orientation: int | None


def read_exif(block: bytes) -> Directory:
    """The directory inside an EXIF block; an unreadable one costs its length."""
    block = block.removeprefix(b"Exif\0\0")
    try:
        directory = read_directory(BytesIO(block))
    except struct.error:
        return Directory(len(block), None)
    return Directory(max(directory.cost, len(block)), directory.orientation)


def read_directory(stream: BinaryIO) -> Directory:
    """The first directory of a TIFF file or EXIF block, from the start of `stream`.

    Raises:
        struct.error: it ends too early.
    """
    length = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    layout = _Layout(order, big, length)
    (offset,) = struct.unpack_from(layout.order + layout.offset_code, head, 8 if big else 4)
    entries = _entries(stream, offset, layout)
    cost, orientation = 0, None
    for tag, kind, count, field in entries:
        cost += layout.bytes_of(kind, count)
        if kind in _WHOLE and tag == _ORIENTATION:
            (orientation,) = struct.unpack_from(order + _WHOLE[kind], field)
        if kind in _WHOLE and tag in _SUBDIRECTORIES:
            (below,) = struct.unpack_from(order + _WHOLE[kind], field)
            cost += sum(layout.bytes_of(k, c) for _, k, c, _ in _below(stream, below, layout))
    return Directory(cost, orientation)


@dataclass(frozen=True)
class _Layout:
    """order: of bytes, as struct writes it; big: BigTIFF; length: of the whole stream."""

    order: str
    big: bool
    length: int

    @property
    def offset_code(self) -> str:
        return "Q" if self.big else "I"

    def bytes_of(self, kind: int, count: int) -> int:
        size = count * (_TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 1)
        return min(size, self.length)


def _entries(stream: BinaryIO, offset: int, layout: _Layout) -> list[tuple[int, int, int, bytes]]:
    """(tag, type, count, value field) of each entry of the directory at `offset`."""
    stream.seek(min(offset, layout.length))
    head = stream.read(8 if layout.big else 2)
    (count,) = struct.unpack(layout.order + ("Q" if layout.big else "H"), head)
    step = 20 if layout.big else 12
    table = stream.read(step * min(count, _MAX_TAGS))
    shape = layout.order + "HH" + layout.offset_code
    field = struct.calcsize(shape)
    return [
        (*struct.unpack_from(shape, table, place), table[place + field : place + step])
        for place in range(0, len(table) - step + 1, step)
    ]


def _below(stream: BinaryIO, offset: int, layout: _Layout) -> list[tuple[int, int, int, bytes]]:
    try:
        return _entries(stream, offset, layout)
    except struct.error:
        return []
