"""From predictions and targets to numbers."""

from tapetum.evaluation.classification import (
    ClassificationResult,
    MultilabelResult,
    Reliability,
    evaluate_classes,
    evaluate_multilabel,
)
from tapetum.evaluation.coco import detections_from_coco, ground_truth_from_coco
from tapetum.evaluation.curves import ClassRow, per_class, precision_recall_curve
from tapetum.evaluation.detection import DetectionResult, evaluate_detections
from tapetum.evaluation.from_predictions import detections_from_predictions
from tapetum.evaluation.from_records import ground_truth_from_records
from tapetum.evaluation.localization import LocalizationResult, evaluate_locations
from tapetum.evaluation.metrics import METRICS, Metric, with_metrics
from tapetum.evaluation.outcomes import BestThreshold, Outcomes, best_thresholds, matches_at
from tapetum.evaluation.records import Detections, GroundTruth
from tapetum.evaluation.segmentation import Confusion, SegmentationResult
from tapetum.evaluation.voc import VocResult, evaluate_voc

__all__ = [
    "METRICS",
    "BestThreshold",
    "ClassRow",
    "ClassificationResult",
    "Confusion",
    "DetectionResult",
    "Detections",
    "GroundTruth",
    "LocalizationResult",
    "Metric",
    "MultilabelResult",
    "Outcomes",
    "Reliability",
    "SegmentationResult",
    "VocResult",
    "best_thresholds",
    "detections_from_coco",
    "detections_from_predictions",
    "evaluate_classes",
    "evaluate_detections",
    "evaluate_locations",
    "evaluate_multilabel",
    "evaluate_voc",
    "ground_truth_from_coco",
    "ground_truth_from_records",
    "matches_at",
    "per_class",
    "precision_recall_curve",
    "with_metrics",
]
