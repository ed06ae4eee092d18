"""YOLO: a text file of relative boxes an image, and data.yaml for classes and splits.

Where data.yaml names splits, they are followed: folders or list files, relative to it or to its
`path`. Names that lead out of the dataset's folder (`../train/images`, `/content/set/images/val`
in files that were made elsewhere) are never followed; what their last parts name inside the
folder is taken. Without named splits, images are looked for in `images/train` and so on, then
`train/images` and so on, then `images/`, then the folder itself.

The labels of `images/train/a.jpg` are `labels/train/a.txt` (the last `images` in the name becomes
`labels`), else `a.txt` beside the image or in a folder `labels` there, or in a folder that spells
the split otherwise (`labels/valid` for `images/val`). Without data.yaml, class
names come from `classes.txt` in the folder or in its folder of labels. CVAT's older form, with
`obj.data`, `obj.names` and a list file for each split, is read as well.
"""

from __future__ import annotations

import posixpath
from pathlib import Path

from tapetum.base.errors import AnnotationError, FileAccessError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.finder import Finder, also_spelt
from tapetum.data.formats.format import Format
from tapetum.data.formats.yaml_file import YAML_SUFFIXES, has_format
from tapetum.data.formats.yolo.config import (
    OBJ_DATA,
    Config,
    find_config,
    find_yaml,
    read_config,
)
from tapetum.data.formats.yolo.labels import Labels
from tapetum.data.formats.yolo.places import images_named, places_named
from tapetum.data.formats.yolo.write import write
from tapetum.data.images.reader import SUFFIXES
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations
from tapetum.data.splits.assign import ALL, in_order, split_name

__all__ = ["read", "recognize", "write"]

LOOKED_FOR = "data.yaml, or labels/*.txt beside images/"
_TXT = (".txt",)


def recognize(path: Path) -> bool:
    """Is this a YOLO data file, or a folder with one, or with labels where they belong?

    Args:
        path: a file or folder.

    Returns:
        Whether it is a YOLO data file, or a folder with one, or with labels in their places.
    """
    if path.is_file():
        return path.name.lower().endswith(YAML_SUFFIXES) and not has_format(path)
    if not path.is_dir():
        return False
    finder = Finder(path)
    if find_yaml(finder) is not None or finder.look(OBJ_DATA, [""]) is not None:
        return True
    if finder.look("classes.txt", [""]) and finder.files("", SUFFIXES, deep=False):
        return True
    nested = [f"{folder}/labels" for folder in finder.folders() if split_name(folder)]
    return any(finder.files(folder, _TXT) for folder in ["labels", *nested])


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """All labels of a folder. A bad file or line is a finding and is left out.

    Args:
        path: the folder, or its data.yaml.
        limits: what a file may measure; see `tapetum.Limits`.

    Returns:
        The dataset.

    Raises:
        AnnotationError: no YOLO dataset there, or its data.yaml cannot be read.
    """
    root = path if path.is_dir() else path.parent
    finder, collector = Finder(root), FindingCollector(root)
    config = read_config(find_config(finder) if path.is_dir() else path, finder, collector, limits)
    groups = _groups(config, finder, collector, limits)
    if not any(groups.values()):
        raise AnnotationError("no YOLO images", file=path, hint=f"needs {LOOKED_FOR}")
    reading = _Reading(finder, Labels(config, collector, limits))
    numbers = {split: reading.split(names) for split, names in groups.items()}
    reading.note_strays()
    images = reading.labels.images()
    finder.tell(collector)
    splits = in_order(
        {split: [images[n] for n in labels_folder] for split, labels_folder in numbers.items()}
    )
    ids = sorted(reading.labels.numbers)
    classes = tuple((config.names or {}).get(number, str(number)) for number in ids)
    if config.names is None:
        collector.note("class-names-missing", ".", "data.yaml", f"{len(ids)} classes have no names")
    return Annotations("yolo", root, classes, tuple(ids), splits, tuple(collector.findings))


def _groups(
    config: Config, finder: Finder, collector: FindingCollector, limits: Limits
) -> dict[str, list[str]]:
    """Split -> names of its images, relative to the root."""
    named = {
        split: [
            name
            for place in places_named(config, split, finder, collector)
            for name in images_named(place, finder, collector, limits)
        ]
        for split in config.splits
    }
    return {split: list(dict.fromkeys(names)) for split, names in named.items() if names} or (
        _conventional(finder)
    )


def _conventional(finder: Finder) -> dict[str, list[str]]:
    """The usual layouts, where data.yaml names nothing that exists."""
    below = {name: f"images/{name}" for name in finder.folders("images") if split_name(name)}
    above = {name: f"{name}/images" for name in finder.folders() if split_name(name)}
    for folders in (below, above):
        groups: dict[str, list[str]] = {}
        for name, folder in folders.items():
            names = [f"{folder}/{file}" for file in finder.files(folder, SUFFIXES)]
            groups.setdefault(split_name(name) or name, []).extend(names)
        if any(groups.values()):
            return groups
    inside = [f"images/{file}" for file in finder.files("images", SUFFIXES)]
    return {ALL: inside or finder.files("", SUFFIXES, deep=False)}


class _Reading:
    """Images with their label files, remembering which label files were used."""

    def __init__(self, finder: Finder, labels: Labels) -> None:
        self.finder, self.labels = finder, labels
        self.used: set[Path] = set()
        self.folders: dict[str, list[str]] = {}
        self.read: dict[str, int | None] = {}

    def split(self, names: list[str]) -> list[int]:
        """The numbers of those images that can be used."""
        for name in names:
            if name not in self.read:
                self.read[name] = self._image(name)
        numbers = (self.read[name] for name in names)
        return [number for number in numbers if number is not None]

    def note_strays(self) -> None:
        """Label files that belong to no image."""
        for folder in sorted({name for names in self.folders.values() for name in names}):
            for file in self.finder.files(folder, _TXT, deep=False):
                path = self.finder.root / folder / file
                if path not in self.used and "labels" in folder and file != "classes.txt":
                    self.labels.collector.note("label-without-image", path, "file", "no such image")

    def _image(self, name: str) -> int | None:
        folder, file = posixpath.split(name)
        folders = self._label_folders(folder)
        wanted = posixpath.splitext(file)[0] + ".txt"
        try:
            label = self.finder.find(wanted, folders)
        except FileAccessError as error:
            self.labels.collector.note("name-hostile", self.finder.root / name, wanted, error.why)
            return None
        if label is not None:
            self.used.add(label)
        return self.labels.add(name, self.finder.root / name, label)

    def _label_folders(self, folder: str) -> list[str]:
        """Where the labels of the images in `folder` may lie, however the split is spelt."""
        if folder not in self.folders:
            labels_folder = _label_folder(folder)
            self.folders[folder] = [labels_folder, folder, posixpath.join(folder, "labels")]
            if not also_spelt(self.finder, folder):  # its labels would be that folder's
                self.folders[folder] += also_spelt(self.finder, labels_folder)
        return self.folders[folder]


def _label_folder(folder: str) -> str:
    """The folder of labels for a folder of images: its last part `images` becomes `labels`."""
    parts = folder.split("/")
    for place in reversed(range(len(parts))):
        if parts[place] == "images":
            return "/".join([*parts[:place], "labels", *parts[place + 1 :]])
    return folder


FORMAT = Format(
    "yolo", LOOKED_FOR, recognize, read, write, label_split="train", label_per_image=True
)
