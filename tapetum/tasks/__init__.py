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
    "segmentation": Segmentation(),
    "detection": Detection("detection", need="boxes", kind="bbox"),
    "instances": Detection("instances", need="masks", kind="segm"),
    "keypoints": Detection("keypoints", need="keypoints", kind="keypoints"),
}
"""The task of each name in `tapetum.structures.TASKS`."""

__all__ = ["TASKS", "Evaluation", "ExplainTarget", "Names", "Task", "Watch"]
