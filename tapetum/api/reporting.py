"""RUN/report.html: one file about the whole run."""

from __future__ import annotations

import time
from pathlib import Path

from torch import Tensor

from tapetum.base.files import write_json
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.base.words import count_of
from tapetum.data.reading.samples import Samples
from tapetum.inference.custom_code import named_again
from tapetum.inference.evaluating import evaluate_predictor
from tapetum.inference.evaluation_data import evaluation_dataset
from tapetum.inference.predictor import load
from tapetum.inference.thresholds import chosen_thresholds, write_thresholds
from tapetum.reporting import write_report
from tapetum.reporting.measured import evaluation_for_thresholds, explainable, resources
from tapetum.reporting.sections import Run
from tapetum.reporting.tasks import gather
from tapetum.runs.history import read_history
from tapetum.runs.record import read_run
from tapetum.structures import Target

FILE, NUMBERS = "report.html", "evaluation.json"


def report(
    run: str | Path,
    data: Samples | str | None = None,
    *,
    split: str | None = None,
    model: str | None = None,
    device: str = "auto",
    progress: Progress = no_progress,
    log: Log = no_log,
) -> Path:
    """Measure a run and write RUN/report.html and RUN/evaluation.json.

    Of a detector also RUN/thresholds.json, which `predict_files` uses: for each class the score of
    the best F1. They are chosen on the validation images of the run, whichever images are shown,
    because metrics on the images that chose the thresholds are too high; on the images shown only
    where none were held out.

    Args:
        run: the run folder.
        data: the samples to show, of a run on samples in Python; or, as `model`, code of the run.
        split: the images to show; by default "test" where the data has one, else "val".
        model: "FILE.py:FUNCTION", code of the run that must be named where it was never named on
            this machine, or has changed since.
        device: "auto", "cpu", "cuda", ...
        progress: shows how far it is.
        log: is called with each line about the work.

    Returns:
        The page.

    Raises:
        CheckpointError: no run, damaged, or with code that must be named first.
    """
    folder = Path(run)
    record, history = read_run(folder), read_history(folder)
    named_again(record, folder, None, data)
    predictor = load(folder, model=model, device=device, log=log)
    samples = None if isinstance(data, str) else data
    dataset = evaluation_dataset(folder, samples, split, predictor.task.name, log)
    images = count_of(len(dataset), "image")
    log(f"{dataset.name}: {images}; {predictor.folder.name}, {predictor.runtime}")
    started = time.perf_counter()
    workers = record.settings.workers  # as many as the training had
    evaluation = evaluate_predictor(predictor, dataset, workers=workers, progress=progress)
    per_image = (time.perf_counter() - started) / max(1, len(dataset))

    thresholds, chosen_on = None, ""
    if predictor.task.has_thresholds:
        chosen_on, val_evaluation = evaluation_for_thresholds(
            predictor, folder, split, dataset, evaluation, progress, log
        )
        thresholds = chosen_thresholds(val_evaluation)
        write_thresholds(folder, predictor, thresholds, chosen_on)

    def explain(image: Tensor, target: Target) -> Tensor:
        return predictor.explain(image, target)

    numbers = {"data": dataset.name, "checkpoint": predictor.folder.name, **evaluation.stats}
    write_json(folder / NUMBERS, numbers)
    shown = Run(
        record=record,
        history=history,
        dataset=dataset,
        model=predictor.model,
        predict=lambda image: predictor.predictions([image])[0],
        explain=explain if explainable(predictor.model) else None,
        checkpoint=f"{predictor.folder.name} (the best)",
        resources=resources(history) | {"an image": f"{1000 * per_image:.0f} ms"},
        folder=folder,
        thresholds=thresholds,
        chosen_on=chosen_on,
    )
    write_report(folder / FILE, gather(predictor.task.name, shown, evaluation))
    return folder / FILE
