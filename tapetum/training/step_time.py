"""How many steps of a training fit into a number of minutes on this machine."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import torch

from tapetum.base.seeds import deterministic
from tapetum.data.reading.loading import Plan, training_batches
from tapetum.runs.settings import Settings
from tapetum.training.beginning import begin_training
from tapetum.training.loop import Job
from tapetum.training.optim import learning_rate, set_learning_rate
from tapetum.training.phases import plan_of
from tapetum.training.step import StepBatch, train_step

TRIAL = 8
"""Steps that are measured for the time of one; the first two, which warm up, do not count."""
FEWEST = 10
EVALUATIONS = 8
"""Evaluations of a training by default."""


def seconds_per_step(job: Job) -> float:
    """Measure the time of a step on this machine, with a few steps of a copy of the model.

    Args:
        job: the training, which is not changed.

    Returns:
        Seconds, the median.
    """
    settings = replace(job.settings, max_steps=TRIAL, epochs=TRIAL)
    trial = replace(job, model=copy.deepcopy(job.model), settings=settings)
    with deterministic(), torch.random.fork_rng(devices=[]):
        seconds = list(_trial(trial))
    return statistics.median(seconds[2:])


def _trial(job: Job) -> Iterator[float]:
    """Seconds of each step of a training that is neither logged nor saved."""
    state, settings, plan = begin_training(job), job.settings, plan_of(job)
    loaded = training_batches(job.dataset, plan, job.augment, 0, TRIAL, workers=settings.workers)
    assert state.optimizer is not None
    with closing(loaded) as batches:
        started = time.perf_counter()
        keys = plan.steps(0, TRIAL)
        for samples, step_keys in zip(batches, keys, strict=True):
            set_learning_rate(state.optimizer, learning_rate(state.step, TRIAL, settings))
            batch = StepBatch(samples, step_keys, settings.seed, plan.images_per_step)
            step = train_step(state, batch, job.runtime, clip_norm=settings.clip_norm)
            state.after_step(step.skipped)
            yield time.perf_counter() - started
            started = time.perf_counter()


def settings_for(
    settings: Settings, minutes: float, seconds: float, images: int, evaluation: float = 0.0
) -> Settings:
    """Set steps and epochs so that a training takes about `minutes`; the schedule ends with them.

    There are eight evaluations, or fewer where these would take more than a third of the time,
    unless `settings.evaluate_every` is set.

    Args:
        settings: of the training.
        minutes: for all steps and evaluations.
        seconds: of a step.
        images: their number in an epoch.
        evaluation: seconds of an evaluation, 0 without.

    Returns:
        The settings with `max_steps`, `epochs` and `evaluate_every`.
    """
    times = 0 if not evaluation else max(1, min(EVALUATIONS, int(20 * minutes / evaluation)))
    steps = max(FEWEST, round((60 * minutes - times * evaluation) / seconds))
    each = Plan(images, settings.batch_size, settings.seed).steps_per_epoch
    epochs = math.ceil(steps / each)
    every = settings.evaluate_every or (math.ceil(epochs / times) if times else 0)
    return replace(settings, max_steps=steps, epochs=epochs, evaluate_every=every)
