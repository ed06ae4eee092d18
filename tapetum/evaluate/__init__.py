"""Predictions and truth to numbers."""

from tapetum.evaluate.coco import detections_from_coco, truth_from_coco
from tapetum.evaluate.curves import ClassRow, per_class, precision_recall_curve
from tapetum.evaluate.detection import DetectionResult, evaluate_detections
from tapetum.evaluate.outcomes import BestThreshold, Outcomes, best_thresholds, matches_at
from tapetum.evaluate.records import Detections, Truth

__all__ = [
    "BestThreshold",
    "ClassRow",
    "DetectionResult",
    "Detections",
    "Outcomes",
    "Truth",
    "best_thresholds",
    "detections_from_coco",
    "evaluate_detections",
    "matches_at",
    "per_class",
    "precision_recall_curve",
    "truth_from_coco",
]
