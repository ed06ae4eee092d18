"""The tasks, by name."""

TASKS = (
    "classification",
    "localization",
    "segmentation",
    "detection",
    "instances",
    "keypoints",
)
