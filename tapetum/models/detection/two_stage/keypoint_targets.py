"""The keypoints of annotated objects, as the head of Keypoint R-CNN needs them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tapetum.models.detection.assign import objects_of
from tapetum.models.detection.two_stage.heatmaps import keypoint_cells
from tapetum.models.detection.two_stage.roi_branch import RoIs
from tapetum.structures import Objects, Target


def keypoints_of(objects: Objects, count: int) -> Tensor:
    """The keypoints of annotated objects.

    Args:
        objects: N of them.
        count: keypoints of an object.

    Returns:
        (N, count, 3): x, y in pixels and visibility.

    Raises:
        ValueError: they have none, or not `count`.
    """
    points = objects.keypoints
    if points is None and not len(objects):
        return objects.boxes.new_zeros(0, count, 3)
    if points is None:
        raise ValueError(f"target: expected keypoints of its {len(objects)} objects, got None")
    if points.shape[1] != count:
        raise ValueError(f"target: expected {count} keypoints an object, got {points.shape[1]}")
    return points


def keypoint_targets(rois: RoIs, targets: Sequence[Target], count: int) -> Tensor:
    """The keypoints of the object of each region.

    Args:
        rois: P matched regions.
        targets: one an image.
        count: keypoints of an object.

    Returns:
        (P, count, 3): x, y in pixels and visibility.

    Raises:
        ValueError: an image has objects, and no keypoints of them, or not `count`.
    """
    assert rois.match is not None
    parts = [
        keypoints_of(objects_of(target), count)[rois.match[rois.image == i]]
        for i, target in enumerate(targets)
    ]
    return torch.cat(parts)


def mean_at_keypoints(logits: Tensor, objects: Sequence[Objects]) -> tuple[Tensor, Tensor]:
    """The mean of the heatmaps at the keypoints of objects.

    Args:
        logits: (N, K, S, S) heatmaps.
        objects: one an image, N in all.

    Returns:
        (N,) the mean, and (N,) bool, whether an object has keypoints in its box.
    """
    count, size = logits.shape[1], logits.shape[-1]
    points = torch.cat(
        [
            o.boxes.new_zeros(len(o), count, 3) if o.keypoints is None else keypoints_of(o, count)
            for o in objects
        ]
    )
    cell, valid = keypoint_cells(points, torch.cat([o.boxes for o in objects]), size)
    values = logits.flatten(2).gather(2, cell[..., None])[..., 0]  # (N, K)
    total = valid.sum(dim=1)
    return (values * valid).sum(dim=1) / total.clamp(min=1), total > 0
