"""TASKS: the kinds of predictions, one file each."""

from __future__ import annotations

from tapetum.tasks.classification import Classification
from tapetum.tasks.detection import DETECTION, INSTANCE_SEGMENTATION, KEYPOINT_DETECTION
from tapetum.tasks.localization import Localization
from tapetum.tasks.segmentation import Segmentation
from tapetum.tasks.task import Evaluation, ExplainTarget, Names, Task, Watch

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Classification(),
        Localization(),
        Segmentation(),
        DETECTION,
        INSTANCE_SEGMENTATION,
        KEYPOINT_DETECTION,
    )
}
"""The task of each name in `tapetum.structures.TASKS`."""

__all__ = ["TASKS", "Evaluation", "ExplainTarget", "Names", "Task", "Watch"]
