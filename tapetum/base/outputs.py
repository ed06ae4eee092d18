"""Where a command may write: over nothing that a user has, and not among the data that it reads.

A file that is there already and holds something is left as it is, unless it is a page that tapetum
made. The files of a run (`report.html` and those beside it) are its own and are written anew.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from tapetum.base.errors import FileAccessError, UsageError
from tapetum.base.files import atomic_write

MADE_BY = "Made by tapetum."
"""Stands in every page, which is known by it."""
_PAGES = (".html", ".htm")
_READER_SECONDS = 5.0
"""How long to wait for the reader of a pipe."""


def refuse_output(
    *paths: str | Path,
    folder: bool = False,
    inside: Iterable[str | Path] = (),
    beside: Iterable[str | Path] = (),
    replaceable: Collection[Path] = (),
) -> None:
    """Refuse outputs that would replace what a user has, or lie among data.

    Args:
        paths: what is to be written. Into a device or a pipe may be written.
        folder: they are folders, which must be new or empty; else files.
        inside: folders that are read as data with all below them, where only pages may appear.
        beside: folders whose files are read, where nothing may appear directly.
        replaceable: files that may be there, as the paths have them, because tapetum wrote them
            (`tapetum.base.written`).

    Raises:
        UsageError: one of the paths must not be written.
    """
    files = [Path(path) for path in paths]
    if not folder:
        files = [path for path in files if not is_stream(path)]
    kept_free = [path for path in files if folder or path.suffix.lower() not in _PAGES]
    for place in {_resolved(path).parent for path in kept_free}:
        _refuse_place(place, [place, *place.parents], inside)
        _refuse_place(place, [place], beside)
    for path in files:
        if folder:
            _refuse_place(path, [_resolved(path)], inside)
            _refuse_full_folder(path, replaceable)
        elif path not in replaceable:
            _refuse_present(path)


def is_stream(path: Path) -> bool:
    """Whether a path is a device or a pipe, also through a link.

    Args:
        path: of the file.

    Returns:
        True if it is.
    """
    status = _status(path)
    return status is not None and (stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode))


@contextlib.contextmanager
def open_output(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file that a user has named.

    A regular file is written as by `atomic_write`, behind a link that stays; into a device or a
    pipe the bytes go directly.

    Args:
        path: of the file.
        mode: "wb", or "w" for UTF-8 text.

    Yields:
        The file, open for writing.

    Raises:
        FileAccessError: it cannot be written, or the pipe has no reader.
    """
    path = Path(path)
    if not is_stream(path):
        with atomic_write(path.resolve() if path.is_symlink() else path, mode) as file:
            yield file
        return
    try:
        encoding = None if "b" in mode else "utf-8"
        with os.fdopen(_open_stream(path), mode, encoding=encoding) as file:
            yield file
    except OSError as error:
        raise FileAccessError(f"cannot write: {error.strerror or error}", file=path) from error


def free_name(name: str) -> Path:
    """The first of NAME.png, NAME-2.png, ... in the current folder that does not exist.

    Args:
        name: of the file.

    Returns:
        The path.
    """
    plain = Path(name)
    numbered = (f"-{number}" if number > 1 else "" for number in itertools.count(1))
    names = (plain.with_stem(plain.stem + number) for number in numbered)
    return next(name for name in names if not os.path.lexists(name))


def _open_stream(path: Path) -> int:
    """A handle to write by. Opening a pipe without a reader would wait forever."""
    until = time.monotonic() + _READER_SECONDS
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
            os.set_blocking(handle, True)
            return handle
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > until:
                raise FileAccessError("the pipe has no reader", file=path) from error
        time.sleep(0.05)


def _refuse_place(shown: Path, places: list[Path], folders: Iterable[str | Path]) -> None:
    """Raise UsageError if one of `places` is one of `folders`, by whatever name or link."""
    outputs = [status for place in places if (status := _status(place)) is not None]
    for folder in folders:
        read = _status(Path(folder))
        if read is not None and any(os.path.samestat(status, read) for status in outputs):
            why = f"outputs cannot be written into {folder}, from which the data is read"
            raise UsageError(why, file=shown, hint="choose a folder outside of it")


def _refuse_full_folder(path: Path, replaceable: Collection[Path]) -> None:
    try:
        if path.exists() and (not path.is_dir() or _holds_more(path, replaceable)):
            raise UsageError("it exists and is not an empty folder", file=path)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", file=path) from error


def _holds_more(folder: Path, replaceable: Collection[Path]) -> bool:
    """Is there anything in it but `replaceable` files and the folders that hold them?"""
    if not replaceable:
        return any(folder.iterdir())
    return any(inner not in replaceable for inner in folder.rglob("*") if not inner.is_dir())


def _refuse_present(path: Path) -> None:
    """Raise UsageError if there is something that a new file would replace."""
    status = _status(path)
    if status is None:
        return
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no ordinary file"
        raise UsageError(f"it is {kind}, and is left as it is", file=path)
    if status.st_size and not _is_own_page(path):
        hint = "name another file, or remove this one"
        raise UsageError("exists already and is left as it is", file=path, hint=hint)


def _is_own_page(path: Path) -> bool:
    try:
        return path.suffix.lower() in _PAGES and MADE_BY.encode() in path.read_bytes()
    except OSError:
        return False


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise UsageError(f"cannot be written: {error}", file=path) from error


def _status(path: Path) -> os.stat_result | None:
    """Of what the path leads to; None where nothing is there."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot be written: {why}", file=path) from error
