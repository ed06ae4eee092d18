"""TASKS: what can be asked of an image, by name. Data, models, metrics and reports use these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskAnnotations:
    """What a task needs of a dataset.

    Attributes:
        types: the annotation types that the task can be served from, names of
            `tapetum.data.records.annotation_types.ANNOTATION_TYPES`; the first is the task's own.
        one_object: each image has exactly one object.
    """

    types: tuple[str, ...]
    one_object: bool = False


TASKS: dict[str, TaskAnnotations] = {
    "classification": TaskAnnotations(("labels", "boxes")),
    "localization": TaskAnnotations(("boxes",), one_object=True),
    "semantic_segmentation": TaskAnnotations(("semantic", "masks")),
    "detection": TaskAnnotations(("boxes",)),
    "instance_segmentation": TaskAnnotations(("masks",)),
    "keypoint_detection": TaskAnnotations(("keypoints",)),
}
"""The annotations that each task needs, by its name."""
