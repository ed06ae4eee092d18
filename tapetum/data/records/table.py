"""Objects of many images in flat columns: collected by a reader, judged at once, then divided.

A million annotations take a hundred megabytes here and a gigabyte as Python objects, and forked
workers would copy the latter page by page.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.data.records.box_validation import Boxes, Place, validate_boxes
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import ImageRecord, Segment


class Head(NamedTuple):
    """An image without its objects. file: where it is annotated, for findings."""

    name: str
    path: Path | None
    id: int | str
    size: tuple[int, int] | None
    file: Path


class Table:
    """Grows by images and objects; `images` makes the finished records of what is usable.

    most: objects that it takes; the next one raises AnnotationError. keypoints: how many each
    object has; to be set before objects are added with some.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.heads: list[Head] = []
        self._owner = array("q")
        self._xywh = array("d")
        self._label = array("q")
        self._area = array("d")
        self._line = array("q")
        self._flags = bytearray()
        self._ids: list[int | str] = []
        self._segments: dict[int, Segment] = {}
        self._keypoints_of: dict[int, np.ndarray] = {}
        self.keypoints = 0

    def __len__(self) -> int:
        return len(self._ids)

    def add_image(self, head: Head) -> int:
        """The number by which `add` refers to this image."""
        self.heads.append(head)
        return len(self.heads) - 1

    def add(
        self,
        image: int,
        xywh: Sequence[float],
        label: int,
        id: int | str,
        *,
        crowd: bool = False,
        difficult: bool = False,
        area: float = float("nan"),
        segment: Segment = None,
        keypoints: np.ndarray | None = None,
        outlined: bool = False,
        line: int = 0,
    ) -> None:
        """One object. area: NaN where the file states none; outlined: it is that of an outline,
        known or not, rather than of the box; line: 0 where its id says enough; keypoints: (K, 3)
        x y v."""
        if len(self._ids) >= self._limit:
            why = f"the dataset has more than {self._limit:,} annotations"
            raise AnnotationError(
                why, file=self.heads[image].file, hint="raise the limit with tapetum.Limits"
            )
        if segment is not None:
            self._segments[len(self._ids)] = segment
        if keypoints is not None:
            self._keypoints_of[len(self._ids)] = keypoints
        self._owner.append(image)
        self._xywh.extend(xywh)
        self._label.append(label)
        self._area.append(area)
        self._line.append(line)
        self._flags.append(crowd + 2 * difficult + 4 * outlined)
        self._ids.append(id)

    def labels_in_use(self) -> set[int]:
        """The labels that some object has."""
        return set(self._label)

    def images(
        self, collector: FindingCollector, labels: np.ndarray | None = None
    ) -> list[ImageRecord]:
        """Every image with its usable objects, in the order added; the rest goes to `collector`.

        labels: (C,) int64, what each label becomes, for files that number classes their own way.
        """
        label = _column(self._label, np.int64)
        flags = np.frombuffer(bytes(self._flags), dtype=np.uint8)
        boxes = Boxes(
            xywh=_column(self._xywh, np.float64).reshape(-1, 4),  # (4 N,) -> (N, 4)
            label=label if labels is None else labels[label],
            area=_column(self._area, np.float64),
            owner=_column(self._owner, np.int64),
            sizes=np.array([head.size or (np.nan, np.nan) for head in self.heads]).reshape(-1, 2),
            outlined=(flags & 4) > 0,
        )
        keep, area = validate_boxes(boxes, self._place, collector)
        order = np.flatnonzero(keep)
        order = order[np.argsort(boxes.owner[order], kind="stable")]
        return self._divide(boxes, flags[order], area[order], order)

    def _divide(
        self, boxes: Boxes, flags: np.ndarray, area: np.ndarray, order: np.ndarray
    ) -> list[ImageRecord]:
        """The rows of `order`, which are grouped by image; flags and area belong to them."""
        xywh, label = boxes.xywh[order], boxes.label[order]
        crowd, difficult = (flags & 1) > 0, (flags & 2) > 0
        ends = np.searchsorted(boxes.owner[order], np.arange(len(self.heads) + 1))
        images = []
        for number, head in enumerate(self.heads):
            part = slice(ends[number], ends[number + 1])
            rows = order[part].tolist()
            segments = tuple(self._segments.get(row) for row in rows)
            images.append(
                ImageRecord(
                    name=head.name,
                    path=head.path,
                    id=head.id,
                    size=head.size,
                    xywh=xywh[part],
                    labels=label[part],
                    crowd=crowd[part],
                    difficult=difficult[part],
                    area=area[part],
                    ids=tuple(self._ids[row] for row in rows),
                    segments=segments if any(s is not None for s in segments) else (),
                    keypoints=self._keypoints(rows) if self.keypoints else None,
                )
            )
        return images

    def _keypoints(self, rows: list[int]) -> np.ndarray:
        """(N, K, 3) of some objects; zeros for those without."""
        nothing = np.zeros((self.keypoints, 3))
        rows_of_keypoints = [self._keypoints_of.get(row, nothing) for row in rows]
        return (
            np.stack(rows_of_keypoints) if rows_of_keypoints else np.zeros((0, self.keypoints, 3))
        )

    def _place(self, row: int) -> Place:
        line, head = self._line[row], self.heads[self._owner[row]]
        where = f"line {line}" if line else f"annotation {self._ids[row]}"
        return Place(head.file, where, head.name)


def _column(values: array, dtype: type) -> np.ndarray:
    return np.frombuffer(values, dtype=dtype) if len(values) else np.zeros(0, dtype=dtype)
