"""One method per file, and MODELS, a function for each that takes JSON values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from tapetum.models.classification.airbench import airbench
from tapetum.models.classification.knn import knn
from tapetum.models.classification.linear import linear
from tapetum.models.classification.resnet import (
    resnet10,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from tapetum.models.classification.vit import vit_b_16
from tapetum.models.detection.faster_rcnn import faster_rcnn
from tapetum.models.detection.retinanet import retinanet
from tapetum.models.instances.keypoint_rcnn import keypoint_rcnn
from tapetum.models.instances.mask_rcnn import mask_rcnn
from tapetum.models.localization.localizer import localizer
from tapetum.models.segmentation.unet import unet

Functions = dict[str, Callable[..., nn.Module]]

BY_TASK: dict[str, Functions] = {
    "classification": {
        "resnet10": resnet10,
        "resnet18": resnet18,
        "resnet34": resnet34,
        "resnet50": resnet50,
        "resnet101": resnet101,
        "resnet152": resnet152,
        "vit_b_16": vit_b_16,
        "airbench": airbench,
        "linear": linear,
        "knn": knn,
    },
    "localization": {"localizer": localizer},
    "segmentation": {"unet": unet},
    "detection": {"retinanet": retinanet, "faster_rcnn": faster_rcnn},
    "instances": {"mask_rcnn": mask_rcnn},
    "keypoints": {"keypoint_rcnn": keypoint_rcnn},
}
"""Task -> the models for it, by name."""

MODELS: Functions = {name: f for models in BY_TASK.values() for name, f in models.items()}

__all__ = ["BY_TASK", "MODELS", "accepted", "task_of"]


def task_of(model: str) -> str:
    """The task of a name in MODELS."""
    return next(task for task, models in BY_TASK.items() if model in models)


def accepted(model: str, values: Mapping[str, Any], *, defaults: bool = False) -> dict[str, Any]:
    """Of `values` those that the model has an argument for; `defaults`: over its own defaults."""
    parameters = inspect.signature(MODELS[model]).parameters
    own = {p.name: p.default for p in parameters.values()} if defaults else {}
    return own | {name: value for name, value in values.items() if name in parameters}
