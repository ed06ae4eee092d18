"""Train a model on a dataset, and go on with a training that was stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tapetum.api.pictures import Pictures
from tapetum.base.download import Bar, unseen_bar
from tapetum.base.errors import DownloadError, UsageError
from tapetum.base.progress import Say, silent
from tapetum.base.runtime import Runtime, choose_runtime, derive_seed
from tapetum.models import MODELS, accepted, task_of
from tapetum.models.checkpoint import FOLDER, find_checkpoint
from tapetum.models.sources import AUTO, NONE, source_of
from tapetum.structures import Learns
from tapetum.tasks import TASKS, Task, Watch
from tapetum.training.calls import Call, Calls
from tapetum.training.console import ConsoleObserver
from tapetum.training.fitting import fit_once
from tapetum.training.loop import Job, Observer, fit
from tapetum.training.pace import fitted, seconds_per_step
from tapetum.training.run import RunRecord, command_line, environment, read_run, refuse_used
from tapetum.training.settings import Settings
from tapetum.training.signals import StopFlag

BACKBONE = "resnet18"
FEW_A_BATCH = ("detection", "instances", "keypoints")
"""Tasks whose batches are too small for statistics: they keep those that came with weights."""
SMALLEST = 8
"""Pixels: no model sees less."""


def train(
    model: str,
    data: str | Path,
    *,
    out: str | Path,
    val: str | Path | None = None,
    format: str = "auto",
    image_size: int | None = None,
    backbone: str | None = None,
    weights: str = AUTO,
    arguments: dict[str, Any] | None = None,
    augment: str = "default",
    device: str = "auto",
    precision: str = "auto",
    validate: bool = True,
    minutes: float | None = None,
    observers: Sequence[Observer] | None = None,
    on_step: Call | None = None,
    on_epoch: Call | None = None,
    bar: Bar = unseen_bar,
    say: Say = silent,
    **settings: Any,
) -> Path:
    """Train `model` on `data`; the run folder `out` holds its checkpoints and numbers afterwards.

    data: a folder or file of annotations, or the name of a built-in dataset ("scenes").
    val: other data to measure on; by default the data's own validation split, else a held-out
        tenth. image_size: pixels of the short side that the model sees; by default what suits the
        task and the pictures.
    weights: to start from: "auto" (published for the model, else for its backbone, else none),
        "none", the name of a published network, a file, an address, or a run. Detectors that start
        from weights keep the statistics of their norms, unless `arguments` says otherwise.
    arguments: more arguments of the model's function. augment: a name among the task's `recipes`.
    validate: measure now and then; else no pictures are held out and the last weights are the best.
    minutes: about how long to train; the pace of this machine is measured, and the epochs and the
        schedule follow from it. observers: are told of every step; None shows a bar. on_step,
        on_epoch: are called with a dict, see `Calls`. bar: shows how far a download is.
    settings: fields of `tapetum.Settings`, such as epochs, lr, batch_size, seed.

    Raises:
        UsageError: an unknown name or value, or `out` exists.
        DownloadError: weights cannot be had; the line says where from and where to.
        TrainingError: a loss or gradient is not finite. Stopped: a signal came; it has saved.
    """
    if model not in MODELS:
        raise UsageError(f"unknown model {model!r}", hint="one of " + ", ".join(MODELS))
    refuse_two_lengths(minutes, settings)
    refuse_used(Path(out))
    task = TASKS[task_of(model)]
    runtime = choose_runtime(device, precision, training=True)
    place = None if val is None else str(val)
    pictures = Pictures.open(str(data), place, format, task.need, validate)
    size = chosen_size(task, model, pictures, image_size)
    follows = chosen_backbone(model, backbone) | task.arguments(pictures.training, size)
    own = accepted(model, follows) | (arguments or {})
    source = source_of(weights, model, own)
    if source is not None and task.name in FEW_A_BATCH:
        own = accepted(model, {"norm": source.norm()}) | own
    record = RunRecord(
        model=model,
        arguments=own,
        weights=NONE if source is None else source.lasting(),
        image_size=size,
        classes=pictures.training.classes,
        class_ids=tuple(getattr(pictures.training, "class_ids", ())),
        keypoint_names=pictures.training.keypoint_names,
        skeleton=pictures.training.skeleton,
        data=_source(data),
        data_format=format,
        val=None if val is None else _source(val),
        augment=augment,
        validate=validate,
        settings=parse_settings(settings, task),
        device=str(runtime.device),
        precision=runtime.precision,
        counts=pictures.counts(),
        command=command_line(),
        environment=environment(),
    )
    job = make_job(record, pictures, Path(out), runtime)
    for line in [*pictures.words(), *describe(record, job.model)]:
        say(line)
    start_from(record, job.model, bar, say)
    if minutes is not None:
        record, job = in_minutes(record, job, minutes, say)
    record.write(Path(out))
    if on_step or on_epoch:
        shown = [ConsoleObserver(metric=job.metric)] if observers is None else observers
        observers = [*shown, Calls(on_step, on_epoch)]
    _run(job, observers, say=say)
    return Path(out)


def resume(
    run: str | Path,
    *,
    observers: Sequence[Observer] | None = None,
    bar: Bar = unseen_bar,
    say: Say = silent,
) -> Path:
    """Go on with a training that was stopped, to the same bits as if it had not been."""
    folder = Path(run)
    record = read_run(folder)
    runtime = choose_runtime(record.device, record.precision, training=True)
    need = TASKS[task_of(record.model)].need
    pictures = Pictures.open(record.data, record.val, record.data_format, need, record.validate)
    if pictures.training.classes != record.classes:
        raise UsageError("its classes are not those of the run any more", file=record.data)
    start = None
    if any((folder / FOLDER).glob("step-*")):
        start, complaints = find_checkpoint(folder, "last")
        for words in [*complaints, f"resuming at {start.name}"]:
            say(words)
    job = make_job(record, pictures, folder, runtime)
    if start is None:
        start_from(record, job.model, bar, say)
    _run(job, observers, start, say)
    return folder


def refuse_two_lengths(minutes: float | None, settings: Mapping[str, Any]) -> None:
    """Raise UsageError for minutes that cannot be, or beside another length of the training."""
    if minutes is None:
        return
    if not 0 < minutes < math.inf:
        raise UsageError(f"--minutes must be above 0, got {minutes}")
    for name in ("epochs", "max_steps"):
        if settings.get(name) is not None:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"--minutes and {option} both say how long", hint="give one of them")


def in_minutes(record: RunRecord, job: Job, minutes: float, say: Say) -> tuple[RunRecord, Job]:
    """The run and its job with as many steps as take about `minutes` here.

    Raises:
        UsageError: a model that is fitted in one go.
    """
    if not isinstance(job.model, Learns):
        raise UsageError(f"--minutes: {record.model} is fitted in one go")
    say("measuring the pace of this machine")
    seconds = seconds_per_step(job)
    settings = fitted(record.settings, minutes, seconds, len(job.dataset))
    say(
        f"{1000 * seconds:.0f} ms a step: {settings.max_steps} steps in about {minutes:.3g} minutes"
    )
    return replace(record, settings=settings), replace(job, settings=settings)


def start_from(record: RunRecord, model: nn.Module, bar: Bar, say: Say) -> None:
    """Bring in the weights that the run starts from, if any, and say so.

    Raises:
        DownloadError: they cannot be had.
    """
    source = source_of(record.weights, record.model, record.arguments)
    if source is None:
        if isinstance(model, Learns):
            say("it starts from scratch")
        return
    try:
        source.into(model, bar, say)
    except DownloadError as error:
        hint = f"{error.hint}; --weights none starts from scratch"
        raise DownloadError(error.why, file=error.file, hint=hint) from error


def make_job(record: RunRecord, pictures: Pictures, folder: Path, runtime: Runtime) -> Job:
    """Everything that `fit` needs, from the record of a run alone."""
    task = TASKS[task_of(record.model)]

    def validate(model: nn.Module, flag: StopFlag) -> dict[str, float]:
        assert pictures.held is not None  # a training that validates holds pictures out
        ids, watch = record.class_ids, Watch(check=flag.check)
        return task.measure(model, pictures.held, runtime, class_ids=ids, watch=watch).stats

    return Job(
        model=build_model(record),
        dataset=pictures.training,
        augment=task.transforms(pictures.training, record.image_size, record.augment),
        settings=record.settings,
        runtime=runtime,
        folder=folder,
        card=record.card(),
        validate=validate if record.validate else None,
        metric=metric_of(task, pictures),
    )


def metric_of(task: Task, pictures: Pictures) -> str:
    """The number that chooses the best checkpoint: several labels a picture are ranked by mAP."""
    if task.name == "classification" and pictures.training.multilabel:
        return "mAP"
    return task.metric


def build_model(record: RunRecord) -> nn.Module:
    """The model of a run with its start weights, a function of the seed alone.

    Raises:
        UsageError: an argument that the model does not have or cannot take.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(record.settings.seed, "weights"))
        try:
            return MODELS[record.model](**record.arguments)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{record.model}: {error}", hint="tapetum models") from error


def chosen_backbone(model: str, asked: str | None) -> dict[str, Any]:
    """The argument for the backbone, by the name that the model has for it; none for other models.

    Raises:
        UsageError: one was asked for and the model has none to choose.
    """
    name = asked or BACKBONE
    arguments = accepted(model, {"backbone": name, "encoder": name})
    if asked is not None and not arguments:
        raise UsageError(f"--backbone: {model} has none to choose", hint="tapetum models")
    return arguments


def chosen_size(task: Task, model: str, pictures: Pictures, asked: int | None) -> int:
    """The size asked for, else that of the task for these pictures; never above the model's own.

    Raises:
        UsageError: too small for anything.
    """
    if asked is not None:
        if asked < SMALLEST:
            raise UsageError(f"--image-size must be at least {SMALLEST}, got {asked}")
        return asked
    own = accepted(model, {}, defaults=True)
    most = own.get("image_size") or own.get("min_size")
    size = task.image_size(pictures.training)
    return size if most is None else min(size, most)


def parse_settings(values: dict[str, Any], task: Task) -> Settings:
    """Settings from keywords; None means the default, of the task where it has one.

    Raises:
        UsageError: a name that is no setting, or a value that cannot be.
    """
    known = [field.name for field in fields(Settings)]
    unknown = [name for name in values if name not in known]
    if unknown:
        raise UsageError(f"unknown setting {unknown[0]!r}", hint="one of " + ", ".join(known))
    given = {name: value for name, value in values.items() if value is not None}
    return Settings(**{**task.settings, **given})


def describe(record: RunRecord, model: nn.Module) -> list[str]:
    """What will be trained, in a few lines."""
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    names = ", ".join(record.classes[:8]) + (", ..." if len(record.classes) > 8 else "")
    body = record.arguments.get("backbone") or record.arguments.get("encoder")
    network = f"{record.model}, {body}" if body else record.model
    settings = record.settings
    return [
        f"{len(record.classes)} classes: {names}",
        f"{network}, {parameters:.2f} million parameters, pictures of {record.image_size} pixels",
        f"{record.device} {record.precision}, {settings.optimizer}, lr {settings.lr:g}",
    ]


def _run(
    job: Job,
    observers: Sequence[Observer] | None,
    start: Path | None = None,
    say: Say = silent,
) -> None:
    """Descend, or fit in one go what is fitted."""
    if not isinstance(job.model, Learns):
        if start is None:
            fit_once(job, say)
        return
    fit(job, [ConsoleObserver(metric=job.metric)] if observers is None else observers, start)


def _source(data: str | Path) -> str:
    """A path as an absolute one, so that the run finds it from anywhere; names stay names."""
    return str(Path(data).resolve()) if Path(data).exists() else str(data)
