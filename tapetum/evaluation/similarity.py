"""How well a detected box agrees with a true one."""

from __future__ import annotations

import numpy as np

from tapetum.evaluation.records import Detections, GroundTruth, Similarity


def box_similarity(ground_truth: GroundTruth, detections: Detections) -> Similarity:
    """Intersection over union of boxes; over the detection's area where it meets a crowd.

    The operations and their order are those of `bbIou` in the COCO API's maskApi.c, so that the
    float64 results have the same bits.
    """
    true_edges, found_edges = _edges(ground_truth.xywh), _edges(detections.xywh)

    def similarity(gt_index: np.ndarray, detection_index: np.ndarray) -> np.ndarray:
        left_g, top_g, right_g, bottom_g, area_g = (edge[gt_index] for edge in true_edges)
        left_d, top_d, right_d, bottom_d, area_d = (edge[detection_index] for edge in found_edges)
        width = np.minimum(right_d, right_g) - np.maximum(left_d, left_g)
        height = np.minimum(bottom_d, bottom_g) - np.maximum(top_d, top_g)
        shared = width * height
        union = np.where(ground_truth.crowd[gt_index], area_d, area_d + area_g - shared)
        overlaps = (width > 0) & (height > 0)
        # Coordinates beyond 2**53 can round the union to 0; the reference divides as well.
        with np.errstate(divide="ignore"):
            return np.divide(shared, union, out=np.zeros_like(shared), where=overlaps)

    return similarity


def _edges(xywh: np.ndarray) -> tuple[np.ndarray, ...]:
    """left, top, right, bottom, area: each (N,) and contiguous, as gathering likes it."""
    left, top, width, height = np.ascontiguousarray(xywh.T)
    return left, top, width + left, height + top, width * height
