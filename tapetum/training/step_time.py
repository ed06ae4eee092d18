"""How many steps of a training fit into some minutes on this machine."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import torch

from tapetum.base.runtime import deterministic
from tapetum.data.reading.loading import Plan, training_batches
from tapetum.runs.settings import Settings
from tapetum.training.beginning import begin_training
from tapetum.training.loop import Job
from tapetum.training.optim import learning_rate, set_learning_rate
from tapetum.training.phases import plan_of
from tapetum.training.step import StepBatch, train_step

TRIAL = 8
"""Steps from which the time of one is known; the first two, which warm up, do not count."""
FEWEST = 10
EVALUATIONS = 8
"""In a whole training, unless told otherwise."""


def seconds_per_step(job: Job) -> float:
    """How long a step takes here, from a few of them on a copy of the model."""
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
        for samples, own in zip(batches, keys, strict=True):
            set_learning_rate(state.optimizer, learning_rate(state.step, TRIAL, settings))
            batch = StepBatch(samples, own, settings.seed, plan.images_per_step)
            step = train_step(state, batch, job.runtime, clip_norm=settings.clip_norm)
            state.after_step(step.skipped)
            yield time.perf_counter() - started
            started = time.perf_counter()


def settings_for(
    settings: Settings, minutes: float, seconds: float, images: int, looking: float = 0.0
) -> Settings:
    """The settings with as many steps of `seconds` as fill about `minutes`, and the epochs that
    these are; the schedule ends with them.

    looking: seconds of an evaluation. There are eight of them, or fewer where these would take more
    than a third of the time; unless the settings say how often.
    """
    times = 0 if not looking else max(1, min(EVALUATIONS, int(20 * minutes / looking)))
    steps = max(FEWEST, round((60 * minutes - times * looking) / seconds))
    each = Plan(images, settings.batch_size, settings.seed).steps_per_epoch
    epochs = math.ceil(steps / each)
    every = settings.evaluate_every or (math.ceil(epochs / times) if times else 0)
    return replace(settings, max_steps=steps, epochs=epochs, evaluate_every=every)
