"""metrics.jsonl: one line an event, cut back to the checkpoint when a run is resumed."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from tapetum.base.errors import FileAccessError, UsageError
from tapetum.base.files import refuse_link
from tapetum.base.lock import take
from tapetum.runs.aliases import current_rows

FILE = "metrics.jsonl"


class History:
    """Appends rows to RUN/metrics.jsonl."""

    def __init__(self, folder: str | Path, keep_bytes: int | None = None) -> None:
        """Open the log to append.

        Args:
            folder: the run folder.
            keep_bytes: cut the file back to this length, that of a checkpoint: the steps after it
                are repeated.

        Raises:
            FileAccessError: it cannot be written, is a link, or is shorter than that.
            UsageError: another process writes to it.
        """
        self.path = Path(folder) / FILE
        refuse_link(self.path)
        try:
            self._file = os.fdopen(_open_regular(self.path), "ab")
        except OSError as error:
            raise FileAccessError(f"cannot write: {error.strerror}", file=self.path) from error
        try:
            self._begin(keep_bytes)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, keep_bytes: int | None) -> None:
        if not take(self._file.fileno()):
            why = "another process trains this run now"
            raise UsageError(why, file=self.path.parent, hint="wait for it, or stop it first")
        if keep_bytes is not None:
            self._cut(keep_bytes)

    def _cut(self, length: int) -> None:
        size = self._file.seek(0, os.SEEK_END)
        if not 0 <= length <= size:
            why = f"has {size:,} bytes, fewer than the {length:,} of the checkpoint"
            hint = "restore the log of the run, or resume from an older checkpoint"
            raise FileAccessError(why, file=self.path, hint=hint)
        try:
            self._file.truncate(length)
            self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise FileAccessError(f"cannot write: {error.strerror}", file=self.path) from error

    def add(self, **row: Any) -> None:
        """Append one row. Numbers must be finite."""
        line = json.dumps(row, allow_nan=False)
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise FileAccessError(f"cannot write: {error.strerror}", file=self.path) from error

    def position(self) -> int:
        """Bytes so far, on the disk."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def _open_regular(path: Path) -> int:
    """Open to append, and make if need be, a regular file: no link, and no pipe that waits."""
    system = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for name in system:
        flags |= getattr(os, name, 0)
    handle = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file")
    return handle


def read_history(folder: str | Path) -> list[dict[str, Any]]:
    """Read the log of a run, metrics.jsonl.

    Args:
        folder: the run folder.

    Returns:
        All rows; an incomplete last line, as after a kill, is left out.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return current_rows(rows, _model_of(path.parent))


def _model_of(folder: Path) -> str:
    """The name of the run's model; "" where there is no record of it."""
    try:
        return str(json.loads((folder / "run.json").read_text("utf-8"))["model"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
