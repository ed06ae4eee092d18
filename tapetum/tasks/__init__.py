"""TASKS: what can be asked of an image, one file each."""

from __future__ import annotations

from tapetum.tasks.classification import Classification
from tapetum.tasks.detection import Detection
from tapetum.tasks.localization import Localization
from tapetum.tasks.segmentation import Segmentation
from tapetum.tasks.task import Evaluation, ExplainTarget, Names, Task, Watch

TASKS: dict[str, Task] = {
    "classification": Classification(),
    "localization": Localization(),
    "semantic_segmentation": Segmentation(),
    "detection": Detection("detection", iou_type="bbox"),
    "instance_segmentation": Detection("instance_segmentation", iou_type="segm"),
    "keypoint_detection": Detection("keypoint_detection", iou_type="keypoints"),
}
"""The task of each name in `tapetum.structures.TASKS`."""

__all__ = ["TASKS", "Evaluation", "ExplainTarget", "Names", "Task", "Watch"]
