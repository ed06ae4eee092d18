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

KINDS = ("bbox", "segm", "keypoints")

_FIELDS = {"segm": "masks", "keypoints": "keypoints"}


def check_kind(kind: str, *records: GroundTruth | Detections) -> None:
    """Raise ValueError unless there is this kind and every record was read for it."""
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    for record in records:
        if kind in _FIELDS and getattr(record, _FIELDS[kind]) is None:
            name = type(record).__name__
            raise ValueError(f"{name}: expected one read with kind={kind!r}, got one without")


def rules_of(kind: str, max_dets: Sequence[int] | None = None) -> Rules:
    """COCO's rules; for keypoints a cap of 20 and no small area, since nobody marks those."""
    if kind == "keypoints":
        areas = tuple(area for area in COCO_AREAS if area.name != "small")
        return coco_rules((20,) if max_dets is None else tuple(max_dets), areas)
    return coco_rules((1, 10, 100) if max_dets is None else tuple(max_dets))


def similarity_of(
    kind: str,
    ground_truth: GroundTruth,
    detections: Detections,
    *,
    least: float = 0.0,
    sigmas: Sequence[float] | np.ndarray | None = None,
) -> Similarity:
    """The function that compares pairs; what it says of those below `least` need not be exact.

    Raises:
        ValueError: there is no such kind, or a record was read for another.
    """
    check_kind(kind, ground_truth, detections)
    if kind == "segm":
        return mask_similarity(ground_truth, detections, least)
    if kind == "keypoints":
        return keypoint_similarity(ground_truth, detections, sigmas)
    return box_similarity(ground_truth, detections)
