"""Annotations of any known format: recognised, read, written in another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.base.files import atomic_write, read_bytes, safe_path
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.base.outputs import refuse_output
from tapetum.data.formats import (
    cifar,
    coco,
    cvat,
    description,
    folders,
    idx,
    labelme,
    voc,
    yolo,
)
from tapetum.data.formats import (
    instance_maps as instances,
)
from tapetum.data.formats import (
    label_maps as maps,
)
from tapetum.data.formats.archive import is_archive, unpacked
from tapetum.data.records.align import settle
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.splits.assign import everything
from tapetum.structures.tasks import TASKS

AUTO = "auto"

BOXED = ("classification", "localization", "detection")
OUTLINED = (*BOXED, "instance_segmentation", "semantic_segmentation")
"""The tasks that formats with boxes, and formats with outlines, are made for."""

Read = Callable[[Path, Limits], Annotations]
Write = Callable[[Annotations, Path, Callable[[ImageRecord, str], None]], list[str]]


@dataclass(frozen=True)
class Format:
    """What can be done with a format.

    looked_for: what it is recognised by, for people. serves: tasks that it is made for; where a
    folder could be of two formats, the one for the task is taken. keypoints: how to read it for
    them, where that differs. rank: a format is considered only where none of a lower rank is found.
    """

    recognise: Callable[[Path], bool]
    read: Read
    write: Write | None
    looked_for: str
    serves: tuple[str, ...] = BOXED
    keypoints: Read | None = None
    rank: int = 1


def _read_described(path: Path, limits: Limits, task: str = "detection") -> Annotations:
    """What a description leads to, as it says."""
    said = description.load(path, limits)
    hint = "one of " + ", ".join(name for name in FORMATS if name != "described")
    if said.format not in FORMATS or said.format == "described":
        raise UsageError(f"unknown format {said.format!r}", file=said.file, hint=hint)
    if (reader := description.READERS.get(said.format)) is not None:
        return description.apply(said, reader(said, limits))
    return description.apply(said, read_annotations(said.root, said.format, limits, task=task))


FORMATS = {
    "coco": Format(
        coco.recognise, coco.read, coco.write, coco.LOOKED_FOR, TASKS, coco.read_keypoints
    ),
    "voc": Format(voc.recognise, voc.read, voc.write, voc.LOOKED_FOR),
    "yolo": Format(yolo.recognise, yolo.read, yolo.write, yolo.LOOKED_FOR),
    "cvat": Format(
        cvat.recognise,
        cvat.read,
        None,
        cvat.LOOKED_FOR,
        OUTLINED,
    ),
    "labelme": Format(
        labelme.recognise,
        labelme.read,
        None,
        labelme.LOOKED_FOR,
        OUTLINED,
    ),
    "maps": Format(maps.recognise, maps.read, None, maps.LOOKED_FOR, ("semantic_segmentation",)),
    "instances": Format(
        instances.recognise, instances.read, instances.write, instances.LOOKED_FOR, TASKS
    ),
    "idx": Format(idx.recognise, idx.read, None, idx.LOOKED_FOR, ("classification",)),
    "cifar": Format(cifar.recognise, cifar.read, None, cifar.LOOKED_FOR, ("classification",)),
    "folders": Format(
        folders.recognise, folders.read, None, folders.LOOKED_FOR, ("classification",), rank=2
    ),
    "described": Format(
        description.recognise,
        _read_described,
        None,
        description.LOOKED_FOR,
        TASKS,
        partial(_read_described, task="keypoint_detection"),
        rank=0,
    ),
}


@dataclass(frozen=True)
class Converted:
    """What `convert` did. lost: what the new format could not hold, in words."""

    out: Path
    format: str
    images: int
    objects: int
    lost: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.out}: {self.images} images, {self.objects} objects, as {self.format}"
        return f"{text}; not kept: {', '.join(self.lost)}" if self.lost else text


def recognise(path: str | Path, task: str = "detection") -> str:
    """The name of the format of a folder or file, or of what a .zip holds.

    Raises:
        UsageError: nothing there. AnnotationError: no known format, or more than one.
    """
    path = _opened(Path(path), DEFAULT_LIMITS)
    for rank in sorted({format.rank for format in FORMATS.values()}):
        ranked = {name: format for name, format in FORMATS.items() if format.rank == rank}
        found = [name for name, format in ranked.items() if format.recognise(path)]
        found = [name for name in found if task in FORMATS[name].serves] or found
        if len(found) == 1:
            return found[0]
        if found:
            why = f"could be {' or '.join(found)}"
            raise AnnotationError(why, file=path, hint="say which with `format`")
    sought = "; ".join(f"{name}: {format.looked_for}" for name, format in FORMATS.items())
    raise AnnotationError("no annotations recognised", file=path, hint=f"looked for {sought}")


def read_annotations(
    path: str | Path,
    format: str = AUTO,
    limits: Limits = DEFAULT_LIMITS,
    *,
    task: str = "detection",
) -> Annotations:
    """Everything that a dataset's files say, and what is wrong with them, without its pixels.

    task: decides where there is a choice: COCO keeps keypoints in files of their own, and VOC's
    folders may hold boxes and class maps.

    Raises:
        UsageError: nothing there, or an unknown format.
        AnnotationError: not recognised, or a file that cannot be read at all. What is wrong with
            single entries is in `findings` instead, and left out.
    """
    place = _opened(Path(path), limits)
    if format == AUTO:
        format = recognise(place, task)
    if format not in FORMATS:
        hint = "one of " + ", ".join((AUTO, *FORMATS))
        raise UsageError(f"unknown format {format!r}", hint=hint)
    chosen = FORMATS[format]
    read = chosen.keypoints if task == "keypoint_detection" and chosen.keypoints else chosen.read
    return read(place, limits)


def _opened(path: Path, limits: Limits) -> Path:
    """The path itself, or the folder to which a .zip was unpacked.

    Raises:
        UsageError: nothing there.
    """
    if not path.exists():
        raise UsageError("no such file or folder", file=path)
    return unpacked(path, limits) if is_archive(path) else path


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

    Images that lie many in one file are written as PNG. task: as for `read_annotations`.

    Findings of severity error are left out, as everywhere. Boxes that were recorded before an
    EXIF turn are written for the upright image. A split `trainval` that only repeats train and
    val is dropped.

    Raises:
        UsageError: an unknown format, or `out` holds something or lies in `data`.
        AnnotationError: the source cannot be read, or `to` cannot hold its names.
    """
    writers = {name: format.write for name, format in FORMATS.items() if format.write}
    if to not in writers:
        why = "is read, not written" if to in FORMATS else "is unknown"
        raise UsageError(f"format {to!r} {why}", hint="one of " + ", ".join(writers))
    target = Path(out)
    refuse_output(target, folder=True, inside=[data])
    source = _settled(_without_repeats(read_annotations(data, format, limits, task=task)), limits)

    lost = [*writers[to](source, target, _copier(target, limits)), *_lost(source, to)]
    images = everything(source)
    return Converted(target, to, len(images), sum(map(len, images)), tuple(lost))


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
    images = everything(source)
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
        done[id(image)] = settle(image, limits) if image.there else image
    splits = {
        name: tuple(done[id(image)] for image in split)
        for name, split in annotations.splits.items()
    }
    return replace(annotations, splits=splits)
