"""Metrics of a loaded model on a dataset."""

from __future__ import annotations

from tapetum.base.errors import UsageError
from tapetum.base.progress import Progress, no_progress
from tapetum.data.dataset import Dataset
from tapetum.data.reading.views import RemappedClasses
from tapetum.inference.predictor import Predictor
from tapetum.tasks import Evaluation, Watch


def evaluate_predictor(
    predictor: Predictor,
    dataset: Dataset,
    *,
    max_dets: int | None = None,
    workers: int = 0,
    progress: Progress = no_progress,
) -> Evaluation:
    """Metrics of a loaded model on a dataset.

    Args:
        predictor: the model.
        dataset: images with labels; its classes must be among the model's, by name.
        max_dets: the largest number of detections an image that count; None: COCO's number.
        workers: processes that read images.
        progress: shows how far it is.

    Returns:
        The metrics and what they were computed from.

    Raises:
        UsageError: a class of the dataset is not among the model's, or `max_dets` for another task
            than those with detections.
    """
    if dataset.classes != predictor.classes:
        dataset = RemappedClasses(dataset, predictor.classes)
    if max_dets is not None and not predictor.task.max_detections:
        raise UsageError(f"{predictor.task.name} has no detections to count", option="max_dets")
    return predictor.task.measure(
        predictor.model,
        dataset,
        predictor.runtime,
        class_ids=predictor.model_info.class_ids,
        max_dets=max_dets,
        watch=Watch(progress=progress),
        workers=workers,
    )
