"""Recognises the format of a dataset, and reads its annotations."""

from __future__ import annotations

from pathlib import Path

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.archive import is_archive, unpacked
from tapetum.data.formats.registry import AUTO, FORMATS
from tapetum.data.records.image_record import Annotations


def recognize(path: str | Path, task: str = "detection") -> str:
    """The name of the format of a folder or file, or of what a .zip holds.

    Args:
        path: the dataset.
        task: decides between two formats that could both be meant.

    Returns:
        A key of `FORMATS`.

    Raises:
        UsageError: nothing at that place.
        AnnotationError: no known format, or more than one.
    """
    path = _opened(Path(path), DEFAULT_LIMITS)
    formats = list(FORMATS.values())
    for rank in sorted({format.rank for format in formats}):
        found = [format for format in formats if format.rank == rank and format.recognize(path)]
        found = [format for format in found if task in format.tasks] or found
        if len(found) == 1:
            return found[0].name
        if found:
            why = f"could be {' or '.join(format.name for format in found)}"
            raise AnnotationError(why, file=path, hint="choose one with the option `format`")
    sought = "; ".join(f"{format.name}: {format.looked_for}" for format in formats)
    raise AnnotationError("no annotations recognised", file=path, hint=f"looked for {sought}")


def read_annotations(
    path: str | Path,
    format: str = AUTO,
    limits: Limits = DEFAULT_LIMITS,
    *,
    task: str = "detection",
) -> Annotations:
    """All annotations of a dataset, and what is wrong with them, without its pixels.

    Args:
        path: a folder, a file of annotations or a .zip.
        format: one of `FORMATS`, or "auto".
        limits: on the sizes of files.
        task: decides where there is a choice: COCO keeps keypoints in files of their own, and
            VOC's folders may hold boxes and class maps.

    Returns:
        The annotations. What is wrong with single entries is in `findings`, and left out.

    Raises:
        UsageError: nothing at that place, or an unknown format.
        AnnotationError: not recognised, or a file that cannot be read at all.
    """
    place = _opened(Path(path), limits)
    if format == AUTO:
        format = recognize(place, task)
    if format not in FORMATS:
        hint = "one of " + ", ".join((AUTO, *FORMATS))
        raise UsageError(f"unknown format {format!r}", hint=hint)
    return FORMATS[format].reader(task)(place, limits)


def _opened(path: Path, limits: Limits) -> Path:
    """The path itself, or the folder to which a .zip was unpacked.

    Raises:
        UsageError: nothing there.
    """
    if not path.exists():
        raise UsageError("no such file or folder", file=path)
    return unpacked(path, limits) if is_archive(path) else path
