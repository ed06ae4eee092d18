"""What a localizer has to say: which objects of an image, in which slot, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tapetum.ops.boxes import box_convert, clip_boxes_to_image
from tapetum.structures import Objects, Target

IGNORED = -100
"""The label of a slot without a class in the loss."""
NOTHING = 0
"""The class of an empty slot, where there are several slots; the labels come after it."""


class Slots(NamedTuple):
    """B images, K slots."""

    classes: Tensor  # (B, K) int64, index into the logits, or IGNORED
    labels: Tensor  # (B, K) int64, 0 where the slot is empty
    boxes: Tensor  # (B, K, 4) cx cy w h in fractions of the image
    filled: Tensor  # (B, K) bool


def slots(targets: Sequence[Target], count: int, size: int, dtype: torch.dtype) -> Slots:
    """The `count` largest objects of each image, from left to right.

    With one slot there is no class for nothing: an image without an object adds no loss. With
    several, the class of the slots that are left over is NOTHING, unless a crowd region lies in the
    image, which may hold objects that are not annotated.

    Args:
        targets: one an image, in the frame of the preprocessed images.
        count: slots of an image, K.
        size: height and width of the preprocessed images.
        dtype: of the boxes.

    Returns:
        Classes and boxes of (B, K) slots.
    """
    parts = [_main_objects(target, count, size) for target in targets]
    device = parts[0].boxes.device
    labels = torch.zeros(len(targets), count, dtype=torch.int64, device=device)
    boxes = torch.zeros(len(targets), count, 4, dtype=dtype, device=device)
    filled = torch.zeros(len(targets), count, dtype=torch.bool, device=device)
    empty = torch.full_like(labels, IGNORED)
    for i, (objects, target) in enumerate(zip(parts, targets, strict=True)):
        number = len(objects)
        labels[i, :number] = objects.labels
        boxes[i, :number] = box_convert(objects.boxes, "xyxy", "cxcywh").to(dtype) / size
        filled[i, :number] = True
        if count > 1 and not _has_crowd(target):
            empty[i] = NOTHING
    return Slots(torch.where(filled, labels + first_class(count), empty), labels, boxes, filled)


def first_class(count: int) -> int:
    """The index of class 0 in the logits.

    Args:
        count: slots of an image.

    Returns:
        0, or 1 where the index 0 is NOTHING.
    """
    return 0 if count == 1 else NOTHING + 1


def _main_objects(target: Target, count: int, size: int) -> Objects:
    """Up to `count` objects, clipped to the image, the largest ones, from left to right."""
    if target.objects is None:
        raise ValueError("target: expected objects (Objects.empty() for none), got None")
    objects = target.objects.with_(boxes=clip_boxes_to_image(target.objects.boxes, (size, size)))
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
    single = (sides > 0).all(dim=1)
    if objects.crowd is not None:
        single &= ~objects.crowd
    objects = objects[single]
    area = sides[single].prod(dim=1)
    largest = objects[area.argsort(descending=True, stable=True)[:count]]
    middle = largest.boxes[:, 0] + largest.boxes[:, 2]
    return largest[middle.argsort(stable=True)]


def _has_crowd(target: Target) -> bool:
    objects = target.objects
    return objects is not None and objects.crowd is not None and bool(objects.crowd.any())
