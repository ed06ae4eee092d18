"""Predictions for many image files: decoded by worker processes, predicted in batches."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from tapetum.base.errors import TapetumError
from tapetum.data.images.reader import read_image
from tapetum.data.reading.loading import samples_in_order
from tapetum.inference.predictor import Predictor
from tapetum.structures import DEFAULT_POSTPROCESS, PostprocessOptions, Prediction

WORTH_WORKERS = 64
"""Images from which on worker processes are worth the second that they take to start."""
MAX_WORKERS = 4
DECODED_AT_ONCE = 4
"""Images that a worker hands over together."""
MAX_IMAGES, MAX_PIXELS = 32, 2**26
"""Images that are predicted together: this many, or as few as have so many pixels. Those of equal
size after preprocessing go through the model in one batch."""


@dataclass(frozen=True, eq=False)
class FilePrediction:
    """The prediction for one file, or why it could not be read.

    Attributes:
        file: the image file.
        image: (3, H, W) uint8, upright; None where it could not be read.
        prediction: in the frame of the image; None likewise.
        error: why it could not be read, else None.
    """

    file: Path
    image: Tensor | None = None
    prediction: Prediction | None = None
    error: TapetumError | None = None


class ImageFiles:
    """Image files as something that can be indexed; those that cannot be read are an error."""

    name = "images"

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> FilePrediction:
        file = self.files[index]
        try:
            return FilePrediction(file, read_image(file).pixels)
        except TapetumError as error:
            return FilePrediction(file, error=error)


def predict_in_batches(
    predictor: Predictor,
    files: Sequence[Path],
    *,
    workers: int | None = None,
    options: PostprocessOptions = DEFAULT_POSTPROCESS,
) -> Generator[FilePrediction, None, None]:
    """Predict every file, in order.

    Args:
        predictor: the model.
        files: image files.
        workers: processes that decode; None: see `suitable_workers`.
        options: thresholds in place of the model's.

    Yields:
        One entry for each file.
    """
    workers = suitable_workers(len(files)) if workers is None else workers
    images: Any = ImageFiles(files)  # it has what the loader calls of a Dataset
    with closing(samples_in_order(images, DECODED_AT_ONCE, workers)) as decoded:
        for group in _groups(decoded):
            yield from _predicted(predictor, group, options)


def suitable_workers(images: int) -> int:
    """The number of processes that decode while the model computes.

    Args:
        images: their number.

    Returns:
        0 to MAX_WORKERS; 0 for a few images, or on one core.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(MAX_WORKERS, (cores or 1) - 1) if images >= WORTH_WORKERS else 0


def _groups(decoded: Iterator[FilePrediction]) -> Iterator[list[FilePrediction]]:
    """The entries in groups that fit into memory."""
    group: list[FilePrediction] = []
    pixels = 0
    for entry in decoded:
        group.append(entry)
        pixels += 0 if entry.image is None else entry.image[0].numel()
        if len(group) == MAX_IMAGES or pixels >= MAX_PIXELS:
            yield group
            group, pixels = [], 0
    if group:
        yield group


def _predicted(
    predictor: Predictor, group: Sequence[FilePrediction], options: PostprocessOptions
) -> Iterator[FilePrediction]:
    images = [entry.image for entry in group if entry.image is not None]
    predictions = iter(predictor.predictions(images, options))
    for entry in group:
        if entry.image is None:
            yield entry
        else:
            yield FilePrediction(entry.file, entry.image, next(predictions))
