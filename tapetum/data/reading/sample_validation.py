"""Validation of samples that come from a user's code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tapetum.base.errors import AnnotationError
from tapetum.data.records.annotation_types import learns_from
from tapetum.structures import IGNORE_INDEX, Objects, Sample, Target


@dataclass(frozen=True)
class SampleValidator:
    """The validation for a task and a number of classes and keypoints."""

    task: str
    classes: int
    keypoints: int
    multilabel: bool

    def check(self, sample: Any, name: str, index: int) -> Sample:
        """The sample itself.

        Raises:
            AnnotationError: it cannot be; says which sample of `name`, and the first fault.
        """
        fault = next(self._faults(sample), None)
        if fault is not None:
            sample_name = getattr(sample, "name", "")
            where = f"sample {index}" + (f" ({sample_name})" if sample_name else "")
            raise AnnotationError(fault, file=name, where=where)
        return sample

    def _faults(self, sample: Any) -> Iterator[str]:
        if not isinstance(sample, Sample):
            yield f"expected a tapetum.Sample, got {type(sample).__name__}"
            return
        yield from _image_faults(sample.image)
        target = sample.target
        annotation = learns_from(self.task)
        if annotation == "labels":
            yield from self._label_faults(target)
        elif annotation == "semantic":
            yield from self._map_faults(target, sample.size)
        elif target.objects is None:
            yield "its target has no objects (Objects.empty() says that there are none)"
        else:
            yield from self._object_faults(target.objects, sample.size)

    def _label_faults(self, target: Target) -> Iterator[str]:
        labels = target.labels
        if labels is None:
            yield "its target has no labels"
            return
        yield from self._range_faults("labels", labels)
        if not self.multilabel and len(labels) != 1:
            yield f"has {len(labels)} labels, expected 1 (multilabel=True allows any number)"

    def _map_faults(self, target: Target, size: tuple[int, int]) -> Iterator[str]:
        semantic = target.semantic
        if semantic is None:
            yield "its target has no semantic map"
            return
        if tuple(semantic.shape) != size:
            yield f"semantic: expected {size} as the image has, got {tuple(semantic.shape)}"
        yield from self._range_faults("semantic", semantic[semantic != IGNORE_INDEX])

    def _object_faults(self, objects: Objects, size: tuple[int, int]) -> Iterator[str]:
        yield from self._range_faults("labels", objects.labels)
        yield from _box_faults(objects.boxes, size)
        masks, points = objects.masks, objects.keypoints
        annotation = learns_from(self.task)
        if annotation == "masks" and masks is None:
            yield "its objects have no masks"
        if masks is not None and len(masks) and tuple(masks.shape[1:]) != size:
            yield f"masks: expected {size} as the image has, got {tuple(masks.shape[1:])}"
        if annotation == "keypoints":
            yield from self._keypoint_faults(points)

    def _keypoint_faults(self, points: Tensor | None) -> Iterator[str]:
        if points is None:
            yield "its objects have no keypoints"
        elif points.shape[1] != self.keypoints:
            yield f"keypoints: expected {self.keypoints} of each object, got {points.shape[1]}"
        elif not bool(points.isfinite().all()):
            yield "keypoints: not all are finite"
        elif not bool(torch.isin(points[..., 2], points.new_tensor((0, 1, 2))).all()):
            yield "keypoints: the third number is 0 (absent), 1 (hidden) or 2 (visible)"

    def _range_faults(self, what: str, labels: Tensor) -> Iterator[str]:
        wrong = labels[(labels < 0) | (labels >= self.classes)]
        if len(wrong):
            yield f"{what}: expected 0 to {self.classes - 1}, got {int(wrong[0])}"


def _image_faults(image: Tensor) -> Iterator[str]:
    if 0 in image.shape:
        yield f"image: has no pixels: {tuple(image.shape)}"
    elif image.is_floating_point():
        low, high = (float(value) for value in torch.aminmax(image))
        if not (low >= 0 and high <= 1):  # not: also where one of them is not a number
            yield f"image: expected floats in [0, 1], got {low:g} to {high:g}"


def _box_faults(boxes: Tensor, size: tuple[int, int]) -> Iterator[str]:
    """Boxes x1 y1 x2 y2 with an area, inside an image of `size` (height, width)."""
    height, width = size
    limit = boxes.new_tensor((width, height, width, height))
    valid = (boxes[:, 2:] > boxes[:, :2]).all(1) & (boxes >= 0).all(1) & (boxes <= limit).all(1)
    if not bool(valid.all()):
        row = int((~valid).nonzero()[0])
        box = ", ".join(f"{value:g}" for value in boxes[row].tolist())
        yield (
            f"boxes: {row} is {box}; expected x1 < x2 and y1 < y2 inside {width} x {height} pixels"
        )
