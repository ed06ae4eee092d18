"""Models that are fitted in one go rather than descended: one look at the images, one checkpoint.

The run folder afterwards is like that of any training, with one row in its log.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

import torch
from torch import nn

from tapetum.base.bundle import write_bundle
from tapetum.base.progress import Log, no_log
from tapetum.base.runtime import generator
from tapetum.data.dataset import Dataset
from tapetum.runs.history import History
from tapetum.structures import Fittable, Sample
from tapetum.training.loop import Job
from tapetum.training.signals import StopFlag, stop_flag
from tapetum.weights.checkpoint import model_parts, step_folder

STEP = 1


def fit_once(job: Job, log: Log = no_log) -> None:
    """Fit the model of a job on its images, measure it, save it as step 1.

    The images are seen as they are: what is fitted remembers them, and variants of them would
    only fill its memory.

    Raises:
        Stopped: a signal came; there is nothing to save of half a fit.
    """
    model = job.model.to(job.runtime.device)
    history = History(job.folder, keep_bytes=0)
    try:
        with stop_flag() as flag:
            started = time.perf_counter()
            random = generator(job.settings.seed, "fit")
            cast(Fittable, model).fit(_samples(job.dataset, flag), random)
            seconds = time.perf_counter() - started
            log(f"fitted on {len(job.dataset)} images in {seconds:.1f} s")
            numbers = _measure(job, model, flag, history)
    finally:
        history.close()
    parts = model_parts(model.state_dict(), job.model_info)
    write_bundle(
        step_folder(job.folder, STEP), parts, {"step": STEP, "metric": numbers.get(job.metric)}
    )


def _samples(dataset: Dataset, flag: StopFlag) -> Iterator[Sample]:
    for index in range(len(dataset)):
        flag.check()
        yield dataset[index]


def _measure(job: Job, model: nn.Module, flag: StopFlag, history: History) -> dict[str, float]:
    if job.validate is None:
        return {}
    started = time.perf_counter()
    with torch.no_grad():
        numbers = job.validate(model, flag)
    seconds = round(time.perf_counter() - started, 3)
    history.add(event="evaluation", step=STEP, **numbers, evaluation_seconds=seconds)
    return numbers
