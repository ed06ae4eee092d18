"""From the record of a run to its model and its job."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tapetum.base.custom_code import custom_code_error, custom_function
from tapetum.base.download import Bar
from tapetum.base.errors import DownloadError, UsageError
from tapetum.base.progress import Log, no_log
from tapetum.base.runtime import Runtime
from tapetum.base.seeds import derive_seed
from tapetum.data.cache.cached_dataset import cached
from tapetum.data.reading.training_data import TrainingData
from tapetum.models import task_of
from tapetum.models.catalog import model_function
from tapetum.models.custom import as_model
from tapetum.runs.record import RunRecord
from tapetum.structures import DESCEND, Model
from tapetum.tasks import TASKS, Task, Watch
from tapetum.training.loop import Job
from tapetum.training.signals import StopFlag
from tapetum.weights.sources import source_of
from tapetum.weights.tensors_file import refuse_unsavable


def make_job(
    record: RunRecord, images: TrainingData, folder: Path, runtime: Runtime, log: Log = no_log
) -> Job:
    """Make what `fit` needs from the record of a run.

    Args:
        record: of the run.
        images: its images.
        folder: the run folder.
        runtime: device and precision.
        log: is called with each line about the cache of images.

    Returns:
        The job, with a new model whose start weights follow from the seed.

    Raises:
        UsageError: an argument that the model does not have or cannot take.
        CheckpointError: weights that could not be saved.
    """
    task = TASKS[task_of(record.model)]
    model = build_model(record)
    side = model.side_before_crop() or record.image_size
    # Half precision may overflow where nothing scales it back, and scores must be numbers.
    measuring = replace(runtime, precision="fp32") if runtime.precision == "fp16" else runtime

    @cache
    def ground_truth() -> Any:
        assert images.validation is not None  # a training that validates holds images out
        return task.ground_truth(images.validation, record.class_ids)

    def validate(model: Model[Any], flag: StopFlag) -> dict[str, float]:
        assert images.validation is not None
        return task.measure(
            model,
            images.validation,
            measuring,
            class_ids=record.class_ids,
            watch=Watch(check=flag.check),
            workers=record.settings.workers,
            known=ground_truth(),
        ).stats

    return Job(
        model=model,
        dataset=cached(
            images.training,
            record.options.cache,
            task.most_pixels(side, record.options.augment),
            workers=record.settings.workers,
            log=log,
        ),
        augment=task.transforms(images.training, side, record.options.augment),
        settings=record.settings,
        runtime=runtime,
        folder=folder,
        model_info=record.model_info(),
        validate=validate if record.options.validate else None,
        metric=metric_of(task, images),
    )


def metric_of(task: Task, images: TrainingData) -> str:
    """The number that chooses the best checkpoint: several labels an image are ranked by mAP."""
    several = images.training.multilabel and task.multilabel_metric
    return task.multilabel_metric if several else task.metric


def build_model(record: RunRecord) -> Model[Any]:
    """Build the model of a run with its random start weights.

    Args:
        record: of the run.

    Returns:
        The model, on the CPU.

    Raises:
        UsageError: see `build_with`.
        CheckpointError: see `build_with`.
    """
    return build_with(record.model, record.arguments, record.settings.seed)


_IMPOSSIBLE = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RuntimeError)
"""What builders raise for arguments that cannot be, of whatever layer."""


def build_with(model: str, arguments: Mapping[str, Any], seed: int) -> Model[Any]:
    """Build a model with its random start weights, a function of the seed alone.

    Args:
        model: a name in CATALOG, or "FILE.py:FUNCTION".
        arguments: of the model.
        seed: of the training.

    Returns:
        The model, on the CPU.

    Raises:
        UsageError: an argument that the model does not have or cannot take.
        CheckpointError: weights that could not be saved.
    """
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(derive_seed(seed, "weights"))
        warnings.filterwarnings("ignore", "Initializing zero-element")  # refused below
        try:
            built = as_model(model_function(model)(**arguments), model)
        except _IMPOSSIBLE as error:
            if (code := custom_function(model)) is not None:
                raise custom_code_error(error, code) from error
            raise UsageError(f"{model}: {error}", hint="tapetum models") from error
    empty = next((name for name, p in built.named_parameters() if p.numel() == 0), None)
    if empty is not None:
        why = f"{model}: {empty} would have no weights: a width or number among its arguments is 0"
        raise UsageError(why, hint="tapetum models")
    refuse_unsavable(built)
    return built


def start_from(record: RunRecord, model: Model[Any], bar: Bar, log: Log) -> None:
    """Load the start weights of the run, if any, into the model.

    Args:
        record: of the run.
        model: its model, which is changed.
        bar: shows how far a download is.
        log: is called with the origin of the weights.

    Raises:
        DownloadError: the weights cannot be downloaded.
    """
    source = source_of(record.weights, record.model, record.arguments)
    if source is None:
        if DESCEND in model.phases:
            log("no pretrained weights: training starts from random weights")
        return
    try:
        source.into(model, bar, log)
    except DownloadError as error:
        hint = f"{error.hint}; `weights` none starts from random weights"
        raise DownloadError(error.why, file=error.file, hint=hint) from error
