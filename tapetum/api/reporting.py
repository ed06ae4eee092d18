"""RUN/report.html: one file that tells the whole run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tapetum.api.measuring import evaluate_predictor, evaluation_dataset
from tapetum.base.files import write_json
from tapetum.base.memory import peak_memory
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.data.dataset import Dataset
from tapetum.data.reading.files import FileDataset
from tapetum.data.reading.samples import IN_PYTHON, SampleDataset, Samples
from tapetum.inference.custom_code import named_again
from tapetum.inference.predictor import Predictor, load
from tapetum.inference.thresholds import chosen_thresholds, write_thresholds
from tapetum.reporting import write_report
from tapetum.reporting.sections import Run
from tapetum.reporting.tasks import gather
from tapetum.runs.history import read_history
from tapetum.runs.record import read_run
from tapetum.structures import Target
from tapetum.tasks.detection import DetectionEvaluation

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
    """Measure a run and write RUN/report.html, whose path is returned, and RUN/evaluation.json.

    data: the samples to show, of a run on samples in Python. model, data: "FILE.py:FUNCTION", code
        of the run that must be named where it was never named here, or has changed since.
    split: the images to show; by default "test" where the data has one, else "val".

    Of a detector also RUN/thresholds.json, which `predict` goes by: for each class the score of the
    best F1. They are chosen on what the run was validated on, whatever is shown, because images
    that have chosen the thresholds would flatter them; on the images shown only where nothing was
    held out.
    """
    folder = Path(run)
    record, history = read_run(folder), read_history(folder)
    named_again(record, folder, None, data)
    predictor = load(folder, model=model, device=device, log=log)
    samples = None if isinstance(data, str) else data
    dataset = evaluation_dataset(folder, samples, split, predictor.task.name, log)
    log(f"{dataset.name}: {len(dataset)} images; {predictor.folder.name}, {predictor.runtime}")
    started = time.perf_counter()
    workers = record.settings.workers  # as many as the training had
    evaluation = evaluate_predictor(predictor, dataset, workers=workers, progress=progress)
    per_image = (time.perf_counter() - started) / max(1, len(dataset))

    thresholds, chosen_on = None, ""
    if isinstance(evaluation, DetectionEvaluation):
        chosen_on, judged = _judged_to_choose(
            predictor, folder, split, dataset, evaluation, progress, log
        )
        thresholds = chosen_thresholds(judged)
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
        resources=_resources(history) | {"an image": f"{1000 * per_image:.0f} ms"},
        folder=folder,
        thresholds=thresholds,
        chosen_on=chosen_on,
    )
    write_report(folder / FILE, gather(predictor.task.name, shown, evaluation))
    return folder / FILE


def _judged_to_choose(
    predictor: Predictor,
    folder: Path,
    split: str | None,
    shown: Dataset,
    evaluation: DetectionEvaluation,
    progress: Progress,
    log: Log,
) -> tuple[str, DetectionEvaluation]:
    """What thresholds are chosen on, and the model's answers there: the images that the run was
    validated on, else those that are shown and measured already."""
    record = read_run(folder)
    if not record.options.validate or record.options.data == IN_PYTHON:
        return _split_name(shown, split or "test"), evaluation
    # Images in a place of their own are all for validation, which is what no split means there.
    own = "val" if record.options.val is None else None
    held = evaluation_dataset(folder, None, own, predictor.task.name)
    name = _split_name(held, "val")
    if name == _split_name(shown, split or "test"):
        return name, evaluation
    log(f"choosing thresholds: {name}, {len(held)} images")
    workers = record.settings.workers
    judged = evaluate_predictor(predictor, held, workers=workers, progress=progress)
    assert isinstance(judged, DetectionEvaluation)  # it is the same task
    return name, judged


def _split_name(dataset: Dataset, split: str) -> str:
    """Data and split, as in "photos/val"; what is drawn rather than read has no split in its
    name."""
    named = isinstance(dataset, FileDataset | SampleDataset)
    return dataset.name if named else f"{dataset.name}/{split}"


def explainable(model: nn.Module) -> bool:
    """Can Grad-CAM, which reports show, look into this model?"""
    return bool(model.differentiable) and bool(model.explain_layers())  # type: ignore[operator]


def _resources(history: list[dict[str, Any]]) -> dict[str, Any]:
    """What the training cost, from its log."""
    steps = [row for row in history if row["event"] == "step"]
    seconds = sum(row["seconds"] for row in steps)
    looking = sum(row["evaluation_seconds"] for row in history if row["event"] == "evaluation")
    waiting = sum(row["data_wait"] for row in steps)
    found = {
        "steps": len(steps),
        "training": f"{seconds / 60:.1f} min",
        "evaluating": f"{looking / 60:.1f} min",
        "waiting for data": f"{100 * waiting / seconds:.0f} %" if seconds else "-",
    }
    memory = peak_memory()
    return found | ({"memory of this process": str(memory)} if memory else {})
