"""model.json: everything about a model but its weights, so that its outputs can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tapetum.exporting.graphs import rule_of
from tapetum.runs.model_info import ModelInfo
from tapetum.structures import Model

SCHEMA = "tapetum.onnx/2"


def describe_model(
    model: Model[Any], model_info: ModelInfo, thresholds: Sequence[float]
) -> dict[str, Any]:
    """The content of model.json, as JSON values.

    Args:
        model: the model.
        model_info: its name, classes and keypoints.
        thresholds: by class, the score from which an object counts.

    Returns:
        Task, names, "preprocess" (how images are prepared) and "postprocess" (how outputs are
        read; its "kind" names the part of the client that does it).

    Raises:
        UsageError: the model cannot be exported.
    """
    return {
        "schema": SCHEMA,
        "task": model.task,
        "model": model_info.model,
        "classes": list(model_info.classes),
        "class_ids": list(model_info.class_ids),
        "keypoint_names": list(model_info.keypoint_names),
        "skeleton": [list(pair) for pair in model_info.skeleton],
        "facts": model_info.facts,
        "thresholds": list(thresholds),
        **rule_of(model),
    }
