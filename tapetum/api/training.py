"""Train a model on a dataset, and resume a training that was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tapetum.base.bundle import bundles
from tapetum.base.download import Bar, no_bar
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.base.ranks import from_first, process_group, ranks
from tapetum.base.runtime import choose_runtime, recorded_runtime
from tapetum.data.reading.samples import IN_PYTHON, Samples
from tapetum.data.reading.training_data import InMemoryData
from tapetum.inference.custom_code import (
    DATA,
    MODEL,
    VAL,
    check_model_file,
    named_again,
    named_by_user,
    refuse_code,
)
from tapetum.runs.record import default_folder, read_run, refuse_used
from tapetum.runs.repeat import merge_options
from tapetum.runs.train_options import TrainOptions
from tapetum.training.callbacks import Call
from tapetum.training.data_preview import draw_data
from tapetum.training.early_checks import refuse_idle_settings
from tapetum.training.job import make_job, start_from
from tapetum.training.leftovers import run_folder
from tapetum.training.observers import Observer
from tapetum.training.observing import run_job, watching
from tapetum.training.plan_run import data_of_run, plan_run
from tapetum.training.planning import describe, in_minutes
from tapetum.weights.checkpoint import FOLDER, refuse_links
from tapetum.weights.run_checkpoint import checkpoint_of_run


@process_group()
def train(
    model: str | TrainOptions | None = None,
    data: str | Path | Samples | None = None,
    *,
    out: str | Path | None = None,
    from_run: str | Path | None = None,
    val: str | Path | Samples | None = None,
    classes: Sequence[str] | None = None,
    tensorboard: bool = False,
    observers: Sequence[Observer] | None = None,
    on_step: Call | None = None,
    on_epoch: Call | None = None,
    bar: Bar = no_bar,
    progress: Progress = no_progress,
    log: Log = no_log,
    **options: Any,
) -> Path:
    """Train a model on images with labels.

    If it fails before the end of its first step, no run folder is left.

    Args:
        model: its name, or "FILE.py:FUNCTION"; or all options as a `tapetum.TrainOptions`. Code
            that is named in model, data or val is trusted from now on, until its file changes.
        data: a folder or file of annotations, the name of a built-in dataset ("scenes"),
            "FILE.py:FUNCTION", or samples: anything with a length that gives a `tapetum.Sample` by
            index.
        out: the run folder; by default runs/MODEL-DATA, with a number behind it where that exists.
        from_run: a run whose options are repeated; options that are given as well replace them.
        val: other data, or samples, to validate on.
        classes: names by label, of samples that have no `classes`.
        tensorboard: write RUN/tensorboard, too.
        observers: are called at every step; None shows a progress bar.
        on_step: is called with a dict after each step, see `tapetum.training.callbacks.Calls`.
        on_epoch: is called with a dict after each epoch.
        bar: shows how far a download is.
        progress: shows how far other long work is.
        log: is called with each line about the work.
        options: fields of `tapetum.TrainOptions` and `tapetum.Settings`, such as image_size,
            backbone, epochs, lr, batch_size, seed.

    Returns:
        The run folder, with checkpoints and metrics.

    Raises:
        UsageError: an unknown name or value, or `out` exists.
        DownloadError: the weights cannot be downloaded; the message has address and file.
        TrainingError: a loss or gradient is not finite.
        Stopped: a signal came; a checkpoint is saved.
    """
    if isinstance(model, TrainOptions):
        options, model = model.given() | options, None
    in_memory = InMemoryData.of(data, val, classes)
    options |= _options_for(model, data, val, in_memory)
    named_by_user(*(options.get(name) for name in (MODEL, DATA, VAL)))
    planned = merge_options(from_run, options)
    if from_run is not None:
        refuse_code(planned.model, planned.data, planned.val, Path(from_run))
    folder = Path(out) if out is not None else default_folder(planned.model, planned.data)
    folder, log = from_first(folder), log if ranks().first else no_log
    if ranks().first:
        refuse_used(folder)
    runtime = choose_runtime(planned.device, planned.precision, training=True)
    record, images = plan_run(planned, runtime, progress, log, in_memory)
    job = make_job(record, images, folder, runtime, log)
    refuse_idle_settings(planned, job.model)
    for line in [*images.describe(), *describe(record, job.model)]:
        log(line)
    start_from(record, job.model, bar, log)
    if planned.minutes is not None:
        record, job = in_minutes(record, job, images, planned.minutes, log)
        record = from_first(record)
        job = replace(job, settings=record.settings)
    observing = watching(job, observers, tensorboard, on_step, on_epoch)
    with run_folder(folder, record) if ranks().first else nullcontext():
        if ranks().first:
            images.keep(folder)
            log(f"training images after augmentation: {draw_data(job)}")
        run_job(job, observing, log=log)
    return folder


def _options_for(
    model: str | None,
    data: str | Path | Samples | None,
    val: str | Path | Samples | None,
    in_memory: InMemoryData | None,
) -> dict[str, str]:
    """Model and data as options; samples in Python have a fixed name there."""
    values = {"model": model, "data": data, "val": None if in_memory else val}
    if in_memory:
        values["data"] = IN_PYTHON
    return {name: str(value) for name, value in values.items() if value is not None}


@process_group()
def resume(
    run: str | Path,
    data: Samples | str | None = None,
    *,
    val: Samples | str | None = None,
    model: str | None = None,
    tensorboard: bool = False,
    observers: Sequence[Observer] | None = None,
    bar: Bar = no_bar,
    log: Log = no_log,
) -> Path:
    """Resume a training that was stopped, to the same bits as without the stop.

    Args:
        run: the run folder.
        data: the samples, of a run on samples in Python; or, as `model`, code of the run.
        val: the samples to validate on, likewise.
        model: "FILE.py:FUNCTION", code of the run that must be named where it was never named on
            this machine, or has changed since.
        tensorboard: write RUN/tensorboard, too.
        observers: are called at every step; None shows a progress bar.
        bar: shows how far a download is.
        log: is called with each line about the work.

    Returns:
        The run folder.

    Raises:
        CheckpointError: no run, damaged, or with code that must be named first.
        UsageError: other data than that of the run.
        TrainingError: a loss or gradient is not finite.
        Stopped: a signal came; a checkpoint is saved.
    """
    folder, log = Path(run), log if ranks().first else no_log
    refuse_links(folder)
    record = named_again(read_run(folder), folder, model, data, val)
    runtime, changes = recorded_runtime(record.device, record.precision)
    if changes:
        log(changes)
    check_model_file(record.model, record.environment, folder, log)
    refuse_code(record.model, record.options.data, record.options.val, folder)
    start, lines = _last_checkpoint(folder)  # before the data, which may take minutes to read
    images = data_of_run(record, folder, data, val, log)
    for line in lines:
        log(line)
    job = make_job(record, images, folder, runtime, log)
    if start is None:
        start_from(record, job.model, bar, log)
    run_job(job, watching(job, observers, tensorboard), start, log)
    return folder


def _last_checkpoint(run: Path) -> tuple[Path | None, list[str]]:
    """The checkpoint to go on from, and lines about it; None before the first one."""
    if not bundles(run / FOLDER, "step-*"):
        return None, []
    start, complaints = checkpoint_of_run(run, "last")
    return start, [*complaints, f"resuming at {start.name}"]
