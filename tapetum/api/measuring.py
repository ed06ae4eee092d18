"""Metrics of a run on a dataset, or of a file of COCO results."""

from __future__ import annotations

from pathlib import Path

from tapetum.base.download import Bar, no_bar
from tapetum.base.errors import AnnotationError, TapetumError, UsageError
from tapetum.base.files import json_text, read_json
from tapetum.base.outputs import open_output, refuse_output
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.base.words import count_of
from tapetum.data.reading.samples import Samples
from tapetum.evaluation.coco import detections_from_coco, ground_truth_from_coco
from tapetum.evaluation.detection import evaluate_detections
from tapetum.evaluation.metrics import with_metrics
from tapetum.inference.custom_code import named_by_user
from tapetum.inference.evaluating import evaluate_predictor
from tapetum.inference.evaluation_data import evaluation_dataset, folders_read
from tapetum.inference.predictor import load
from tapetum.tasks import Evaluation
from tapetum.tasks.detection import BY_IOU_TYPE
from tapetum.weights.sources import AUTO


def evaluate(
    run: str | Path,
    data: str | Path | Samples | None = None,
    *,
    split: str | None = None,
    model: str | None = None,
    weights: str = AUTO,
    checkpoint: str = "best",
    device: str = "auto",
    precision: str = "auto",
    max_dets: int | None = None,
    save: str | Path | None = None,
    workers: int = 0,
    bar: Bar = no_bar,
    progress: Progress = no_progress,
    log: Log = no_log,
) -> Evaluation:
    """Measure a run on a split of its data, or on other data; or a published network on data.

    Args:
        run: a run folder, or the name of a published network.
        data: other data than the run's; its classes must be among the model's, by name.
            "FILE.py:FUNCTION" must be named where the run's data is code that was never named on
            this machine, or has changed since.
        split: by default of the run's data "test" where it has one, else "val"; of other data
            all, of scenes "test".
        model: "FILE.py:FUNCTION", the code of a run on custom code, as for `load`.
        weights: of a network by name: "auto" (those published for it), or a name, file, address
            or run.
        checkpoint: "best" (highest metric) or "last".
        device: "auto", "cpu", "cuda", ...
        precision: "auto" is fp32.
        max_dets: the largest number of detections an image that count, those with the highest
            scores; by default COCO's number.
        save: a file for the predictions; those of detectors are COCO results, and evaluating them
            gives the same numbers.
        workers: processes that read images, 0 or more.
        bar: shows how far a download is.
        progress: shows how far it is.
        log: is called with each line about the work.

    Returns:
        The metrics (`stats`) and what they were computed from.

    Raises:
        UsageError: a class that the model does not know, a wrong value, or `save` would replace a
            file, or lie among the data.
    """
    if workers < 0:
        raise UsageError(f"must be 0 or more, got {workers}", option="workers")
    named_by_user(data)
    if save is not None:
        refuse_output(save, inside=folders_read(Path(run), data))
    predictor = load(
        run,
        model=model,
        weights=weights,
        checkpoint=checkpoint,
        device=device,
        precision=precision,
        bar=bar,
        log=log,
    )
    if data is None and not Path(run).exists():
        why = "a published network stores no data"
        raise UsageError(why, file=run, option="data", hint="name the images to measure on")
    dataset = evaluation_dataset(Path(run), data, split, predictor.task.name, log)
    images = count_of(len(dataset), "image")
    log(f"{dataset.name}: {images}; {predictor.folder.name}, {predictor.runtime}")
    evaluation = evaluate_predictor(
        predictor, dataset, max_dets=max_dets, workers=workers, progress=progress
    )
    if save is not None:
        with open_output(save, "w") as file:
            file.write(json_text(evaluation.results(), indent=None))
    return evaluation


def evaluate_files(
    ground_truth: str | Path,
    predictions: str | Path,
    *,
    iou_type: str = "bbox",
    max_dets: int | None = None,
) -> dict[str, float]:
    """COCO's metrics of a results file, as pycocotools computes them.

    Args:
        ground_truth: a file of COCO ground truth.
        predictions: a file of COCO results, a list of detections.
        iou_type: what is compared: "bbox", "segm" (masks) or "keypoints".
        max_dets: the largest number of detections an image that count, also in AP; by default
            COCO's number.

    Returns:
        {"AP": ..., "AP50": ..., ...}; -1 where there is no ground truth.

    Raises:
        AnnotationError: an entry of one of the files is invalid.
        UsageError: an unknown iou_type.
    """
    if iou_type not in BY_IOU_TYPE:
        raise UsageError(f"unknown iou_type {iou_type!r}", hint="one of " + ", ".join(BY_IOU_TYPE))
    limits = BY_IOU_TYPE[iou_type].caps(max_dets)
    try:
        known = ground_truth_from_coco(read_json(ground_truth), iou_type)
    except TapetumError as error:
        raise _named(error, ground_truth) from error
    try:
        found = detections_from_coco(read_json(predictions), known, iou_type)
    except TapetumError as error:
        raise _named(error, predictions) from error
    return with_metrics(evaluate_detections(known, found, limits, iou_type=iou_type)).stats


def _named(error: TapetumError, file: str | Path) -> AnnotationError:
    """The same error with the file's name, which a reader of parsed JSON does not know."""
    file = error.file or file
    return AnnotationError(error.why, file=file, where=error.where, hint=error.hint)
