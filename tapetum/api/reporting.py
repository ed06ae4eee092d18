"""RUN/report.html: one file that tells the whole run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tapetum.api.loaded import Loaded, load
from tapetum.api.measuring import evaluation_dataset, measure_loaded
from tapetum.api.own import named_again
from tapetum.api.thresholds import chosen_thresholds, write_thresholds
from tapetum.base.files import write_json
from tapetum.base.memory import peak_memory
from tapetum.base.progress import Progress, Say, silent, unseen
from tapetum.data.dataset import Dataset
from tapetum.data.files import FileDataset
from tapetum.data.sequence import IN_PYTHON, SampleDataset, Samples
from tapetum.reporting import write_report
from tapetum.reporting.gather import gather
from tapetum.reporting.run import Run
from tapetum.structures import Target
from tapetum.tasks.detection import DetectionMeasured
from tapetum.training.history import read_history
from tapetum.training.run import read_run

FILE, NUMBERS = "report.html", "evaluation.json"


def report(
    run: str | Path,
    data: Samples | str | None = None,
    *,
    split: str | None = None,
    model: str | None = None,
    device: str = "auto",
    progress: Progress = unseen,
    say: Say = silent,
) -> Path:
    """Measure a run and write RUN/report.html, whose path is returned, and RUN/evaluation.json.

    data: the samples to show, of a run on samples in Python. model, data: "FILE.py:FUNCTION", code
        of the run that must be named where it was never named here, or has changed since.
    split: the pictures to show; by default "test" where the data has one, else "val".

    Of a detector also RUN/thresholds.json, which `predict` goes by: for each class the score of the
    best F1. They are chosen on what the run was validated on, whatever is shown, because pictures
    that have chosen the thresholds would flatter them; on the pictures shown only where nothing was
    held out.
    """
    folder = Path(run)
    record, history = read_run(folder), read_history(folder)
    named_again(record, folder, None, data)
    loaded = load(folder, model=model, device=device, say=say)
    samples = None if isinstance(data, str) else data
    dataset = evaluation_dataset(folder, samples, split, loaded.task.need, say)
    say(f"{dataset.name}: {len(dataset)} pictures; {loaded.folder.name}, {loaded.runtime}")
    started = time.perf_counter()
    workers = record.settings.workers  # as many as the training had
    measured = measure_loaded(loaded, dataset, workers=workers, progress=progress)
    per_picture = (time.perf_counter() - started) / max(1, len(dataset))

    thresholds, chosen_on = None, ""
    if isinstance(measured, DetectionMeasured):
        chosen_on, judged = _judged_to_choose(
            loaded, folder, split, dataset, measured, progress, say
        )
        thresholds = chosen_thresholds(judged)
        write_thresholds(folder, loaded, thresholds, chosen_on)

    def explain(picture: Tensor, target: Target) -> Tensor:
        return loaded.explain(picture, target)

    numbers = {"data": dataset.name, "checkpoint": loaded.folder.name, **measured.stats}
    write_json(folder / NUMBERS, numbers)
    shown = Run(
        record=record,
        history=history,
        dataset=dataset,
        model=loaded.model,
        predict=lambda picture: loaded.answers([picture])[0],
        explain=explain if explainable(loaded.model) else None,
        checkpoint=f"{loaded.folder.name} (the best)",
        resources=_resources(history) | {"a picture": f"{1000 * per_picture:.0f} ms"},
        folder=folder,
        thresholds=thresholds,
        chosen_on=chosen_on,
    )
    write_report(folder / FILE, gather(loaded.task.name, shown, measured))
    return folder / FILE


def _judged_to_choose(
    loaded: Loaded,
    folder: Path,
    split: str | None,
    shown: Dataset,
    measured: DetectionMeasured,
    progress: Progress,
    say: Say,
) -> tuple[str, DetectionMeasured]:
    """What thresholds are chosen on, and the model's answers there: the pictures that the run was
    validated on, else those that are shown and measured already."""
    record = read_run(folder)
    if not record.validate or record.data == IN_PYTHON:
        return _split_name(shown, split or "test"), measured
    # Pictures in a place of their own are all for validation, which is what no split means there.
    own = "val" if record.val is None else None
    held = evaluation_dataset(folder, None, own, loaded.task.need)
    name = _split_name(held, "val")
    if name == _split_name(shown, split or "test"):
        return name, measured
    say(f"choosing thresholds: {name}, {len(held)} pictures")
    workers = record.settings.workers
    judged = measure_loaded(loaded, held, workers=workers, progress=progress)
    assert isinstance(judged, DetectionMeasured)  # it is the same task
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
