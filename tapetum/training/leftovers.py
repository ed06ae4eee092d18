"""A training that fails before its first step leaves no folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tapetum.base.bundle import bundles
from tapetum.runs.history import read_history
from tapetum.runs.record import RunRecord
from tapetum.weights.checkpoint import FOLDER


@contextmanager
def run_folder(folder: Path, record: RunRecord) -> Iterator[None]:
    """Make the folder of a new run, and delete it if the training fails before its first step.

    An empty folder that existed before is kept.

    Args:
        folder: to make.
        record: of the run.

    Yields:
        Nothing; the body is the training.

    Raises:
        UsageError: the folder is not empty; nothing in it is changed.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        record.write(folder)
        try:
            yield
        except BaseException:
            if not _has_steps(folder):
                _empty(folder)
            raise
    except BaseException:
        for path in new:
            with suppress(OSError):  # there is something in it
                path.rmdir()
        raise


def _has_steps(folder: Path) -> bool:
    """Whether the log has a step, or a checkpoint exists."""
    return bool(read_history(folder)) or bool(bundles(folder / FOLDER, "step-*"))


def _empty(folder: Path) -> None:
    """Delete all files: the folder was empty when the record was written."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # the first error is the one to raise
                path.unlink()
