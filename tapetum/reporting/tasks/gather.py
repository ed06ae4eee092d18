"""From a run and its evaluation to the contents of its report, by task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapetum.reporting.contents import ReportContents
from tapetum.reporting.sections.run import Run
from tapetum.reporting.tasks.classification import classification_report
from tapetum.reporting.tasks.detection import detection_report
from tapetum.reporting.tasks.localization import localization_report
from tapetum.reporting.tasks.segmentation import segmentation_report
from tapetum.tasks import Evaluation

GATHER: dict[str, Callable[[Run, Any], ReportContents]] = {
    "classification": classification_report,
    "localization": localization_report,
    "semantic_segmentation": segmentation_report,
    "detection": detection_report,
    "instance_segmentation": detection_report,
    "keypoint_detection": detection_report,
}


def gather(task: str, run: Run, evaluation: Evaluation) -> ReportContents:
    """The report of a run of a task; `evaluation` is what that task's `measure` gave."""
    return GATHER[task](run, evaluation)
