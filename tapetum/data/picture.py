"""Picture, Finding, Annotations: what a dataset's files say, before any pixel is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Segment = Sequence[Sequence[float] | np.ndarray] | Mapping[str, Any] | None
"""COCO's segmentation: polygons [[x, y, x, y, ...], ...] (the readers keep each as a flat float64
array, which is a quarter of the memory), a run-length dict, or nothing."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture as its annotation file describes it: flat arrays, no tensors.

    Boxes stay float64 exactly as the file has them, because evaluation runs on them: one box in
    three that lies on an IoU threshold would change its match after a trip through float32.

    name: the name that people know it by (relative to its dataset, with forward slashes).
    path: the image file; None where the annotations name none (results without pictures).
    id: the file's own id of the picture.
    size: (height, width) as recorded, which may differ from the decoded pixels.
    xywh: (N, 4) float64, left, top, width, height in pixels, half open.
    labels: (N,) int64, contiguous class index.
    crowd, difficult: (N,) bool, regions that evaluation ignores.
    area: (N,) float64, as the file states it, else width x height.
    ids: the file's own id of each thing.
    segments: one entry per thing, or empty where no thing has one.
    """

    name: str
    path: Path | None
    id: int | str
    size: tuple[int, int] | None
    xywh: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray
    area: np.ndarray
    ids: tuple[int | str, ...]
    segments: tuple[Segment, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.ids)
        shapes = {
            "xywh": (self.xywh.shape, (count, 4)),
            "labels": (self.labels.shape, (count,)),
            "crowd": (self.crowd.shape, (count,)),
            "difficult": (self.difficult.shape, (count,)),
            "area": (self.area.shape, (count,)),
        }
        for name, (actual, expected) in shapes.items():
            if actual != expected:
                raise ValueError(f"{name}: expected shape {expected}, got {actual}")
        if self.segments and len(self.segments) != count:
            raise ValueError(f"segments: expected {count} entries, got {len(self.segments)}")

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing, in a dataset.

    code: stable and short, as in "box-outside"; severity: "error" (cannot be used), "warning"
    (used, but probably wrong) or "info"; where: line, id or class inside `file`.
    """

    code: str
    severity: str
    file: str
    where: str
    message: str


@dataclass(frozen=True, eq=False)
class Annotations:
    """A whole dataset as read: its classes, its pictures by split, and what was found on the way.

    class_ids: the file's own id of each class, for writing back.
    splits: the dataset's own splits, in their own order; one split named "all" where it has none.
    """

    format: str
    root: Path
    classes: tuple[str, ...]
    class_ids: tuple[int | str, ...]
    splits: dict[str, tuple[Picture, ...]]
    findings: tuple[Finding, ...] = field(default=())
