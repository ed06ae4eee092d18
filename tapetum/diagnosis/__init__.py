"""From the numbers and logs of a run to findings in words: no models, no images, no files."""

from tapetum.diagnosis.classes import class_range, confused_classes, few_examples
from tapetum.diagnosis.classification import (
    accuracy_findings,
    calibration_findings,
    multilabel_findings,
)
from tapetum.diagnosis.detection import (
    COST_SHOWN,
    DetectionNumbers,
    detection_advice,
    detection_findings,
    error_advice,
    error_meaning,
    threshold_finding,
)
from tapetum.diagnosis.finding import SEVERITIES, TRAINING_IMAGES, Finding, Remedy
from tapetum.diagnosis.localization import localization_advice, localization_findings
from tapetum.diagnosis.segmentation import segmentation_advice, segmentation_findings
from tapetum.diagnosis.setup import Setup, train_longer, train_on_larger_images
from tapetum.diagnosis.training import training_findings

__all__ = [
    "COST_SHOWN",
    "SEVERITIES",
    "TRAINING_IMAGES",
    "DetectionNumbers",
    "Finding",
    "Remedy",
    "Setup",
    "accuracy_findings",
    "calibration_findings",
    "class_range",
    "confused_classes",
    "detection_advice",
    "detection_findings",
    "error_advice",
    "error_meaning",
    "few_examples",
    "localization_advice",
    "localization_findings",
    "multilabel_findings",
    "segmentation_advice",
    "segmentation_findings",
    "threshold_finding",
    "train_longer",
    "train_on_larger_images",
    "training_findings",
]
