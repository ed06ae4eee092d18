"""From a run and its evaluation to the contents of its report, by task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapetum.reporting.classification import classification_report
from tapetum.reporting.contents import ReportContents
from tapetum.reporting.detection import detection_report
from tapetum.reporting.localization import localization_report
from tapetum.reporting.run import Run
from tapetum.reporting.segmentation import segmentation_report
from tapetum.tasks import Measured

GATHER: dict[str, Callable[[Run, Any], ReportContents]] = {
    "classification": classification_report,
    "localization": localization_report,
    "segmentation": segmentation_report,
    "detection": detection_report,
    "instances": detection_report,
    "keypoints": detection_report,
}


def gather(task: str, run: Run, measured: Measured) -> ReportContents:
    """The report of a run of a task; `measured` is what that task's `measure` gave."""
    return GATHER[task](run, measured)
