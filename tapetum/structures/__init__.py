"""What is passed around. Small frozen dataclasses, checked at birth, and what a model is.

Names are imported when they are first used: the names of the tasks alone cost nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tapetum.structures.tasks import TASKS

if TYPE_CHECKING:
    from tapetum.structures.batch import Batch
    from tapetum.structures.export import ExportGraph, ExportRule
    from tapetum.structures.model import (
        DEFAULT_POSTPROCESS,
        DESCEND,
        FIT,
        ExplainLayer,
        Model,
        PostprocessOptions,
    )
    from tapetum.structures.objects import Objects
    from tapetum.structures.prediction import Prediction
    from tapetum.structures.sample import Sample
    from tapetum.structures.target import IGNORE_INDEX, Target

__all__ = [
    "DEFAULT_POSTPROCESS",
    "DESCEND",
    "FIT",
    "IGNORE_INDEX",
    "TASKS",
    "Batch",
    "ExplainLayer",
    "ExportGraph",
    "ExportRule",
    "Model",
    "Objects",
    "PostprocessOptions",
    "Prediction",
    "Sample",
    "Target",
]

_MODULES = {
    "Batch": "batch",
    "ExportGraph": "export",
    "ExportRule": "export",
    "DEFAULT_POSTPROCESS": "model",
    "DESCEND": "model",
    "FIT": "model",
    "ExplainLayer": "model",
    "Model": "model",
    "PostprocessOptions": "model",
    "Objects": "objects",
    "Prediction": "prediction",
    "Sample": "sample",
    "IGNORE_INDEX": "target",
    "Target": "target",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'tapetum.structures' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tapetum.structures.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
