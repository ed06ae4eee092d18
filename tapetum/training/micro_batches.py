"""A step in micro-batches, and in smaller ones where memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

import torch

from tapetum.base.errors import TrainingError
from tapetum.base.memory import is_out_of_memory, release_memory
from tapetum.base.ranks import ranks

if TYPE_CHECKING:
    from tapetum.training.state import TrainingState

HINT = "a smaller `image_size`, or a smaller model or `backbone`"


class Attempt:
    """A context in which a step is computed; running out of memory ends it without an error.

    Among several processes it is an error: the others have gone on with the step.
    """

    def __init__(self) -> None:
        self.done = False

    def __enter__(self) -> None:
        """Nothing has to be prepared."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self.done = error is None
        caught = isinstance(error, RuntimeError | MemoryError) and ranks().world_size == 1
        return error is not None and caught and is_out_of_memory(error)


def attempts_that_fit(state: TrainingState, images: int) -> Iterator[Attempt]:
    """Attempts at a step of `images` images, until one has enough memory.

    After each that has not, `state.accumulate` is doubled. The step remains the same step: the same
    images and the same objective. Batch norms are the exception: they see the statistics of a
    micro-batch, as with a larger `accumulate` from the start. Buffers of the model that the failed
    attempt changed come back, so that the result is, in every bit, that of a training which had
    been split so from this step on.

    Raises:
        TrainingError: not even one image at a time fits.
    """
    buffers = list(state.model.buffers())
    before = [buffer.clone() for buffer in buffers]
    while True:
        attempt = Attempt()
        yield attempt
        if attempt.done:
            return
        # Only here, behind the context, is the traceback gone that held the attempt's tensors.
        state.model.zero_grad(set_to_none=True)
        release_memory()
        if state.accumulate >= images:
            raise TrainingError("out of memory with one image at a time", hint=HINT)
        with torch.no_grad():
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)
        state.accumulate = min(2 * state.accumulate, images)


@contextmanager
def out_of_memory_ends(why: str, hint: str = HINT) -> Iterator[None]:
    """Inside, running out of memory is a TrainingError that says `why`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(why, hint=hint) from error
