"""ImageRecord, Finding, Annotations: what a dataset's files state, before any pixel is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tapetum.data.records.label_map import MapCode

Segment = Sequence[Sequence[float] | np.ndarray] | Mapping[str, Any] | None
"""COCO's segmentation: polygons [[x, y, x, y, ...], ...] (the readers keep each as a flat float64
array, which is a quarter of the memory), a run-length dict, or nothing."""


_PER_OBJECT = (("xywh", (4,)), ("labels", ()), ("crowd", ()), ("difficult", ()), ("area", ()))


@dataclass(frozen=True, eq=False, slots=True)
class ImageRecord:
    """One image as its annotation file describes it: flat arrays, no tensors.

    Boxes stay float64 exactly as the file has them, because evaluation runs on them: one box in
    three that lies on an IoU threshold would change its match after a trip through float32.

    Args:
        name: the name in messages and reports (relative to its dataset, with forward slashes).
        path: the image file; None where the annotations name none (results without images), and
            where one file holds many images.
        id: the file's own id of the image.
        size: (height, width) as recorded, which may differ from the decoded pixels.
        xywh: (N, 4) float64, left, top, width, height in pixels, half open.
        labels: (N,) int64, contiguous class index.
        crowd, difficult: (N,) bool, regions that evaluation ignores.
        area: (N,) float64, as the file states it, else width x height.
        ids: the file's own id of each object.
        segments: one entry per object, or empty where no object has one.
        keypoints: (N, K, 3) float64, x y v as the file has them; zeros for an object without any.
        image_labels: classes of the whole image, where its format states some.
        semantic: the file of its class map.
        pixels: (H, W) or (H, W, 3) uint8 RGB, where one file holds many images: a view of them all.
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
    keypoints: np.ndarray | None = None
    image_labels: tuple[int, ...] | None = None
    semantic: Path | None = None
    pixels: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = len(self.ids)
        for name, tail in _PER_OBJECT:
            actual = getattr(self, name).shape
            if actual != (count, *tail):
                raise ValueError(f"{name}: expected shape {(count, *tail)}, got {actual}")
        if self.segments and len(self.segments) != count:
            raise ValueError(f"segments: expected {count} entries, got {len(self.segments)}")
        points = self.keypoints
        if points is not None and (points.ndim != 3 or points.shape[::2] != (count, 3)):
            raise ValueError(f"keypoints: expected shape ({count}, K, 3), got {points.shape}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def class_labels(self) -> list[int]:
        """Labels of the whole image: as its format states them, else those of its objects, crowds
        aside."""
        if self.image_labels is not None:
            return list(self.image_labels)
        return np.unique(self.labels[~self.crowd]).tolist()

    @property
    def has_pixels(self) -> bool:
        """Are there pixels to decode?"""
        return self.path is not None or self.pixels is not None


def _shared(*shape: int, dtype: type) -> np.ndarray:
    array: np.ndarray = np.zeros(shape, dtype=dtype)
    array.flags.writeable = False
    return array


_NO_BOXES, _NO_LABELS = _shared(0, 4, dtype=np.float64), _shared(0, dtype=np.int64)
_NO_FLAGS, _NO_AREAS = _shared(0, dtype=np.bool_), _shared(0, dtype=np.float64)


def bare_record(
    name: str,
    path: Path | None,
    id: int | str,
    size: tuple[int, int] | None = None,
    *,
    image_labels: tuple[int, ...] | None = None,
    semantic: Path | None = None,
    pixels: np.ndarray | None = None,
) -> ImageRecord:
    """A record without objects. All of them share their empty arrays: a dataset may have millions.

    Args:
        name: path of the image inside the dataset.
        path: the image file; None if it was not found.
        id: of the image in the annotation file.
        size: (height, width) in pixels; None if the annotations do not state it.
        image_labels: classes of the image as a whole; None if there are none.
        semantic: file of the class map.
        pixels: (H, W, 3) uint8 RGB of an image that has no file.

    Returns:
        The record.
    """
    return ImageRecord(
        name,
        path,
        id,
        size,
        xywh=_NO_BOXES,
        labels=_NO_LABELS,
        crowd=_NO_FLAGS,
        difficult=_NO_FLAGS,
        area=_NO_AREAS,
        ids=(),
        image_labels=image_labels,
        semantic=semantic,
        pixels=pixels,
    )


@dataclass(frozen=True)
class Finding:
    """Something in a dataset that is wrong, or worth knowing.

    Args:
        code: stable and short, as in "box-outside", one of `CODES`.
        severity: "error" (cannot be used), "warning" (used, but probably wrong) or "info".
        file: relative to the dataset's folder.
        where: line, id or class inside `file`.
        message: in one line.
        image: name of the image that it is about, where that is not `file` itself.
        box: x y width height of the object in pixels, as the file has it.
        duplicate: the other of two images, by its file or name.
    """

    code: str
    severity: str
    file: str
    where: str
    message: str
    image: str | None = None
    box: tuple[float, float, float, float] | None = None
    duplicate: str | None = None


@dataclass(frozen=True, eq=False)
class Annotations:
    """A dataset as read: its classes, its images by split, and the findings of the reader.

    Args:
        format: one of `tapetum.data.formats.FORMATS`.
        root: the dataset's folder.
        classes: names, by label.
        class_ids: the file's id of each class, for writing.
        splits: the dataset's splits, in order; one split named "all" where it has none.
        findings: what is wrong with single entries; errors are left out of `splits`.
        keypoint_names: of the keypoints of an object.
        skeleton: pairs of keypoints that a line joins, counted from 0.
        keypoint_labels: the classes whose objects have these keypoints.
        maps: what the values in class maps mean, where images have some.
        split_descriptions: how a split was made, by its name, where it was not in the dataset.
    """

    format: str
    root: Path
    classes: tuple[str, ...]
    class_ids: tuple[int | str, ...]
    splits: dict[str, tuple[ImageRecord, ...]]
    findings: tuple[Finding, ...] = field(default=())
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    keypoint_labels: tuple[int, ...] = ()
    maps: MapCode | None = None
    split_descriptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def palette(self) -> np.ndarray | None:
        """(C, 3) uint8, the color of each class in color maps; None without such."""
        return None if self.maps is None else self.maps.palette

    def all_images(self) -> tuple[ImageRecord, ...]:
        """Every image once, although splits may share some (VOC's trainval is train and val)."""
        seen: dict[object, ImageRecord] = {}
        for images in self.splits.values():
            for image in images:
                seen.setdefault((image.path or image.name, image.id), image)
        return tuple(seen.values())
