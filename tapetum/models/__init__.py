"""One method per file, and MODELS, a function for each that takes JSON values."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tapetum.models.detection.faster_rcnn import faster_rcnn
from tapetum.models.detection.retinanet import retinanet

Functions = dict[str, Callable[..., nn.Module]]

BY_TASK: dict[str, Functions] = {
    "detection": {"retinanet": retinanet, "faster_rcnn": faster_rcnn},
}
"""Task -> the models for it, by name."""

MODELS: Functions = {name: f for models in BY_TASK.values() for name, f in models.items()}

__all__ = ["BY_TASK", "MODELS", "task_of"]


def task_of(model: str) -> str:
    """The task of a name in MODELS."""
    return next(task for task, models in BY_TASK.items() if model in models)
