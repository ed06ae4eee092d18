"""Predict with any model: each image's prediction is its own, and the model stays as it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from tapetum.base.memory import is_out_of_memory, release_memory
from tapetum.base.runtime import Runtime
from tapetum.base.seeds import undisturbed
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Batch,
    Model,
    PostprocessOptions,
    Prediction,
)

MAX_WAITING = 4
"""Batches' worth of preprocessed images that may wait for others of their size."""


def predict(
    model: Model,
    images: Sequence[Tensor],
    *,
    batch_size: int = 8,
    runtime: Runtime | None = None,
    options: PostprocessOptions = DEFAULT_POSTPROCESS,
) -> list[Prediction]:
    """Predict images, each in its own frame.

    Images are batched with those that are equally large once preprocessed, so that no prediction
    depends on the neighbours by more than rounding. Evaluation mode without gradients; afterwards
    the model's modes and the random state are as before.

    Args:
        model: on the device of `runtime`; it is not moved.
        images: (3, H, W) each, uint8 or float in [0, 1].
        batch_size: largest number of images in one forward; with MAX_WAITING it bounds the memory,
            so that `images` may be a sequence that reads them from disk one by one.
        runtime: the precision of forward, and a check of the device.
        options: thresholds in place of the model's own.

    Returns:
        One an image, on the processor.

    Raises:
        ValueError: the model is not on the device of `runtime`, its `postprocess` gives more or
            fewer predictions than images, or `batch_size` < 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
    device = _device(model)
    runtime = runtime or Runtime(device or torch.device("cpu"))
    if device is not None and device.type != runtime.device.type:
        raise ValueError(f"model: expected on {runtime.device}, got on {device}")
    predictions: dict[int, Prediction] = {}
    waiting: dict[tuple[int, ...], list[tuple[int, Batch]]] = {}
    with undisturbed(model):
        for index, image in enumerate(images):
            with torch.inference_mode():
                batch = model.preprocess([image])
            waiting.setdefault(tuple(batch.pixels.shape), []).append((index, batch))
            largest = max(waiting.values(), key=len)
            held = sum(map(len, waiting.values()))
            if len(largest) == batch_size or held == MAX_WAITING * batch_size:
                predictions.update(_predict_in_parts(model, largest, runtime, options))
                largest.clear()
        for group in waiting.values():
            predictions.update(_predict_in_parts(model, group, runtime, options))
    return [predictions[index] for index in range(len(predictions))]


def _predict_in_parts(
    model: Model,
    group: Sequence[tuple[int, Batch]],
    runtime: Runtime,
    options: PostprocessOptions,
) -> dict[int, Prediction]:
    """`_predict_batch`, by halves where there is no memory for all."""
    try:
        return _predict_batch(model, group, runtime, options)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or len(group) == 1:
            raise
    release_memory()
    half = len(group) // 2
    first = _predict_in_parts(model, group[:half], runtime, options)
    return first | _predict_in_parts(model, group[half:], runtime, options)


def _predict_batch(
    model: Model,
    group: Sequence[tuple[int, Batch]],
    runtime: Runtime,
    options: PostprocessOptions,
) -> dict[int, Prediction]:
    """Predictions by index for single-image batches of equal shape."""
    if not group:
        return {}
    indices = [index for index, _ in group]
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
        why = f"expected {len(indices)} predictions, got {len(predictions)}"
        raise ValueError(f"postprocess: {why}")
    # Each is let go as soon as it is copied: masks of large images fill the memory. Autograd may
    # use the copies, which it may not use of what inference mode made.
    return {index: predictions.popleft().map(_to_cpu) for index in indices}


def _to_cpu(values: Tensor) -> Tensor:
    return values.to("cpu", copy=True)


def _device(model: nn.Module) -> torch.device | None:
    # A model that is fitted may have learnt nothing but buffers, a custom one nothing at all.
    weight = next(chain(model.parameters(), model.buffers()), None)
    return None if weight is None else weight.device
