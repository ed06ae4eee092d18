"""Datasets of one format written in another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.base.files import atomic_write, read_bytes, safe_path
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.base.outputs import refuse_output
from tapetum.data.formats.recognition import read_annotations
from tapetum.data.formats.registry import AUTO, FORMATS
from tapetum.data.records.align import settle
from tapetum.data.records.image_record import Annotations, ImageRecord


@dataclass(frozen=True)
class Converted:
    """What `convert` did.

    Attributes:
        out: the new dataset.
        format: of it.
        images: how many were written.
        objects: how many were written.
        lost: what the new format could not hold, a line each.
        left_out: faulty annotations of the source that were not written, by kind of fault.
    """

    out: Path
    format: str
    images: int
    objects: int
    lost: tuple[str, ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        text = f"{self.out}: {self.images} images, {self.objects} objects, as {self.format}"
        if self.left_out:
            kinds = ", ".join(f"{kind} {count}" for kind, count in self.left_out)
            text += f"; left out: {kinds} (tapetum check shows each)"
        return f"{text}; not kept: {', '.join(self.lost)}" if self.lost else text


def convert(
    data: str | Path,
    out: str | Path,
    to: str = "coco",
    format: str = AUTO,
    limits: Limits = DEFAULT_LIMITS,
    *,
    task: str = "detection",
) -> Converted:
    """Write a dataset in another format, images copied byte for byte; the source is untouched.

    Images that are many in one file are written as PNG.

    Findings of severity error are left out, as everywhere. Boxes that were recorded before an
    EXIF turn are written for the upright image. A split `trainval` that only repeats train and
    val is dropped.

    Args:
        data: the dataset.
        out: a new folder.
        to: the format to write, one of `FORMATS.written`.
        format: of `data`, or "auto".
        limits: on the sizes of files.
        task: as for `read_annotations`.

    Returns:
        How much was written, and what the format could not hold.

    Raises:
        UsageError: an unknown format, or `out` holds something or lies in `data`.
        AnnotationError: the source cannot be read, or `to` cannot hold its names.
    """
    write = FORMATS[to].write if to in FORMATS else None
    if write is None:
        why = "is read, not written" if to in FORMATS else "is unknown"
        raise UsageError(f"format {to!r} {why}", hint="one of " + ", ".join(FORMATS.written))
    target = Path(out)
    refuse_output(target, folder=True, inside=[data])
    source = _settled(_without_repeats(read_annotations(data, format, limits, task=task)), limits)

    lost = [*write(source, target, _copier(target, limits)), *_lost(source, to)]
    images = source.all_images()
    errors = Counter(f.code for f in source.findings if f.severity == "error")
    left_out = tuple(errors.most_common())
    return Converted(target, to, len(images), sum(map(len, images)), tuple(lost), left_out)


def _copier(target: Path, limits: Limits) -> Callable[[ImageRecord, str], None]:
    """What puts an image's file at a place inside `target`."""
    copied: dict[str, object] = {}

    def copy(image: ImageRecord, place: str) -> None:
        origin = image.path or image.name
        if copied.setdefault(place, origin) != origin:
            raise AnnotationError(
                f"it would be written to {place}, as {copied[place]}", file=origin
            )
        with atomic_write(safe_path(target, place)) as file:
            if image.pixels is not None:
                Image.fromarray(np.ascontiguousarray(image.pixels)).save(file, "PNG")
                return
            assert image.path is not None
            file.write(read_bytes(image.path, limits.image_bytes))

    return copy


def _lost(source: Annotations, to: str) -> list[str]:
    """What no format that is written can hold; keypoints are kept by COCO alone."""
    images = source.all_images()
    counts = {
        "labels of whole images": sum(p.image_labels is not None for p in images),
        "class maps": sum(p.semantic is not None for p in images),
    }
    if to != "coco":
        counts["objects' keypoints"] = sum(len(p) for p in images if p.keypoints is not None)
    return [f"{count} {what}" for what, count in counts.items() if count]


def _without_repeats(annotations: Annotations) -> Annotations:
    splits = dict(annotations.splits)
    both = splits.get("trainval")
    if both and {"train", "val"} <= splits.keys():
        parts = {image.path for split in ("train", "val") for image in splits[split]}
        if {image.path for image in both} <= parts:
            del splits["trainval"]
    return replace(annotations, splits=splits)


def _settled(annotations: Annotations, limits: Limits) -> Annotations:
    """Records in the frames of the upright images, the same one wherever it stands."""
    done: dict[int, ImageRecord] = {}
    for image in (p for split in annotations.splits.values() for p in split):
        done[id(image)] = settle(image, limits) if image.has_pixels else image
    splits = {
        name: tuple(done[id(image)] for image in split)
        for name, split in annotations.splits.items()
    }
    return replace(annotations, splits=splits)
