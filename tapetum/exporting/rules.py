"""model.json: everything about a model that is no weight, so that its answers can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from tapetum.base.errors import UsageError
from tapetum.runs.model_info import ModelInfo
from tapetum.structures import Model

SCHEMA = "tapetum.onnx/1"


def describe_model(
    model: nn.Module, model_info: ModelInfo, thresholds: Sequence[float]
) -> dict[str, Any]:
    """JSON values: task, names, how images are prepared and how answers are read. thresholds: by
    class, the score from which an object counts."""
    return {
        "schema": SCHEMA,
        "task": str(model.task),
        "model": model_info.model,
        "classes": list(model_info.classes),
        "class_ids": list(model_info.class_ids),
        "keypoint_names": list(model_info.keypoint_names),
        "skeleton": [list(pair) for pair in model_info.skeleton],
        "facts": model_info.facts,
        "thresholds": list(thresholds),
        **_rules(model),
    }


def _rules(model: nn.Module) -> dict[str, Any]:
    rule = model.export_rule() if isinstance(model, Model) else None
    if rule is not None:
        return {"prepare": rule["preprocess"], "decode": rule["postprocess"]}
    hint = "every built-in model but knn, which is no network, can be exported"
    raise UsageError(f"{type(model).__name__} has no rule to read its outputs by", hint=hint)
