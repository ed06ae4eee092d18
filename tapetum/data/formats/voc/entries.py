"""One VOC file after another into a table: what can be used, and findings for the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError, FileAccessError
from tapetum.base.limits import Limits
from tapetum.data.formats.finder import Finder, also_spelt, refuse_hostile
from tapetum.data.formats.xmltree import Node, read_xml
from tapetum.data.images.reader import SUFFIXES
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import ImageRecord
from tapetum.data.records.table import Head, Table

FOLDER = "Annotations"
_IMAGES = ("JPEGImages", "images", "Images")
_SUFFIXES = (*SUFFIXES, *(suffix.upper() for suffix in SUFFIXES))


class DataSpec:
    """XML files, named relative to the dataset's folder, read into one table.

    names: of the files that gave an image. classes: name -> number, in order of appearance.
    """

    def __init__(self, finder: Finder, collector: FindingCollector, limits: Limits) -> None:
        self.finder, self.collector, self.limits = finder, collector, limits
        self.table = Table(limits.annotations)
        self.names: list[str] = []
        self.classes: dict[str, int] = {}
        self._places: dict[Path, list[str]] = {}

    def file(self, name: str) -> None:
        """Read one XML file, named relative to the dataset's folder."""
        path = self.finder.root / name
        try:
            root = read_xml(path, self.limits)
        except (AnnotationError, FileAccessError) as error:
            self.collector.note("file-unreadable", path, error.where or "file", error.why)
            return
        if root.tag != "annotation":
            message = f"the root element is {root.tag!r}, not 'annotation'"
            self.collector.note("file-unreadable", path, f"line {root.line}", message)
            return
        head = self._head(root, path, name)
        if head is None:
            return
        number = self.table.add_image(head)
        self.names.append(name)
        for index, obj in enumerate(root.all("object"), start=1):
            self._obj(obj, index, number, path)

    def images(self) -> list[ImageRecord]:
        """The finished records, with classes in alphabetical order."""
        order = {name: place for place, name in enumerate(sorted(self.classes))}
        places = np.array([order[name] for name in self.classes], dtype=np.int64)
        return self.table.images(self.collector, places)

    def _head(self, root: Node, path: Path, name: str) -> Head | None:
        stated = root.value("filename") or ""
        try:
            refuse_hostile(stated)
            image = self._find(name, stated)
        except FileAccessError as error:
            node = root.first("filename") or root
            self.collector.note("name-hostile", path, f"line {node.line}", f"{stated}: {error.why}")
            return None
        if image is None:
            message = f"no image named {Path(name).stem} was found"
            self.collector.note("image-missing", path, "filename", message)
        shown = image.name if image else stated or Path(name).stem
        return Head(shown, image, Path(name).stem, self._size(root, path), path)

    def _find(self, name: str, stated: str) -> Path | None:
        """The image with the name of the XML file, else the one that it states."""
        folders = self._folders(Path(name).parent)
        for suffix in _SUFFIXES:
            if found := self.finder.find(Path(name).stem + suffix, folders):
                return found
        return self.finder.find(stated, folders) if stated.endswith(_SUFFIXES) else None

    def _folders(self, below: Path) -> list[str]:
        """Where the images of the XML files in the folder `below` may lie."""
        if below not in self._places:
            part = below.relative_to(FOLDER) if below.is_relative_to(FOLDER) else Path()
            usual = [*((Path(place) / part).as_posix() for place in _IMAGES), below.as_posix()]
            alike = also_spelt(self.finder, below.as_posix())
            if not any(self.finder.files(name, (".xml",), deep=False) for name in alike):
                usual += [name for place in usual for name in also_spelt(self.finder, place)]
            self._places[below] = [*usual, ""]
        return self._places[below]

    def _size(self, root: Node, path: Path) -> tuple[int, int] | None:
        node = root.first("size")
        if node is not None:
            sides = _number(node.value("height")), _number(node.value("width"))
            height, width = (0.0 if side is None else side for side in sides)
            if 1 <= height < 2**31 and 1 <= width < 2**31 and height % 1 == width % 1 == 0:
                return int(height), int(width)
        line = f"line {(node or root).line}"
        self.collector.note("size-missing", path, line, "no width and height of the image")
        return None

    def _obj(self, node: Node, index: int, image: int, path: Path) -> None:
        where = f"line {node.line}"
        name, box = node.value("name"), node.first("bndbox")
        if not name:
            self.collector.note("annotation-malformed", path, where, "an object without a name")
            return
        corners = _corners(box) if box else None
        if box is None or corners is None:
            message = f"the bndbox of {name!r} needs the numbers xmin ymin xmax ymax"
            self.collector.note("box-malformed", path, where, message)
            return
        left, top, right, bottom = corners
        if right <= left or bottom <= top:
            message = f"{name!r} from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) has no size"
            self.collector.note("box-zero-size", path, f"line {box.line}", message)
            return
        difficult = node.value("difficult") or "0"
        if difficult not in ("0", "1"):
            message = f"difficult is {difficult!r}, neither 0 nor 1"
            self.collector.note("annotation-malformed", path, where, message)
            return
        label = self.classes.setdefault(name, len(self.classes))
        xywh = (left - 1, top - 1, right - left + 1, bottom - top + 1)
        self.table.add(image, xywh, label, index, difficult=difficult == "1", line=box.line)


def _corners(box: Node) -> tuple[float, float, float, float] | None:
    """(xmin, ymin, xmax, ymax) as in the file; NaN is a number here, judged with all others."""
    values = [_number(box.value(key)) for key in ("xmin", "ymin", "xmax", "ymax")]
    left, top, right, bottom = values
    if left is None or top is None or right is None or bottom is None:
        return None
    return left, top, right, bottom


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
