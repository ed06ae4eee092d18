"""A model over a dataset: predictions, and the numbers that they earn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import nn

from tapetum.base.errors import UsageError
from tapetum.base.runtime import Runtime
from tapetum.data.coco import coco_dict, results_list
from tapetum.data.dataset import Dataset
from tapetum.data.picture import Picture
from tapetum.evaluate.coco import detections_from_coco, truth_from_coco
from tapetum.evaluate.detection import DetectionResult, evaluate_detections
from tapetum.evaluate.records import Detections, Truth
from tapetum.models.predict import predict
from tapetum.structures import Model, Prediction

Progress = Callable[[Iterable[int], int], Iterable[int]]
"""Wraps the indices of a long loop, given their number, to show how far it is."""


@dataclass(frozen=True)
class Measured:
    """Predictions over a dataset with everything that follows from them.

    results: COCO's list of detections; evaluating it again gives the same numbers to the last bit.
    """

    pictures: tuple[Picture, ...]
    predictions: tuple[Prediction, ...]
    results: list[dict[str, Any]]
    truth: Truth
    detections: Detections
    result: DetectionResult


def measure(
    model: nn.Module,
    dataset: Dataset,
    runtime: Runtime,
    *,
    class_ids: Sequence[int | str] = (),
    max_dets: int = 100,
    batch_size: int = 8,
    check: Callable[[], None] = lambda: None,
    progress: Progress = lambda indices, count: indices,
) -> Measured:
    """Predict every picture of `dataset` and evaluate; `check` is called before each batch.

    Truth comes from the dataset's own float64 records, not from the tensors that the model saw.
    """
    predictions: list[Prediction] = []
    for indices in _batches(progress(range(len(dataset)), len(dataset)), batch_size):
        check()
        images = [dataset[index].image for index in indices]
        predictions += predict(cast(Model, model), images, runtime=runtime)
    pictures = tuple(dataset.picture(index) for index in range(len(dataset)))
    return judge(pictures, predictions, dataset.classes, class_ids, max_dets)


def judge(
    pictures: Sequence[Picture],
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    class_ids: Sequence[int | str] = (),
    max_dets: int = 100,
) -> Measured:
    """Predictions beside the records of their pictures, evaluated as COCO does."""
    ids = tuple(class_ids) or tuple(range(1, len(classes) + 1))
    content = coco_dict(pictures, classes, ids)
    for number, annotation in enumerate(content["annotations"], start=1):
        # COCO's evaluation takes the id 0 for "no match"; datasets that count from 0 would lose
        # their first thing, so the file's own ids stay out of it.
        annotation["id"] = number
    truth = truth_from_coco(content)
    results = results_list(predictions, pictures, ids)
    detections = detections_from_coco(results, truth)
    result = evaluate_detections(truth, detections, caps(max_dets))
    return Measured(tuple(pictures), tuple(predictions), results, truth, detections, result)


def caps(max_dets: int) -> tuple[int, ...]:
    """COCO's caps on detections a picture, 1, 10 and `max_dets`, which is that of AP.

    Raises:
        UsageError: not above 0.
    """
    if max_dets < 1:
        raise UsageError(f"--max-dets must be above 0, got {max_dets}")
    return (*(cap for cap in (1, 10) if cap < max_dets), max_dets)


def _batches(indices: Iterable[int], size: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in indices:
        batch.append(index)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
