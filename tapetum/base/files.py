"""The one file door: names that stay inside their folder, writes that are whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from tapetum.base.errors import AnnotationError, FileAccessError
from tapetum.base.limits import DEFAULT_LIMITS, Limits

_TEMPORARY = ".tapetum-"
_NEITHER_QUOTE_NOR_BRACKET = bytes(set(range(256)) - set(b'"\\[]{}'))
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1


def safe_path(root: str | Path, name: str) -> Path:
    """The path of a name inside a folder; links are resolved before the comparison.

    Args:
        root: the folder.
        name: a relative path.

    Returns:
        The absolute path.

    Raises:
        FileAccessError: `name` is absolute, holds a NUL, or leads out of `root`.
    """
    if "\0" in name:
        raise FileAccessError("a file name must not contain NUL", file=root, where=name)
    base = Path(root).resolve()
    try:
        path = (base / name).resolve()
    except (OSError, RuntimeError) as error:
        raise FileAccessError(f"not a usable file name: {error}", file=root, where=name) from error
    if path != base and base not in path.parents:
        raise FileAccessError("the name leads out of its folder", file=root, where=name)
    return path


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file that appears complete, or not at all.

    Writes to a temporary name in the same folder, flushes to the disk, then renames: a reader, or a
    process killed half-way, sees the old file or the new one. For a file that a user has named,
    which may be a link, a device or a pipe, there is `tapetum.base.outputs.open_output`.

    Args:
        path: of the file; missing folders are made.
        mode: "wb", or "w" for UTF-8 text.

    Yields:
        The file, open for writing.

    Raises:
        FileAccessError: the folder cannot be written, or the disk is full; the old file is intact.
            Or the path is not a regular file but a link or a device, which is left as it is.
    """
    path = Path(path)
    encoding = None if "b" in mode else "utf-8"
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_no_file(path)
        handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        with os.fdopen(handle, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        give_usual_rights(temporary)
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise FileAccessError(f"cannot write: {error.strerror or error}", file=path) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def sync_folder(folder: str | Path) -> None:
    """Make renames inside `folder` survive a power cut, where the system offers that.

    Args:
        folder: its renames are flushed to the disk.
    """
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """A value as strict JSON, without NaN and Infinity.

    Args:
        value: of the types of JSON.
        indent: spaces of a level; None: all on one line.

    Returns:
        The text, with a newline at its end.

    Raises:
        ValueError: a number that is not finite.
    """
    return json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: str | Path, value: Any, *, indent: int | None = 2) -> None:
    """Write a value as strict JSON, atomically.

    Args:
        path: of the file.
        value: of the types of JSON.
        indent: spaces of a level; None: all on one line.

    Raises:
        FileAccessError: as for `atomic_write`.
    """
    text = json_text(value, indent=indent)
    with atomic_write(path, "w") as file:
        file.write(text)


def read_bytes(path: str | Path, limit: int) -> bytes:
    """The content of a regular file; a file that is too large is refused before reading.

    Args:
        path: of the file.
        limit: the largest size in bytes.

    Returns:
        The content.

    Raises:
        FileAccessError: missing, unreadable, not a regular file, or too large.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not path.is_file():
            raise FileAccessError("not a regular file", file=path)
        if status.st_size > limit:
            why = f"{status.st_size:,} bytes, more than the limit of {limit:,}"
            raise FileAccessError(why, file=path, hint="raise it with tapetum.Limits")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise FileAccessError(f"cannot read: {_reason(error)}", file=path) from error


def read_text(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> str:
    """Read a UTF-8 text file.

    Args:
        path: of the file.
        limits: the size of the file; see `tapetum.Limits`.

    Returns:
        The text without a byte order mark.

    Raises:
        FileAccessError: as for `read_bytes`.
        AnnotationError: not UTF-8.
    """
    data = read_bytes(path, limits.text_bytes)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError("not UTF-8 text", file=path, where=f"byte {error.start}") from error


def read_json(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> Any:
    """Read a JSON file, with size and nesting bounded.

    Args:
        path: of the file.
        limits: size and nesting; see `tapetum.Limits`.

    Returns:
        The value.

    Raises:
        FileAccessError: as for `read_bytes`.
        AnnotationError: not JSON (with line and column), nested too deeply, or NaN or Infinity in
            it.
    """
    data = read_bytes(path, limits.json_bytes)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError("not UTF-8 text", file=path, where=f"byte {error.start}") from error
    if nesting(data) > limits.json_depth:
        raise AnnotationError(f"nested deeper than {limits.json_depth} levels", file=path)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise AnnotationError(f"not valid JSON: {error.msg}", file=path, where=where) from error
    except ValueError as error:
        raise AnnotationError(f"not valid JSON: {error}", file=path) from error


def nesting(data: bytes) -> int:
    """How deep brackets in JSON text are nested; brackets inside strings do not count.

    Takes a fraction of the time of parsing, also on hundreds of megabytes: all bytes but quotes,
    backslashes and brackets are dropped first.

    Args:
        data: JSON text.

    Returns:
        The depth, 0 without brackets.
    """
    rest = data.translate(None, _NEITHER_QUOTE_NOR_BRACKET)
    if b"\\" not in rest:
        rest = rest.replace(b'""', b"")
    rest = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", rest)
    ups_and_downs = _STEPS[np.frombuffer(rest, np.uint8)]
    return int(np.cumsum(ups_and_downs, dtype=np.int32).max(initial=0))


def sha256(path: str | Path) -> str:
    """The hexadecimal digest of a file.

    Args:
        path: of the file.

    Returns:
        64 hexadecimal digits.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_no_file(path: Path) -> None:
    """Raise FileAccessError where a rename would put a file in the place of something else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a link" if stat.S_ISLNK(mode) else "a device"
        kind = "a pipe" if stat.S_ISFIFO(mode) else kind
        raise FileAccessError(f"cannot write: it is {kind}, and stays one", file=path)


def give_usual_rights(path: str | Path) -> None:
    """Give a private file or folder the rights that an ordinary open or mkdir would have given it.

    Args:
        path: of the file or folder.
    """
    path = Path(path)
    mask = os.umask(0)
    os.umask(mask)
    path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def refuse_link(path: Path) -> None:
    """Refuse to write through a link in the place of a run's file or folder.

    Args:
        path: of the file or folder.

    Raises:
        FileAccessError: it is a link, whether or not its target exists.
    """
    if path.is_symlink():
        hint = "what a run writes stays in the run: put the folder or file itself there"
        raise FileAccessError("is a link, and is not written through", file=path, hint=hint)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
