"""How many steps of a training fit into some minutes on this machine."""

from __future__ import annotations

import copy
import math
import statistics
from dataclasses import replace

import torch

from tapetum.base.runtime import deterministic
from tapetum.data.reading.loading import Plan
from tapetum.runs.settings import Settings
from tapetum.training.loop import Job, begin_training, run_steps

TRIAL = 8
"""Steps from which the pace is known; the first two, which warm up, do not count."""
FEWEST = 10
EVALUATIONS = 8
"""In a whole training, unless told otherwise."""


def seconds_per_step(job: Job) -> float:
    """How long a step takes here, from a few of them on a copy of the model."""
    settings = replace(job.settings, max_steps=TRIAL, epochs=TRIAL)
    trial = replace(job, model=copy.deepcopy(job.model), settings=settings)
    plan = Plan(len(job.dataset), settings.batch_size, settings.seed)
    with deterministic(), torch.random.fork_rng(devices=[]):
        rows = list(run_steps(trial, begin_training(trial), plan, TRIAL))
    return statistics.median(row["seconds"] for row in rows[2:])


def fitted(
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
