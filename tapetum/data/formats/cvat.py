"""CVAT's XML for images: one annotations.xml with the shapes of all images.

The form is that of CVAT for images 1.1 (https://docs.cvat.ai/docs/manual/advanced/formats).
Images are looked for in `images/`, `images/SUBSET/`, the folder of the file and `SUBSET/`; the
`subset` of an image is its split, however its folder spells it. Boxes, turned boxes, polygons,
ellipses and masks become objects with outlines, tags become labels of the image; polylines,
points and skeletons are no objects and are counted.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError, FileAccessError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.finder import also_spelt
from tapetum.data.formats.format import OUTLINED, Format
from tapetum.data.formats.outlines import (
    Gathered,
    Shape,
    Size,
    ellipse,
    empty_mask,
    outlined,
    rotation,
)
from tapetum.data.formats.xmltree import Node, read_xml
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.records.table import Head
from tapetum.data.splits.assign import ALL, split_name
from tapetum.ops.masks import rle_encode

__all__ = ["read", "recognize"]

FILE = "annotations.xml"
LOOKED_FOR = f"CVAT's {FILE}"
_PEEK = 4096
_NO_OBJECTS = ("polyline", "points", "skeleton", "cuboid")


def recognize(path: Path) -> bool:
    """Is this CVAT's XML, or a folder with it?"""
    file = path / FILE if path.is_dir() else path
    if file.suffix.lower() != ".xml" or not file.is_file():
        return False
    with file.open("rb") as stream:
        return b"<annotations" in stream.read(_PEEK)


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """All shapes of the file. A bad shape or image is a finding and is left out.

    Raises:
        AnnotationError: not XML, not of this form, or the tracks of a video.
    """
    file = path / FILE if path.is_dir() else path
    root = read_xml(file, limits)
    _refuse_others(root, file)
    reading = _Reading(file, limits)
    for node in root.all("image"):
        reading.image(node)
    return reading.annotations()


def _refuse_others(root: Node, file: Path) -> None:
    if root.tag != "annotations":
        raise AnnotationError(f"the root element is {root.tag!r}, not 'annotations'", file=file)
    if root.first("track") is not None:
        hint = "export the frames as CVAT for images"
        raise AnnotationError("it holds the tracks of a video", file=file, hint=hint)


class _Reading(Gathered):
    """Images read one by one into a table."""

    def __init__(self, file: Path, limits: Limits) -> None:
        super().__init__(file.parent, limits)
        self.file = file
        self.tags: list[tuple[str, ...]] = []
        self._places: dict[str, list[str]] = {}

    def image(self, node: Node) -> None:
        """One `image` element with its shapes."""
        where, name = f"line {node.line}", node.attributes.get("name", "")
        if not name:
            self.collector.note("image-malformed", self.file, where, "an image without a name")
            return
        subset = node.attributes.get("subset", "")
        try:
            path = self.finder.find(name, self._folders(subset))
        except FileAccessError as error:
            self.collector.note("name-hostile", self.file, where, f"{name}: {error.why}")
            return
        if path is None:
            self.collector.note("image-missing", self.file, where, f"{name} was not found")
        size = _size(node)
        if size is None:
            self.collector.note("size-missing", self.file, where, f"no width and height for {name}")
        head = Head(name, path, len(self.table.heads), size, self.file)
        number = self.add_image(head, split_name(subset) or subset or ALL)
        self.tags.append(tuple(c.attributes.get("label", "") for c in node.all("tag")))
        for shape in node.children:
            self._shape(shape, number, size)

    def annotations(self) -> Annotations:
        """Objects and tags."""
        for name in (name for tags in self.tags for name in tags if name):
            self.label(name)
        images, names = self.images()
        if any(self.tags):
            images = [_tagged(p, t, names) for p, t in zip(images, self.tags, strict=True)]
        return self.finish("cvat", images, names, self.file)

    def _folders(self, subset: str) -> list[str]:
        """Where the images of a subset may lie."""
        if subset not in self._places:
            usual = ["images", f"images/{subset}", "", subset]
            respelt = [name for place in usual for name in also_spelt(self.finder, place)]
            self._places[subset] = usual + respelt
        return self._places[subset]

    def _shape(self, node: Node, image: int, size: Size | None) -> None:
        if node.tag in _NO_OBJECTS:
            self.others[node.tag] += 1
        if node.tag not in _SHAPES:
            return
        name = self.table.heads[image].name
        where, label = f"line {node.line}", node.attributes.get("label", "")
        if not label:
            why = f"a {node.tag} without a label"
            self.collector.note("annotation-malformed", self.file, where, why, image=name)
            return
        try:
            shape = _SHAPES[node.tag](node, size)
        except (KeyError, ValueError) as error:
            message = f"a {node.tag} that cannot be read: {error}"
            self.collector.note("annotation-malformed", self.file, where, message, image=name)
            return
        self.add(image, label, len(self.table) + 1, shape, node.line)


def _box(node: Node, size: Size | None) -> Shape:
    left, top, right, bottom = (_number(node, key) for key in ("xtl", "ytl", "xbr", "ybr"))
    turned = math.radians(float(node.attributes.get("rotation", 0)))
    if turned == 0:
        return [left, top, right - left, bottom - top], None
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) - middle
    return outlined(corners @ rotation(turned).T + middle)


def _polygon(node: Node, size: Size | None) -> Shape:
    pairs = [pair.split(",") for pair in node.attributes["points"].split(";")]
    points = np.array(pairs, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise ValueError("points needs x,y three times or more")
    return outlined(points)


def _ellipse(node: Node, size: Size | None) -> Shape:
    cx, cy, rx, ry = (_number(node, key) for key in ("cx", "cy", "rx", "ry"))
    turned = math.radians(float(node.attributes.get("rotation", 0)))
    return outlined(ellipse((cx, cy), (rx, ry), turned))


def _mask(node: Node, size: Size | None) -> Shape:
    """Runs row by row over the mask's own box, background first."""
    mask = empty_mask(size)
    left, top, width, height = (
        int(_number(node, key)) for key in ("left", "top", "width", "height")
    )
    if min(left, top) < 0 or min(width, height) < 1:
        raise ValueError("its box lies outside the image")
    if left + width > mask.shape[1] or top + height > mask.shape[0]:
        raise ValueError("its box lies outside the image")
    runs = [int(run) for run in node.attributes["rle"].split(",")]
    if min(runs) < 0 or sum(runs) != width * height:
        raise ValueError("its runs do not fill its box")
    values = np.repeat(np.arange(len(runs)) % 2, runs).astype(bool).reshape(height, width)
    mask[top : top + height, left : left + width] = values
    return [left, top, width, height], rle_encode(mask)


_SHAPES = {"box": _box, "polygon": _polygon, "ellipse": _ellipse, "mask": _mask}


def _number(node: Node, key: str) -> float:
    return float(node.attributes[key])


def _size(node: Node) -> Size | None:
    sides = [node.attributes.get(key, "") for key in ("height", "width")]
    if not all(side.isdecimal() and 0 < int(side) < 2**31 for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def _tagged(image: ImageRecord, tags: tuple[str, ...], names: list[str]) -> ImageRecord:
    labels = sorted({names.index(tag) for tag in tags if tag})
    return replace(image, image_labels=tuple(labels))


FORMAT = Format("cvat", LOOKED_FOR, recognize, read, tasks=OUTLINED)
