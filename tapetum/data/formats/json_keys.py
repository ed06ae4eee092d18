"""Keys of JSON files, found without parsing what may be hundreds of megabytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_PIECE = 2**20
_OVERLAP = 256
"""Bytes of a piece that are looked at again with the next one: no key, with the blanks that people
put around it, is longer."""


def first_match(file: Path, key: re.Pattern[bytes], *, opening: bytes) -> re.Match[bytes] | None:
    """The first match of `key` in a file whose first character is `opening`."""
    with file.open("rb") as stream:
        first = stream.read(_PIECE)
        if not first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(opening):
            return None
        matches = (key.search(piece) for piece in _pieces(first, stream))
        return next((match for match in matches if match is not None), None)


def has_some(file: Path, marks: tuple[bytes, ...], minimum: int) -> bool:
    """Does the file hold `least` of the marks? Beginning and end, where keys usually stand, are
    looked at first."""
    with file.open("rb") as stream:
        head = stream.read(_PIECE)
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - _PIECE))
        tail = stream.read()
        found = {mark for mark in marks if mark in head or mark in tail}
        if len(found) >= minimum:
            return True
        stream.seek(0)
        for piece in _pieces(b"", stream):
            found |= {mark for mark in marks if mark in piece}
            if len(found) >= minimum:
                return True
    return False


def _pieces(piece: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """`piece` and the rest of the file, each with the end of the one before it."""
    yield piece
    while rest := stream.read(_PIECE):
        piece = piece[-_OVERLAP:] + rest
        yield piece
