"""The loop: `fit` reads as load, step, log, evaluate, save. The step itself is in `step`."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from tapetum.base.errors import TrainingError
from tapetum.base.runtime import Runtime, deterministic, generator
from tapetum.data.dataset import Dataset
from tapetum.data.reading.loading import Augment, Plan, training_batches
from tapetum.runs.history import History
from tapetum.runs.model_info import ModelInfo
from tapetum.runs.settings import Settings
from tapetum.structures import DataDependentInit, Sample
from tapetum.training.ema import MovingAverage
from tapetum.training.layer_groups import freeze
from tapetum.training.micro_batches import in_parts_that_fit, out_of_memory_ends, split
from tapetum.training.optim import learning_rate, make_optimizer, set_learning_rate
from tapetum.training.scaling import make_scale
from tapetum.training.signals import StopFlag, Stopped, stop_flag
from tapetum.training.state import TrainingState
from tapetum.training.step import Step, train_step

Validate = Callable[[nn.Module, StopFlag], dict[str, float]]


class Observer(Protocol):
    """Is told what happens and returns nothing: watching never changes a training."""

    def on_start(self, total_steps: int, first_step: int) -> None: ...
    def on_step(self, row: dict[str, Any]) -> None: ...
    def on_evaluation(self, row: dict[str, Any]) -> None: ...
    def on_end(self) -> None: ...


@dataclass(frozen=True)
class Job:
    """All that a training is made of.

    validate: measures the model (its moving average, if any) and returns numbers, of which
    `metric` decides which checkpoint is best (higher is better); None trains without looking.
    """

    model: nn.Module
    dataset: Dataset
    augment: Augment
    settings: Settings
    runtime: Runtime
    folder: Path
    model_info: ModelInfo
    validate: Validate | None = None
    metric: str = "AP"


def fit(job: Job, observers: Sequence[Observer] = (), resume: Path | None = None) -> TrainingState:
    """Train until the settings say stop; checkpoints and metrics.jsonl go to `job.folder`.

    `resume` is the checkpoint to go on from. SIGINT and SIGTERM save a checkpoint of the step at
    hand and raise Stopped.

    Raises:
        TrainingError: a loss or gradient is not finite, with the names of the step's images; or
            memory does not suffice for a single image.
        Stopped: a signal came.
    """
    with out_of_memory_ends("out of memory for the model"):
        state = begin_training(job)
    log_bytes = state.restore(resume) if resume else _begin(job, state)
    history = History(job.folder, keep_bytes=log_bytes)
    try:
        with stop_flag() as flag, deterministic(), out_of_memory_ends("out of memory"):
            _run(job, state, history, observers, flag)
    finally:
        history.close()
        for observer in observers:
            observer.on_end()
    return state


def begin_training(job: Job) -> TrainingState:
    """The moving parts of a training before its first step."""
    model = job.model.to(job.runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    frozen = freeze(model, job.settings.freeze)
    decay = job.settings.ema_decay
    average = MovingAverage(model, decay) if decay else None
    return TrainingState(
        model,
        make_optimizer(model, job.settings),
        average,
        frozen=frozen,
        accumulate=job.settings.accumulate,
        scale=make_scale(job.runtime),
    )


def _begin(job: Job, state: TrainingState) -> int:
    """Let a model look at the images that wants to; the log is empty."""
    if isinstance(state.model, DataDependentInit):
        samples = (job.dataset[index] for index in range(len(job.dataset)))
        state.model.initialize_from_data(samples, generator(job.settings.seed, "begin"))
        if state.average:
            state.average = MovingAverage(state.model, job.settings.ema_decay)
    return 0


def _run(
    job: Job,
    state: TrainingState,
    history: History,
    observers: Sequence[Observer],
    flag: StopFlag,
) -> None:
    settings = job.settings
    plan, total, due = _plan(job), total_steps(job), evaluation_steps(job)
    for observer in observers:
        observer.on_start(total, state.step)
    saved = time.monotonic()
    if state.step in due and not state.evaluated:
        # The run was stopped while it evaluated: do now what the uninterrupted run did then.
        _evaluate_and_save(job, state, history, observers, flag)
    with closing(run_steps(job, state, plan, total)) as rows:
        for row in rows:
            history.add(**row)
            for observer in observers:
                observer.on_step(row)
            at_end = state.step == total
            if state.step in due:
                _evaluate_and_save(job, state, history, observers, flag)
                saved = time.monotonic()
            elif at_end or flag.signal_number or time.monotonic() - saved >= settings.save_seconds:
                state.save(job.folder, job.model_info, None, history.position())
                saved = time.monotonic()
            if not at_end:
                flag.check()


def run_steps(
    job: Job, state: TrainingState, plan: Plan, total: int
) -> Generator[dict[str, Any], None, None]:
    """Do the remaining steps one by one; each yields the row that is logged of it.

    A row with "skipped" is of a gradient that overflowed fp16: its norm is None, and no weight has
    moved. "out_of_memory" says in how many parts of how many images this step and all that follow
    are computed.
    """
    settings = job.settings
    loaded = training_batches(
        job.dataset, plan, job.augment, state.step, total, workers=settings.workers
    )
    with closing(loaded) as batches:
        started = time.perf_counter()
        for samples in batches:
            waited = time.perf_counter() - started
            row = _next_row(job, state, plan, total, samples)
            row["seconds"] = round(time.perf_counter() - started, 4)
            row["data_wait"] = round(waited, 4)
            yield row
            started = time.perf_counter()


def _next_row(
    job: Job, state: TrainingState, plan: Plan, total: int, samples: Sequence[Sample]
) -> dict[str, Any]:
    """Do the next step, on `samples`; all that is logged of it but the time."""
    rate, before = learning_rate(state.step, total, job.settings), state.accumulate
    set_learning_rate(state.optimizer, rate)
    step = _step(job, state, samples)
    if state.average and not step.skipped:
        state.average.update(state.model)
    state.step += 1
    state.evaluated = False
    row = {
        "event": "step",
        "step": state.step,
        "epoch": state.step / plan.steps_per_epoch,  # whole exactly where an epoch ends
        "loss": step.total,
        "losses": step.losses,
        "lr": rate,
        "gradient_norm": None if step.skipped else step.gradient_norm,
    }
    if step.skipped:
        row["skipped"] = True
    if state.accumulate != before:
        parts = split(samples, state.accumulate)
        row["out_of_memory"] = {"parts": len(parts), "images": len(parts[0])}
    return row


def _step(job: Job, state: TrainingState, samples: Sequence[Sample]) -> Step:
    """The next step, in as many parts as memory asks for, now and from now on."""
    settings = job.settings

    def attempt(accumulate: int) -> Step:
        return train_step(
            state.model,
            samples,
            state.optimizer,
            job.runtime,
            generator(settings.seed, "step", state.step),
            clip_norm=settings.clip_norm,
            accumulate=accumulate,
            frozen=state.frozen,
            scale=state.scale,
        )

    step, state.accumulate = in_parts_that_fit(attempt, state.accumulate, len(samples), state.model)
    return step


def _evaluate_and_save(
    job: Job,
    state: TrainingState,
    history: History,
    observers: Sequence[Observer],
    flag: StopFlag,
) -> None:
    """Measure the published weights, log the numbers, save; a signal saves without numbers."""
    assert job.validate is not None
    started = time.perf_counter()
    applied = state.average.applied(state.model) if state.average else nullcontext()
    try:
        with applied, out_of_memory_ends(f"out of memory in the evaluation of step {state.step}"):
            numbers = job.validate(state.model, flag)
    except (Stopped, TrainingError):
        state.save(job.folder, job.model_info, None, history.position())
        raise
    row = {"event": "evaluation", "step": state.step, **numbers}
    row["evaluation_seconds"] = round(time.perf_counter() - started, 3)
    history.add(**row)
    state.evaluated = True
    state.save(job.folder, job.model_info, numbers.get(job.metric), history.position())
    for observer in observers:
        observer.on_evaluation(row)


def total_steps(job: Job) -> int:
    """Steps of the whole training."""
    return job.settings.total_steps(_plan(job).steps_per_epoch)


def evaluation_steps(job: Job) -> list[int]:
    """The steps after which the model is evaluated: every few epochs, and the last; none if the
    job does not validate."""
    if job.validate is None:
        return []
    each, total = _plan(job).steps_per_epoch, total_steps(job)
    between = job.settings.epochs_between_evaluations(each) * each
    return [*range(between, total, between), total]


def _plan(job: Job) -> Plan:
    return Plan(len(job.dataset), job.settings.batch_size, job.settings.seed)
