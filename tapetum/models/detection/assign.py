"""Which object each candidate box (anchor or proposal) is to learn, crowds included."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tapetum.ops.boxes import box_area, box_iou
from tapetum.ops.matching import BACKGROUND, BETWEEN, match_boxes
from tapetum.structures import Objects, Target

CROWD_OVERLAP = 0.5
"""The share of a candidate inside a crowd region from which it is ignored, not background."""


def assign(
    objects: Objects, candidates: Tensor, high: float, low: float, allow_low_quality: bool = False
) -> Tensor:
    """(N,) int64: for each candidate (N, 4) the index of its object, -1 background, -2 ignored.

    Thresholds as in `match_boxes`. A crowd region is no object to learn: it may hold many objects
    that nobody outlined, so background candidates with half of their area in it are ignored.
    Boxes without area teach nothing.
    """
    crowd = crowd_of(objects)
    solid = (objects.boxes[:, 2:] > objects.boxes[:, :2]).all(dim=1)
    single = torch.nonzero(solid & ~crowd).flatten()  # (M,)
    overlap = box_iou(objects.boxes[single], candidates)  # (M, N)
    matches = match_boxes(overlap, high, low, allow_low_quality)
    if len(single):
        matches = torch.where(matches >= 0, single[matches.clamp(min=0)], matches)
    if crowd.any():
        inside = share_inside(candidates, objects.boxes[crowd]).amax(dim=1)
        matches[(matches == BACKGROUND) & (inside >= CROWD_OVERLAP)] = BETWEEN
    return matches


def crowd_of(objects: Objects) -> Tensor:
    """(N,) bool: which of the objects are crowd regions (none, where the field is absent)."""
    if objects.crowd is not None:
        return objects.crowd
    return torch.zeros(len(objects), dtype=torch.bool, device=objects.boxes.device)


def share_inside(boxes: Tensor, rois: Tensor) -> Tensor:
    """(N, M): the share of the area of each box (N, 4) that lies inside each region (M, 4)."""
    iou, area = box_iou(boxes, rois), box_area(boxes)[:, None]
    # IoU = I / (A + B - I), so I = IoU (A + B) / (1 + IoU).
    intersection = iou / (1 + iou) * (area + box_area(rois))
    return intersection / area.clamp(min=1e-9)


def objects_of(target: Target) -> Objects:
    """The objects of a target.

    Raises:
        ValueError: it has none, not even an empty `Objects`: it is not a target for detection.
    """
    if target.objects is None:
        raise ValueError("target: expected objects (Objects.empty() for none), got None")
    return target.objects


def matched_objects(
    targets: Sequence[Target], image: Tensor, match: Tensor
) -> tuple[Tensor, Tensor]:
    """Boxes (S, 4) and labels (S,) of the objects with index `match` (S,) in image (S,)."""
    objects = [objects_of(target) for target in targets]
    counts = torch.tensor([0, *(len(o) for o in objects)], device=match.device)
    index = match + counts.cumsum(0)[image]
    boxes = torch.cat([o.boxes for o in objects])
    labels = torch.cat([o.labels for o in objects])
    return boxes[index], labels[index]
