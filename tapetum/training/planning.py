"""From what somebody wishes to a whole plan: sizes, arguments, settings, and how long."""

from __future__ import annotations

import copy
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tapetum.base.errors import UsageError
from tapetum.base.progress import Log
from tapetum.data.dataset import Dataset
from tapetum.data.reading.training_data import TrainingData
from tapetum.data.reading.views import Subset
from tapetum.models import task_of
from tapetum.models.catalog import defaults_of, fitting_arguments, model_function
from tapetum.models.custom import declared_settings, is_custom
from tapetum.runs.record import RunRecord
from tapetum.runs.settings import Settings
from tapetum.runs.train_options import TrainOptions
from tapetum.structures import DESCEND, Model
from tapetum.tasks import TASKS, Task
from tapetum.training.loop import Job
from tapetum.training.step_time import seconds_per_step, settings_for
from tapetum.weights.sources import Source

BACKBONE = "resnet18"
LOOKED_AT = 4
"""Images from which the time of an evaluation is known."""
SMALLEST = 8
"""Pixels: no model sees less."""


def chosen_arguments(
    options: TrainOptions, task: Task, dataset: Dataset, size: int
) -> dict[str, Any]:
    """The model's arguments: what follows from the data, then what was said."""
    follows = chosen_backbone(options.model, options.backbone) | task.arguments(dataset, size)
    return fitting_arguments(options.model, options.arguments, follows)


def with_norm(
    options: TrainOptions, task: Task, arguments: dict[str, Any], source: Source | None
) -> dict[str, Any]:
    """The arguments with the kind of norm that suits the weights to start from, where nothing was
    said of it."""
    if source is None or not task.small_batches or "norm" in options.arguments:
        return arguments
    return arguments | fitting_arguments(options.model, {}, {"norm": source.norm()})


def chosen_backbone(model: str, asked: str | None) -> dict[str, Any]:
    """The argument for the backbone, by the name that the model has for it; none for other models.

    Raises:
        UsageError: one was asked for and the model has none to choose.
    """
    if asked is None and is_custom(model):
        return {}  # its own default is what its author meant
    name = asked or BACKBONE
    arguments = fitting_arguments(model, {}, {"backbone": name, "encoder": name})
    if asked is not None and not arguments:
        raise UsageError(f"{model} has none to choose", option="backbone", hint="tapetum models")
    return arguments


def chosen_size(task: Task, model: str, dataset: Dataset, asked: int | None) -> int:
    """The size asked for, else that of the task for these images; never above the model's own.

    Raises:
        UsageError: too small for anything.
    """
    if asked is not None:
        if asked < SMALLEST:
            raise UsageError(f"must be at least {SMALLEST}, got {asked}", option="image_size")
        return asked
    own = defaults_of(model)
    most = own.get("image_size") or own.get("min_size")
    size = task.image_size(dataset)
    return size if most is None else min(size, most)


def chosen_settings(options: TrainOptions, task: Task) -> Settings:
    """What was said, else the default of the model, else of the task, where they have one, else of
    all.

    Raises:
        UsageError: a value that cannot be, or a setting of the model that there is not.
    """
    own = declared_settings(model_function(options.model))
    known = {field.name for field in fields(Settings)}
    for name in own.keys() - known:
        hint = "one of " + ", ".join(sorted(known))
        raise UsageError(f"settings: unknown setting {name!r}", file=options.model, hint=hint)
    return Settings(**{**task.settings, **own, **options.settings})


def describe(record: RunRecord, model: Model[Any]) -> list[str]:
    """What will be trained, in two lines."""
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    body = record.arguments.get("backbone") or record.arguments.get("encoder")
    name = Path(record.model).name  # of one's own model its file, without the way there
    network = f"{name}, {body}" if body else name
    settings = record.settings
    return [
        f"{network}, {parameters:.2f} million parameters, images of {record.image_size} pixels",
        f"{record.device} {record.precision}, {settings.optimizer}, lr {settings.lr:g}",
    ]


def in_minutes(
    record: RunRecord, job: Job, images: TrainingData, minutes: float, log: Log
) -> tuple[RunRecord, Job]:
    """The run and its job with as many steps as take about `minutes` here, evaluations included.

    Raises:
        UsageError: a model that is fitted in one go.
    """
    if DESCEND not in job.model.phases:
        raise UsageError(f"{record.model} is fitted in one go", option="minutes")
    log("measuring the time of a step on this machine")
    seconds = seconds_per_step(job)
    looking = 0.0 if images.held is None else seconds_to_look(record, job, images.held)
    settings = settings_for(record.settings, minutes, seconds, len(job.dataset), looking)
    words = (
        f"{1000 * seconds:.0f} ms a step: {settings.max_steps} steps in about {minutes:.3g} minutes"
    )
    log(f"{words}, {looking:.0f} s an evaluation" if looking else words)
    return replace(record, settings=settings), replace(job, settings=settings)


def seconds_to_look(record: RunRecord, job: Job, held: Dataset) -> float:
    """How long an evaluation takes here, by the fastest of a few of its images.

    A fresh model finds as much as it may, so this is rather too long.
    """
    task, model = TASKS[task_of(record.model)], copy.deepcopy(job.model).to(job.runtime.device)
    seconds = []
    for index in range(min(LOOKED_AT, len(held))):
        started = time.perf_counter()
        task.measure(model, Subset(held, [index]), job.runtime, class_ids=record.class_ids)
        seconds.append(time.perf_counter() - started)
    return min(seconds) * len(held)
