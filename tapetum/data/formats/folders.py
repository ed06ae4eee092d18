"""A folder of classes: each image's label is the name of the folder that it lies in.

Either DATA/CLASS/*.jpg, or DATA/{train,val,valid,test}/CLASS/*.jpg. Every folder is a class, called
as it is (ImageNet's folders are numbers of synsets; those are its class names then), in
alphabetical order. Images may lie deeper below their class's folder. Images are known by their
suffix; other files are findings, and so are folders without any image.
"""

from __future__ import annotations

from pathlib import Path

from tapetum.base.errors import AnnotationError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.formats.format import Format
from tapetum.data.images.reader import SUFFIXES
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations, ImageRecord, bare_record
from tapetum.data.splits.assign import ALL, in_order, split_name

LOOKED_FOR = "CLASS/*.jpg for two classes or more, also in train/, val/ and test/"
_MIN_CLASSES = 2


def recognize(path: Path) -> bool:
    """Is this a folder of classes? A single folder of images says nothing about them."""
    return path.is_dir() and bool(_groups(Finder(path)))


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """Every image with the label of its folder.

    Raises:
        AnnotationError: no folders of classes there, or more images than the limit.
    """
    finder, collector = Finder(path), FindingCollector(path)
    groups = _groups(finder)
    if not groups:
        raise AnnotationError("no folders of classes", file=path, hint=f"needs {LOOKED_FOR}")
    classes = sorted({name for names in groups.values() for name in names.values()})
    labels = {name: (number,) for number, name in enumerate(classes)}
    splits: dict[str, list[ImageRecord]] = {}
    count = 0
    for split, folders in groups.items():
        images = splits.setdefault(split, [])
        for folder, name in folders.items():
            for file in _images(finder, folder, collector):
                if count >= limits.annotations:
                    why = f"more than {limits.annotations:,} images"
                    raise AnnotationError(why, file=path, hint="raise it with tapetum.Limits")
                place = f"{folder}/{file}"
                known = bare_record(place, path / place, count, image_labels=labels[name])
                images.append(known)
                count += 1
    finder.tell(collector)
    if not count:
        raise AnnotationError("its folders hold no images", file=path)
    numbers = tuple(range(len(classes)))
    return Annotations(
        "folders", path, tuple(classes), numbers, in_order(splits), tuple(collector.findings)
    )


def _groups(finder: Finder) -> dict[str, dict[str, str]]:
    """Split (or ALL) -> folder of a class, relative to the root -> its name; of those that have
    two classes or more with images in them."""
    groups: dict[str, dict[str, str]] = {}
    for folder in finder.folders():
        split = split_name(folder)
        inner = {f"{folder}/{name}": name for name in finder.folders(folder)}
        if split and any(_has_images(finder, place) for place in inner):
            groups.setdefault(split, {}).update(inner)
    if not groups:
        # A class may be called "train"; folders that are all called like splits are no classes.
        plain = {name: name for name in finder.folders()}
        if not all(split_name(name) for name in plain):
            groups = {ALL: plain}
    filled = {
        name
        for folders in groups.values()
        for folder, name in folders.items()
        if _has_images(finder, folder)
    }
    return groups if len(filled) >= _MIN_CLASSES else {}


def _has_images(finder: Finder, folder: str) -> bool:
    if finder.files(folder, SUFFIXES, deep=False):
        return True
    return any(_has_images(finder, f"{folder}/{below}") for below in finder.folders(folder))


def _images(finder: Finder, folder: str, collector: FindingCollector) -> list[str]:
    """Names of the images of a class, relative to its folder."""
    files = finder.files(folder, ("",))
    images = [file for file in files if file.lower().endswith(SUFFIXES)]
    others = [file for file in files if not file.lower().endswith(SUFFIXES) and file[0] != "."]
    if others:
        message = f"{len(others)} of {len(files)} files are no images, such as {others[0]}"
        collector.note("not-an-image", folder, "files", message)
    if not images:
        collector.note("class-empty", folder, "folder", "no image in it")
    return images


FORMAT = Format("folders", LOOKED_FOR, recognize, read, tasks=("classification",), rank=2)
