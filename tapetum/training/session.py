"""What goes on around the steps of a training: phases, loading, log, observers, saving."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapetum.base.errors import TrainingError
from tapetum.base.progress import Log, no_log
from tapetum.base.ranks import highest, ranks, share_buffers
from tapetum.base.seeds import generator
from tapetum.base.words import count_of
from tapetum.data.reading.loading import split, training_batches
from tapetum.runs.history import History
from tapetum.structures import Sample
from tapetum.structures.model import DESCEND
from tapetum.training.beginning import begin_phase, begin_training
from tapetum.training.micro_batches import out_of_memory_ends
from tapetum.training.observers import Observer, StepView, name_of
from tapetum.training.optim import learning_rate, set_learning_rate
from tapetum.training.phases import evaluation_steps, phases_of, plan_of
from tapetum.training.signals import StopFlag, Stopped, stop_flag
from tapetum.training.state import TrainingState
from tapetum.training.step import Step, StepBatch

if TYPE_CHECKING:
    from tapetum.training.loop import Job


@dataclass
class Clock:
    """Seconds of a step, and how many of them were spent on waiting for data."""

    started: float = 0.0
    waited: float = 0.0

    def start(self) -> None:
        self.started = time.perf_counter()

    def loaded(self) -> None:
        self.waited = self.seconds()

    def seconds(self) -> float:
        return time.perf_counter() - self.started


@contextmanager
def open_session(
    job: Job, observers: Sequence[Observer], resume: Path | None, log: Log
) -> Iterator[Session]:
    """A session of a training, new or resumed; its log and its observers are closed after it."""
    with out_of_memory_ends("out of memory for the model"):
        state = begin_training(job)
    log_bytes = state.restore(resume) if resume else 0
    if not ranks().first:  # the first process writes and prints
        with stop_flag() as flag:
            yield Session(job, state, None, (), flag, no_log)
        return
    history = History(job.folder, keep_bytes=log_bytes)
    try:
        with stop_flag() as flag:
            yield Session(job, state, history, observers, flag, log)
    finally:
        history.close()
        for observer in observers:
            observer.on_end()


@dataclass
class Session:
    """One process's part of a training, from its start or resume to its end.

    Attributes:
        state: what moves.
        history: the log, in the process that writes.
        flag: is raised by signals.
        asked_by: the observer that asked to stop.
    """

    job: Job
    state: TrainingState
    history: History | None
    observers: Sequence[Observer]
    flag: StopFlag
    log: Log
    asked_by: str | None = None
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.plan, self.phases = plan_of(self.job), phases_of(self.job)
        self.due = set(evaluation_steps(self.job))
        self.saved = time.monotonic()
        self.micro_batches = self.state.accumulate
        self.phase, self.rate = self.phases[0], 0.0

    def batches(self) -> Generator[StepBatch, None, None]:
        """The batch of each remaining step; fits are done in between."""
        for observer in self.observers:
            observer.on_start(self.phases[-1].last, self.state.step)
        if self.state.step in self.due and not self.state.evaluated:
            # The run was stopped while it evaluated: do now what the uninterrupted run did then.
            self._evaluate_and_save()
        for phase in self.phases:
            if self.state.step >= phase.last or self.asked_by:
                continue
            self.phase = phase
            self._announce()
            if self.state.step == self.phase.first:
                begin_phase(self.job, self.state, self.phase)
            if self.phase.kind == DESCEND:
                yield from self._descend()
            else:
                self._fit()

    def _descend(self) -> Generator[StepBatch, None, None]:
        """The batches of a descent from the step at hand on."""
        job, phase = self.job, self.phase
        first, last = self.state.step - phase.fits, phase.last - phase.fits
        workers = job.settings.workers
        loaded = training_batches(job.dataset, self.plan, job.augment, first, last, workers=workers)
        with closing(loaded) as batches:
            self.clock.start()
            for samples, keys in zip(batches, self.plan.steps(first, last), strict=True):
                self.clock.loaded()
                self._set_rate()
                yield StepBatch(samples, keys, job.settings.seed, self.plan.images_per_step)
                if self.asked_by:
                    return
                self.clock.start()

    def _set_rate(self) -> None:
        """The learning rate of the next step: each descent has a schedule of its own."""
        done, length = self.state.step - self.phase.first, self.phase.last - self.phase.first
        self.rate = learning_rate(done, length, self.job.settings)
        assert self.state.optimizer is not None
        set_learning_rate(self.state.optimizer, self.rate)

    def _fit(self) -> None:
        """The phase "fit": the model sees all images as they are, for what is fitted remembers
        them, and variants of them would only fill its memory."""
        self.clock.start()
        first = self.state.step
        keys = (first,) if first else ()
        random = generator(self.job.settings.seed, "fit", *keys)
        self.state.model.fit(self._images(), random)
        seconds = self.clock.seconds()
        images = count_of(len(self.job.dataset), "image")
        self.log(f"fitted on {images} in {seconds:.1f} s")
        self.state.after_fit()
        self._evaluate_or_save()

    def _images(self) -> Iterator[Sample]:
        for index in range(len(self.job.dataset)):
            self.flag.check()
            yield self.job.dataset[index]

    def after_step(self, step: Step) -> None:
        """Log a step, show it, and evaluate and save where that is due.

        Raises:
            Stopped: a signal came; the step is saved.
        """
        self.state.after_step(step.skipped)
        row = self._row(step)
        self._add(**row)
        self._show(row, step)
        self._agree()
        self._evaluate_or_save()
        if not self._at_end():
            self.flag.check()

    def _row(self, step: Step) -> dict[str, Any]:
        """What is logged of a step.

        A row with "skipped" is of a gradient that overflowed fp16: its norm is None, and no weight
        has moved. "out_of_memory" says in how many micro-batches of how many images this step and
        all that follow are computed.
        """
        row = {
            "event": "step",
            "step": self.state.step,
            # Whole exactly where an epoch ends.
            "epoch": (self.state.step - self.phase.fits) / self.plan.steps_per_epoch,
            "loss": step.total,
            "losses": step.losses,
            "lr": self.rate,
            "gradient_norm": None if step.skipped else step.gradient_norm,
        }
        if step.skipped:
            row["skipped"] = True
        if self.state.accumulate != self.micro_batches:
            self.micro_batches = self.state.accumulate
            parts = split(range(self.plan.images_per_step), self.micro_batches)
            row["out_of_memory"] = {"micro_batches": len(parts), "images": len(parts[0])}
        row["seconds"] = round(self.clock.seconds(), 4)
        row["data_wait"] = round(self.clock.waited, 4)
        return row

    def _show(self, row: dict[str, Any], step: Step) -> None:
        """Show a step to the observers; the first that asks to stop is remembered and logged."""
        if not self.observers or step.computed is None:
            return
        view = StepView(self.state.model, step.computed.batch, step.computed.output)
        for observer in self.observers:
            if observer.on_step(row, view) is True and self.asked_by is None:
                self.asked_by = name_of(observer)
        if self.asked_by and not self._at_end():
            self._add(event="stop", step=self.state.step, asked_by=self.asked_by)
            self.log(f"step {self.state.step}: {self.asked_by} stops the training")

    def _agree(self) -> None:
        """A signal or a request to stop that came to one process is one for all, at this step."""
        if ranks().world_size == 1:
            return
        number, requested = highest(self.flag.signal_number or 0, int(bool(self.asked_by)))
        self.flag.signal_number = number or None
        self.asked_by = self.asked_by or ("the first process" if requested else None)

    def _at_end(self) -> bool:
        return self.state.step == self.phases[-1].last

    def _evaluate_or_save(self) -> None:
        """Evaluate and save, or save alone, or nothing, whichever is due after a step."""
        step, due = self.state.step, self.due
        waited = time.monotonic() - self.saved >= self.job.settings.save_seconds
        if step in due or (self.asked_by and self.job.validate is not None):
            self._evaluate_and_save()
            self._agree()
        elif waited or self.asked_by or self.flag.signal_number or step == self.phase.last:
            self._save(None)

    def _evaluate_and_save(self) -> None:
        """Measure the published weights, log the numbers, save; a signal saves without numbers."""
        state = self.state
        started = time.perf_counter()
        try:
            numbers = self._measure()
        except (Stopped, TrainingError):
            self._save(None)
            raise
        row = {"event": "evaluation", "step": state.step, **numbers}
        row["evaluation_seconds"] = round(time.perf_counter() - started, 3)
        self._add(**row)
        state.evaluated = True
        self._save(numbers.get(self.job.metric))
        for observer in self.observers:
            observer.on_evaluation(row)

    def _measure(self) -> dict[str, float]:
        assert self.job.validate is not None
        model, average = self.state.model, self.state.average
        why = f"out of memory in the evaluation of step {self.state.step}"
        # Processes that wait for each other must not leave the evaluation one by one.
        flag = self.flag if ranks().world_size == 1 else StopFlag()
        with average.applied(model) if average else nullcontext(), out_of_memory_ends(why):
            share_buffers(model)
            return self.job.validate(model, flag)

    def _save(self, metric: float | None) -> None:
        if self.history is not None:
            self.state.save(self.job.folder, self.job.model_info, metric, self.history.position())
        self.saved = time.monotonic()

    def _add(self, **row: Any) -> None:
        if self.history is not None:
            self.history.add(**row)

    def _announce(self) -> None:
        """Log which phase begins or goes on, where there are several."""
        if len(self.phases) == 1:
            return
        number, phase = 1 + self.phases.index(self.phase), self.phase
        self._add(event="phase", phase=phase.kind, number=number, step=self.state.step)
        steps = f"steps {phase.first + 1} to {phase.last}"
        self.log(f"phase {number} of {len(self.phases)}: {phase.kind}, {steps}")
