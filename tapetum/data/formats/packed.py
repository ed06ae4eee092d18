"""Many images in one file: what such formats share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.base.files import read_text
from tapetum.base.limits import Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import ImageRecord, bare_record

PACKED_BYTES = 2**31
"""Largest file of packed images, also once it is unpacked."""


def packed_images(
    pixels: np.ndarray, labels: np.ndarray, stem: str, first: int
) -> list[ImageRecord]:
    """Records of images (N, H, W) or (N, H, W, 3) uint8 with labels (N,), ids from `first`.

    They are called by their place: STEM-00000.png, STEM-00001.png, ...
    """
    height, width = pixels.shape[1:3]
    shared = [(label,) for label in range(int(labels.max(initial=0)) + 1)]
    return [
        bare_record(
            f"{stem}-{place:05d}.png",
            None,
            first + place,
            (height, width),
            image_labels=shared[label],
            pixels=image,
        )
        for place, (image, label) in enumerate(zip(pixels, labels.tolist(), strict=True))
    ]


def class_names(
    finder: Finder, files: Sequence[str], count: int, collector: FindingCollector, limits: Limits
) -> tuple[str, ...]:
    """Names of `count` classes or more: one a line in the first of `files` that is there, else
    their numbers.

    Raises:
        AnnotationError: the file has too few.
    """
    for name in files:
        if (path := finder.look(name, [""])) is not None:
            lines = [line.strip() for line in read_text(path, limits).splitlines()]
            names = tuple(line for line in lines if line)
            return named(names, count, path)
    collector.note("class-names-missing", ".", "classes", f"{count} classes have no names")
    return tuple(str(number) for number in range(count))


def named(names: tuple[str, ...], count: int, path: Path) -> tuple[str, ...]:
    """The names, once they are known to be enough, and no two the same."""
    if len(names) < count or len(set(names)) < len(names):
        what = f"{len(names)} names for {count} classes"
        why = what if len(names) < count else "it lists a class twice"
        raise AnnotationError(why, file=path)
    return names
