"""Details of pictures: a thing, or what was found beside what is true, with its surroundings."""

from __future__ import annotations

from typing import Any

from PIL import Image
from torch import Tensor

from tapetum.data.dataset import Dataset
from tapetum.render import draw_things
from tapetum.structures import Objects

_LEAST = 32.0
"""Pixels that are shown on each side of the middle at least."""


def crop(
    picture: Tensor, found: Objects | None, truth: Objects | None, dataset: Dataset
) -> Image.Image:
    """The surroundings of what was found (solid) and of what is true (dashed), twice their size and
    at least 64 pixels; at least one of the two holds a thing."""
    height, width = picture.shape[-2:]
    both = [things.boxes for things in (found, truth) if things is not None]
    x1, y1 = (min(float(boxes[:, i].min()) for boxes in both) for i in (0, 1))
    x2, y2 = (max(float(boxes[:, i].max()) for boxes in both) for i in (2, 3))
    reach = max(x2 - x1, y2 - y1, _LEAST)
    left, top = int(max(0, (x1 + x2) / 2 - reach)), int(max(0, (y1 + y2) / 2 - reach))
    right = int(min(width, (x1 + x2) / 2 + reach)) + 1
    bottom = int(min(height, (y1 + y2) / 2 + reach)) + 1
    window = left, top, right, bottom
    return draw_things(
        picture[:, top:bottom, left:right],
        Objects.empty(scored=True) if found is None else within(found, window),
        dataset.classes,
        None if truth is None else within(truth, window),
        **pose(dataset),
        legend=False,
        labels=False,
    )


def pose(dataset: Dataset) -> dict[str, Any]:
    """How keypoints are drawn."""
    return {"skeleton": dataset.skeleton, "keypoint_names": dataset.keypoint_names}


def within(things: Objects, window: tuple[int, int, int, int]) -> Objects:
    """Things in the frame of a window left, top, right, bottom of their picture."""
    left, top, right, bottom = window
    masks, points = things.masks, things.keypoints
    return things.with_(
        boxes=things.boxes - things.boxes.new_tensor([left, top, left, top]),
        masks=None if masks is None else masks[:, top:bottom, left:right],
        keypoints=None if points is None else points - points.new_tensor([left, top, 0]),
    )
