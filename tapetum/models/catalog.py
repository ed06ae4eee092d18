"""CATALOG: every built-in model by name, with its task, paper, weights and test arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from tapetum.base.custom_code import custom_function
from tapetum.base.errors import UsageError
from tapetum.models.classification import airbench, knn, linear, resnet, vit
from tapetum.models.custom import custom_model, declared_task, is_custom
from tapetum.models.detection.one_stage import retinanet
from tapetum.models.detection.two_stage import faster_rcnn, keypoint_rcnn, mask_rcnn
from tapetum.models.entry import ModelEntry, PublishedWeights
from tapetum.models.localization import localizer
from tapetum.models.segmentation import unet
from tapetum.structures import Model

__all__ = [
    "CATALOG",
    "REQUIRED",
    "ModelEntry",
    "PublishedWeights",
    "arguments_of",
    "defaults_of",
    "fitting_arguments",
    "lasting_name",
    "model_function",
    "task_of",
]

REQUIRED = inspect.Parameter.empty
"""Stands for the default of an argument that has none."""

CATALOG: dict[str, ModelEntry] = {
    **resnet.ENTRIES,
    **vit.ENTRIES,
    **airbench.ENTRIES,
    **linear.ENTRIES,
    **knn.ENTRIES,
    **localizer.ENTRIES,
    **unet.ENTRIES,
    **retinanet.ENTRIES,
    **faster_rcnn.ENTRIES,
    **mask_rcnn.ENTRIES,
    **keypoint_rcnn.ENTRIES,
}
"""Every built-in model by name, those of a task together."""


def lasting_name(model: str) -> str:
    """The name of a model that means the same from any folder.

    Args:
        model: a name in CATALOG, or "FILE.py:FUNCTION".

    Returns:
        The name, or "FILE.py:FUNCTION" with the absolute path of the file.

    Raises:
        UsageError: there is no such model.
    """
    custom = custom_function(model)
    if custom is None and model not in CATALOG:
        hint = "one of " + ", ".join(CATALOG) + ", or FILE.py:FUNCTION"
        raise UsageError(f"unknown model {model!r}", hint=hint)
    return model if custom is None else str(custom)


def model_function(model: str) -> Callable[..., Model[Any]]:
    """The function that builds a model.

    Args:
        model: a name in CATALOG, or "FILE.py:FUNCTION".

    Returns:
        The function; its result is a `tapetum.Model`.

    Raises:
        UsageError: there is no such model, or the function in the file builds none.
    """
    return custom_model(model) if is_custom(model) else CATALOG[lasting_name(model)].build


def task_of(model: str) -> str:
    """The task of a model: one of `tapetum.structures.TASKS`.

    Args:
        model: a name in CATALOG, or "FILE.py:FUNCTION".

    Returns:
        One of `tapetum.structures.TASKS`.

    Raises:
        UsageError: there is no such model, or the function in the file builds none.
    """
    if model in CATALOG:
        return CATALOG[model].task
    return str(declared_task(model_function(model)))


def arguments_of(model: str) -> dict[str, Any]:
    """The arguments of a model.

    Args:
        model: a name in CATALOG, or "FILE.py:FUNCTION".

    Returns:
        Name of each argument -> its default, or REQUIRED where it has none.

    Raises:
        UsageError: there is no such model.
    """
    entry = CATALOG.get(model)
    if entry is not None and entry.options is not None:
        return {f.name: _field_default(f) for f in fields(entry.options)}
    return {p.name: p.default for p in _parameters(model) if p.kind not in _VARIADIC}


def defaults_of(model: str) -> dict[str, Any]:
    """The arguments of a model that have a default.

    Args:
        model: a name in CATALOG, or "FILE.py:FUNCTION".

    Returns:
        Name -> default.

    Raises:
        UsageError: as for `arguments_of`.
    """
    return {name: value for name, value in arguments_of(model).items() if value is not REQUIRED}


def fitting_arguments(
    model: str, given: Mapping[str, Any], suggested: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments to build a model with: all that are given, and what it takes of the suggested.

    Args:
        model: a name in CATALOG, or "FILE.py:FUNCTION".
        given: what the user asks for; it wins over what is suggested.
        suggested: what follows from the data; a name that the model does not take is left out.

    Returns:
        Name -> value.

    Raises:
        UsageError: there is no such model, it does not take an argument of `given`, or, of a
            built-in model, a value has another type than the argument's default.
    """
    known = arguments_of(model)
    for name, value in given.items():
        if name not in known and not _takes_any(model):
            hint = "it takes " + (", ".join(known) or "none")
            raise UsageError(f"{model} has no argument {name!r}", hint=hint)
        if model in CATALOG:
            _refuse_type(model, name, known[name], value)
    return {name: value for name, value in suggested.items() if name in known} | dict(given)


_TYPES: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "an integer"),
    float: ((int, float), "a number"),
    str: ((str,), "a name"),
    tuple: ((list, tuple), "a list"),
}
"""Type of a default -> the types that a value in its place may have, and what to call them."""


def _refuse_type(model: str, name: str, default: Any, value: Any) -> None:
    if type(default) not in _TYPES:
        return
    allowed, expected = _TYPES[type(default)]
    # By its exact type: in Python True is an integer. None is left to the model.
    if type(value) not in (*allowed, type(None)):
        raise UsageError(f"{model}: {name}: expected {expected}, got {value!r}")


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _takes_any(model: str) -> bool:
    """Does the function of a custom model take arguments of any name, as `**arguments`?"""
    kinds = [parameter.kind for parameter in _parameters(model)]
    return model not in CATALOG and inspect.Parameter.VAR_KEYWORD in kinds


def _parameters(model: str) -> list[inspect.Parameter]:
    return list(inspect.signature(model_function(model)).parameters.values())


def _field_default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return REQUIRED if field.default_factory is MISSING else field.default_factory()
