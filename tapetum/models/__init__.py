"""One method per file, and MODELS, a function for each that takes JSON values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from tapetum.base.custom_code import custom_function
from tapetum.base.errors import UsageError
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
from tapetum.models.custom import custom_model, declared_task, is_custom
from tapetum.models.detection.one_stage.retinanet import retinanet
from tapetum.models.detection.two_stage.faster_rcnn import faster_rcnn
from tapetum.models.detection.two_stage.keypoint_rcnn import keypoint_rcnn
from tapetum.models.detection.two_stage.mask_rcnn import mask_rcnn
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
    "semantic_segmentation": {"unet": unet},
    "detection": {"retinanet": retinanet, "faster_rcnn": faster_rcnn},
    "instance_segmentation": {"mask_rcnn": mask_rcnn},
    "keypoint_detection": {"keypoint_rcnn": keypoint_rcnn},
}
"""Task -> the models for it, by name."""

MODELS: Functions = {name: f for models in BY_TASK.values() for name, f in models.items()}

__all__ = ["BY_TASK", "MODELS", "accepted", "task_of"]


def lasting_name(model: str) -> str:
    """What means the model from any folder: a name in MODELS, or "FILE.py:FUNCTION" with the
    absolute path of the file.

    Raises:
        UsageError: it means none.
    """
    own = custom_function(model)
    if own is None and model not in MODELS:
        hint = "one of " + ", ".join(MODELS) + ", or FILE.py:FUNCTION"
        raise UsageError(f"unknown model {model!r}", hint=hint)
    return model if own is None else str(own)


def model_function(model: str) -> Callable[..., nn.Module]:
    """The function of a name in MODELS, or that which "FILE.py:FUNCTION" names.

    Raises:
        UsageError: there is none, or the file is no file of a model.
    """
    return custom_model(model) if is_custom(model) else MODELS[lasting_name(model)]


def task_of(model: str) -> str:
    """The task of a name in MODELS, or the one that a function in a file declares.

    Raises:
        UsageError: as for `model_function`.
    """
    named = (task for task, models in BY_TASK.items() if model in models)
    return next(named, None) or str(declared_task(model_function(model)))


def accepted(model: str, values: Mapping[str, Any], *, defaults: bool = False) -> dict[str, Any]:
    """Of `values` those that the model has an argument for; `defaults`: over its own defaults."""
    parameters = inspect.signature(model_function(model)).parameters
    own = {p.name: p.default for p in parameters.values() if p.default is not p.empty}
    given = {name: value for name, value in values.items() if name in parameters}
    return own | given if defaults else given
