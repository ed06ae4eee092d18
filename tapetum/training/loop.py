"""The loop: `fit` reads as load, step, log, evaluate, save.

What goes on around the steps is in `session`, the step itself in `step`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapetum.base.progress import Log, no_log
from tapetum.base.runtime import Runtime
from tapetum.base.seeds import deterministic
from tapetum.data.dataset import Dataset
from tapetum.data.reading.loading import Augment
from tapetum.runs.settings import Settings
from tapetum.structures import Model
from tapetum.training.micro_batches import out_of_memory_ends
from tapetum.training.observers import Observer
from tapetum.training.session import open_session
from tapetum.training.signals import StopFlag
from tapetum.training.state import TrainingState
from tapetum.training.step import train_step
from tapetum.weights.checkpoint import ModelInfo

Validate = Callable[[Model[Any], StopFlag], dict[str, float]]


@dataclass(frozen=True)
class Job:
    """All parts of a training.

    Attributes:
        model: the model to train.
        dataset: the training images.
        augment: transforms a sample.
        settings: of the training.
        runtime: device and precision.
        folder: the run folder, for checkpoints and metrics.jsonl.
        model_info: is stored in each checkpoint.
        validate: measures the model (its moving average, if any) and returns numbers, of which
            `metric` decides which checkpoint is best (higher is better); None trains without
            measuring.
        metric: a name in those numbers.
    """

    model: Model[Any]
    dataset: Dataset
    augment: Augment
    settings: Settings
    runtime: Runtime
    folder: Path
    model_info: ModelInfo
    validate: Validate | None = None
    metric: str = "AP"


def fit(
    job: Job, observers: Sequence[Observer] = (), resume: Path | None = None, log: Log = no_log
) -> TrainingState:
    """Train through all phases of the model; checkpoints and metrics.jsonl go to `job.folder`.

    SIGINT and SIGTERM save a checkpoint of the step at hand and raise Stopped. An observer that
    asks to stop ends the training as its last step would.

    Args:
        job: the training.
        observers: are called at every step and evaluation.
        resume: the checkpoint to resume from.
        log: is called with lines about phases and about observers that stop the training.

    Returns:
        The state after the last step.

    Raises:
        TrainingError: a loss or gradient is not finite, with the names of the step's images; or
            memory is too small for a single image.
        Stopped: a signal came.
    """
    clip_norm, keep = job.settings.clip_norm, bool(observers)
    with (
        open_session(job, observers, resume, log) as session,
        deterministic(),
        out_of_memory_ends("out of memory"),
        closing(session.batches()) as batches,
    ):
        for batch in batches:
            step = train_step(session.state, batch, job.runtime, clip_norm=clip_norm, keep=keep)
            session.after_step(step)
    return session.state
