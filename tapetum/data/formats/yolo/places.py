"""The folders and list files that a data.yaml names, found inside the dataset's folder only."""

from __future__ import annotations

import posixpath

from tapetum.base.errors import FileAccessError
from tapetum.base.files import read_text
from tapetum.base.limits import Limits
from tapetum.data.formats.finder import Finder, also_spelt, refuse_hostile
from tapetum.data.formats.yolo.config import Config
from tapetum.data.images.reader import SUFFIXES
from tapetum.data.records.findings import FindingCollector

_MEANT = "data/"
"""Where the files of CVAT's lists were to be put; they lie beside the list."""


def places_named(
    config: Config, split: str, finder: Finder, collector: FindingCollector
) -> list[str]:
    """The places of a split, relative to the root, as far as they are there."""
    assert config.file is not None  # a config without a file names no splits
    found = []
    for text in config.splits[split]:
        place = _place(config, text, finder)
        if place is not None:
            found.append(place)
            continue
        try:
            refuse_hostile(text)
            collector.note("split-missing-file", config.file, split, f"there is no {text}")
        except FileAccessError as error:
            collector.note("name-hostile", config.file, split, f"{text}: {error.why}")
    return found


def images_named(
    place: str, finder: Finder, collector: FindingCollector, limits: Limits
) -> list[str]:
    """Names of the images in a folder, or in a list file with one name a line."""
    if not place.endswith(".txt"):
        prefix = "" if place == "." else f"{place}/"
        return [f"{prefix}{file}" for file in finder.files(place, SUFFIXES)]
    path = finder.root / place
    names = []
    for number, line in enumerate(read_text(path, limits).splitlines(), start=1):
        if text := line.strip():
            name = _listed(text, posixpath.dirname(place), finder)
            if name is not None:
                names.append(name)
                continue
            try:
                refuse_hostile(text)
                collector.note("split-missing-file", path, f"line {number}", f"there is no {text}")
            except FileAccessError as error:
                collector.note("name-hostile", path, f"line {number}", f"{text}: {error.why}")
    return names


def _place(config: Config, text: str, finder: Finder) -> str | None:
    """The folder or list file that `text` means, if it is inside the root; else the folder that
    spells the split otherwise."""
    tried = [e for t in (posixpath.join(config.base, text), text) for e in _endings(t)]
    for ending in tried:
        is_list = ending.endswith(".txt") and finder.look(ending, [""])
        if is_list or finder.is_folder(ending):
            return ending
    return next((name for ending in tried for name in also_spelt(finder, ending)), None)


def _listed(text: str, folder: str, finder: Finder) -> str | None:
    """The image that a line of a list means, relative to the root."""
    for start in dict.fromkeys(("", folder)):
        for ending in (*_endings(text), *_endings(text.removeprefix(_MEANT))):
            name = posixpath.join(start, ending)
            if finder.look(name, [""]) is not None:
                return name
    return None


def _endings(text: str) -> list[str]:
    """The name itself where it stays inside; else its last parts, two or more, longest first."""
    plain = posixpath.normpath(text.replace("\\", "/"))
    try:
        refuse_hostile(plain)
        return [plain]
    except FileAccessError:
        parts = [part for part in plain.split("/") if part not in ("", "..")]
        return ["/".join(parts[start:]) for start in range(max(1, len(parts) - 1))]
