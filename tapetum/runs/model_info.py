"""What a checkpoint stores of its model, beside the weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ModelInfo:
    """What is needed, beside the weights, to build a model again and to read its predictions.

    Attributes:
        model: its name in CATALOG, or the absolute "FILE.py:FUNCTION" of a custom model.
        arguments: what that function was called with, JSON values.
        classes: class names, index = label.
        class_ids: the ids in the dataset, for files with predictions.
        facts: its origin, for people.
        keypoint_names: of an object's keypoints.
        skeleton: pairs of keypoints that a line joins.
    """

    model: str
    arguments: dict[str, Any]
    classes: tuple[str, ...]
    class_ids: tuple[int | str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
