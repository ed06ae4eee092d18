"""What is passed around. Small frozen dataclasses, checked at birth."""

from tapetum.structures.batch import Batch
from tapetum.structures.objects import Objects
from tapetum.structures.prediction import Prediction
from tapetum.structures.protocols import DataDependentInit, Fittable, Model, Trainable
from tapetum.structures.sample import Sample
from tapetum.structures.target import Target
from tapetum.structures.tasks import TASKS

__all__ = [
    "TASKS",
    "Batch",
    "DataDependentInit",
    "Fittable",
    "Model",
    "Objects",
    "Prediction",
    "Sample",
    "Target",
    "Trainable",
]
