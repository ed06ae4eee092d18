"""From the options to the plan of a run: sizes, arguments, settings and length."""

from __future__ import annotations

import copy
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tapetum.base.errors import UsageError
from tapetum.base.progress import Log
from tapetum.base.words import count_of
from tapetum.data.dataset import Dataset
from tapetum.data.reading.training_data import TrainingData
from tapetum.data.reading.views import Subset
from tapetum.models import task_of
from tapetum.models.catalog import arguments_of, defaults_of, fitting_arguments, model_function
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
TIMED_IMAGES = 4
"""Images that are measured to estimate the time of an evaluation."""
SMALLEST, LARGEST = 8, 16384
"""The smallest and the largest image size in pixels."""


def chosen_arguments(
    options: TrainOptions, task: Task, dataset: Dataset, size: int
) -> dict[str, Any]:
    """The model's arguments: those that follow from the data, replaced by the given ones.

    Raises:
        UsageError: another number of classes than the data has, or two backbones.
    """
    of_data, backbone = task.arguments(dataset, size), chosen_backbone(options)
    given, classes = options.arguments.get("num_classes"), of_data.get("num_classes")
    if given is not None and classes is not None and given != classes:
        why = f"num_classes={given}, but the data has {count_of(classes, 'class', 'classes')}"
        raise UsageError(why, option="arguments", hint="leave it out: it follows from the data")
    return fitting_arguments(options.model, options.arguments, backbone | of_data)


def with_norm(
    options: TrainOptions, task: Task, arguments: dict[str, Any], source: Source | None
) -> dict[str, Any]:
    """The arguments with the kind of norm that suits the start weights, unless `norm` is given."""
    if source is None or not task.small_batches or "norm" in options.arguments:
        return arguments
    return arguments | fitting_arguments(options.model, {}, {"norm": source.norm()})


def chosen_backbone(options: TrainOptions) -> dict[str, Any]:
    """The argument for the backbone, by the name that the model has for it; none for other models.

    Raises:
        UsageError: a backbone was given, and the model has none to choose or is given another.
    """
    model, backbone = options.model, options.backbone
    if backbone is None and is_custom(model):
        return {}  # its default is what its author meant
    name = backbone or BACKBONE
    arguments = fitting_arguments(model, {}, {"backbone": name, "encoder": name})
    if backbone is not None and not arguments:
        raise UsageError(
            f"{model} has no backbone to choose", option="backbone", hint="tapetum models"
        )
    if backbone is not None and (twice := arguments.keys() & options.arguments.keys()):
        why = f"`backbone` and the argument {twice.pop()} both say the backbone"
        raise UsageError(why, hint="give one")
    return arguments


def chosen_size(task: Task, model: str, dataset: Dataset, options: TrainOptions) -> int:
    """The given size, else that of the task for these images, at most the model's default.

    A given size must decide what the model sees. Of tasks that tell the model its size (an
    argument `image_size` or `min_size`) the model must have that argument: without it only the
    augmented images of the training would have the size, and those that are predicted another.
    Segmentation tells the model none: there the size is that of the windows that the
    augmentation cuts, and it needs one that cuts windows.

    Raises:
        UsageError: a given size is not from SMALLEST to LARGEST, or decides nothing.
    """
    if options.image_size is not None:
        _refuse_size(task, model, dataset, options, options.image_size)
        return options.image_size
    for name in SIZES:  # a size among the model's arguments is that of the transforms, too
        if name in options.arguments and name in task.arguments(dataset, SMALLEST):
            return int(options.arguments[name])
    defaults = defaults_of(model)
    limits = [defaults[name] for name in SIZES if isinstance(defaults.get(name), int)]
    return min([task.image_size(dataset), *limits[:1]])


SIZES = ("image_size", "min_size")
"""Arguments of models for the size of the images."""


def _refuse_size(
    task: Task, model: str, dataset: Dataset, options: TrainOptions, size: int
) -> None:
    """Refuse a size that is too small or without effect.

    Raises:
        UsageError: it is.
    """
    for name in SIZES:
        if name in options.arguments and name in task.arguments(dataset, size):
            why = f"`image_size` and the argument {name} both say the size"
            raise UsageError(why, hint="give one; the argument, where it is of a repeated run")
    if not SMALLEST <= size <= LARGEST:
        why = f"must be {SMALLEST} to {LARGEST:,} pixels, got {size:,}"
        raise UsageError(why, option="image_size")
    if any(name in task.arguments(dataset, size) for name in SIZES):
        known = arguments_of(model)
        if not any(name in known for name in SIZES):
            why = f"{model} has neither an argument image_size nor min_size"
            hint = "it takes " + (", ".join(known) or "none")
            raise UsageError(why, option="image_size", hint=hint)
        return
    augment = options.augment
    transforms = [task.transforms(dataset, side, augment) for side in (size, 2 * size)]
    if transforms[0] == transforms[1]:
        why = f"has no effect with `augment` {augment}, which keeps images at their size"
        raise UsageError(why, option="image_size", hint="leave it out")


def chosen_settings(options: TrainOptions, task: Task) -> Settings:
    """The given settings, else the defaults of the model, of the task, or of `Settings`.

    Raises:
        UsageError: an impossible value, or an unknown setting of the model.
    """
    preferred = declared_settings(model_function(options.model))
    known = {field.name for field in fields(Settings)}
    for name in preferred.keys() - known:
        hint = "one of " + ", ".join(sorted(known))
        raise UsageError(f"settings: unknown setting {name!r}", file=options.model, hint=hint)
    return Settings(**{**task.settings, **preferred, **options.settings})


def describe(record: RunRecord, model: Model[Any]) -> list[str]:
    """Describe a training before it starts.

    Args:
        record: of the run.
        model: its model.

    Returns:
        The lines: model and image size; device, precision and optimizer; and of a custom model
        that cannot be told the number of classes, how many there are.
    """
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    backbone = record.arguments.get("backbone") or record.arguments.get("encoder")
    name = Path(record.model).name  # of a custom model its file, without folders
    network = f"{name}, {backbone}" if backbone else name
    settings = record.settings
    how = f"{settings.optimizer}, lr {settings.lr:g}"
    lines = [
        f"{network}, {parameters:.2f} million parameters, images of {record.image_size} pixels",
        f"{record.device} {record.precision}, "
        + (how if DESCEND in model.phases else "fitted in one step"),
    ]
    if "num_classes" not in record.arguments:
        classes = count_of(len(record.classes), "class", "classes")
        lines.append(f"{name} has no argument num_classes: it is not told that there are {classes}")
    return lines


def in_minutes(
    record: RunRecord, job: Job, images: TrainingData, minutes: float, log: Log
) -> tuple[RunRecord, Job]:
    """Set the number of steps so that the training takes about `minutes` on this machine.

    Args:
        record: of the run.
        job: the training.
        images: of the run.
        minutes: for all steps and evaluations.
        log: is called with the measured times.

    Returns:
        Record and job with new settings.

    Raises:
        UsageError: a model that is fitted in one step.
    """
    if DESCEND not in job.model.phases:
        raise UsageError(f"{record.model} is fitted in one step", option="minutes")
    log("measuring the time of a step on this machine")
    seconds = seconds_per_step(job)
    evaluation = (
        0.0 if images.validation is None else evaluation_seconds(record, job, images.validation)
    )
    settings = settings_for(record.settings, minutes, seconds, len(job.dataset), evaluation)
    line = (
        f"{1000 * seconds:.0f} ms a step: {settings.max_steps} steps in about {minutes:.3g} minutes"
    )
    log(f"{line}, {evaluation:.0f} s an evaluation" if evaluation else line)
    return replace(record, settings=settings), replace(job, settings=settings)


def evaluation_seconds(record: RunRecord, job: Job, held: Dataset) -> float:
    """Estimate the seconds of an evaluation from the fastest of a few of its images.

    An untrained model predicts as many objects as it can, so the estimate is rather high.
    """
    task, model = TASKS[task_of(record.model)], copy.deepcopy(job.model).to(job.runtime.device)
    seconds = []
    for index in range(min(TIMED_IMAGES, len(held))):
        started = time.perf_counter()
        task.measure(model, Subset(held, [index]), job.runtime, class_ids=record.class_ids)
        seconds.append(time.perf_counter() - started)
    return min(seconds) * len(held)
