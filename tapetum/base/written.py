"""What tapetum wrote into a folder of answers, so that a later run may replace it.

FOLDER/.tapetum.json: {"schema": "tapetum.written/1", "files": {name in the folder: sha256}}. A file
that has changed since then belongs to the user, and so does one that is not in the list.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from tapetum.base.errors import TapetumError
from tapetum.base.files import read_json, safe_path, sha256, write_json

FILE, SCHEMA = ".tapetum.json", "tapetum.written/1"


def replaceable(folder: Path) -> frozenset[Path]:
    """The files below a folder that tapetum wrote and that have not changed since.

    Args:
        folder: has a list of what was written.

    Returns:
        Their paths.
    """
    return frozenset(
        path
        for name, digest in _listed(folder).items()
        if (path := _inside(folder, name)) is not None and sha256(path) == digest
    )


def remove(files: Collection[Path], below: Path) -> None:
    """Delete files below a folder.

    Args:
        files: those outside of `below` are left.
        below: the folder, which stays.
    """
    for path in files:
        if below in path.parents:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def listing(folder: Path) -> Iterator[list[Path]]:
    """Inside, paths can be appended to a list; at the end, also after an error, they are added to
    the folder's list of written files.

    Args:
        folder: where the list is stored.

    Yields:
        The list.
    """
    written: list[Path] = []
    try:
        yield written
    finally:
        files = [file for path in written for file in _files(path)]
        if files:
            digests = {file.relative_to(folder).as_posix(): sha256(file) for file in files}
            earlier = _listed(folder).items()
            listed = {name: digest for name, digest in earlier if (folder / name).exists()}
            write_json(folder / FILE, {"schema": SCHEMA, "files": listed | digests})


def _files(path: Path) -> list[Path]:
    return [file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]


def _listed(folder: Path) -> dict[str, Any]:
    """The list; empty where there is none, or none of ours."""
    try:
        if not (folder / FILE).is_file():
            return {}
        raw = read_json(folder / FILE)
        files = raw["files"] if raw["schema"] == SCHEMA else {}
        return files if isinstance(files, dict) else {}
    except (TapetumError, OSError, KeyError, TypeError):
        return {}


def _inside(folder: Path, name: str) -> Path | None:
    """A regular file below the folder; None for a link, and for a name that leads elsewhere."""
    try:
        safe_path(folder, name)
        path = folder / name
        return path if path.is_file() and not path.is_symlink() else None
    except (TapetumError, OSError, ValueError):
        return None
