"""The loop. One step is a function; `fit` reads as load, step, log, evaluate, save."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from tapetum.base.errors import TrainingError
from tapetum.base.runtime import Runtime, deterministic, generator
from tapetum.data.dataset import Dataset
from tapetum.data.loading import Augment, Plan, training_batches
from tapetum.models.checkpoint import Card
from tapetum.structures import Begins, Sample
from tapetum.training.ema import MovingAverage
from tapetum.training.history import History
from tapetum.training.optim import learning_rate, make_optimizer, set_learning_rate
from tapetum.training.settings import Settings
from tapetum.training.signals import StopFlag, Stopped, stop_flag
from tapetum.training.stages import freeze
from tapetum.training.state import TrainingState

Validate = Callable[[nn.Module, StopFlag], dict[str, float]]


class Step(NamedTuple):
    """What one step did: weighted losses by name, their sum, and the norm of the gradient
    before clipping."""

    losses: dict[str, float]
    total: float
    gradient_norm: float


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
    card: Card
    validate: Validate | None = None
    metric: str = "AP"


def fit(job: Job, observers: Sequence[Observer] = (), resume: Path | None = None) -> TrainingState:
    """Train until the settings say stop; checkpoints and metrics.jsonl go to `job.folder`.

    `resume` is the checkpoint to go on from. SIGINT and SIGTERM save a checkpoint of the step at
    hand and raise Stopped.

    Raises:
        TrainingError: a loss or gradient is not finite, with the names of the step's pictures.
        Stopped: a signal came.
    """
    state = begin_training(job)
    log_bytes = state.restore(resume) if resume else _begin(job, state)
    history = History(job.folder, keep_bytes=log_bytes)
    try:
        with stop_flag() as flag, deterministic():
            _run(job, state, history, observers, flag)
    finally:
        history.close()
        for observer in observers:
            observer.on_end()
    return state


def train_step(
    model: nn.Module,
    samples: Sequence[Sample],
    optimizer: torch.optim.Optimizer,
    runtime: Runtime,
    random: torch.Generator,
    *,
    clip_norm: float = 0.0,
    accumulate: int = 1,
    frozen: Sequence[nn.Module] = (),
) -> Step:
    """One descent on `samples`: prepare, forward, losses, backward, clip, step.

    The generator decides every random choice inside the step. Nothing is changed in the weights
    if a loss or the gradient is not finite. frozen: modules that stay in evaluation mode.
    """
    model.train()
    for module in frozen:
        module.eval()
    optimizer.zero_grad(set_to_none=True)
    sums: dict[str, float] = {}
    for part in _parts(samples, accumulate):
        share = len(part) / len(samples)
        losses = compute_losses(model, part, runtime, random)
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + float(loss.detach()) * share
        _refuse_non_finite(sums, part)
        (total * share).backward()
    norm = clip_gradient(model, clip_norm)
    _refuse_non_finite({"gradient": norm}, samples)
    optimizer.step()
    return Step(sums, sum(sums.values()), norm)


def compute_losses(
    model: nn.Module, samples: Sequence[Sample], runtime: Runtime, random: torch.Generator
) -> dict[str, Tensor]:
    """The weighted losses of `model` on `samples`."""
    pictures = [sample.image.to(runtime.device) for sample in samples]
    targets = [sample.target.to(runtime.device) for sample in samples]
    batch = model.prepare(pictures, targets)  # type: ignore[operator]
    with runtime.autocast():
        raw = model(batch.pixels, batch.sizes, batch.truth, random)
        return model.losses(raw, batch.truth)  # type: ignore[operator]


def clip_gradient(model: nn.Module, limit: float) -> float:
    """Scale the gradient down to norm `limit` (0: leave it); returns the norm it had."""
    with_gradient = [p for p in model.parameters() if p.grad is not None]
    bound = limit if limit > 0 else float("inf")
    return float(nn.utils.clip_grad_norm_(with_gradient, bound))


def begin_training(job: Job) -> TrainingState:
    """The moving parts of a training before its first step."""
    model = job.model.to(job.runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    frozen = freeze(model, job.settings.freeze)
    decay = job.settings.ema_decay
    average = MovingAverage(model, decay) if decay else None
    return TrainingState(model, make_optimizer(model, job.settings), average, frozen=frozen)


def _begin(job: Job, state: TrainingState) -> int:
    """Let a model look at the pictures that wants to; the log is empty."""
    if isinstance(state.model, Begins):
        samples = (job.dataset[index] for index in range(len(job.dataset)))
        state.model.begin(samples, generator(job.settings.seed, "begin"))
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
    plan = Plan(len(job.dataset), settings.batch_size, settings.seed)
    total = settings.total_steps(plan.steps_per_epoch)
    between = settings.epochs_between_evaluations(plan.steps_per_epoch) * plan.steps_per_epoch
    for observer in observers:
        observer.on_start(total, state.step)
    saved = time.monotonic()
    if job.validate and not state.evaluated and _due(state.step, between, total):
        # The run was stopped while it evaluated: do now what the uninterrupted run did then.
        _evaluate_and_save(job, state, history, observers, flag)
    for row in run_steps(job, state, plan, total):
        history.add(**row)
        for observer in observers:
            observer.on_step(row)
        at_end = state.step == total
        if job.validate and _due(state.step, between, total):
            _evaluate_and_save(job, state, history, observers, flag)
            saved = time.monotonic()
        elif at_end or flag.signal_number or time.monotonic() - saved >= settings.save_seconds:
            state.save(job.folder, job.card, None, history.position())
            saved = time.monotonic()
        if not at_end:
            flag.check()


def run_steps(job: Job, state: TrainingState, plan: Plan, total: int) -> Iterator[dict[str, Any]]:
    """Do the remaining steps one by one; each yields the row that is logged of it."""
    settings = job.settings
    batches = training_batches(
        job.dataset, plan, job.augment, state.step, total, workers=settings.workers
    )
    started = time.perf_counter()
    for samples in batches:
        waited = time.perf_counter() - started
        rate = learning_rate(state.step, total, settings)
        set_learning_rate(state.optimizer, rate)
        step = train_step(
            state.model,
            samples,
            state.optimizer,
            job.runtime,
            generator(settings.seed, "step", state.step),
            clip_norm=settings.clip_norm,
            accumulate=settings.accumulate,
            frozen=state.frozen,
        )
        if state.average:
            state.average.update(state.model)
        state.step += 1
        state.evaluated = False
        seconds = time.perf_counter() - started
        yield {
            "event": "step",
            "step": state.step,
            "epoch": round(state.step / plan.steps_per_epoch, 4),
            "loss": step.total,
            "losses": step.losses,
            "lr": rate,
            "gradient_norm": step.gradient_norm,
            "seconds": round(seconds, 4),
            "data_wait": round(waited, 4),
        }
        started = time.perf_counter()


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
        with applied:
            numbers = job.validate(state.model, flag)
    except Stopped:
        state.save(job.folder, job.card, None, history.position())
        raise
    row = {"event": "evaluation", "step": state.step, **numbers}
    row["evaluation_seconds"] = round(time.perf_counter() - started, 3)
    history.add(**row)
    state.evaluated = True
    state.save(job.folder, job.card, numbers.get(job.metric), history.position())
    for observer in observers:
        observer.on_evaluation(row)


def _due(step: int, between: int, total: int) -> bool:
    """Is this a step after which the model is evaluated?"""
    return step > 0 and (step == total or step % between == 0)


def _parts(samples: Sequence[Sample], count: int) -> list[Sequence[Sample]]:
    size = -(-len(samples) // count)
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def _refuse_non_finite(values: dict[str, float], samples: Sequence[Sample]) -> None:
    for name, value in values.items():
        if not abs(value) < float("inf"):
            names = ", ".join(sample.name for sample in samples)
            raise TrainingError(
                f"the {name} is {value}",
                where=f"pictures {names}",
                hint="a lower --lr, or --precision fp32; tapetum check shows odd annotations",
            )
