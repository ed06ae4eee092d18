"""TASKS: what can be asked of an image, by name. Data, models, measures and reports use these."""

from __future__ import annotations

TASKS: dict[str, tuple[str, ...]] = {
    "classification": ("labels", "boxes"),
    "localization": ("boxes",),
    "semantic_segmentation": ("semantic", "masks"),
    "detection": ("boxes",),
    "instance_segmentation": ("masks",),
    "keypoint_detection": ("keypoints",),
}
"""Name -> the annotation types (`tapetum.data.records.annotation_types.ANNOTATION_TYPES`) that the
task can be served from; the first is the task's own."""
