"""Finding the image files that annotations name, without ever leaving the dataset's folder."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tapetum.base.errors import FileAccessError
from tapetum.base.files import safe_path
from tapetum.data.records.findings import FindingCollector
from tapetum.data.splits.assign import WORDS

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class _Entry(NamedTuple):
    """A file in a listing: its name on the disk, and whether it is a link."""

    name: str
    link: bool


class Finder:
    """Looks names up in folders below `root`. Each folder is listed once, so a hundred thousand
    names cost a few listings; links are followed only where they stay inside `root`.

    refused: folder or file -> why it was not opened (a link that leads out).
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.refused: dict[str, str] = {}
        self._listings: dict[str, dict[str, _Entry]] = {}

    def find(self, name: str, folders: Sequence[str]) -> Path | None:
        """The file `name` in the first of `folders` (relative to the root, "" for itself) that
        has it. Backslashes separate folders if the plain name is not there.

        Raises:
            FileAccessError: the name, or a link behind it, leads out of the root.
        """
        refuse_hostile(name)
        for spelling in (name,) if "\\" not in name else (name, name.replace("\\", "/")):
            below, file = posixpath.split(posixpath.normpath(spelling))
            key = _composed(file)
            for folder in folders:
                place = _join(folder, below) if below else folder
                if (entry := self._listing(place).get(key)) is not None:
                    found = _join(place, entry.name)
                    return safe_path(self.root, found) if entry.link else self.root / found
        return None

    def look(self, name: str, folders: Sequence[str]) -> Path | None:
        """As `find`; what leads out is not there, and stands in `refused`."""
        try:
            return self.find(name, folders)
        except FileAccessError as error:
            self.refused[name] = error.why
            return None

    def tell(self, collector: FindingCollector) -> None:
        """Note what was not opened."""
        for place, why in self.refused.items():
            collector.note("name-hostile", place or ".", "link", f"not opened: {why}")

    def files(self, folder: str, suffixes: Sequence[str], *, deep: bool = True) -> list[str]:
        """Names, relative to `folder`, of its files that end in `suffixes` (in lower case), in
        order; with `deep` also of those in folders below it. Links that lead out are left out."""
        found: list[str] = []
        places = [""]
        while places:
            place = places.pop()
            here = _join(folder, place)
            for entry in self._listing(here).values():
                wanted = entry.name.lower().endswith(tuple(suffixes))
                if wanted and not (entry.link and self._leads_out(_join(here, entry.name))):
                    found.append(_join(place, entry.name))
            places += [_join(place, below) for below in self.folders(here) if deep]
        return sorted(found)

    def is_folder(self, folder: str) -> bool:
        """Is there such a folder, inside the root?"""
        try:
            return safe_path(self.root, folder).is_dir()
        except (OSError, ValueError, FileAccessError):
            return False

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders directly in `folder`, sorted; hidden ones and links left out."""
        try:
            with os.scandir(safe_path(self.root, folder)) as entries:
                names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
        except (OSError, FileAccessError):
            return []
        return sorted(name for name in names if not name.startswith("."))

    def _leads_out(self, place: str) -> bool:
        try:
            safe_path(self.root, place)
        except FileAccessError as error:
            self.refused[place] = error.why
            return True
        return False

    def _listing(self, folder: str) -> dict[str, _Entry]:
        """The files directly in `folder`, by their composed name."""
        if folder not in self._listings:
            self._listings[folder] = self._list(folder)
        return self._listings[folder]

    def _list(self, folder: str) -> dict[str, _Entry]:
        try:
            with os.scandir(safe_path(self.root, folder)) as entries:
                files = [_Entry(e.name, e.is_symlink()) for e in entries if e.is_file()]
            return {_composed(file.name): file for file in files}
        except FileAccessError as error:
            self.refused[folder] = error.why
        except (OSError, ValueError):
            pass  # absent, or a name that no file system takes: there is nothing in it
        return {}


def refuse_hostile(name: str) -> None:
    """Raise FileAccessError if `name`, taken from the dataset's folder, leads out of it."""
    plain = posixpath.normpath(name.replace("\\", "/"))
    if "\0" in name:
        raise FileAccessError("a file name must not contain NUL", where=name)
    if plain.startswith("/") or _DRIVE.match(name):
        raise FileAccessError("the name is absolute", where=name)
    if plain == ".." or plain.startswith("../"):
        raise FileAccessError("the name is outside of the dataset's folder", where=name)


def _composed(name: str) -> str:
    """Unicode's composed form: archives made on macOS hold the decomposed one."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def also_spelt(finder: Finder, folder: str) -> list[str]:
    """The folders that are there and mean the same split as `folder`: val, valid and Validation
    are one word, as in "images/val"."""
    parts = folder.split("/")
    found = []
    for place, part in enumerate(parts):
        if (word := WORDS.get(part.lower())) is not None:
            same = [n for n in finder.folders("/".join(parts[:place])) if n != part]
            same = [name for name in same if WORDS.get(name.lower()) == word]
            found += ["/".join([*parts[:place], name, *parts[place + 1 :]]) for name in same]
    return [name for name in found if finder.is_folder(name)]
