"""Predict with any model: every image's answer is its own, and the model stays as it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from tapetum.base.runtime import Runtime, is_out_of_memory, release_memory, undisturbed
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Batch,
    Model,
    PostprocessOptions,
    Prediction,
)

MOST_WAITING = 4
"""Batches' worth of prepared images that may wait for others of their size."""


def predict(
    model: Model,
    images: Sequence[Tensor],
    *,
    batch_size: int = 8,
    runtime: Runtime | None = None,
    options: PostprocessOptions = DEFAULT_POSTPROCESS,
) -> list[Prediction]:
    """What the model says of images (3, H, W), uint8 or float in [0, 1], in their own frames.

    Images are batched with those that are equally large once prepared, so that no answer depends
    on the neighbours by more than rounding. Evaluation mode without gradients; afterwards the
    model's modes and the random state are as before. Predictions are on the processor.

    batch_size: the most images in one forward; with MOST_WAITING it bounds the memory, so that
        `images` may be a sequence that reads them from disk one by one.
    runtime: the precision of forward, and a check of the device: the model is not moved.
    options: of `Model.postprocess`.

    Raises:
        ValueError: the model is not on the device of `runtime`, its `decode` gives more or fewer
            predictions than images, or `batch_size` < 1.
    """
    assert isinstance(model, nn.Module)
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
    lies_on = _device(model)
    runtime = runtime or Runtime(lies_on or torch.device("cpu"))
    if lies_on is not None and lies_on.type != runtime.device.type:
        raise ValueError(f"model: expected on {runtime.device}, got on {lies_on}")
    found: dict[int, Prediction] = {}
    waiting: dict[tuple[int, ...], list[tuple[int, Batch]]] = {}
    with undisturbed(model):
        for index, image in enumerate(images):
            with torch.inference_mode():
                batch = model.preprocess([image])
            waiting.setdefault(tuple(batch.pixels.shape), []).append((index, batch))
            largest = max(waiting.values(), key=len)
            held = sum(map(len, waiting.values()))
            if len(largest) == batch_size or held == MOST_WAITING * batch_size:
                found.update(_answer_in_parts(model, largest, runtime, options))
                largest.clear()
        for group in waiting.values():
            found.update(_answer_in_parts(model, group, runtime, options))
    return [found[index] for index in range(len(found))]


def _answer_in_parts(
    model: Model,
    group: Sequence[tuple[int, Batch]],
    runtime: Runtime,
    options: PostprocessOptions,
) -> dict[int, Prediction]:
    """`_answer`, by halves where there is no memory for the whole."""
    try:
        return _answer(model, group, runtime, options)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or len(group) == 1:
            raise
    release_memory()
    half = len(group) // 2
    first = _answer_in_parts(model, group[:half], runtime, options)
    return first | _answer_in_parts(model, group[half:], runtime, options)


def _answer(
    model: Model,
    group: Sequence[tuple[int, Batch]],
    runtime: Runtime,
    options: PostprocessOptions,
) -> dict[int, Prediction]:
    """Predictions by index for single-image batches of equal shape."""
    if not group:
        return {}
    indices = [index for index, _ in group]
    assert isinstance(model, nn.Module)
    batches = [batch for _, batch in group]
    with torch.inference_mode():
        windows = [one.windows for one in batches if one.windows is not None]
        batch = Batch(
            pixels=torch.cat([one.pixels for one in batches]),
            sizes=torch.cat([one.sizes for one in batches]),
            originals=torch.cat([one.originals for one in batches]),
            windows=torch.cat(windows) if windows else None,
        )
        with runtime.autocast():
            output = model(batch.pixels, batch.sizes)
        predictions = deque(model.postprocess(output, batch, options))
    if len(predictions) != len(indices):
        raise ValueError(f"decode: expected {len(indices)} predictions, got {len(predictions)}")
    # Each is let go as soon as it is copied: masks of large images fill the memory. Autograd may
    # use the copies, which it may not use of what inference mode made.
    return {index: predictions.popleft().map(_to_cpu) for index in indices}


def _to_cpu(values: Tensor) -> Tensor:
    return values.to("cpu", copy=True)


def _device(model: nn.Module) -> torch.device | None:
    # A model that is fitted may have learnt nothing but buffers, one of one's own nothing at all.
    weight = next(chain(model.parameters(), model.buffers()), None)
    return None if weight is None else weight.device
