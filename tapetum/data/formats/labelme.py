"""LabelMe: a JSON file of shapes beside each image.

The form is that of https://github.com/wkentaro/labelme: `shapes` with `label`, `points` and
`shape_type`, and `imagePath`, relative to the JSON file. Polygons, rectangles, circles and masks
become objects with outlines; shapes of one label and one `group_id` are one object; points, lines
and strips are no objects and are counted. The copy of the image inside the file (`imageData`) is
not read. A JSON file beside an image of its name that is not of this form is a finding. Folders
named train, val or test are splits; else all is one.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import posixpath
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tapetum.base.errors import AnnotationError, FileAccessError
from tapetum.base.files import read_json
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.formats.format import OUTLINED, Format
from tapetum.data.formats.json_keys import first_match
from tapetum.data.formats.outlines import Gathered, Shape, Size, ellipse, empty_mask, outlined
from tapetum.data.images.reader import SUFFIXES
from tapetum.data.records.image_record import Annotations
from tapetum.data.records.table import Head
from tapetum.data.splits.assign import ALL, split_name
from tapetum.ops.masks import rle_encode

__all__ = ["read", "recognize"]

LOOKED_FOR = "LabelMe's .json beside each image"
_JSON = (".json",)
_KEY = re.compile(
    rb'"(?:(shapes|imagePath|imageData)"\s*:|(?:images|annotations|categories)"\s*:\s*\[\s*[\]{])'
)
"""A key that LabelMe's files have, or one of COCO's lists, which they do not have."""
_LOOKED_AT = 20
"""Files of a folder that are looked through to recognise it."""
_NO_OBJECTS = ("point", "points", "line", "linestrip")


def recognize(path: Path) -> bool:
    """Is this a file of LabelMe, or a folder with some?"""
    if path.is_file():
        return path.suffix.lower() in _JSON and is_labelme(path)
    finder = Finder(path)
    names = finder.files("", _JSON)[:_LOOKED_AT] if path.is_dir() else []
    return any(is_labelme(path / name) for name in names)


def is_labelme(file: Path) -> bool:
    """Is it one of LabelMe's, by its keys? They may stand behind megabytes of an image."""
    found = first_match(file, _KEY, opening=b"{")
    return found is not None and found[1] is not None


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """All shapes below a folder, or of one file. A bad file or shape is a finding.

    Raises:
        AnnotationError: no file of LabelMe is there.
    """
    root = path if path.is_dir() else path.parent
    reading = _Reading(root, limits)
    names = reading.finder.files("", _JSON) if path.is_dir() else [path.name]
    for name in names:
        if is_labelme(root / name) or reading.beside(name) is not None:
            reading.file(name)
    if not reading.table.heads:
        raise AnnotationError("no annotations", file=path, hint=f"needs {LOOKED_FOR}")
    return reading.annotations()


class _Reading(Gathered):
    """Files read one by one into a table."""

    def __init__(self, root: Path, limits: Limits) -> None:
        super().__init__(root, limits)
        self.limits = limits

    def annotations(self) -> Annotations:
        """All that was read."""
        return self.finish("labelme", *self.images(), ".")

    def file(self, name: str) -> None:
        """The JSON file `name`, relative to the dataset's folder."""
        path = self.root / name
        try:
            content = read_json(path, self.limits)
            image = self._image(name, content)
        except (AnnotationError, FileAccessError) as error:
            self.collector.note("file-unreadable", path, error.where or "file", error.why)
            return
        if image is None:
            message = f"no image named {Path(name).stem} was found"
            self.collector.note("image-missing", path, "imagePath", message)
        shown = image.relative_to(self.root).as_posix() if image else Path(name).stem
        size = _size(content)
        parts = [split for part in Path(name).parts[:-1] if (split := split_name(part))]
        head = Head(shown, image, Path(name).stem, size, path)
        number = self.add_image(head, parts[0] if parts else ALL)
        for id, label, shape in self._objects(content["shapes"], path, size):
            self.add(number, label, id, shape)

    def beside(self, name: str) -> Path | None:
        """The image beside the JSON file `name` that is called like it."""
        folder, file = posixpath.split(name)
        for suffix in (*SUFFIXES, *(suffix.upper() for suffix in SUFFIXES)):
            if found := self.finder.find(Path(file).stem + suffix, [folder]):
                return found
        return None

    def _image(self, name: str, content: Any) -> Path | None:
        """The image beside the file with its name, else the one that it states.

        Raises:
            AnnotationError: not of LabelMe's form. FileAccessError: the name leads out.
        """
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            raise AnnotationError("no list of shapes", file=self.root / name)
        if found := self.beside(name):
            return found
        folder = posixpath.dirname(name)
        stated = content.get("imagePath")
        if not isinstance(stated, str) or not stated:
            return None
        plain = stated.replace("\\", "/")
        inside = posixpath.normpath(posixpath.join(folder, plain))
        return self.finder.find(inside, [""]) or self.finder.find(
            posixpath.basename(plain), [folder, "images", f"{folder}/images", ""]
        )

    def _objects(
        self, shapes: list[Any], path: Path, size: Size | None
    ) -> list[tuple[str, str, Shape]]:
        """(id, label, shape) of each object."""
        single: list[tuple[str, str, Shape]] = []
        groups: dict[tuple[str, Any], list[np.ndarray]] = {}
        for index, shape in enumerate(shapes):
            where = f"shapes[{index}]"
            try:
                label, group, outline = _shape(shape, size)
            except (ValueError, KeyError, TypeError) as error:
                message = f"a shape that cannot be read: {error}"
                self.collector.note("annotation-malformed", path, where, message)
                continue
            if outline is None:
                self.others[str(shape.get("shape_type"))] += 1
            elif group is not None and isinstance(outline, np.ndarray):
                groups.setdefault((label, group), []).append(outline)
            else:
                shape = outline if isinstance(outline, tuple) else outlined(outline)
                single.append((where, label, shape))
        for (label, group), polygons in groups.items():
            single.append((f"group {group}", label, outlined(*polygons)))
        return single


Outline = np.ndarray | Shape | None
"""A polygon (K, 2), a box or mask with its extent, or nothing for shapes that are no objects."""


def _shape(shape: Any, size: Size | None) -> tuple[str, Any, Outline]:
    """Label, group and outline of a shape.

    Raises:
        ValueError, KeyError, TypeError: it is not of LabelMe's form.
    """
    if not isinstance(shape, dict):
        raise ValueError("not an object {...}")
    label, kind = shape.get("label"), shape.get("shape_type") or "polygon"
    if not isinstance(label, str) or not label.strip():
        raise ValueError("it has no label")
    group = shape.get("group_id")
    group = group if isinstance(group, int | str) else None
    if kind in _NO_OBJECTS:
        return label, group, None
    points = np.array(shape["points"], dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError("points are not pairs of x and y")
    return label, group, _outline(kind, points, shape, size)


def _outline(kind: str, points: np.ndarray, shape: dict[str, Any], size: Size | None) -> Outline:
    if kind == "polygon":
        if len(points) < 3:
            raise ValueError("a polygon of fewer than three points")
        return points
    if len(points) != 2:
        raise ValueError(f"a {kind} has two points")
    first, last = points.min(0), points.max(0)
    if kind == "rectangle":
        return [*first.tolist(), *(last - first).tolist()], None
    if kind == "circle":
        middle, rim = points
        radius = math.hypot(*(rim - middle))
        return ellipse(middle, (radius, radius))
    if kind == "mask":
        return _mask(first, shape, size)
    raise ValueError(f"unknown shape_type {kind!r}")


def _mask(corner: np.ndarray, shape: dict[str, Any], size: Size | None) -> Shape:
    """A PNG of the mask inside its own box, as text."""
    mask = empty_mask(size)
    try:
        data = base64.b64decode(shape["mask"], validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.width > mask.shape[1] or image.height > mask.shape[0]:
                raise ValueError("the mask is larger than the image")
            inner = np.asarray(image.convert("L")) > 0
    except (binascii.Error, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("the mask is not a PNG") from error
    left, top = (max(0, round(value)) for value in corner.tolist())
    part = mask[top : top + inner.shape[0], left : left + inner.shape[1]]
    part[:] = inner[: part.shape[0], : part.shape[1]]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise ValueError("the mask is empty")
    x, y = float(columns[0]), float(rows[0])
    box = [x, y, float(columns[-1]) + 1 - x, float(rows[-1]) + 1 - y]
    return box, rle_encode(mask)


def _size(content: dict[str, Any]) -> Size | None:
    height, width = content.get("imageHeight"), content.get("imageWidth")
    if type(height) is not int or type(width) is not int:
        return None
    return (height, width) if min(height, width) > 0 and max(height, width) < 2**31 else None


FORMAT = Format("labelme", LOOKED_FOR, recognize, read, tasks=OUTLINED)
