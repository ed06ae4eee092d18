"""Who observes a training, and the training itself, in steps or in one go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tapetum.base.errors import UsageError
from tapetum.base.progress import Log, no_log
from tapetum.base.ranks import process_group
from tapetum.structures.model import DESCEND
from tapetum.training.callbacks import Call, Calls
from tapetum.training.console import ConsoleObserver
from tapetum.training.loop import Job, fit
from tapetum.training.observers import Observer
from tapetum.training.phases import evaluation_steps, phase_kinds
from tapetum.training.tensorboard import TensorBoardObserver


@process_group()
def watching(
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


def run_job(
    job: Job, observers: Sequence[Observer], start: Path | None = None, log: Log = no_log
) -> None:
    """Train through all phases; of a model that is only fitted, a checkpoint is the end."""
    if start is None or DESCEND in phase_kinds(job.model):
        fit(job, observers, start, log)
