"""What `import tapetum` offers and what the command line calls."""

from tapetum.api.about import builtin_datasets, models
from tapetum.api.answers import explain_file, predict_files
from tapetum.api.datasets import check, convert
from tapetum.api.exporting import export
from tapetum.api.measuring import evaluate, evaluate_files
from tapetum.api.reporting import report
from tapetum.api.training import resume, train
from tapetum.base.machine import environment_facts
from tapetum.inference.predictor import Predictor, load
from tapetum.inference.results import Result

__all__ = [
    "Predictor",
    "Result",
    "builtin_datasets",
    "check",
    "convert",
    "environment_facts",
    "evaluate",
    "evaluate_files",
    "explain_file",
    "export",
    "load",
    "models",
    "predict_files",
    "report",
    "resume",
    "train",
]
