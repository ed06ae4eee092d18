"""What is passed around. Small frozen dataclasses, checked at birth, and what a model is.

Names are imported when they are first used: the names of the tasks alone cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapetum.base.faces import lazy_names
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

_PLACES = {
    "Batch": "tapetum.structures.batch",
    "ExportGraph": "tapetum.structures.export",
    "ExportRule": "tapetum.structures.export",
    "DEFAULT_POSTPROCESS": "tapetum.structures.model",
    "DESCEND": "tapetum.structures.model",
    "FIT": "tapetum.structures.model",
    "ExplainLayer": "tapetum.structures.model",
    "Model": "tapetum.structures.model",
    "PostprocessOptions": "tapetum.structures.model",
    "Objects": "tapetum.structures.objects",
    "Prediction": "tapetum.structures.prediction",
    "Sample": "tapetum.structures.sample",
    "IGNORE_INDEX": "tapetum.structures.target",
    "Target": "tapetum.structures.target",
}

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
