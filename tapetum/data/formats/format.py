"""Format: what can be done with one way to store a dataset."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tapetum.base.limits import Limits
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.structures.tasks import TASKS

BOXED = tuple(task for task, needed in TASKS.items() if "boxes" in needed.types)
OUTLINED = tuple(task for task, needed in TASKS.items() if {"boxes", "masks"} & set(needed.types))
"""The tasks that formats with boxes, and formats with outlines, are made for."""

Copy = Callable[[ImageRecord, str], None]
"""Writes the file of an image at a place inside the folder of the new dataset."""

Read = Callable[[Path, Limits], Annotations]
"""All annotations of a folder or file. A bad entry is a finding and is left out.

Raises AnnotationError where nothing can be read."""

Write = Callable[[Annotations, Path, Copy], list[str]]
"""Annotations into a new folder; returns what the format could not hold, a line each.

Raises AnnotationError where it cannot hold the names."""


class ReadPlaced(Protocol):
    """As `Read`, with what only a description states.

    images, maps: folders, relative to the dataset's. names: of the numbers in maps.
    """

    def __call__(
        self,
        path: Path,
        limits: Limits = ...,
        *,
        images: str | None = None,
        maps: str | None = None,
        names: dict[int, str] | None = None,
    ) -> Annotations: ...


@dataclass(frozen=True)
class Format:
    """One format; each stands at the end of its own file as `FORMAT`.

    Args:
        name: as users type it, and as `tapetum.data.formats.FORMATS` lists it.
        looked_for: what it is recognised by, for messages.
        recognise: is a folder or file of this format?
        read: reads it.
        write: writes it; None if it is only read.
        tasks: that it is made for. Where a folder could be of two formats, the one for the task is
            taken.
        read_keypoints: in place of `read` for keypoint detection, where that differs.
        read_placed: for formats with class numbers in maps; see `ReadPlaced`.
        first_class: the number of the first class that a description lists for `read_placed`.
        rank: a format is considered only where none of a lower rank is recognised.
        label_split: the split under which annotation tools expect predictions; None: predictions
            are not written in this format.
        label_per_image: is a file of labels called after its image, without folder and suffix?
    """

    name: str
    looked_for: str
    recognize: Callable[[Path], bool]
    read: Read
    write: Write | None = None
    tasks: Collection[str] = BOXED
    read_keypoints: Read | None = None
    read_placed: ReadPlaced | None = None
    first_class: int = 0
    rank: int = 1
    label_split: str | None = None
    label_per_image: bool = False

    def reader(self, task: str) -> Read:
        """What reads it for a task, one of `tapetum.structures.TASKS`."""
        keypoints = task in TASKS and TASKS[task].types[0] == "keypoints"
        return self.read_keypoints or self.read if keypoints else self.read
