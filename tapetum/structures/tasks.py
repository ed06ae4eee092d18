"""The names of the tasks. Data, models, measures and reports use these."""

from __future__ import annotations

TASKS = (
    "classification",
    "localization",
    "semantic_segmentation",
    "detection",
    "instance_segmentation",
    "keypoint_detection",
)
