"""From a run and its evaluation to the contents of its report: GATHER, one function per task."""

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
"""The function of each task in `tapetum.structures.TASKS`."""

__all__ = ["GATHER", "gather"]


def gather(task: str, run: Run, evaluation: Evaluation) -> ReportContents:
    """Gather what the report of a run shows.

    Args:
        task: one of `tapetum.structures.TASKS`.
        run: the run with the images of its report.
        evaluation: what the task's `measure` gave for these images.

    Returns:
        The contents.
    """
    return GATHER[task](run, evaluation)
