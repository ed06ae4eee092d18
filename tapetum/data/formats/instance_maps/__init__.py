"""Instance maps: a PNG of 16 bits beside every image, as Cityscapes has them.

A pixel of object k of class c holds 1000 c + k (Cordts et al. 2016, the "instanceIds" of the
dataset's scripts); smaller values are no objects. Images lie in `images/`, maps under the same
names in `instances/`, with splits as class maps have them (`tapetum.data.formats.label_maps`).
Classes are named in `classes.txt`, the first line class 1, or by their numbers.

Each object becomes a run-length outline with its tight box. Objects do not overlap here, so writing
puts later objects on top of earlier ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError, ImageError
from tapetum.base.files import read_text
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.formats.format import Format
from tapetum.data.formats.instance_maps.write import EACH, write
from tapetum.data.formats.label_maps.pairs import IMAGES, Pair, find_pairs, is_there
from tapetum.data.images.reader import read_levels
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.records.table import Head, Table
from tapetum.data.splits.assign import in_order
from tapetum.ops.masks import rle_encode
from tapetum.structures.tasks import TASKS

__all__ = ["LOOKED_FOR", "read", "read_placed", "recognize", "write"]

LOOKED_FOR = "images/ beside instances/ with a 16-bit PNG for each image"
FOLDER = "instances"


def recognize(path: Path) -> bool:
    """Is this a folder with images and instance maps?

    Args:
        path: a file or folder.

    Returns:
        Whether it is a folder with images and instance maps.
    """
    return path.is_dir() and is_there(Finder(path), (FOLDER,))


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """Read all images and the objects in their instance maps; all maps are decoded.

    Args:
        path: the folder.
        limits: what a file may measure; see `tapetum.Limits`.

    Returns:
        The dataset; a bad map is a finding and is left out.

    Raises:
        AnnotationError: no images with instance maps there.
    """
    return read_placed(path, limits)


def read_placed(
    path: Path,
    limits: Limits = DEFAULT_LIMITS,
    *,
    images: str | None = None,
    maps: str | None = None,
    names: dict[int, str] | None = None,
) -> Annotations:
    """Read as `read` does, from the given folders and with the given names of classes.

    Args:
        path: the folder of the dataset.
        limits: what a file may measure; see `tapetum.Limits`.
        images: folder of the images, relative to `path`; None: images/.
        maps: folder of the maps, relative to `path`; None: instances/.
        names: name of each number of a class; None: those of classes.txt.

    Returns:
        The dataset.

    Raises:
        AnnotationError: as for `read`.
    """
    finder, collector = Finder(path), FindingCollector(path)
    splits = find_pairs(finder, images or IMAGES, maps or FOLDER, collector, limits)
    pairs = list({pair.image: pair for members in splits.values() for pair in members}.values())
    if not pairs:
        raise AnnotationError("no instance maps", file=path, hint=f"needs {LOOKED_FOR}")
    names = names or _names(finder, limits)
    reading = _Reading(Table(limits.annotations), names, collector, limits)
    kept = [pair for pair in pairs if reading.pair(path, pair)]
    places, classes = reading.classes()
    records = reading.table.images(collector, places)
    by_image = {pair.image: record for pair, record in zip(kept, records, strict=True)}
    finder.tell(collector)
    return Annotations(
        format="instance_maps",
        root=path,
        classes=tuple(classes.values()),
        class_ids=tuple(classes),
        splits=in_order(_divided(splits, by_image)),
        findings=tuple(collector.findings),
    )


def _divided(
    splits: dict[str, list[Pair]], images: dict[str, ImageRecord]
) -> dict[str, list[ImageRecord]]:
    return {
        split: [images[pair.image] for pair in members if pair.image in images]
        for split, members in splits.items()
    }


def _names(finder: Finder, limits: Limits) -> dict[int, str] | None:
    path = finder.look("classes.txt", ["", FOLDER])
    if path is None:
        return None
    lines = [line.strip() for line in read_text(path, limits).splitlines()]
    return dict(enumerate([line for line in lines if line], start=1))


class _Reading:
    """Instance maps read into one table; the labels in it are class numbers until the end."""

    def __init__(
        self,
        table: Table,
        names: dict[int, str] | None,
        collector: FindingCollector,
        limits: Limits,
    ) -> None:
        self.table, self.names, self.collector, self.limits = table, names, collector, limits
        self.found: set[int] = set()

    def pair(self, root: Path, pair: Pair) -> bool:
        """Read one map; False where it cannot be decoded, and its objects are not known."""
        file = root / pair.map
        try:
            levels = read_levels(file, self.limits)
            if levels.ndim != 2:
                raise ImageError("instance maps are gray", file=file)
        except ImageError as error:
            self.collector.note("map-unreadable", file, "file", error.why)
            return False
        size = levels.shape[0], levels.shape[1]
        number = self.table.add_image(Head(pair.name, root / pair.image, pair.name, size, file))
        for value in np.unique(levels[levels >= EACH]).tolist():
            label = value // EACH
            if self.names is not None and label not in self.names:
                message = f"value {value}: class {label} is not among {len(self.names)} names"
                self.collector.note("class-unknown", file, f"value {value}", message)
                continue
            self._add(number, levels == value, label, value)
        return True

    def _add(self, image: int, mask: np.ndarray, label: int, value: int) -> None:
        self.found.add(label)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        top, left = float(rows[0]), float(columns[0])
        xywh = (left, top, columns[-1] + 1 - left, rows[-1] + 1 - top)
        area = float(mask.sum())
        segment = rle_encode(mask)
        self.table.add(image, xywh, label, value, area=area, segment=segment, outlined=True)

    def classes(self) -> tuple[np.ndarray, dict[int, str]]:
        """Class number -> place, (C,) int64, and number -> name in the order of the classes."""
        names = self.names
        if names is None:
            names = {number: f"class {number}" for number in sorted(self.found)}
            message = f"{len(names)} classes have no names"
            self.collector.note("class-names-missing", ".", "classes.txt", message)
        places = np.full(max([*names, *self.found, 0]) + 1, -1, dtype=np.int64)
        places[list(names)] = np.arange(len(names))
        return places, names


FORMAT = Format(
    "instance_maps",
    LOOKED_FOR,
    recognize,
    read,
    write,
    tasks=TASKS,
    read_placed=read_placed,
    first_class=1,
)
