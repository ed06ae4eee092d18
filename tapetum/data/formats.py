"""Annotations of any known format: recognised, read, written in another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.base.files import atomic_write, read_bytes, safe_path
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data import coco, voc, yolo
from tapetum.data.frame import settle
from tapetum.data.picture import Annotations, Picture
from tapetum.data.splits import everything

AUTO = "auto"


@dataclass(frozen=True)
class Format:
    """What can be done with a format. looked_for: what it is recognised by, for people."""

    recognise: Callable[[Path], bool]
    read: Callable[[Path, Limits], Annotations]
    write: Callable[[Annotations, Path, Callable[[Picture, str], None]], list[str]]
    looked_for: str


FORMATS = {
    "coco": Format(coco.recognise, coco.read, coco.write, coco.LOOKED_FOR),
    "voc": Format(voc.recognise, voc.read, voc.write, voc.LOOKED_FOR),
    "yolo": Format(yolo.recognise, yolo.read, yolo.write, yolo.LOOKED_FOR),
}


@dataclass(frozen=True)
class Converted:
    """What `convert` did. lost: what the new format could not hold, in words."""

    out: Path
    format: str
    pictures: int
    objects: int
    lost: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.out}: {self.pictures} pictures, {self.objects} objects, as {self.format}"
        return f"{text}; not kept: {', '.join(self.lost)}" if self.lost else text


def recognise(path: str | Path) -> str:
    """The name of the format of a folder or file.

    Raises:
        UsageError: nothing there. AnnotationError: no known format, or more than one.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError("no such file or folder", file=path)
    found = [name for name, format in FORMATS.items() if format.recognise(path)]
    if len(found) == 1:
        return found[0]
    if found:
        why = f"could be {' or '.join(found)}"
        raise AnnotationError(why, file=path, hint="say which with --format (format=)")
    sought = "; ".join(f"{name}: {format.looked_for}" for name, format in FORMATS.items())
    raise AnnotationError("no annotations recognised", file=path, hint=f"looked for {sought}")


def read_annotations(
    path: str | Path, format: str = AUTO, limits: Limits = DEFAULT_LIMITS
) -> Annotations:
    """Everything that a dataset's files say, and what is wrong with them, without its pixels.

    Raises:
        UsageError: nothing there, or an unknown format.
        AnnotationError: not recognised, or a file that cannot be read at all. What is wrong with
            single entries is in `findings` instead, and left out.
    """
    if format == AUTO:
        format = recognise(path)
    if format not in FORMATS:
        hint = "one of " + ", ".join((AUTO, *FORMATS))
        raise UsageError(f"unknown format {format!r}", hint=hint)
    if not Path(path).exists():
        raise UsageError("no such file or folder", file=path)
    return FORMATS[format].read(Path(path), limits)


def convert(
    data: str | Path,
    out: str | Path,
    to: str = "coco",
    format: str = AUTO,
    limits: Limits = DEFAULT_LIMITS,
) -> Converted:
    """Write a dataset in another format, pictures copied byte for byte; the source is untouched.

    Findings of severity error are left out, as everywhere. Boxes that were recorded before an
    EXIF turn are written for the upright picture. A split `trainval` that only repeats train and
    val is dropped.

    Raises:
        UsageError: an unknown format, or `out` holds something.
        AnnotationError: the source cannot be read, or `to` cannot hold its names.
    """
    if to not in FORMATS:
        raise UsageError(f"unknown format {to!r}", hint="one of " + ", ".join(FORMATS))
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError("it exists and is not an empty folder", file=target)
    source = _settled(_without_repeats(read_annotations(data, format, limits)), limits)

    copied: dict[str, Path] = {}

    def copy(picture: Picture, place: str) -> None:
        assert picture.path is not None
        if copied.setdefault(place, picture.path) != picture.path:
            why = f"it would be written to {place}, as {copied[place]}"
            raise AnnotationError(why, file=picture.path)
        with atomic_write(safe_path(target, place)) as file:
            file.write(read_bytes(picture.path, limits.image_bytes))

    lost = FORMATS[to].write(source, target, copy)
    pictures = everything(source)
    return Converted(target, to, len(pictures), sum(map(len, pictures)), tuple(lost))


def _without_repeats(annotations: Annotations) -> Annotations:
    splits = dict(annotations.splits)
    both = splits.get("trainval")
    if both and {"train", "val"} <= splits.keys():
        parts = {picture.path for split in ("train", "val") for picture in splits[split]}
        if {picture.path for picture in both} <= parts:
            del splits["trainval"]
    return replace(annotations, splits=splits)


def _settled(annotations: Annotations, limits: Limits) -> Annotations:
    """Records in the frames of the upright pictures, the same one wherever it stands."""
    done: dict[int, Picture] = {}
    for picture in (p for split in annotations.splits.values() for p in split):
        done[id(picture)] = settle(picture, limits) if picture.path is not None else picture
    splits = {
        name: tuple(done[id(picture)] for picture in split)
        for name, split in annotations.splits.items()
    }
    return replace(annotations, splits=splits)
