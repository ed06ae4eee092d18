"""From the record of a run to its model and its job."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tapetum.api.pictures import Pictures
from tapetum.base.download import Bar
from tapetum.base.errors import DownloadError, UsageError
from tapetum.base.progress import Say, silent
from tapetum.base.runtime import Runtime, derive_seed
from tapetum.data.cache import cached
from tapetum.models import model_function, task_of
from tapetum.models.checkpoint import refuse_unsavable
from tapetum.models.classification.preparing import SquarePreparation
from tapetum.models.sources import source_of
from tapetum.structures import Learns
from tapetum.tasks import TASKS, Task, Watch
from tapetum.training.loop import Job
from tapetum.training.run import RunRecord
from tapetum.training.signals import StopFlag


def make_job(
    record: RunRecord, pictures: Pictures, folder: Path, runtime: Runtime, say: Say = silent
) -> Job:
    """Everything that `fit` needs, from the record of a run alone."""
    task = TASKS[task_of(record.model)]
    model = build_model(record)
    side = side_before_crop(model, record.image_size)
    # Half precision may overflow where nothing scales it back, and scores must be numbers.
    measuring = replace(runtime, precision="fp32") if runtime.precision == "fp16" else runtime

    @cache
    def truth() -> Any:
        assert pictures.held is not None  # a training that validates holds pictures out
        return task.truth(pictures.held, record.class_ids)

    def validate(model: nn.Module, flag: StopFlag) -> dict[str, float]:
        assert pictures.held is not None
        return task.measure(
            model,
            pictures.held,
            measuring,
            class_ids=record.class_ids,
            watch=Watch(check=flag.check),
            workers=record.settings.workers,
            known=truth(),
        ).stats

    return Job(
        model=model,
        dataset=cached(
            pictures.training,
            record.cache,
            task.most_pixels(side, record.augment),
            workers=record.settings.workers,
            say=say,
        ),
        augment=task.transforms(pictures.training, side, record.augment),
        settings=record.settings,
        runtime=runtime,
        folder=folder,
        card=record.card(),
        validate=validate if record.validate else None,
        metric=metric_of(task, pictures),
    )


def side_before_crop(model: nn.Module, image_size: int) -> int:
    """Pixels of the squares that transforms make: more than the model sees, where it cuts its part
    out of them, so that nothing is enlarged to be cut."""
    own = getattr(model, "preparation", None)
    return own.short_side if isinstance(own, SquarePreparation) and own.crops else image_size


def metric_of(task: Task, pictures: Pictures) -> str:
    """The number that chooses the best checkpoint: several labels a picture are ranked by mAP."""
    if task.name == "classification" and pictures.training.multilabel:
        return "mAP"
    return task.metric


def build_model(record: RunRecord) -> nn.Module:
    """The model of a run with its start weights, a function of the seed alone.

    Raises:
        UsageError: an argument that the model does not have or cannot take.
        CheckpointError: weights that could not be saved.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(record.settings.seed, "weights"))
        try:
            model = model_function(record.model)(**record.arguments)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{record.model}: {error}", hint="tapetum models") from error
    refuse_unsavable(model)
    return model


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
