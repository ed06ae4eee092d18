"""Scenes: a dataset that is composed on the fly, for demonstrations, lessons and tests.

Drawn objects, drawn people and real handwritten digits (the test set of the UCI "Optical
Recognition of Handwritten Digits", Alpaydin and Kaynak 1998, as it comes with scikit-learn) lie on
procedural backgrounds, overlap, and cast shadows. Nothing is downloaded or stored: scene `index`
of a split is a pure function of (seed, split, index), and its annotations are exact, since it
is known which object each pixel shows.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

from tapetum.base.errors import UsageError
from tapetum.base.seeds import derive_seed
from tapetum.data.records.annotation_types import BACKGROUND, learns_from
from tapetum.data.records.image_record import ImageRecord
from tapetum.data.scenes.figures import FIGURE
from tapetum.data.scenes.layout import Layout, Streams, lay_out
from tapetum.data.scenes.options import (
    CHALLENGES,
    MIXED,
    SceneOptions,
    scene_count,
    scene_options,
)
from tapetum.data.scenes.painting import paint_layout
from tapetum.data.scenes.poses import KEYPOINTS, SKELETON
from tapetum.data.scenes.sketches import OBJECTS
from tapetum.ops.masks import rle_encode
from tapetum.structures import Objects, Sample, Target

__all__ = [
    "CHALLENGES",
    "FIGURE",
    "KEYPOINTS",
    "LENGTHS",
    "MIXED",
    "OBJECTS",
    "SKELETON",
    "SceneOptions",
    "Scenes",
    "handwriting",
    "open_scenes",
    "scene_options",
]

LENGTHS = {"train": 2000, "val": 200, "test": 200}
"""The splits, and how many scenes each has by default."""

_WRITERS = {"train": range(7), "val": range(7, 8), "test": range(8, 10)}
"""Which tenths of the handwritten digits a split may show."""


class Scenes:
    """A `Dataset` of scenes, made as they are read, with the annotations of a task.

    "detection", "instance_segmentation": all objects, without or with masks. "localization":
    exactly one large object. "classification": the classes in the image. "semantic_segmentation":
    a map; class 0 is "background". For these the same index shows the same scene ("localization"
    aside), so that tasks can be compared on one image. "keypoint_detection": people as objects
    with COCO's 17 keypoints; other objects have no label. Where the options ask for people, the
    other tasks have a ninth class for them.

    A box is the tight hull of the visible part of an object, half open; `area` is the number of its
    visible pixels. A keypoint is 2 (visible), 1 (hidden by another object or part of the person)
    or 0 (outside the image).

    Args:
        split: "train", "val" or "test"; no two share a scene or a handwritten digit.
        seed: another one gives other scenes.
        size: (height, width) of each image in pixels.
        length: how many scenes there are; None: as `LENGTHS`. Scenes do not depend on it.
        options: what the scenes are like.
        task: one of `tapetum.structures.TASKS`.
        name: of the dataset, in reports.

    Raises:
        UsageError: an unknown split.
        ValueError: an unknown task.
    """

    def __init__(
        self,
        split: str = "train",
        seed: int = 0,
        size: tuple[int, int] = (192, 256),
        length: int | None = None,
        options: SceneOptions = SceneOptions(),  # noqa: B008, it is frozen
        task: str = "detection",
        name: str = "scenes",
    ) -> None:
        if split not in LENGTHS:
            raise UsageError(f"scenes have no split {split!r}", hint="one of " + ", ".join(LENGTHS))
        if min(size) < 1:
            raise ValueError(f"size: expected at least (1, 1), got {size}")
        self.name, self.task = name, task
        self.split, self.seed, self.size, self.options = split, seed, size, options
        self._suited = options.suited(task, size)
        self._annotation = learns_from(task)
        self.classes = _classes(self._annotation, people=self._suited.figures[1] > 0)
        posed = self._annotation == "keypoints"
        self.keypoint_names = KEYPOINTS if posed else ()
        self.skeleton = SKELETON if posed else ()
        self.multilabel = True
        self.length = LENGTHS[split] if length is None else length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Scene `index` with the annotations of the task."""
        layout = self._layout(index)
        image = torch.from_numpy(paint_layout(layout, self.options, self._streams(index)))
        return Sample(image, self._target(layout, index), self._name(index))

    def record(self, index: int) -> ImageRecord:
        """The annotations of scene `index`, without painting it; masks run-length coded."""
        layout = self._layout(index)
        chosen = self._chosen(layout)
        boxes, area = layout.boxes_and_areas(chosen)
        labels = self._labels(layout)[chosen]
        none = np.zeros(len(chosen), dtype=bool)
        outlined = chosen if self._annotation == "masks" else []
        return ImageRecord(
            name=self._name(index),
            path=None,
            id=index,
            size=self.size,
            xywh=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1),
            labels=labels,
            crowd=none,
            difficult=none,
            area=area,
            ids=_ids(index, chosen),
            segments=tuple(rle_encode(layout.owner == number) for number in outlined),
            keypoints=layout.keypoints(chosen) if self.keypoint_names else None,
            image_labels=tuple(np.unique(labels).tolist())
            if self._annotation == "labels"
            else None,
        )

    def _target(self, layout: Layout, index: int) -> Target:
        labels = self._labels(layout)
        if self._annotation == "labels":
            return Target(labels=torch.from_numpy(np.unique(labels)))
        if self._annotation == "semantic":
            of_pixel = np.append(labels + 1, 0).astype(np.uint8)  # owner -1: background
            return Target(semantic=torch.from_numpy(of_pixel.take(layout.owner)))
        chosen = self._chosen(layout)
        boxes, area = layout.boxes_and_areas(chosen)
        objects = Objects(
            boxes=torch.from_numpy(boxes).float(),
            labels=torch.from_numpy(labels[chosen]),
            area=torch.from_numpy(area).float(),
            ids=_ids(index, chosen),
        )
        if self._annotation == "masks":
            numbers = torch.arange(len(labels), dtype=torch.int16)[:, None, None]
            objects = objects.with_(masks=torch.from_numpy(layout.owner) == numbers)
        if self.keypoint_names:
            points = torch.from_numpy(layout.keypoints(chosen)).float()
            objects = objects.with_(keypoints=points)
        return Target(objects=objects)

    def _chosen(self, layout: Layout) -> list[int]:
        """Which pieces of the layout are objects."""
        if not self.keypoint_names:
            return list(range(len(layout.pieces)))
        return [i for i, piece in enumerate(layout.pieces) if piece.joints is not None]

    def _labels(self, layout: Layout) -> np.ndarray:
        """(N,) int64 of all pieces, index into the classes of objects and people."""
        return np.zeros_like(layout.labels) if self.keypoint_names else layout.labels

    def _layout(self, index: int) -> Layout:
        if not 0 <= index < self.length:
            raise IndexError(f"scene {index} of {self.length}")
        return lay_out(self._streams(index), self.size, self._suited, handwriting(self.split))

    def _streams(self, index: int) -> Streams:
        # Layout and surface draw apart, so that the annotations do not depend on the painting.
        return lambda purpose: np.random.default_rng(
            derive_seed(self.seed, "scenes", self.split, int(index), purpose)
        )

    def _name(self, index: int) -> str:
        return f"{self.split}-{index:05d}"


def open_scenes(name: str, split: str = "train", task: str = "detection") -> Scenes:
    """Scenes by name.

    Args:
        name: "scenes", "scenes:mixed", "scenes:occlusion=0.8,clutter" (see `scene_options`),
            "scenes:count=4" (the first four of each split) or "scenes:count=4,mixed".
        split: "train", "val" or "test".
        task: one of `tapetum.structures.TASKS`.

    Returns:
        The dataset.

    Raises:
        UsageError: an unknown split or challenge, or a count out of range.
    """
    count, challenges = scene_count(name.partition(":")[2])
    return Scenes(split, length=count, options=scene_options(challenges), task=task, name=name)


@functools.cache
def handwriting(split: str) -> np.ndarray:
    """The handwritten digits (N, 8, 8), 0 ... 16, that scenes of a split may show."""
    from sklearn.datasets import load_digits  # a second to import, so only when needed

    digits = load_digits().images
    return digits[np.isin(np.arange(len(digits)) % 10, _WRITERS[split])]


def _classes(annotation: str, *, people: bool) -> tuple[str, ...]:
    if annotation == "keypoints":
        return (FIGURE,)
    first = (BACKGROUND,) if annotation == "semantic" else ()
    return (*first, *OBJECTS, FIGURE) if people else (*first, *OBJECTS)


def _ids(index: int, chosen: list[int]) -> tuple[int, ...]:
    return tuple(1000 * index + number + 1 for number in chosen)
