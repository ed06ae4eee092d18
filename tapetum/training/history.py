"""metrics.jsonl: one line an event, cut back to the checkpoint when a run is resumed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tapetum.base.errors import FileAccessError

FILE = "metrics.jsonl"


class History:
    """Appends rows to RUN/metrics.jsonl."""

    def __init__(self, folder: str | Path, keep_bytes: int | None = None) -> None:
        """`keep_bytes` cuts the file back: what was logged after the checkpoint is done again."""
        self.path = Path(folder) / FILE
        try:
            self._file = self.path.open("ab")
            if keep_bytes is not None and self._file.tell() > keep_bytes:
                self._file.truncate(keep_bytes)
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


def read_history(folder: str | Path) -> list[dict[str, Any]]:
    """All rows of a run; a last line cut short by a kill is left out."""
    path = Path(folder) / FILE
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
