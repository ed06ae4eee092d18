"""What a training shows while it runs: one live line on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tapetum.base.words import count_of
from tapetum.training.forecast import Forecast
from tapetum.training.observers import StepView

_SECONDS_BETWEEN_LINES = 20.0


class ConsoleObserver:
    """Shows steps, time left, the fraction of time spent waiting for data, losses and the metric.

    evaluations: the steps after which the model is evaluated, see `loop.evaluation_steps`; the
    forecast of the end counts them in. None: it says that it does not.
    """

    def __init__(
        self,
        console: Console | None = None,
        metric: str = "AP",
        evaluations: Sequence[int] | None = None,
    ) -> None:
        self.console = console or Console(stderr=True)
        self.metric = metric
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._total = 0
        self._evaluations = evaluations
        self._forecast: Forecast | None = None
        self._loss = _Smooth()
        self._wait = _Smooth()
        self._seconds = _Smooth()
        self._best = ""
        self._last_line = 0.0

    def on_start(self, total_steps: int, first_step: int) -> None:
        self._total = total_steps
        self._forecast = Forecast(total_steps, self._evaluations)
        if not self.console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("{task.fields[text]}"),
            console=self.console,
        )
        self._progress.start()
        self._task = self._progress.add_task("", total=total_steps, completed=first_step, text="")

    def on_step(self, row: dict[str, Any], state: StepView) -> None:
        self._loss.add(row["loss"])
        self._seconds.add(row["seconds"])
        self._wait.add(100 * row["data_wait"] / max(row["seconds"], 1e-9))
        parts = " ".join(f"{name} {value:.3f}" for name, value in row["losses"].items())
        text = f"loss {self._loss.value:.3f} ({parts})  data wait {self._wait.value:.0f} %"
        if self._progress is not None and self._task is not None:
            shown = f"{text}  {self._best}"
            self._progress.update(self._task, completed=row["step"], text=shown)
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            left = self._seconds.value * (self._total - row["step"]) / 60
            step = f"step {row['step']}/{self._total}"
            self._log(f"{step}  {text}  {left:.1f} min left")
        self._remark(row)
        if self._forecast:
            self._log(self._forecast.step(row))

    def on_evaluation(self, row: dict[str, Any]) -> None:
        value = row.get(self.metric)
        if value is not None:
            self._best = f"{self.metric} {value:.3f}"
            second = f"  AP50 {row['AP50']:.3f}" if "AP50" in row else ""
            seconds = row["evaluation_seconds"]
            self._log(f"step {row['step']}: {self._best}{second} ({seconds:.0f} s)")
        if self._forecast:
            self._log(self._forecast.evaluated(row))

    def on_end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _remark(self, row: dict[str, Any]) -> None:
        """What was out of the ordinary in a step."""
        if row.get("skipped"):
            self._log(f"step {row['step']}: the gradient overflowed fp16, the step is skipped")
        if split := row.get("out_of_memory"):
            images = count_of(split["images"], "image")
            size = f"{split['micro_batches']} micro-batches of {images}"
            self._log(f"out of memory at step {row['step']}: each step is now computed in {size}")

    def _log(self, line: str | None) -> None:
        if line is not None:
            # A log is read by the line: where there is no terminal, none is broken in two.
            self.console.print(line, highlight=False, soft_wrap=not self.console.is_terminal)


class _Smooth:
    """A running mean that forgets: readable numbers from noisy steps."""

    def __init__(self, keep: float = 0.95) -> None:
        self.keep, self.value, self._seen = keep, 0.0, 0

    def add(self, value: float) -> None:
        self._seen += 1
        weight = max(1 - self.keep, 1 / self._seen)
        self.value += weight * (value - self.value)
