"""A COCO file while it is read: what is known of it so far, and where its findings go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tapetum.data.coco.keypoints import NO_KEYPOINTS, Scheme
from tapetum.data.findings import Log
from tapetum.data.table import Table

Identifier = int | str

Thing = tuple[int, Sequence[float]]
"""The number of a picture in the table, and the box of a thing on it, () if it has none."""


@dataclass
class CocoFile:
    """A file while it is read. classes: (id, name) as listed; groups: the supercategory of each
    class, or ""; table: its pictures and things, labelled by place in `classes`. scheme: the
    keypoints that the classes `posed` have."""

    path: Path
    log: Log
    table: Table
    classes: list[tuple[Identifier, str]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    scheme: Scheme = NO_KEYPOINTS
    posed: list[int] = field(default_factory=list)

    def note(self, code: str, where: str, message: str, thing: Thing | None = None) -> None:
        """Add a finding, of a thing if it is about one."""
        picture, box = (None, ()) if thing is None else (self.table.heads[thing[0]].name, thing[1])
        self.log.note(code, self.path, where, message, picture=picture, box=box)


def identifier(value: Any) -> Identifier | None:
    """An id: an integer (also written as 3.0) or a text that is not empty."""
    if type(value) is int or (type(value) is str and value):
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    return None
