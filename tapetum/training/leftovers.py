"""A training that fails before its first step leaves nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tapetum.runs.history import read_history
from tapetum.runs.record import RunRecord
from tapetum.weights.checkpoint import FOLDER


@contextmanager
def run_folder(folder: Path, record: RunRecord) -> Iterator[None]:
    """The folder of a new run, with its record; gone again if what is done inside fails (or is
    stopped) before anything was learnt: then there is nothing to go on with.

    A folder that was there before, empty, is left there.

    Raises:
        UsageError: a run is there already; nothing of it is touched.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        record.write(folder)
        try:
            yield
        except BaseException:
            if not _has_learnt(folder):
                _empty(folder)
            raise
    except BaseException:
        for path in new:
            with suppress(OSError):  # there is something in it
                path.rmdir()
        raise


def _has_learnt(folder: Path) -> bool:
    """Is there a step in the log, or a checkpoint?"""
    return bool(read_history(folder)) or any((folder / FOLDER).glob("step-*"))


def _empty(folder: Path) -> None:
    """All of it is of this training: there was nothing when its record was written."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # what went wrong first is to be told
                path.unlink()
