"""What a localizer has to say: which things of a picture, in which slot, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tapetum.ops.boxes import box_convert, clip_boxes_to_image
from tapetum.structures import Objects, Target

IGNORED = -100
"""The label of a slot that teaches no class."""
NOTHING = 0
"""The class of an empty slot, where there are several slots; the labels come after it."""


class Slots(NamedTuple):
    """B pictures, K slots."""

    classes: Tensor  # (B, K) int64, index into the logits, or IGNORED
    labels: Tensor  # (B, K) int64, 0 where the slot is empty
    boxes: Tensor  # (B, K, 4) cx cy w h in fractions of the picture
    filled: Tensor  # (B, K) bool


def slots(truth: Sequence[Target], count: int, size: int, dtype: torch.dtype) -> Slots:
    """The `count` largest things of each prepared picture (size x size), from left to right.

    With one slot there is no class for nothing: a picture without a thing teaches nothing. With
    several, slots that are left over are to say NOTHING, unless a crowd region lies in the picture,
    which may hold what nobody outlined.
    """
    parts = [_main_things(target, count, size) for target in truth]
    device = parts[0].boxes.device
    labels = torch.zeros(len(truth), count, dtype=torch.int64, device=device)
    boxes = torch.zeros(len(truth), count, 4, dtype=dtype, device=device)
    filled = torch.zeros(len(truth), count, dtype=torch.bool, device=device)
    empty = torch.full_like(labels, IGNORED)
    for i, (things, target) in enumerate(zip(parts, truth, strict=True)):
        number = len(things)
        labels[i, :number] = things.labels
        boxes[i, :number] = box_convert(things.boxes, "xyxy", "cxcywh").to(dtype) / size
        filled[i, :number] = True
        if count > 1 and not _has_crowd(target):
            empty[i] = NOTHING
    return Slots(torch.where(filled, labels + first_class(count), empty), labels, boxes, filled)


def first_class(count: int) -> int:
    """The index in the logits of the class 0, with `count` slots."""
    return 0 if count == 1 else NOTHING + 1


def _main_things(target: Target, count: int, size: int) -> Objects:
    """Up to `count` things, clipped to the picture, the largest ones, from left to right."""
    if target.objects is None:
        raise ValueError("target: expected objects (Objects.empty() for none), got None")
    things = target.objects.with_(boxes=clip_boxes_to_image(target.objects.boxes, (size, size)))
    sides = things.boxes[:, 2:] - things.boxes[:, :2]
    single = (sides > 0).all(dim=1)
    if things.crowd is not None:
        single &= ~things.crowd
    things = things[single]
    area = sides[single].prod(dim=1)
    largest = things[area.argsort(descending=True, stable=True)[:count]]
    middle = largest.boxes[:, 0] + largest.boxes[:, 2]
    return largest[middle.argsort(stable=True)]


def _has_crowd(target: Target) -> bool:
    objects = target.objects
    return objects is not None and objects.crowd is not None and bool(objects.crowd.any())
