"""What is passed around. Small frozen dataclasses, checked at birth, and what a model is."""

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
from tapetum.structures.target import Target
from tapetum.structures.tasks import TASKS

__all__ = [
    "DEFAULT_POSTPROCESS",
    "DESCEND",
    "FIT",
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
