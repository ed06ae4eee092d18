"""What can be compared, and how: boxes, masks, keypoints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tapetum.evaluation.keypoints import keypoint_similarity
from tapetum.evaluation.masks import mask_similarity
from tapetum.evaluation.records import (
    COCO_AREAS,
    Detections,
    GroundTruth,
    Rules,
    Similarity,
    coco_rules,
)
from tapetum.evaluation.similarity import box_similarity

IOU_TYPES = ("bbox", "segm", "keypoints")

_FIELDS = {"segm": "masks", "keypoints": "keypoints"}


def check_iou_type(iou_type: str, *records: GroundTruth | Detections) -> None:
    """Raise ValueError unless there is this iou_type and every record was read for it."""
    if iou_type not in IOU_TYPES:
        raise ValueError(f"iou_type: expected one of {', '.join(IOU_TYPES)}, got {iou_type!r}")
    for record in records:
        if iou_type in _FIELDS and getattr(record, _FIELDS[iou_type]) is None:
            name = type(record).__name__
            raise ValueError(
                f"{name}: expected one read with iou_type={iou_type!r}, got one without"
            )


def rules_of(iou_type: str, max_dets: Sequence[int] | None = None) -> Rules:
    """COCO's rules; for keypoints a cap of 20, and no small area, where none are annotated."""
    if iou_type == "keypoints":
        areas = tuple(area for area in COCO_AREAS if area.name != "small")
        return coco_rules((20,) if max_dets is None else tuple(max_dets), areas)
    return coco_rules((1, 10, 100) if max_dets is None else tuple(max_dets))


def similarity_of(
    iou_type: str,
    ground_truth: GroundTruth,
    detections: Detections,
    *,
    least: float = 0.0,
    sigmas: Sequence[float] | np.ndarray | None = None,
) -> Similarity:
    """The function that compares pairs; what it says of those below `least` need not be exact.

    Raises:
        ValueError: the iou_type is unknown, or a record was read for another.
    """
    check_iou_type(iou_type, ground_truth, detections)
    if iou_type == "segm":
        return mask_similarity(ground_truth, detections, least)
    if iou_type == "keypoints":
        return keypoint_similarity(ground_truth, detections, sigmas)
    return box_similarity(ground_truth, detections)
