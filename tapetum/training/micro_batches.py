"""A step in parts, and in smaller ones where memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from tapetum.base.errors import TrainingError
from tapetum.base.runtime import is_out_of_memory, release_memory

Item = TypeVar("Item")
Result = TypeVar("Result")
HINT = "a smaller `image_size`, or a smaller model or `backbone`"


def split(samples: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """`samples` in at most `count` parts that are equally long but for the last."""
    size = -(-len(samples) // count)
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def in_parts_that_fit(
    attempt: Callable[[int], Result], accumulate: int, images: int, model: nn.Module
) -> tuple[Result, int]:
    """What `attempt(accumulate)` gives, and `accumulate`, which doubles as often as the attempt
    runs out of memory.

    A step of `images` images remains the same step: the same images and the same objective.
    Batch norms are the exception: they see the statistics of a part, as with a larger `accumulate`
    from the start. Buffers of `model` that the failed attempt changed come back, so that the
    result is, in every bit, that of a training which had been split so from this step on.

    Raises:
        TrainingError: not even one image at a time fits.
    """
    buffers = list(model.buffers())
    before = [buffer.clone() for buffer in buffers]
    while True:
        try:
            return attempt(accumulate), accumulate
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Only here, behind the handler, is the traceback gone that held the attempt's tensors.
        model.zero_grad(set_to_none=True)
        release_memory()
        if accumulate >= images:
            raise TrainingError("out of memory with one image at a time", hint=HINT)
        with torch.no_grad():
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)
        accumulate = min(2 * accumulate, images)


@contextmanager
def out_of_memory_ends(why: str, hint: str = HINT) -> Iterator[None]:
    """Inside, running out of memory is a TrainingError that says `why`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(why, hint=hint) from error
