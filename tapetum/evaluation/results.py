"""Detections as COCO's results: made only when they are to be saved."""

from __future__ import annotations

from typing import Any

from tapetum.evaluation.records import Detections, GroundTruth
from tapetum.ops.masks import rle_to_string


def results_from_detections(
    detections: Detections, ground_truth: GroundTruth
) -> list[dict[str, Any]]:
    """COCO's list of results, in JSON's own types; read again, they are the same detections.

    An entry has image_id, category_id, score, and one of bbox, segmentation (compressed run
    lengths) or keypoints (x, y and the model's own score of each): no two of them, since COCO's
    tools take the area of a mask from its box where both are there.
    """
    rows = zip(
        detections.image.tolist(),
        detections.category.tolist(),
        _outlines(detections, ground_truth),
        detections.score.tolist(),
        strict=True,
    )
    return [
        {
            "image_id": ground_truth.image_ids[image],
            "category_id": ground_truth.category_ids[category],
            **outline,
            "score": score,
        }
        for image, category, outline, score in rows
    ]


def mask_code(detections: Detections, ground_truth: GroundTruth, row: int) -> dict[str, Any]:
    """The run lengths of a detection's mask: {size, counts (R,)}."""
    assert detections.masks is not None
    assert ground_truth.image_sizes is not None
    first = detections.masks.runs.first
    counts = detections.masks.runs.counts[first[row] : first[row + 1]]
    return {"size": ground_truth.image_sizes[detections.image[row]].tolist(), "counts": counts}


def _outlines(detections: Detections, ground_truth: GroundTruth) -> list[dict[str, Any]]:
    """What each entry says of the place of its object."""
    if detections.masks is not None:
        codes = [mask_code(detections, ground_truth, row) for row in range(len(detections))]
        return [
            {"segmentation": {"size": code["size"], "counts": rle_to_string(code["counts"])}}
            for code in codes
        ]
    if detections.keypoints is not None:
        return [{"keypoints": row.reshape(-1).tolist()} for row in detections.keypoints]
    return [{"bbox": row} for row in detections.xywh.tolist()]
