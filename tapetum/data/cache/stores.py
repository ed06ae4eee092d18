"""Where a cache keeps its bytes: memory that worker processes share, or one file per entry."""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tapetum.base.errors import FileAccessError
from tapetum.base.files import read_bytes

KEPT_FREE = 2 * 2**30
"""Bytes of a disk that a cache never takes."""

MOST_BYTES = 2**31
"""Of one entry."""

_PREFIX, _SUFFIX = ".writing-", ".sample"
_STALE = 24 * 3600
_UNUSED = 30 * 24 * 3600
"""Seconds after which an entry that was not read is removed."""


class Store(Protocol):
    """Entries by index. What was put may be gone when it is asked for."""

    def get(self, index: int) -> bytearray | None: ...
    def put(self, index: int, data: bytes) -> None: ...


class MemoryStore:
    """Up to `room` bytes of entries 0 ... count - 1, in memory that is taken as it is needed.

    Processes that are forked later see and fill the same memory. One that was not forked, and got
    it sent instead, has an empty store that keeps nothing.
    """

    def __init__(self, count: int, room: int) -> None:
        self._bytes = memoryview(mmap.mmap(-1, max(1, room)))
        # Row 0: where the next entry begins. Rows 1 + index: begin and length, 0 for none.
        table = mmap.mmap(-1, 16 * (count + 1))
        self._table = np.frombuffer(table, dtype=np.int64).reshape(count + 1, 2)
        self._lock = multiprocessing.Lock()
        self._room = room

    def __getstate__(self) -> dict[str, Any]:
        return {"_room": 0}

    def get(self, index: int) -> bytearray | None:
        if not self._room:
            return None
        with self._lock:
            begin, length = self._table[1 + index].tolist()
        return bytearray(self._bytes[begin : begin + length]) if length else None

    def put(self, index: int, data: bytes) -> None:
        if not self._room:
            return
        with self._lock:
            begin = int(self._table[0, 0])
            if self._table[1 + index, 1] or begin + len(data) > self._room:
                return
            self._bytes[begin : begin + len(data)] = data
            self._table[1 + index] = begin, len(data)
            self._table[0, 0] = begin + len(data)


class DiskStore:
    """Entries as files in `folder`, called by `key(index)`, a digest of everything they depend on.

    A file appears whole under its name, so that several processes and several trainings may read
    and write at once. Writing ends silently when less than `KEPT_FREE` bytes would be left.
    """

    def __init__(self, folder: Path, key: Callable[[int], str]) -> None:
        self._folder, self._key = folder, key
        self._keys: dict[int, str] = {}

    def path(self, index: int) -> Path:
        """The file of an entry, whether it is there or not."""
        if index not in self._keys:
            self._keys[index] = self._key(index)
        key = self._keys[index]
        return self._folder / key[:2] / f"{key[2:]}{_SUFFIX}"

    def get(self, index: int) -> bytearray | None:
        path = self.path(index)
        try:
            data = bytearray(read_bytes(path, MOST_BYTES))
        except FileAccessError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # it was used now
        return data

    def put(self, index: int, data: bytes) -> None:
        path = self.path(index)
        if free_disk(self._folder) < len(data):
            return
        # No fsync: what a power cut leaves half written has a wrong checksum, and is made again.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=_PREFIX, dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(temporary).replace(path)
            except OSError:
                Path(temporary).unlink(missing_ok=True)


def open_folder(folder: Path) -> None:
    """Make the folder of a disk store; remove what was not read for thirty days, and what
    processes left that were killed long ago.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    _remove_older(folder, f"*/{_PREFIX}*", _STALE)
    _remove_older(folder, f"*/*{_SUFFIX}", _UNUSED)


def _remove_older(folder: Path, pattern: str, seconds: float) -> None:
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > seconds:
                path.unlink()


def free_disk(folder: Path) -> int:
    """Bytes that a cache may still take on the disk of `folder`."""
    try:
        return max(0, shutil.disk_usage(folder).free - KEPT_FREE)
    except OSError:
        return 0
