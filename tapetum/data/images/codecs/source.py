"""Bytes of an image from outside, bounded: of a file, or there already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from tapetum.base.errors import FileAccessError
from tapetum.base.files import read_bytes
from tapetum.base.limits import Limits


def bytes_of(source: str | Path | bytes, limits: Limits) -> bytes:
    """The content of an image file.

    Args:
        source: a file, or its content.
        limits: the size of the file; see `tapetum.Limits`.

    Returns:
        The bytes.

    Raises:
        FileAccessError: over the limit, or the file cannot be read.
    """
    if not isinstance(source, bytes):
        return read_bytes(source, limits.image_bytes)
    if len(source) > limits.image_bytes:
        raise FileAccessError(f"{len(source):,} bytes, more than {limits.image_bytes:,}")
    return source


@contextlib.contextmanager
def stream_of(source: str | Path | bytes, limits: Limits) -> Iterator[BinaryIO]:
    """Inside, a file is open as a stream that reads only the bytes that are requested.

    Args:
        source: a file, or its content.
        limits: the size of the file; see `tapetum.Limits`.

    Yields:
        The stream.

    Raises:
        FileAccessError: over the limit, or the file cannot be read.
    """
    if isinstance(source, bytes):
        yield BytesIO(bytes_of(source, limits))
        return
    with _open_regular(Path(source)) as stream:
        size = stream.seek(0, 2)
        if size > limits.image_bytes:
            raise FileAccessError(f"{size:,} bytes, more than the limit of {limits.image_bytes:,}")
        stream.seek(0)
        yield stream


def _open_regular(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
            raise FileAccessError("not a regular file")
        return path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileAccessError(f"cannot read: {reason}") from error
