"""A COCO file while it is read: what is known of it so far, and where its findings go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tapetum.data.formats.coco.keypoints import NO_KEYPOINTS, Scheme
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.table import Table

Identifier = int | str

CocoObject = tuple[int, Sequence[float]]
"""The number of an image in the table, and the box of an object on it, () if it has none."""


@dataclass
class CocoFile:
    """A file while it is read. classes: (id, name) as listed; groups: the supercategory of each
    class, or ""; table: its images and objects, labeled by place in `classes`. scheme: the
    keypoints that the classes `posed` have."""

    path: Path
    collector: FindingCollector
    table: Table
    classes: list[tuple[Identifier, str]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    scheme: Scheme = NO_KEYPOINTS
    posed: list[int] = field(default_factory=list)

    def note(self, code: str, where: str, message: str, obj: CocoObject | None = None) -> None:
        """Add a finding, of an object if it is about one."""
        image, box = (None, ()) if obj is None else (self.table.heads[obj[0]].name, obj[1])
        self.collector.note(code, self.path, where, message, image=image, box=box)


def identifier(value: Any) -> Identifier | None:
    """An id: an integer (also written as 3.0) or a text that is not empty."""
    if type(value) is int or (type(value) is str and value):
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    return None
