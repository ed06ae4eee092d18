"""The record of a run and its images, from the options of a training; nothing is written yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tapetum.base.custom_code import custom_function
from tapetum.base.errors import UsageError
from tapetum.base.machine import environment
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.base.runtime import Runtime
from tapetum.data.dataset import Dataset
from tapetum.data.reading.places import absolute
from tapetum.data.reading.samples import Samples
from tapetum.data.reading.training_data import (
    DataSpec,
    InMemoryData,
    TrainingData,
    in_files,
    refuse_file_options,
)
from tapetum.data.splits.hold_out import HoldOut
from tapetum.data.splits.split_file import read_parts
from tapetum.inference.custom_code import custom_code_facts
from tapetum.models import task_of
from tapetum.models.catalog import lasting_name
from tapetum.runs.record import RunRecord, command_line
from tapetum.runs.train_options import TrainOptions
from tapetum.tasks import TASKS, Task
from tapetum.training.early_checks import check_before_data, refuse_idle_settings
from tapetum.training.job import build_with
from tapetum.training.planning import (
    chosen_arguments,
    chosen_settings,
    chosen_size,
    with_norm,
)
from tapetum.weights.sources import NONE, Source, is_name, source_of


def plan_run(
    options: TrainOptions,
    runtime: Runtime,
    progress: Progress = no_progress,
    log: Log = no_log,
    in_memory: InMemoryData | None = None,
) -> tuple[RunRecord, TrainingData]:
    """The record of a run, and its images; nothing is written yet.

    Args:
        options: what to train, and how.
        runtime: device and precision.
        progress: shows how far the reading of the data is.
        log: is called with each line about the data.
        in_memory: samples in place of the data that `options` names.

    Returns:
        The record, and the images for training and validation.
    """
    name = lasting_name(options.model)
    task = TASKS[task_of(name)]
    settings = chosen_settings(options, task)
    check_before_data(options, name)
    reading = DataSpec.of(options)
    hold_out = HoldOut.of(options)
    if in_memory is not None or not in_files(options.data):
        refuse_file_options(reading, hold_out)

    def check(dataset: Dataset) -> None:
        size, arguments, _ = _chosen(options, task, name, dataset)
        task.transforms(dataset, size, options.augment)
        refuse_idle_settings(options, build_with(name, arguments, settings.seed))

    if in_memory is None:
        images = TrainingData.open(
            reading, task.name, hold_out, progress=progress, log=log, check=check
        )
    else:
        images = in_memory.open(task.name, options.validate)
    training = images.training
    size, arguments, source = _chosen(options, task, name, training)
    record = RunRecord(
        model=name,
        options=kept(options),
        arguments=arguments,
        weights=NONE if source is None else source.lasting(),
        image_size=size,
        classes=training.classes,
        class_ids=tuple(getattr(training, "class_ids", ())),
        keypoint_names=training.keypoint_names,
        skeleton=training.skeleton,
        settings=settings,
        device=str(runtime.device),
        precision=runtime.precision,
        counts=images.counts(),
        command=command_line(),
        environment=environment() | custom_code_facts(name),
    )
    return record, images


def _chosen(
    options: TrainOptions, task: Task, model: str, dataset: Dataset
) -> tuple[int, dict[str, Any], Source | None]:
    """Image size, arguments of the model, and the weights to start from."""
    size = chosen_size(task, model, dataset, options)
    arguments = chosen_arguments(options, task, dataset, size)
    source = source_of(options.weights, model, arguments)
    return size, with_norm(options, task, arguments, source), source


def data_of_run(
    record: RunRecord,
    folder: Path,
    data: Samples | str | None,
    val: Samples | str | None,
    log: Log = no_log,
) -> TrainingData:
    """The images of a run that is resumed.

    Args:
        record: of the run.
        folder: the run folder, which may have a file of its splits.
        data: the samples, of a run on samples in Python; a text is ignored.
        val: the samples to validate on, likewise.
        log: is called with each line about the data.

    Returns:
        The images for training and validation.

    Raises:
        UsageError: only one of the two is samples, or the classes are not those of the run.
    """
    data, val = (None if isinstance(given, str) else given for given in (data, val))
    if data is None and val is not None:
        why = "samples to validate on need samples to train on in `data`"
        raise UsageError(why, option="val")
    task = task_of(record.model)
    in_memory = None if data is None else InMemoryData.of(data, val, record.classes)
    if in_memory is None:
        spec = DataSpec.of(record.options)
        images = TrainingData.open(spec, task, names=read_parts(folder), log=log)
    else:
        images = in_memory.open(task, record.options.validate)
    if images.training.classes != record.classes:
        raise UsageError("its classes differ from those of the run", file=record.options.data)
    return images


def kept(options: TrainOptions) -> TrainOptions:
    """The options with absolute paths of files and folders, as a run stores them."""
    return replace(
        options,
        model=str(custom_function(options.model) or options.model),
        data=absolute(options.data),
        val=None if options.val is None else absolute(options.val),
        weights=options.weights if is_name(options.weights) else absolute(options.weights),
        group_by=None if options.group_by is None else _absolute_table(options.group_by),
    )


def _absolute_table(group_by: str) -> str:
    """FILE.csv:COLUMN with the absolute path of its file; an expression as it is."""
    place, colon, column = group_by.rpartition(":")
    return f"{absolute(place)}:{column}" if colon and Path(place).is_file() else group_by
