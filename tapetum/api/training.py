"""Train a model on a dataset, and go on with a training that was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tapetum.base.download import Bar, no_bar
from tapetum.base.errors import UsageError
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.base.ranks import from_first, process_group, ranks
from tapetum.base.runtime import choose_runtime, recorded_runtime
from tapetum.data.reading.samples import IN_PYTHON, Samples
from tapetum.data.reading.training_data import (
    DataSpec,
    InMemoryData,
    TrainingData,
)
from tapetum.data.splits.split_file import read_parts
from tapetum.inference.custom_code import (
    DATA,
    MODEL,
    VAL,
    check_model_file,
    named_again,
    named_by_user,
    refuse_code_of_run,
)
from tapetum.models import task_of
from tapetum.runs.record import default_folder, read_run, refuse_used
from tapetum.runs.train_options import merge_options
from tapetum.structures.model import DESCEND
from tapetum.training.callbacks import Call, Calls
from tapetum.training.console import ConsoleObserver
from tapetum.training.data_preview import draw_data
from tapetum.training.job import make_job, start_from
from tapetum.training.leftovers import run_folder
from tapetum.training.loop import Job, fit
from tapetum.training.observers import Observer
from tapetum.training.phases import evaluation_steps, phase_kinds
from tapetum.training.plan_run import plan_run
from tapetum.training.planning import describe, in_minutes
from tapetum.training.tensorboard import TensorBoardObserver
from tapetum.weights.checkpoint import FOLDER, find_checkpoint, refuse_links


@process_group()
def train(
    model: str | None = None,
    data: str | Path | Samples | None = None,
    *,
    out: str | Path | None = None,
    like: str | Path | None = None,
    val: str | Path | Samples | None = None,
    classes: Sequence[str] | None = None,
    format: str | None = None,
    split_ratio: str | None = None,
    group_by: str | None = None,
    unlabeled: str | None = None,
    cache: str | None = None,
    image_size: int | None = None,
    backbone: str | None = None,
    weights: str | None = None,
    arguments: dict[str, Any] | None = None,
    augment: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    validate: bool | None = None,
    minutes: float | None = None,
    tensorboard: bool = False,
    observers: Sequence[Observer] | None = None,
    on_step: Call | None = None,
    on_epoch: Call | None = None,
    bar: Bar = no_bar,
    progress: Progress = no_progress,
    log: Log = no_log,
    **settings: Any,
) -> Path:
    """Train `model` on `data`; the run folder `out`, which is returned, holds its checkpoints and
    numbers afterwards. If it fails before its first step is done, there is no run folder.

    model: a name that `tapetum models` lists, or "FILE.py:FUNCTION" (docs/own_model.md). Code that
        is named here, in model, data or val, is trusted from now on, as long as its file stays as
        it is.
    data: a folder or file of annotations, the name of a built-in dataset ("scenes"),
        "FILE.py:FUNCTION", or samples: anything with a length that gives a `tapetum.Sample` by
        index. classes: of samples, their names by label, where the samples have no `classes`.
    out: by default runs/MODEL-DATA, with a number behind it where that is taken.
    like: a run whose wishes are repeated; what is said here wins.
    val: other data to measure on; by default the data's own validation split, else a held-out
        tenth. split_ratio: what to hold out, as in "0.2" or "80/10/10"; by class, near-duplicates
        on one side. group_by: images that belong together, by a regular expression for their
        names or by FILE.csv:COLUMN. unlabeled: images without labels are "negative" or "skip".
    cache: keep decoded training images, shrunk to what is seen of them: "off", "ram" or "disk".
    image_size: pixels of the short side that the model sees; by default what suits the task and
        the images.
    weights: to start from: "auto" (published for the model, else for its backbone, else none),
        "none", the name of a published network, a file, an address, or a run. Detectors that start
        from weights keep the statistics of their norms, unless `arguments` says otherwise.
    arguments: more arguments of the model's function. augment: a name among the task's
        `augmentations`.
    validate: measure now and then (default); else no images are held out and the last weights
        are the best.
    minutes: about how long to train; the pace of this machine is measured, and the epochs and the
        schedule follow from it.
    tensorboard: write RUN/tensorboard, too. observers: are told of every step; None shows a bar.
        on_step, on_epoch: are called with a dict, see `Calls`. bar, progress: show how far
        downloads and other long work are.
    settings: fields of `tapetum.Settings`, such as epochs, lr, batch_size, seed.

    Raises:
        UsageError: an unknown name or value, or `out` exists.
        DownloadError: weights cannot be had; the line says where from and where to.
        TrainingError: a loss or gradient is not finite. Stopped: a signal came; it has saved.
    """
    named_by_user(model, data, val)
    own = InMemoryData.of(data, val, classes)
    options = merge_options(
        like,
        {
            "model": model,
            "data": IN_PYTHON if own else None if data is None else str(data),
            "val": None if own or val is None else str(val),
            "format": format,
            "split_ratio": split_ratio,
            "group_by": group_by,
            "unlabeled": unlabeled,
            "cache": cache,
            "image_size": image_size,
            "backbone": backbone,
            "weights": weights,
            "arguments": arguments,
            "augment": augment,
            "device": device,
            "precision": precision,
            "validate": validate,
            "minutes": minutes,
            "settings": settings,
        },
    )
    if like is not None:
        _refuse_code(options.model, options.data, options.val, Path(like))
    folder = Path(out) if out is not None else default_folder(options.model, options.data)
    folder, log = from_first(folder), log if ranks().first else no_log
    if ranks().first:
        refuse_used(folder)
    runtime = choose_runtime(options.device, options.precision, training=True)
    record, images = plan_run(options, runtime, progress, log, own)
    job = make_job(record, images, folder, runtime, log)
    for line in [*images.describe(), *describe(record, job.model)]:
        log(line)
    start_from(record, job.model, bar, log)
    if options.minutes is not None:
        record, job = in_minutes(record, job, images, options.minutes, log)
        record = from_first(record)
        job = replace(job, settings=record.settings)
    watching = _watching(job, observers, tensorboard, on_step, on_epoch)
    with run_folder(folder, record) if ranks().first else nullcontext():
        if ranks().first:
            images.keep(folder)
            log(f"what it sees: {draw_data(job)}")
        _run(job, watching, log=log)
    return folder


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
    """Go on with a training that was stopped, to the same bits as if it had not been.

    data, val: the samples, of a run on samples in Python. model, data, val: "FILE.py:FUNCTION",
        code of the run that must be named where it was never named here, or has changed since.
    """
    folder, log = Path(run), log if ranks().first else no_log
    refuse_links(folder)
    record = named_again(read_run(folder), folder, model, data, val)
    data, val = (None if isinstance(words, str) else words for words in (data, val))
    if data is None and val is not None:
        raise UsageError("val: samples to validate on go with samples to learn from, in data")
    runtime, changes = recorded_runtime(record.device, record.precision)
    if changes:
        log(changes)
    check_model_file(record.model, record.environment, folder, log)
    _refuse_code(record.model, record.data, record.val, folder)
    task = task_of(record.model)
    own = None if data is None else InMemoryData.of(data, val, record.classes)
    if own is None:
        images = TrainingData.open(DataSpec.of(record), task, names=read_parts(folder), log=log)
    else:
        images = own.open(task, record.validate)
    if images.training.classes != record.classes:
        raise UsageError("its classes are not those of the run any more", file=record.data)
    start = None
    if any((folder / FOLDER).glob("step-*")):
        start, complaints = find_checkpoint(folder, "last")
        for words in [*complaints, f"resuming at {start.name}"]:
            log(words)
    job = make_job(record, images, folder, runtime, log)
    if start is None:
        start_from(record, job.model, bar, log)
    _run(job, _watching(job, observers, tensorboard), start, log)
    return folder


def _refuse_code(model: str, data: str, val: str | None, run: Path) -> None:
    """Look at all that a run names before any of it is run.

    Raises:
        CheckpointError: code that the user did not name himself, see `refuse_code_of_run`.
    """
    for words, option in ((model, MODEL), (data, DATA), (val, VAL)):
        refuse_code_of_run(words, option, run)


def _watching(
    job: Job,
    observers: Sequence[Observer] | None,
    tensorboard: bool,
    on_step: Call | None = None,
    on_epoch: Call | None = None,
) -> list[Observer]:
    """Who watches: a bar, unless others are named, TensorBoard, and the functions to be called.

    Raises:
        UsageError: TensorBoard is not installed, or there will be no steps to watch.
    """
    if DESCEND not in phase_kinds(job.model) and (observers or tensorboard or on_step or on_epoch):
        why = f"{job.model_info.model} learns at one blow: there are no steps to watch"
        raise UsageError(why, hint="without tensorboard, observers, on_step and on_epoch")
    shown: list[Observer] = list(observers or ())
    if observers is None:
        shown.append(ConsoleObserver(metric=job.metric, evaluations=evaluation_steps(job)))
    if tensorboard:
        shown.append(TensorBoardObserver(job.folder))
    return [*shown, Calls(on_step, on_epoch)] if on_step or on_epoch else shown


def _run(
    job: Job, observers: Sequence[Observer], start: Path | None = None, log: Log = no_log
) -> None:
    """Train through all phases; of a model that is only fitted, a checkpoint is the end."""
    if start is None or DESCEND in phase_kinds(job.model):
        fit(job, observers, start, log)
