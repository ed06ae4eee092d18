"""What tools draw around objects: shapes as outlines, and the dataset that is gathered from
them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations, ImageRecord, Segment
from tapetum.data.records.table import Head, Table
from tapetum.data.splits.assign import in_order

Size = tuple[int, int]

Shape = tuple[list[float], Segment]
"""left, top, width, height, and the outline where it is not the box itself."""

_ELLIPSE_POINTS = 36


class Gathered:
    """Images and objects as they are read. others: shapes that are no objects, by kind."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self.root = root
        self.finder, self.collector = Finder(root), FindingCollector(root)
        self.table = Table(limits.annotations)
        self.others: Counter[str] = Counter()
        self._classes: dict[str, int] = {}
        self._splits: list[str] = []

    def add_image(self, head: Head, split: str) -> int:
        """The number by which `add` refers to this image."""
        self._splits.append(split)
        return self.table.add_image(head)

    def label(self, name: str) -> int:
        """The place of a class among those that were met so far, where it stands from now on."""
        return self._classes.setdefault(name, len(self._classes))

    def add(self, image: int, label: str, id: int | str, shape: Shape, line: int = 0) -> None:
        """Add an object to an image."""
        xywh, segment = shape
        self.table.add(image, xywh, self.label(label), id, segment=segment, line=line)

    def images(self) -> tuple[list[ImageRecord], list[str]]:
        """The finished records, and the classes by label, in alphabetical order."""
        names = sorted(self._classes)
        order = np.array([names.index(name) for name in self._classes], dtype=np.int64)
        return self.table.images(self.collector, order), names

    def finish(
        self, format: str, images: Sequence[ImageRecord], names: Sequence[str], file: Path | str
    ) -> Annotations:
        """All that was read. file: where shapes that are no objects are said to be."""
        if self.others:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.others.items()))
            self.collector.note("shape-no-object", file, "shapes", f"{kinds}: no objects, left out")
        splits: dict[str, list[ImageRecord]] = {}
        for split, image in zip(self._splits, images, strict=True):
            splits.setdefault(split, []).append(image)
        self.finder.tell(self.collector)
        ids, findings = tuple(range(1, len(names) + 1)), tuple(self.collector.findings)
        return Annotations(format, self.root, tuple(names), ids, in_order(splits), findings)


def outlined(*polygons: np.ndarray) -> Shape:
    """One object of one polygon (K, 2) or several: the box around them, and themselves."""
    points = np.concatenate(polygons)
    first, last = points.min(0), points.max(0)
    return [*first.tolist(), *(last - first).tolist()], [p.reshape(-1) for p in polygons]


def ellipse(middle: Sequence[float], radii: tuple[float, float], turned: float = 0.0) -> np.ndarray:
    """Points (K, 2) on the rim. turned: clockwise, in radians."""
    turns = np.linspace(0, 2 * math.pi, _ELLIPSE_POINTS, endpoint=False)
    rim = np.stack((np.cos(turns) * radii[0], np.sin(turns) * radii[1]), 1)
    return rim @ rotation(turned).T + np.asarray(middle)


def rotation(radians: float) -> np.ndarray:
    """The matrix that turns a column (x, y) clockwise, as y points down."""
    cos, sin = math.cos(radians), math.sin(radians)
    return np.array([[cos, -sin], [sin, cos]])


def empty_mask(size: Size | None) -> np.ndarray:
    """(H, W) bool, to draw a mask into.

    Raises:
        ValueError: the size of the image is not known, or too large.
    """
    if size is None:
        raise ValueError("the image states no size")
    if size[0] * size[1] > DEFAULT_LIMITS.image_pixels:
        raise ValueError("the image is too large for a mask")
    return np.zeros(size, dtype=bool)
