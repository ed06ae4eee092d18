"""Crops around an object or a detection."""

from __future__ import annotations

from typing import Any

from PIL import Image
from torch import Tensor

from tapetum.data.dataset import Dataset
from tapetum.render import draw_objects
from tapetum.structures import Objects

_MIN_REACH = 32.0
"""Pixels that are shown on each side of the centre at least."""


def crop(
    image: Tensor, detections: Objects | None, ground_truth: Objects | None, dataset: Dataset
) -> Image.Image:
    """The surroundings of detections (solid) and ground truth (dashed), twice their size and at
    least 64 pixels; at least one of the two holds an object."""
    height, width = image.shape[-2:]
    both = [objects.boxes for objects in (detections, ground_truth) if objects is not None]
    x1, y1 = (min(float(boxes[:, i].min()) for boxes in both) for i in (0, 1))
    x2, y2 = (max(float(boxes[:, i].max()) for boxes in both) for i in (2, 3))
    reach = max(x2 - x1, y2 - y1, _MIN_REACH)
    left, top = int(max(0, (x1 + x2) / 2 - reach)), int(max(0, (y1 + y2) / 2 - reach))
    right = int(min(width, (x1 + x2) / 2 + reach)) + 1
    bottom = int(min(height, (y1 + y2) / 2 + reach)) + 1
    window = left, top, right, bottom
    return draw_objects(
        image[:, top:bottom, left:right],
        Objects.empty(scored=True) if detections is None else within(detections, window),
        dataset.classes,
        None if ground_truth is None else within(ground_truth, window),
        **pose(dataset),
        legend=False,
        labels=False,
    )


def pose(dataset: Dataset) -> dict[str, Any]:
    """How keypoints are drawn."""
    return {"skeleton": dataset.skeleton, "keypoint_names": dataset.keypoint_names}


def within(objects: Objects, window: tuple[int, int, int, int]) -> Objects:
    """Objects in the frame of a window left, top, right, bottom of their image."""
    left, top, right, bottom = window
    masks, points = objects.masks, objects.keypoints
    return objects.with_(
        boxes=objects.boxes - objects.boxes.new_tensor([left, top, left, top]),
        masks=None if masks is None else masks[:, top:bottom, left:right],
        keypoints=None if points is None else points - points.new_tensor([left, top, 0]),
    )
