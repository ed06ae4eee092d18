"""What a detector takes for what, what it misses and what it imagines, as one matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tapetum.evaluation.outcomes import matches_at
from tapetum.evaluation.records import Detections, GroundTruth

_NEVER = -np.inf


def detection_confusion(
    ground_truth: GroundTruth,
    detections: Detections,
    thresholds: np.ndarray | float,
    iou: float = 0.5,
    iou_type: str = "bbox",
) -> np.ndarray:
    """(K + 1, K + 1) int64: a row for each true class, a column for each predicted one, and
    background last: its row counts false alarms, its column misses.

    thresholds: (K,), or one for all classes; detections below the one of their class are left out.
    By falling score, each of the others is paired with the ground truth of its image that is still
    free and that it overlaps most, by `iou` or more and whatever its class: one to one. Crowd
    regions, what else is ignored, and detections on them are not counted.
    """
    classes = len(ground_truth.category_ids)
    least = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), (classes,))
    shown = detections.score >= least[detections.category]
    # One class for all, so that a ground truth is free for whoever comes first.
    mixed = replace(
        detections,
        category=np.zeros_like(detections.category),
        score=np.where(shown, detections.score, _NEVER),
    )
    together = replace(ground_truth, category=np.zeros_like(ground_truth.category))
    outcomes = matches_at(together, mixed, iou, np.finfo(np.float64).min, iou_type)
    paired, alone = outcomes.true_positive, outcomes.false_alarm
    true = ground_truth.category[outcomes.matched_target[paired]]
    counts = np.zeros((classes + 1, classes + 1), dtype=np.int64)
    np.add.at(counts, (true, detections.category[paired]), 1)
    np.add.at(counts, (classes, detections.category[alone]), 1)
    np.add.at(counts, (ground_truth.category[outcomes.missed], classes), 1)
    return counts
