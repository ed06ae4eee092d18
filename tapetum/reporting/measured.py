"""What a report measures beside the metrics: data for thresholds, time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tapetum.base.memory import peak_memory
from tapetum.base.progress import Log, Progress
from tapetum.base.words import count_of
from tapetum.data.dataset import Dataset
from tapetum.data.reading.files import FileDataset
from tapetum.data.reading.samples import IN_PYTHON, SampleDataset
from tapetum.inference.evaluating import evaluate_predictor
from tapetum.inference.evaluation_data import evaluation_dataset
from tapetum.inference.predictor import Predictor
from tapetum.runs.record import read_run
from tapetum.structures import Model
from tapetum.tasks import Evaluation


def evaluation_for_thresholds(
    predictor: Predictor,
    folder: Path,
    split: str | None,
    shown: Dataset,
    evaluation: Evaluation,
    progress: Progress,
    log: Log,
) -> tuple[str, Evaluation]:
    """What thresholds are chosen on, and the model's answers there: the images that the run was
    validated on, else those that are shown and measured already."""
    record = read_run(folder)
    if not record.options.validate or record.options.data == IN_PYTHON:
        return split_name(shown, split or "test"), evaluation
    # Images in a place of their own are all for validation, which is what no split means there.
    split_of_run = "val" if record.options.val is None else None
    dataset = evaluation_dataset(folder, None, split_of_run, predictor.task.name)
    name = split_name(dataset, "val")
    if name == split_name(shown, split or "test"):
        return name, evaluation
    log(f"choosing thresholds: {name}, {count_of(len(dataset), 'image')}")
    workers = record.settings.workers
    val_evaluation = evaluate_predictor(predictor, dataset, workers=workers, progress=progress)
    return name, val_evaluation


def split_name(dataset: Dataset, split: str) -> str:
    """Data and split, as in "photos/val"; what is drawn rather than read has no split in its
    name."""
    named = isinstance(dataset, FileDataset | SampleDataset)
    return dataset.name if named else f"{dataset.name}/{split}"


def explainable(model: Model[Any]) -> bool:
    """Can Grad-CAM, which reports show, look into this model?"""
    return model.differentiable and bool(model.explain_layers())


def resources(history: list[dict[str, Any]]) -> dict[str, Any]:
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
