"""Numbers: of a run on a dataset, or of a results file beside its truth."""

from __future__ import annotations

from pathlib import Path

from tapetum.base.download import Bar, no_bar
from tapetum.base.errors import AnnotationError, TapetumError, UsageError
from tapetum.base.files import json_text, read_json
from tapetum.base.outputs import open_output, refuse_output
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.data.dataset import Dataset
from tapetum.data.reading.files import FileDataset, is_scenes, open_dataset
from tapetum.data.reading.places import absolute
from tapetum.data.reading.samples import (
    IN_PYTHON,
    Samples,
    is_custom_data,
    open_custom_to_evaluate,
    open_samples,
)
from tapetum.data.reading.training_data import (
    DataSpec,
    annotations_of,
    in_files,
    open_validation,
)
from tapetum.data.reading.views import RemappedClasses
from tapetum.data.splits.assign import available
from tapetum.data.splits.split_file import read_parts, with_parts
from tapetum.evaluation.coco import detections_from_coco, ground_truth_from_coco
from tapetum.evaluation.detection import evaluate_detections
from tapetum.inference.custom_code import DATA, named_by_user, refuse_code_of_run
from tapetum.inference.predictor import Predictor, load
from tapetum.runs.record import is_run, read_run
from tapetum.tasks import Evaluation, Watch
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
    """Measure a run on a split of its own data, or on other data; or a published network on data.

    data: its classes must be among the model's, by name. "FILE.py:FUNCTION", which must be said
        where the run's own data is code that was never named here, or has changed since. model,
        weights, bar: as for `load`.
    split: by default of the run's own data "test" where it has one, else "val"; of other data all,
        of scenes "test". precision: "auto" is fp32.
    max_dets: most detections an image that count, by default COCO's number.
    save: a file for the predictions; those of detectors are COCO results, and evaluating them
        gives the same numbers.
    workers: processes that read images.

    Raises:
        UsageError: a class that the model does not know, a wrong word, or `save` would replace a
            file, or lie among the data.
    """
    if workers < 0:
        raise UsageError(f"must be 0 or more, got {workers}", option="workers")
    named_by_user(data)
    if save is not None:
        refuse_output(save, inside=_folders_read(Path(run), data))
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
        raise UsageError(f"{run} is a network: on which data?", hint="tapetum evaluate NAME DATA")
    dataset = evaluation_dataset(Path(run), data, split, predictor.task.name, log)
    log(f"{dataset.name}: {len(dataset)} images; {predictor.folder.name}, {predictor.runtime}")
    evaluation = evaluate_predictor(
        predictor, dataset, max_dets=max_dets, workers=workers, progress=progress
    )
    if save is not None:
        with open_output(save, "w") as file:
            file.write(json_text(evaluation.results(), indent=None))
    return evaluation


def _folders_read(run: Path, data: str | Path | Samples | None) -> list[str]:
    """Where the images and annotations that are measured on may lie."""
    if data is None and is_run(run):
        record = read_run(run)
        places = [record.options.data, record.options.val]
    else:
        places = [str(data) if isinstance(data, str | Path) else None]
    return [place for place in places if place is not None and in_files(place)]


def evaluate_predictor(
    predictor: Predictor,
    dataset: Dataset,
    *,
    max_dets: int | None = None,
    workers: int = 0,
    progress: Progress = no_progress,
) -> Evaluation:
    """The same for a model at hand.

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


def evaluate_files(
    ground_truth: str | Path,
    predictions: str | Path,
    *,
    iou_type: str = "bbox",
    max_dets: int | None = None,
) -> dict[str, float]:
    """COCO's numbers of a results file: pycocotools without pycocotools.

    ground_truth: COCO ground truth. predictions: COCO results, a list of detections.
    iou_type: what is compared: "bbox", "segm" (masks) or "keypoints".
    max_dets: most detections an image that count, also in AP; COCO's number by default.

    Raises:
        AnnotationError: one of the files is not what it should be, naming the entry.
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
    return evaluate_detections(known, found, limits, iou_type=iou_type).stats


def evaluation_dataset(
    run: Path, data: str | Path | Samples | None, split: str | None, task: str, log: Log = no_log
) -> Dataset:
    """The images that a run is measured on: those asked for, else its own test or val split.

    task: one of `tapetum.structures.TASKS`. say: is told if the model may
    have learnt from them.
    """
    if isinstance(data, str | Path) and not _is_custom(run, str(data)):
        return open_dataset(data, split or ("test" if is_scenes(data) else "all"), task=task)
    if data is not None and not isinstance(data, str | Path):
        return _samples(run, data, split, task, log)
    record = read_run(run)
    refuse_code_of_run(
        record.options.data if split or record.options.val is None else record.options.val,
        DATA,
        run,
    )
    if split is None and record.options.val is not None:
        return open_validation(DataSpec.of(record), task)[0]
    if is_custom_data(record.options.data) and split is None:
        return open_custom_to_evaluate(record.options.data, task=task)
    if not in_files(record.options.data):
        return open_dataset(record.options.data, split or "test", task=task)
    annotations, _ = annotations_of(DataSpec.of(record), task)
    if (names := read_parts(run)) is not None:
        annotations, changes = with_parts(annotations, names)
        for words in changes:
            log(words)
    if split is None:
        split = "test" if "test" in available(annotations) else "val"
        if split == "val" and not record.options.validate:
            log("nothing was held out of this training: it may have seen these images")
    return FileDataset(annotations, split, task=task)


def _is_custom(run: Path, data: str) -> bool:
    """Are these words for the data that the run learnt from and held images out of?"""
    if not is_run(run):
        return False
    record = read_run(run)
    return record.options.val is None and record.options.data == absolute(data)


def _samples(run: Path, data: Samples, split: str | None, task: str, log: Log) -> Dataset:
    """Samples in Python. As many as a run was given are taken for its own, which have a held-out
    part; this is said."""
    record = read_run(run) if is_run(run) else None
    names = getattr(data, "classes", None) or (record.classes if record else None)
    if split is None and record is not None and record.options.data == IN_PYTHON:
        counts = record.counts.get("images", {})
        if "val" in counts and sum(counts.values()) == len(data):
            log(f"as many samples as the run was given: the {counts['val']} that it held out count")
            split = "val"
    return open_samples(data, split or "all", names, task=task)


def _named(error: TapetumError, file: str | Path) -> AnnotationError:
    """The same complaint with the file's name, which a reader of parsed JSON does not know."""
    file = error.file or file
    return AnnotationError(error.why, file=file, where=error.where, hint=error.hint)
