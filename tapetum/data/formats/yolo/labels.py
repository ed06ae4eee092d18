"""One YOLO label file after another into a table: what can be used, and findings for the rest.

A line is `class cx cy w h` with numbers from 0 to 1, relative to width and height; or `class`
and x y for three points or more, an outline whose extent is the box.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError, FileAccessError, ImageError
from tapetum.base.files import read_text
from tapetum.base.limits import Limits
from tapetum.data.formats.yolo.config import Config
from tapetum.data.images.header import image_size
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import ImageRecord
from tapetum.data.records.table import Head, Table
from tapetum.data.splits.assign import ALL, split_name

_FAR = 2.0  # no relative coordinate of a box that touches its image is larger


class Labels:
    """Label files read into one table. numbers: class numbers in use -> place in the table."""

    def __init__(self, config: Config, collector: FindingCollector, limits: Limits) -> None:
        self.config, self.collector, self.limits = config, collector, limits
        self.table = Table(limits.annotations)
        self.numbers: dict[int, int] = {n: i for i, n in enumerate(sorted(config.names or {}))}

    def add(self, name: str, image: Path, label: Path | None) -> int | None:
        """Read an image's header and its label file; its number in the table, None where one of
        them cannot be used: without its boxes the image would pass for one that has none."""
        try:
            size = image_size(image, self.limits).size
        except ImageError as error:
            self.collector.note("image-unreadable", image, "file", error.why)
            return None
        try:
            text = "" if label is None else read_text(label, self.limits)
        except (AnnotationError, FileAccessError) as error:
            self.collector.note("file-unreadable", label or image, error.where or "file", error.why)
            return None
        file = label or image
        record = self.table.add_image(Head(_known_as(name), image, name, size, file))
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                self._line(line, number, file, record, size)
        return record

    def images(self) -> list[ImageRecord]:
        """The finished records; classes in the order of their numbers."""
        order = {number: place for place, number in enumerate(sorted(self.numbers))}
        places = np.array([order[number] for number in self.numbers], dtype=np.int64)
        return self.table.images(self.collector, places)

    def _line(self, line: str, number: int, path: Path, image: int, size: tuple[int, int]) -> None:
        where = f"line {number}"
        values = _numbers(line)
        problem = self._form(values)
        if values is None or problem:
            self.collector.note("annotation-malformed", path, where, problem)
            return
        label = self._label(values[0])
        if label is None:
            message = f"class {values[0]:g} is not in the list of {len(self.numbers)} names"
            self.collector.note("class-unknown", path, where, message)
            return
        scale = np.array(size[::-1], dtype=np.float64)  # width, height
        outline = len(values) > 5 and not self.config.keypoints
        relative = values[1:] if outline else values[1:5]
        if any(math.isfinite(v) and abs(v) > _FAR for v in relative):
            message = f"{line.strip()[:80]!r}: numbers must be relative to width and height"
            self.collector.note("box-not-normalised", path, where, message)
            return
        if outline:
            points = np.array(relative).reshape(-1, 2) * scale  # (2 K,) -> (K, 2)
            first, last = points.min(0), points.max(0)
            xywh, segment = np.concatenate((first, last - first)), [points.reshape(-1)]
        else:
            middle, sides = np.array(relative[:2]), np.array(relative[2:])
            xywh, segment = np.concatenate(((middle - sides / 2) * scale, sides * scale)), None
        self.table.add(image, xywh.tolist(), label, number, segment=segment, line=number)

    def _form(self, values: list[float] | None) -> str:
        """What is wrong with the form of a line; nothing where it can be read."""
        if values is None:
            return "not a line of numbers"
        count = len(values)
        if not (0 <= values[0] < 2**31 and values[0].is_integer()):
            return f"the class is {values[0]:g}, not a whole number from 0"
        if count == 5 or (count > 5 and (self.config.keypoints or (count >= 7 and count % 2))):
            return ""
        return f"{count} numbers: `class cx cy w h` has 5, an outline `class x y x y x y ...` 7, 9"

    def _label(self, number: float) -> int | None:
        if self.config.names is None:
            return self.numbers.setdefault(int(number), len(self.numbers))
        return self.numbers.get(int(number))


def _known_as(name: str) -> str:
    """The name without the folders that only say that it is an image, and of which split."""
    parts = name.split("/")
    while len(parts) > 1 and (parts[0] in ("images", ALL) or split_name(parts[0])):
        parts = parts[1:]
    return "/".join(parts)


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(part) for part in line.split()]
    except ValueError:
        return None
