"""A bundle: a folder that appears whole or not at all, and proves that it is undamaged.

Its manifest.json lists every file with size and sha256. A folder whose manifest does not verify
is not a bundle, whatever its name says; where it was copied to does not matter.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tapetum.base.errors import CheckpointError, FileAccessError
from tapetum.base.files import give_usual_rights, refuse_link, safe_path, sha256, sync_folder

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_TEMPORARY = ".tapetum-"
_ASIDE = ".tapetum-old-"
"""Before the name of a bundle while another takes its place."""
ANOTHER = "use another checkpoint of this run"

Writer = Callable[[Path], None]
"""Writes a file; raises OSError where the system does not let it."""


def write_bundle(folder: Path, parts: Mapping[str, Writer], facts: Mapping[str, Any]) -> None:
    """Write a folder of files with a manifest, all or nothing.

    The files are written to a temporary folder beside the final one, flushed to the disk, and
    renamed. An older bundle is renamed before, and deleted after that: killed in between, it is
    still found by `bundles`.

    Args:
        folder: where the bundle goes; an older bundle there is replaced.
        parts: file name -> function that writes the file at a path.
        facts: values of JSON for the manifest.

    Raises:
        FileAccessError: no space or no rights, or a link in its place; what was at `folder` before
            is intact.
    """
    temporary = folder.with_name(_TEMPORARY + folder.name)
    for path in (folder, temporary, folder.with_name(_ASIDE + folder.name)):
        refuse_link(path)
    try:
        _write(folder, temporary, parts, facts)
    except OSError as error:
        raise FileAccessError(f"cannot write: {error.strerror or error}", file=folder) from error
    finally:
        # After a rename it is not there any more; else it would fill the disk further.
        shutil.rmtree(temporary, ignore_errors=True)


def _write(
    folder: Path, temporary: Path, parts: Mapping[str, Writer], facts: Mapping[str, Any]
) -> None:
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, write in parts.items():
        write(temporary / name)
        give_usual_rights(temporary / name)
        _sync_file(temporary / name)
    files = {name: _fingerprint(temporary / name) for name in parts}
    manifest = {"format_version": FORMAT_VERSION, "facts": dict(facts), "files": files}
    text = json.dumps(manifest, indent=2, allow_nan=False)
    (temporary / MANIFEST).write_text(text + "\n", "utf-8")
    _sync_file(temporary / MANIFEST)
    sync_folder(temporary)
    _replace(folder, temporary)


def _replace(folder: Path, new: Path) -> None:
    aside = folder.with_name(_ASIDE + folder.name)
    if folder.exists():
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    try:
        new.rename(folder)
    except BaseException:
        _restore(aside)
        raise
    sync_folder(folder.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _restore(aside: Path) -> None:
    """Give a bundle its name back if no other has it."""
    folder = _replaced_by(aside)
    if aside.exists() and not folder.exists():
        aside.rename(folder)


def _replaced_by(aside: Path) -> Path:
    return aside.with_name(aside.name.removeprefix(_ASIDE))


def bundles(parent: Path, pattern: str) -> list[Path]:
    """The bundles of a folder by name, whole or not.

    Args:
        parent: the folder of the bundles.
        pattern: of their names, as "step-*".

    Returns:
        Their folders in the order of their names. Where a process was killed while it replaced a
        bundle, the older one, under the name that it had then.
    """
    found = {path.name: path for path in parent.glob(pattern)}
    for aside in parent.glob(_ASIDE + pattern):
        found.setdefault(_replaced_by(aside).name, aside)
    return [found[name] for name in sorted(found)]


def read_manifest(folder: Path) -> dict[str, Any]:
    """The facts of a bundle, without checking its files (for choosing among several).

    Args:
        folder: a bundle.

    Returns:
        The facts.

    Raises:
        CheckpointError: no manifest, unreadable, or of a newer version than this program knows.
    """
    return _manifest(folder)["facts"]


def verify_bundle(folder: Path) -> dict[str, Any]:
    """Compare all files of a bundle with their sha256.

    Args:
        folder: a bundle.

    Returns:
        The facts of its manifest.

    Raises:
        CheckpointError: a file is missing, cut short or changed, naming it.
    """
    manifest = _manifest(folder)
    for name, expected in manifest["files"].items():
        path = safe_path(folder, name)
        if not path.is_file():
            raise CheckpointError("missing", file=path, hint=ANOTHER)
        if path.stat().st_size != expected["bytes"] or _digest(path) != expected["sha256"]:
            why = "damaged: its content is not what was saved"
            raise CheckpointError(why, file=path, hint=ANOTHER)
    return manifest["facts"]


def sweep_bundles(parent: Path) -> None:
    """Delete what a killed process left in `parent`: unfinished bundles, and replaced ones.

    Args:
        parent: the folder of the bundles.
    """
    for aside in parent.glob(f"{_ASIDE}*"):
        _restore(aside)
    for stale in parent.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(stale, ignore_errors=True)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
        version, _, _ = manifest["format_version"], manifest["facts"], manifest["files"].items()
    except FileNotFoundError as error:
        raise CheckpointError("no manifest.json in it: not a checkpoint", file=folder) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError("not a readable manifest", file=path) from error
    if version != FORMAT_VERSION:
        why = f"format version {version}, this program reads {FORMAT_VERSION}"
        raise CheckpointError(why, file=path, hint="update tapetum")
    return manifest


def _digest(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror or error}", file=path) from error


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def _sync_file(path: Path) -> None:
    with path.open("r+b") as file:  # Windows flushes only what it may write
        os.fsync(file.fileno())
