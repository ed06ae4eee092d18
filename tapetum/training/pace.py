"""How many steps of a training fit into some minutes on this machine."""

from __future__ import annotations

import copy
import math
import statistics
from dataclasses import replace

import torch

from tapetum.base.runtime import deterministic
from tapetum.data.loading import Plan
from tapetum.training.loop import Job, begin_training, run_steps
from tapetum.training.settings import Settings

TRIAL = 8
"""Steps from which the pace is known; the first two, which warm up, do not count."""
FEWEST = 10


def seconds_per_step(job: Job) -> float:
    """How long a step takes here, from a few of them on a copy of the model."""
    settings = replace(job.settings, max_steps=TRIAL, epochs=TRIAL)
    trial = replace(job, model=copy.deepcopy(job.model), settings=settings)
    plan = Plan(len(job.dataset), settings.batch_size, settings.seed)
    with deterministic(), torch.random.fork_rng(devices=[]):
        rows = list(run_steps(trial, begin_training(trial), plan, TRIAL))
    return statistics.median(row["seconds"] for row in rows[2:])


def fitted(settings: Settings, minutes: float, seconds: float, pictures: int) -> Settings:
    """The settings with as many steps of `seconds` as take about `minutes`, and the epochs that
    these are; the schedule ends with them."""
    steps = max(FEWEST, round(60 * minutes / seconds))
    each = Plan(pictures, settings.batch_size, settings.seed).steps_per_epoch
    return replace(settings, max_steps=steps, epochs=math.ceil(steps / each))
