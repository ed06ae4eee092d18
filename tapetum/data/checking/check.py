"""What is wrong with a dataset, by file and line or id. Nothing is changed.

The same readers that training uses do the parsing, so what they find here is exactly what is left
out there; what only decoding shows stops a training at that image. `CODES` lists every code with
its severity and meaning.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError, ImageError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.base.progress import Progress, no_progress
from tapetum.data.checking.duplicates import UNIONS, Duplicates, file_of
from tapetum.data.formats import AUTO, read_annotations
from tapetum.data.images.header import ImageSize
from tapetum.data.images.orientation import UPRIGHT
from tapetum.data.images.reader import ImageFile, read_image
from tapetum.data.records.annotation_types import carried
from tapetum.data.records.findings import CODES, FindingCollector
from tapetum.data.records.image_record import Annotations, Finding, ImageRecord
from tapetum.data.records.label_map import MapCode
from tapetum.data.records.semantic import MapSizeError, read_semantic

__all__ = ["CODES", "check_annotations", "check_dataset"]

_ORDER = ("error", "warning", "info")


def check_dataset(
    path: str | Path,
    format: str = AUTO,
    *,
    deep: bool = True,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = no_progress,
    task: str = "detection",
) -> list[Finding]:
    """Read a dataset as training would, and list what is wrong with it, most severe first.

    Args:
        path: the dataset.
        format: one of `tapetum.data.formats.FORMATS`, or "auto".
        deep: also decode each image, which takes a few milliseconds, compare it and its class map
            with the annotations, and the images with each other: ten seconds for 50,000, four
            times as many for twice as many.
        limits: on the sizes of files and images.
        progress: wraps the indices of the images.
        task: which of several files is read, as for `read_annotations`.

    Returns:
        The findings, errors first.

    Raises:
        UsageError, AnnotationError: it cannot be read at all.
    """
    annotations = read_annotations(path, format, limits, task=task)
    return check_annotations(annotations, deep=deep, limits=limits, progress=progress)


def check_annotations(
    annotations: Annotations,
    *,
    deep: bool = True,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = no_progress,
) -> list[Finding]:
    """Findings about a dataset whose annotations have been read.

    Args:
        annotations: the dataset.
        deep: also decode all images and maps, which takes as long as reading the files does.
        limits: what a file may measure; see `tapetum.Limits`.
        progress: wraps the indices of the images while they are decoded.

    Returns:
        The findings, errors first, then warnings.
    """
    collector = FindingCollector(annotations.root, list(annotations.findings))
    _check_names(annotations, collector)
    _check_counts(annotations, collector)
    _check_overlap(annotations, collector)
    if deep:
        _check_pixels(annotations, collector, limits, progress)
    return sorted(collector.findings, key=lambda finding: _ORDER.index(finding.severity))


def _check_names(annotations: Annotations, collector: FindingCollector) -> None:
    seen: dict[str, str] = {}
    for name in annotations.classes:
        key = "".join(name.split()).casefold()
        first = seen.setdefault(key, name)
        if first is not name:
            message = f"{name!r} and {first!r} differ in case or spaces only"
            collector.note("class-name-variant", ".", f"class {name}", message)


def _check_counts(annotations: Annotations, collector: FindingCollector) -> None:
    """Classes that nothing has, images that have nothing."""
    types = carried(annotations)
    if "boxes" not in types and "labels" not in types:
        return  # what maps show is known once they are decoded
    counts = {
        split: np.bincount(
            np.concatenate([_labels(p) for p in images] or [np.zeros(0, dtype=np.int64)]),
            minlength=len(annotations.classes),
        )
        for split, images in annotations.splits.items()
    }
    for label, name in enumerate(annotations.classes):
        empty = [split for split, count in counts.items() if not count[label]]
        if empty:
            where = "any split" if len(empty) == len(counts) else ", ".join(empty)
            message = f"no object of class {name!r} in {where}"
            collector.note("class-without-objects", ".", f"class {name}", message)
    for image in annotations.all_images():
        if not len(_labels(image)):
            where = f"image {image.id}"
            collector.note("image-empty", image.path or image.name, where, "no objects")


def _labels(image: ImageRecord) -> np.ndarray:
    if image.image_labels is None:
        return image.labels
    return np.array(image.image_labels, dtype=np.int64)


def _check_overlap(annotations: Annotations, collector: FindingCollector) -> None:
    """The same file in two splits, or twice in one."""
    places: dict[Path, str] = {}
    for split, images in annotations.splits.items():
        paths: set[Path] = set()
        for path in (p.path for p in images if p.path is not None):
            if path in paths:
                collector.note("image-duplicate", path, split, f"listed twice in {split}")
            paths.add(path)
            if split in UNIONS:
                continue
            first = places.setdefault(path, split)
            if first != split:
                collector.note("split-overlap", path, split, f"in {first} and in {split}")


def _check_pixels(
    annotations: Annotations, collector: FindingCollector, limits: Limits, progress: Progress
) -> None:
    """Decode each image once and compare it with its record and with all others."""
    images = [image for image in annotations.all_images() if image.has_pixels]
    duplicates = Duplicates(annotations, images, collector)
    for index in progress(range(len(images)), len(images)):
        image = images[index]
        try:
            pixels = _check_image(image, annotations.maps, collector, limits)
        except ImageError as error:
            collector.note("image-unreadable", file_of(image), "file", error.why)
            continue
        duplicates.add(index, pixels)
    duplicates.compare()


def _check_image(
    record: ImageRecord, code: MapCode | None, collector: FindingCollector, limits: Limits
) -> np.ndarray:
    """Findings about one image; its pixels.

    Raises:
        ImageError: it cannot be decoded.
    """
    if record.path is None:
        assert record.pixels is not None
        return record.pixels
    image = read_image(record.path, limits)
    _check_size(record, image, collector)
    for warning in image.warnings:
        collector.note("image-note", record.path, "file", warning)
    if record.semantic is not None and code is not None:
        _check_map(record, image, code, collector, limits)
    return image.pixels.numpy()


def _check_map(
    record: ImageRecord,
    image: ImageFile,
    code: MapCode,
    collector: FindingCollector,
    limits: Limits,
) -> None:
    assert record.semantic is not None
    size = ImageSize(image.size, image.raw_size, image.orientation)
    shown = record.name
    try:
        read_semantic(record, code, size, limits)
    except ImageError as error:
        collector.note("map-unreadable", record.semantic, "file", error.why, image=shown)
    except MapSizeError as error:
        collector.note("map-size", record.semantic, "size", error.why, image=shown)
    except AnnotationError as error:
        collector.note("map-value", record.semantic, "pixels", error.why, image=shown)


def _check_size(record: ImageRecord, image: ImageFile, collector: FindingCollector) -> None:
    assert record.path is not None
    (height, width), size = image.size, record.size
    turn = f"EXIF orientation {image.orientation}"
    if size is not None and size not in (image.size, image.raw_size):
        message = f"recorded as {size[1]} x {size[0]} pixels, it has {width} x {height}"
        collector.note("size-mismatch", record.path, "size", message)
    elif size is not None and size != image.size:
        message = f"{size[1]} x {size[0]} before {turn}, {width} x {height} after; boxes are turned"
        collector.note("size-swapped", record.path, "size", message)
    elif image.orientation != UPRIGHT:
        message = f"{turn}; boxes are taken as drawn on the upright image"
        collector.note("exif-turned", record.path, "EXIF", message)
