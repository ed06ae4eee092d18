"""PASCAL VOC: one XML file an image, and lists of names for the splits.

A dataset has `Annotations/*.xml`, its images in `JPEGImages/` (or `images/`, or beside the XML),
and `ImageSets/Main/{train,val,trainval,test}.txt`; without those lists all is one split. Folders
of splits that hold XML and images side by side (`train/a.xml`, `train/a.jpg`) are read as well.
An XML file belongs to the image of its own name, as in VOC; the `filename` in it comes second.

Corners are pixels counted from 1, both included (VOC development kit, section 4.1), so that
x = xmin - 1 and width = xmax - xmin + 1. `part` elements inside an object are not objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tapetum.base.errors import AnnotationError, FileAccessError
from tapetum.base.files import read_text
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.finder import Finder, refuse_hostile
from tapetum.data.formats.format import Format
from tapetum.data.formats.voc.entries import FOLDER, DataSpec
from tapetum.data.formats.voc.write import write
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.splits.assign import ALL, in_order, split_name

__all__ = ["read", "recognize", "write"]

LOOKED_FOR = "Annotations/*.xml"
_XML = (".xml",)
_LISTS = "ImageSets/Main"
OTHERS_FILE = "annotations.xml"
"""Of CVAT's own format, which keeps all images in one file."""


def recognize(path: Path) -> bool:
    """Is this a folder with VOC's XML files where they belong?

    Args:
        path: a file or folder.

    Returns:
        Whether it is a folder with VOC's XML files in their places.
    """
    return path.is_dir() and bool(_groups(Finder(path)))


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """All annotations of a folder. A bad file or object is a finding and is left out.

    Args:
        path: the folder.
        limits: what a file may measure; see `tapetum.Limits`.

    Returns:
        The dataset.

    Raises:
        AnnotationError: the folder has no VOC annotations.
    """
    finder, collector = Finder(path), FindingCollector(path)
    groups = _groups(finder)
    if not groups:
        raise AnnotationError("no VOC annotations", file=path, hint=f"needs {LOOKED_FOR}")
    reading = DataSpec(finder, collector, limits)
    for files in groups.values():
        for name in files:
            reading.file(name)
    images = dict(zip(reading.names, reading.images(), strict=True))
    splits = _splits(groups, images, finder, collector, limits)
    finder.tell(collector)
    classes = tuple(sorted(reading.classes))
    numbers = tuple(range(1, len(classes) + 1))
    return Annotations("voc", path, classes, numbers, in_order(splits), tuple(collector.findings))


def _groups(finder: Finder) -> dict[str, list[str]]:
    """Split (or ALL) -> names of XML files, relative to the root."""
    if files := finder.files(FOLDER, _XML):
        return {ALL: [f"{FOLDER}/{name}" for name in files]}
    groups: dict[str, list[str]] = {}
    for folder in finder.folders():
        split, files = split_name(folder), finder.files(folder, _XML)
        if split and files:
            groups.setdefault(split, []).extend(f"{folder}/{name}" for name in files)
    alone = [name for name in finder.files("", _XML, deep=False) if name != OTHERS_FILE]
    return groups or ({ALL: alone} if alone else {})


def _splits(
    groups: dict[str, list[str]],
    images: dict[str, ImageRecord],
    finder: Finder,
    collector: FindingCollector,
    limits: Limits,
) -> dict[str, tuple[ImageRecord, ...]]:
    """The images of each split: by its lists where the dataset has some, else by its folders."""
    lists = list(_lists(finder))
    if ALL not in groups or not lists:
        return {
            split: tuple(images[name] for name in names if name in images)
            for split, names in groups.items()
        }
    known = {name.removeprefix(f"{FOLDER}/").removesuffix(".xml"): name for name in groups[ALL]}
    named: dict[str, dict[str, None]] = {}
    for split, path in lists:
        named.setdefault(split, {}).update(
            dict.fromkeys(_read_list(path, known, collector, limits))
        )
    for name in sorted(known.keys() - {name for names in named.values() for name in names}):
        collector.note("image-unlisted", known[name], "file", f"no list in {_LISTS} names it")
    return {
        split: tuple(images[known[n]] for n in names if known[n] in images)
        for split, names in named.items()
    }


def _lists(finder: Finder) -> Iterator[tuple[str, Path]]:
    """(split, list file), also several of one split, as val.txt and valid.txt. VOC keeps lists for
    each class beside these, as in cat_train.txt."""
    for name in finder.files(_LISTS, (".txt",), deep=False):
        path = finder.root / _LISTS / name
        split = split_name(path.stem)
        if split and "_" not in path.stem:
            yield split, path


def _read_list(
    path: Path, known: dict[str, str], collector: FindingCollector, limits: Limits
) -> list[str]:
    """The names in a list that the dataset has, each once."""
    names: dict[str, int] = {}
    for number, line in enumerate(read_text(path, limits).splitlines(), start=1):
        name = _listed_name(line, known)
        where = f"line {number}"
        if name in names:
            message = f"{name} is also on line {names[name]}"
            collector.note("image-duplicate", path, where, message)
        elif name in known:
            names[name] = number
        elif name:
            _note_absent(name, path, where, collector)
    return list(names)


def _listed_name(line: str, known: dict[str, str]) -> str:
    """The name on a line of a list, which may be followed by -1, 0 or 1 (is the class there?)."""
    line = line.strip()
    parts = line.rsplit(maxsplit=1)
    return parts[0] if line not in known and parts[1:] in (["-1"], ["0"], ["1"]) else line


def _note_absent(name: str, path: Path, where: str, collector: FindingCollector) -> None:
    try:
        refuse_hostile(name)
    except FileAccessError as error:
        collector.note("name-hostile", path, where, f"{name}: {error.why}")
        return
    collector.note("split-missing-file", path, where, f"there is no {FOLDER}/{name}.xml")


FORMAT = Format(
    "voc", LOOKED_FOR, recognize, read, write, label_split="default", label_per_image=True
)
