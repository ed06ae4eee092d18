"""The observers of a training, and the training itself, in steps or in one fit."""

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
    """Make the observers of a training.

    Args:
        job: the training.
        observers: in place of the progress bar; None: the bar.
        tensorboard: also write TensorBoard's files to the run folder.
        on_step: a function that is called with a dict after each step.
        on_epoch: a function that is called with a dict after each epoch.

    Returns:
        The observers.

    Raises:
        UsageError: TensorBoard is not installed, or the training has no steps to observe.
    """
    if DESCEND not in phase_kinds(job.model) and (observers or tensorboard or on_step or on_epoch):
        why = f"{job.model_info.model} is fitted in one step: there are no steps to observe"
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
    """Train through all phases.

    Args:
        job: the training.
        observers: are called at every step and evaluation.
        start: the checkpoint to resume from; a model that is only fitted is done there.
        log: is called with each line about the training.

    Raises:
        TrainingError: a loss or gradient is not finite.
        Stopped: a signal came; a checkpoint is saved.
    """
    if start is None or DESCEND in phase_kinds(job.model):
        fit(job, observers, start, log)
