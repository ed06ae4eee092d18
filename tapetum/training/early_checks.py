"""What is refused before the long work of a training: reading the data and comparing its images."""

from __future__ import annotations

from typing import Any

from tapetum.base.errors import UsageError
from tapetum.models.catalog import fitting_arguments
from tapetum.runs.train_options import TrainOptions
from tapetum.structures import DESCEND, Model
from tapetum.training.phases import phase_kinds
from tapetum.weights.sources import is_name, source_of

OF_ANY_FIT = frozenset({"seed", "workers"})
"""Settings that matter for a model that is only fitted."""


def check_before_data(options: TrainOptions, model: str) -> None:
    """Check the model's arguments and the file of weights, as far as they are known without data.

    Args:
        options: of the training.
        model: its model's lasting name.

    Raises:
        UsageError: an argument that the model does not have or of another type, or no such weights.
        CheckpointError: a file that holds no weights.
    """
    fitting_arguments(model, options.arguments, {})
    if not is_name(options.weights):
        source = source_of(options.weights, model, options.arguments)
        assert source is not None  # only "none" gives none
        source.check()


def refuse_idle_settings(options: TrainOptions, model: Model[Any]) -> None:
    """Refuse settings of a gradient descent that are given for a model without one.

    Args:
        options: of the training.
        model: its model.

    Raises:
        UsageError: a setting that would be ignored.
    """
    if DESCEND in phase_kinds(model):
        return
    given = [name for name, value in options.settings.items() if value is not None]
    idle = [name for name in given if name not in OF_ANY_FIT]
    idle += [name for name in ("minutes", "augment", "cache") if name in options.given()]
    for name in idle:
        why = f"{options.model} is fitted in one step, without gradient descent or augmentation"
        raise UsageError(f"has no effect: {why}", option=name, hint="leave it out")
