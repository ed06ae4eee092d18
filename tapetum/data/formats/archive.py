"""Datasets as a .zip: unpacked once, nothing outside of its folder.

The copy lies in the cache, under the start of the archive's sha256, and appears whole or not at
all. The archive itself is never changed.
"""

from __future__ import annotations

import stat
import tempfile
import zipfile
from pathlib import Path

from tapetum.base.cache_folder import cache_folder
from tapetum.base.errors import AnnotationError, FileAccessError
from tapetum.base.files import safe_path, sha256
from tapetum.base.limits import DEFAULT_LIMITS, Limits

SUFFIX = ".zip"
_PIECE = 1 << 20
_LEFT_OUT = ("__MACOSX/", ".DS_Store", "Thumbs.db")
"""What systems add to archives."""


def is_archive(path: Path) -> bool:
    """Is this a .zip, by its name?"""
    return path.suffix.lower() == SUFFIX and path.is_file()


def unpacked(path: Path, limits: Limits = DEFAULT_LIMITS) -> Path:
    """The folder with the content of the archive; that of its one folder where it holds no more.

    Raises:
        AnnotationError: not a .zip that can be read, encrypted, or with more or larger files than
            `limits` allow, by what is written, not by what it states.
        FileAccessError: a name in it leads out of its folder, or the disk is full.
    """
    ground = cache_folder() / "unpacked"
    # The folder has the archive's own name, by which reports call the dataset.
    folder = ground / sha256(path)[:16] / path.stem[:80]
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".tapetum-", dir=ground) as temporary:
                inside = Path(temporary) / "content"
                inside.mkdir()
                _unpack(path, inside, limits)
                inside.rename(folder)
        except OSError as error:
            why = f"cannot unpack: {error.strerror or error}"
            raise FileAccessError(why, file=folder) from error
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _unpack(path: Path, folder: Path, limits: Limits) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if _wanted(member)]
            if len(members) > limits.archive_files:
                why = f"{len(members):,} files, more than {limits.archive_files:,}"
                raise AnnotationError(why, file=path)
            left = limits.archive_bytes
            for member in members:
                left -= _write(archive, member, folder, path, left)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise AnnotationError(f"not a .zip that can be read: {error}", file=path) from error


def _wanted(member: zipfile.ZipInfo) -> bool:
    plain = member.filename.replace("\\", "/")
    return not member.is_dir() and not any(
        plain.startswith(name) or plain.endswith(f"/{name}") or plain == name for name in _LEFT_OUT
    )


def _write(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, path: Path, max_bytes: int
) -> int:
    """Write one file; returns how many bytes it had."""
    if stat.S_ISLNK(member.external_attr >> 16):
        raise AnnotationError("it holds a link", file=path, where=member.filename)
    target = safe_path(folder, member.filename.replace("\\", "/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, target.open("xb") as file:
        while piece := source.read(_PIECE):
            written += len(piece)
            if written > max_bytes:
                raise AnnotationError("it unpacks to too many bytes", file=path)
            file.write(piece)
    return written
