"""Everything that is wrong with a dataset, by file and line or id. Nothing is changed.

The same readers that training uses do the parsing, so what they find here is exactly what is left
out there; what only decoding shows stops a training at that picture. `CODES` lists every code with
its severity and meaning.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError, ImageError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.base.progress import Progress, unseen
from tapetum.data.findings import CODES, Log
from tapetum.data.formats import AUTO, read_annotations
from tapetum.data.image import ImageFile, ImageSize, read_image
from tapetum.data.mapcode import MapCode
from tapetum.data.needs import carried
from tapetum.data.orientation import UPRIGHT
from tapetum.data.picture import Annotations, Finding, Picture
from tapetum.data.semantic import MapSizeError, read_semantic
from tapetum.data.splits import everything
from tapetum.data.twins import UNIONS, Twins, file_of

__all__ = ["CODES", "check_annotations", "check_dataset"]

_ORDER = ("error", "warning", "info")


def check_dataset(
    path: str | Path,
    format: str = AUTO,
    *,
    deep: bool = True,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = unseen,
    need: str = "boxes",
) -> list[Finding]:
    """Read a dataset as training would, and say what is wrong with it, most severe first.

    deep: decode every picture too, which takes a few milliseconds each, and compare what the
    annotations say of it, its class map too, and the pictures with each other: ten seconds for
    50,000, four times as many for twice as many. need: which of several files is read, as for
    `read_annotations`.

    Raises:
        UsageError, AnnotationError: it cannot be read at all.
    """
    annotations = read_annotations(path, format, limits, need=need)
    return check_annotations(annotations, deep=deep, limits=limits, progress=progress)


def check_annotations(
    annotations: Annotations,
    *,
    deep: bool = True,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = unseen,
) -> list[Finding]:
    """The same for a dataset that has been read."""
    log = Log(annotations.root, list(annotations.findings))
    _check_names(annotations, log)
    _check_counts(annotations, log)
    _check_overlap(annotations, log)
    if deep:
        _check_pixels(annotations, log, limits, progress)
    return sorted(log.findings, key=lambda finding: _ORDER.index(finding.severity))


def _check_names(annotations: Annotations, log: Log) -> None:
    seen: dict[str, str] = {}
    for name in annotations.classes:
        key = "".join(name.split()).casefold()
        first = seen.setdefault(key, name)
        if first is not name:
            message = f"{name!r} and {first!r} differ in case or spaces only"
            log.note("class-name-variant", ".", f"class {name}", message)


def _check_counts(annotations: Annotations, log: Log) -> None:
    """Classes that nothing has, pictures that have nothing."""
    has = carried(annotations)
    if "boxes" not in has and "labels" not in has:
        return  # what maps show is known once they are decoded
    counts = {
        split: np.bincount(
            np.concatenate([_labels(p) for p in pictures] or [np.zeros(0, dtype=np.int64)]),
            minlength=len(annotations.classes),
        )
        for split, pictures in annotations.splits.items()
    }
    for label, name in enumerate(annotations.classes):
        empty = [split for split, count in counts.items() if not count[label]]
        if empty:
            where = "any split" if len(empty) == len(counts) else ", ".join(empty)
            message = f"no object of class {name!r} in {where}"
            log.note("class-without-objects", ".", f"class {name}", message)
    for picture in everything(annotations):
        if not len(_labels(picture)):
            where = f"picture {picture.id}"
            log.note("picture-empty", picture.path or picture.name, where, "no objects")


def _labels(picture: Picture) -> np.ndarray:
    if picture.picture_labels is None:
        return picture.labels
    return np.array(picture.picture_labels, dtype=np.int64)


def _check_overlap(annotations: Annotations, log: Log) -> None:
    """The same file in two splits, or twice in one."""
    places: dict[Path, str] = {}
    for split, pictures in annotations.splits.items():
        own: set[Path] = set()
        for path in (p.path for p in pictures if p.path is not None):
            if path in own:
                log.note("picture-duplicate", path, split, f"listed twice in {split}")
            own.add(path)
            if split in UNIONS:
                continue
            first = places.setdefault(path, split)
            if first != split:
                log.note("split-overlap", path, split, f"in {first} and in {split}")


def _check_pixels(annotations: Annotations, log: Log, limits: Limits, progress: Progress) -> None:
    """Decode each picture once and compare it with its record and with all others."""
    pictures = [picture for picture in everything(annotations) if picture.there]
    twins = Twins(annotations, pictures, log)
    for index in progress(range(len(pictures)), len(pictures)):
        picture = pictures[index]
        try:
            pixels = _check_picture(picture, annotations.maps, log, limits)
        except ImageError as error:
            log.note("picture-unreadable", file_of(picture), "file", error.why)
            continue
        twins.add(index, pixels)
    twins.compare()


def _check_picture(picture: Picture, code: MapCode | None, log: Log, limits: Limits) -> np.ndarray:
    """Findings about one picture; its pixels.

    Raises:
        ImageError: it cannot be decoded.
    """
    if picture.path is None:
        assert picture.pixels is not None
        return picture.pixels
    image = read_image(picture.path, limits)
    _check_size(picture, image, log)
    for warning in image.warnings:
        log.note("picture-note", picture.path, "file", warning)
    if picture.semantic is not None and code is not None:
        _check_map(picture, image, code, log, limits)
    return image.pixels.numpy()


def _check_map(picture: Picture, image: ImageFile, code: MapCode, log: Log, limits: Limits) -> None:
    assert picture.semantic is not None
    size = ImageSize(image.size, image.raw_size, image.orientation)
    shown = picture.name
    try:
        read_semantic(picture, code, size, limits)
    except ImageError as error:
        log.note("map-unreadable", picture.semantic, "file", error.why, picture=shown)
    except MapSizeError as error:
        log.note("map-size", picture.semantic, "size", error.why, picture=shown)
    except AnnotationError as error:
        log.note("map-value", picture.semantic, "pixels", error.why, picture=shown)


def _check_size(picture: Picture, image: ImageFile, log: Log) -> None:
    assert picture.path is not None
    (height, width), size = image.size, picture.size
    turn = f"EXIF orientation {image.orientation}"
    if size is not None and size not in (image.size, image.raw_size):
        message = f"recorded as {size[1]} x {size[0]} pixels, it has {width} x {height}"
        log.note("size-mismatch", picture.path, "size", message)
    elif size is not None and size != image.size:
        message = f"{size[1]} x {size[0]} before {turn}, {width} x {height} after; boxes are turned"
        log.note("size-swapped", picture.path, "size", message)
    elif image.orientation != UPRIGHT:
        message = f"{turn}; boxes are taken as drawn on the upright picture"
        log.note("exif-turned", picture.path, "EXIF", message)
