"""Batches of samples whose order and augmentation are pure functions of seed, epoch and index.

The sampler hands out (epoch, index) pairs, so a dataset holds no state, and stopping at any step
and going on later, with any number of worker processes, gives the same samples again.
"""

from __future__ import annotations

import signal
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch.utils.data import BatchSampler, DataLoader

from tapetum.base.custom_code import CUSTOM_MODULE
from tapetum.base.errors import TapetumError, UsageError
from tapetum.base.ranks import ALONE, Ranks
from tapetum.base.runtime import allow_many_files, worker_start
from tapetum.base.seeds import generator
from tapetum.data.dataset import Dataset
from tapetum.data.transforms.transform import EpochContext, Transform
from tapetum.structures import Sample

Item = TypeVar("Item")

Augment = Callable[[Sample, torch.Generator], Sample]
"""How a sample is varied. A `Transform` may also depend on the epoch and on other samples of the
dataset: its `at` is called with an `EpochContext` first."""


@dataclass(frozen=True)
class Plan:
    """Which images each step of a training sees: a function, not a state.

    The last incomplete batch of an epoch is left out (its images come at another place in the next
    epoch's order).

    Attributes:
        count: number of images.
        batch_size: images of a step, of all processes together.
        seed: of the order.
        ranks: which part of each step is this process's.
        accumulate: micro-batches of a step; each is divided among the processes.
    """

    count: int
    batch_size: int
    seed: int
    ranks: Ranks = ALONE
    accumulate: int = 1

    @property
    def steps_per_epoch(self) -> int:
        return max(1, self.count // self.batch_size)

    @property
    def images_per_step(self) -> int:
        """Images of a step, of all processes together."""
        return min(self.batch_size, self.count)

    def epoch(self, number: int) -> list[list[tuple[int, int]]]:
        """The batches of one epoch, each a list of (epoch, index)."""
        order = torch.randperm(self.count, generator=generator(self.seed, "order", number)).tolist()
        size = self.batch_size
        starts = range(0, self.steps_per_epoch * size, size)
        return [[(number, index) for index in order[start : start + size]] for start in starts]

    def steps(self, first: int, last: int) -> Iterator[list[tuple[int, int]]]:
        """This process's part of steps first, first + 1, ..., last - 1 of the whole training."""
        for number in range(first // self.steps_per_epoch, last // self.steps_per_epoch + 1):
            start = number * self.steps_per_epoch
            for offset, batch in enumerate(self.epoch(number)):
                if first <= start + offset < last:
                    yield self._part(batch)

    def _part(self, batch: list[tuple[int, int]]) -> list[tuple[int, int]]:
        rank, world_size = self.ranks.rank, self.ranks.world_size
        micro_batches = split(batch, self.accumulate)
        return [key for keys in micro_batches for key in keys[rank::world_size]]


def split(samples: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """`samples` in at most `count` micro-batches that are equally long but for the last."""
    size = -(-len(samples) // count)
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def training_batches(
    dataset: Dataset, plan: Plan, augment: Augment, first: int, last: int, workers: int = 0
) -> Generator[list[Sample], None, None]:
    """The augmented samples of steps first ... last - 1, one list a step; the training ends at
    `last`.

    An image that cannot be read raises a TapetumError with the name of the file here, also when a
    worker process read it.

    Args:
        dataset: the samples.
        plan: which samples each step takes.
        augment: transforms a sample, given its epoch and index.
        first: first step, from 0.
        last: the step after the last one.
        workers: number of worker processes; 0 decodes in this one.

    Yields:
        The samples of a step.

    Raises:
        UsageError: workers that begin afresh cannot be given the dataset.
    """
    _refuse_unsendable(dataset, workers)
    augmented = _Augmented(dataset, augment, plan, last)
    yield from _loaded(augmented, _Steps(plan, first, last), workers)


def whole_sample(sample: Sample) -> Sample:
    """A sample with all that belongs to it."""
    return sample


def samples_in_order(
    dataset: Dataset,
    at_once: int,
    workers: int = 0,
    part: Callable[[Sample], Any] = whole_sample,
) -> Generator[Any, None, None]:
    """The samples of a dataset one after the other, or a part of each; draws no random number.

    Errors are raised as by `training_batches`.

    Args:
        dataset: the samples.
        at_once: how many samples a worker process decodes before it hands them over.
        workers: number of worker processes; 0 decodes in this one.
        part: what to keep of a sample; a worker hands over no more than that.

    Yields:
        The part of each sample.

    Raises:
        UsageError: workers that begin afresh cannot be given the dataset.
    """
    if not workers:
        for index in range(len(dataset)):
            yield part(dataset[index])
        return
    _refuse_unsendable(dataset, workers)
    groups = BatchSampler(range(len(dataset)), at_once, drop_last=False)
    # With a generator of its own a loader leaves the random state of a training as it is.
    with closing(_loaded(_Parts(dataset, part), groups, workers, torch.Generator())) as batches:
        for batch in batches:
            yield from batch


def _loaded(
    samples: Any, groups: Any, workers: int, random: torch.Generator | None = None
) -> Generator[list[Any], None, None]:
    """`samples` by the keys of each group, decoded by worker processes."""
    if workers:
        allow_many_files()
    with warnings.catch_warnings():
        # More processes than cores may be what a user wants: they wait for disks, too.
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        loader: DataLoader = DataLoader(
            samples,
            batch_sampler=groups,
            num_workers=workers,
            collate_fn=list,
            worker_init_fn=_start_worker,
            multiprocessing_context=worker_start() if workers else None,
            prefetch_factor=2 if workers else None,
            generator=random,
        )
        batches = iter(loader)
    try:
        for batch in batches:
            yield [_unwrap(item) for item in batch]
    except Exception as error:
        # Where it came out of the loader, the frames of its traceback hold the loader.
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        # Ends the worker processes now: an error would keep this frame, and them, for its
        # traceback, and at its end the program would wait for them.
        del batches


class _Steps:
    """The plan's steps as the batch sampler of a DataLoader."""

    def __init__(self, plan: Plan, first: int, last: int) -> None:
        self.plan, self.first, self.last = plan, first, last

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return self.plan.steps(self.first, self.last)

    def __len__(self) -> int:
        return max(0, self.last - self.first)


class _Augmented:
    """A dataset indexed by (epoch, index), for a training that ends after `steps` steps."""

    def __init__(self, dataset: Dataset, augment: Augment, plan: Plan, steps: int) -> None:
        self.dataset, self.augment, self.seed = dataset, augment, plan.seed
        self.epochs = -(-steps // plan.steps_per_epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> Sample | TapetumError:
        epoch, index = key
        augment = self.augment
        if isinstance(augment, Transform):
            count, sample_at = len(self.dataset), self.dataset.__getitem__
            augment = augment.at(
                EpochContext(epoch, self.epochs, index, self.seed, count, sample_at)
            )
        try:
            sample = self.dataset[index]
            return augment(sample, generator(self.seed, "augment", epoch, index))
        except TapetumError as error:
            # A DataLoader turns a worker's exception into text; as a value it arrives whole.
            return error


class _Parts:
    """A part of each sample of a dataset."""

    def __init__(self, dataset: Dataset, part: Callable[[Sample], Any]) -> None:
        self.dataset, self.part = dataset, part

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.part(self.dataset[index])
        except TapetumError as error:
            return error  # as in `_Augmented`


def _unwrap(item: Any) -> Any:
    if isinstance(item, TapetumError):
        raise item
    return item


def _refuse_unsendable(dataset: Dataset, workers: int) -> None:
    """Where workers begin afresh they import what they are sent, which a user's file is not."""
    samples = getattr(dataset, "samples", None)
    if workers and worker_start() != "fork" and type(samples).__module__.startswith(CUSTOM_MODULE):
        why = "its samples cannot be sent to worker processes, which are spawned on this system"
        raise UsageError(why, file=dataset.name, hint="`workers` 0")


def _start_worker(_: int) -> None:
    """Workers leave signals to the main process, which saves and then ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
